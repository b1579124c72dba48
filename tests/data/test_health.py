"""Five hundred clips with planted faults: what the health check finds, and what it takes for a fault that is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.core.audio import Samples, load
from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.data import health, terms
from wakewright.data.corpus import CORPORA
from wakewright.data.faults import Fault, Finding
from wakewright.data.voices import engine_named, plan, speak_all
from wakewright.evaluate import health_page

PHRASE = "hey katya"
SENTENCES = (
    "the kettle is on and the bread is cut",
    "we will leave at seven in the morning",
    "turn the lights off and lock the door",
    "please call her back tomorrow",
    "what a lovely garden you have",
    "heavy trucks rolled down the street",
    "there was nobody in the house",
    "my brother lives in another town",
)
HOLDING = ("please tell me hey katya is here", "and then hey katya where did it go")
LOSSY = (("ogg", "OGG", "VORBIS"), ("wav", "WAV", "PCM_U8"), ("wav", "WAV", "ULAW"), ("mp3", "MP3", "MPEG_LAYER_III"))


@dataclasses.dataclass(frozen=True)
class Planted:
    """The set, and what is wrong with it."""

    parts: list[health.Part]
    singles: dict[str, Fault]
    """Path of a clip with a fault of its own."""
    pairs: dict[frozenset[str], Fault]
    """Two clips that are one recording."""
    leaking: set[str]
    """Speakers in two parts."""

    @property
    def faults(self) -> int:
        return len(self.singles) + len(self.pairs) + len(self.leaking)


def said(texts: tuple[str, ...], count: int, kind: Kind, seed: int) -> list[Clip]:
    utterances = plan(
        list(texts), count, [engine_named("espeak")], Recipe(phrase=PHRASE), np.random.default_rng(seed)
    )
    return list(speak_all(utterances, kind, workers=1))


class Writer:
    """Writes clips into a folder and remembers them by part."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.parts = folder, dict[str, list[Clip]](train=[], test=[])

    def write(
        self,
        clip: Clip,
        samples: Samples,
        how: tuple[str, str, str] = ("wav", "WAV", "PCM_16"),
        part: str = "train",
        speaker: str = "",
    ) -> str:
        number = sum(map(len, self.parts.values()))
        path = self.folder / f"{number:03d}.{how[0]}"
        soundfile.write(path, np.clip(samples, -1.0, 1.0), 16_000, format=how[1], subtype=how[2])
        # one speaker a clip, so that none leaks but those that are meant to
        kept = dataclasses.replace(clip, path=str(path), speaker=speaker or f"p{number}", source="planted")
        self.parts[part].append(kept)
        return str(path)


def cut_at_full_level(samples: Samples, rng: np.random.Generator) -> Samples:
    """Speech that is cut off where it is loud."""
    power = samples[: len(samples) // 160 * 160].reshape(-1, 160).var(axis=1)
    middle = np.arange(len(power) * 2 // 5, len(power) * 3 // 4)
    loud = middle[power[middle] > np.percentile(power, 90) / 2]
    return samples[: int(rng.choice(loud)) * 160 + 80]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Planted:
    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(11)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
        clips = said((PHRASE,), 85, "positive", 1) + said(SENTENCES, 360, "speech", 2)
        holding = said(HOLDING, 5, "speech", 3)
    writer = Writer(folder)
    singles: dict[str, Fault] = {}
    pairs: dict[frozenset[str], Fault] = {}
    leaking = set()
    order = rng.permutation(len(clips))
    chosen = [clips[int(i)] for i in order]

    def damage(count: int, fault: Fault, change: Callable[[Samples], Samples], kinds: tuple[Kind, ...]) -> None:
        for _ in range(count):
            clip = next(c for c in chosen if c.kind in kinds)
            chosen.remove(clip)
            singles[writer.write(clip, change(load(clip.path)))] = fault

    damage(5, "clipped", lambda s: s * np.float32(2.5 / np.abs(s).max()), ("positive", "speech"))
    damage(5, "clipped", lambda s: np.clip(s * np.float32(1.5 / np.abs(s).max()), -0.5, 0.5), ("positive", "speech"))
    damage(5, "silent", lambda s: np.zeros_like(s), ("positive", "speech"))
    damage(5, "silent", lambda s: rng.normal(0, 3e-4, len(s)).astype(np.float32), ("positive", "speech"))
    damage(10, "truncated", lambda s: cut_at_full_level(s, rng), ("positive",))
    for clip in holding:
        singles[writer.write(clip, load(clip.path))] = "holds_phrase"
    for i, clip in enumerate(chosen[:20]):
        first = writer.write(clip, load(clip.path))
        how = ("flac", "FLAC", "PCM_16") if i % 2 else ("wav", "WAV", "PCM_16")
        pairs[frozenset({first, writer.write(clip, load(first), how)})] = "duplicate"
    for i, clip in enumerate(chosen[20:40]):
        first = writer.write(clip, load(clip.path))
        copy = load(clip.path) * np.float32(rng.uniform(0.4, 0.9))
        if i % 3 == 0:
            copy = copy[int(rng.integers(100, 500)) :]
        pairs[frozenset({first, writer.write(clip, copy, LOSSY[i % 4])})] = "near_duplicate"
    for i, clip in enumerate(chosen[40:]):
        part = "test" if i % 8 == 0 else "train"
        leaks = i // 8 if i < 40 and i % 8 < 2 else None  # one of the speaker's clips in test, another in train
        speaker = "" if leaks is None else f"leaking {leaks}"
        leaking |= {speaker} - {""}
        writer.write(clip, load(clip.path), part=part, speaker=speaker)
    parts = [
        health.Part(name, Manifest(tuple(part)), folder / f"{name}.journal.jsonl")
        for name, part in writer.parts.items()
    ]
    return Planted(parts, singles, pairs, leaking)


def test_planted_faults_are_found_and_little_else(planted: Planted, tmp_path: Path) -> None:
    assert sum(len(part.clips) for part in planted.parts) >= 490
    assert planted.faults == 20 + 20 + 10 + 10 + 10 + 5 + 5
    found = health.check(planted.parts, tmp_path, Progress(quiet=True), workers=1)
    speakers = {c.path: c.speaker for part in planted.parts for c in part.clips}

    def explained(finding: Finding) -> object:
        """Which planted fault a finding is; None for none."""
        pair = frozenset({finding.path, finding.other})
        if planted.pairs.get(pair) == finding.fault:
            return pair
        if finding.fault == "speaker_leak" and speakers[finding.path] in planted.leaking:
            return speakers[finding.path]
        if planted.singles.get(finding.path) == finding.fault:
            return finding.path
        # a word that is cut off is of course not like the others
        cut = finding.fault == "unlike_others" and planted.singles.get(finding.path) == "truncated"
        return "another name for it" if cut else None

    told = {finding: explained(finding) for finding in found.findings}
    seen = set(told.values()) & ({*planted.pairs, *planted.leaking, *planted.singles})
    missed = [f for f in ({*planted.pairs, *planted.leaking, *planted.singles}) if f not in seen]
    false = [finding for finding, fault in told.items() if fault is None]
    assert len(missed) <= 2, [(m, planted.singles.get(str(m)) or planted.pairs.get(m)) for m in missed]  # type: ignore[call-overload]
    assert len(false) <= 5, "\n".join(f"{f.fault} {f.path} {f.detail}" for f in false)
    assert found.clips == sum(len(part.clips) for part in planted.parts)


def member(kind: Kind = "speech", **fields: object) -> Clip:
    return dataclasses.replace(Clip(path="", kind=kind, seconds=1.0), **fields)  # type: ignore[arg-type]


def look(tmp_path: Path, clips: list[tuple[Clip, Samples]], rate: int = 16_000, **how: object) -> health.Health:
    """The health of a handful of clips, in one part unless `source` says which."""
    parts: dict[str, list[Clip]] = {}
    for i, (clip, samples) in enumerate(clips):
        path = tmp_path / "clips" / f"{i}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, samples, rate, subtype="FLOAT")
        name = clip.source or "all"
        parts.setdefault(name, []).append(dataclasses.replace(clip, path=str(path)))
    return health.check(
        [
            health.Part(name, Manifest(tuple(mine)), tmp_path / f"{name}.journal.jsonl")
            for name, mine in parts.items()
        ],
        tmp_path,
        Progress(quiet=True),
        workers=1,
        **how,  # type: ignore[arg-type]
    )


def noise(seconds: float = 1.0, level: float = 0.1, seed: int = 0) -> Samples:
    """Hiss that swells and fades, so that neither edge is loud."""
    size = round(seconds * 16_000)
    drawn = np.random.default_rng(seed).standard_normal(size) * level * np.sin(np.pi * np.arange(size) / size)
    return drawn.astype(np.float32)


def faults_of(found: health.Health) -> dict[str, str]:
    return {Path(f.path).stem: f.fault for f in found.findings}


def test_each_limit_is_told_with_its_figure(tmp_path: Path) -> None:
    steady = np.random.default_rng(1).standard_normal(16_000).astype(np.float32) * np.float32(0.1)
    found = look(
        tmp_path,
        [
            (member("positive"), noise(0.1)),
            (member("positive"), noise(11.0)),
            (member(), noise() + np.float32(0.03)),
            (member(), steady),
            (member("rir"), np.zeros(1600, np.float32)),
            (member("noise"), steady[::-1].copy()),
        ],
    )
    assert faults_of(found) == {"0": "too_short", "1": "too_long", "2": "dc_offset", "3": "low_snr"}
    told = {f.fault: f.detail for f in found.findings}
    assert told["too_short"] == "0.10 s, where a positive has 0.2 at least"
    assert told["too_long"] == "11.0 s, where a positive has 10 at most"
    assert told["dc_offset"] == "+3.0 % of full scale"
    assert told["low_snr"].startswith("its loud parts are ")


def test_a_word_in_a_long_silence_is_not_silent_and_a_click_is(tmp_path: Path) -> None:
    word, click = np.zeros((2, 6 * 16_000), np.float32)
    word[40_000:46_400] = noise(0.4)
    click[40_000:40_080] = 0.5
    found = look(tmp_path, [(member("positive"), word), (member("positive"), click), (member("noise"), word)])
    assert faults_of(found) == {"1": "silent", "2": "duplicate"}


def test_a_lower_rate_and_too_few_clips_are_notes_and_no_faults(tmp_path: Path) -> None:
    found = look(tmp_path, [(member("positive"), noise()), (member(), noise(seed=1))], rate=8_000)
    assert found.findings == ()
    assert found.notes[0].startswith(
        "1 clips of other speech to 1 of the phrase, 1 to 1.0: 1 to 5 or more is advised"
    )
    assert found.notes[1].startswith("too few clips to tell what the phrase sounds like: 1 positives and 1 others")
    assert found.notes[2].startswith("2 of 2 recordings have less than 16,000 Hz")
    assert [(a.kind, a.clips, a.speakers) for a in found.amounts] == [("positive", 1, 1), ("speech", 1, 1)]
    assert look(tmp_path / "clips", [(member(), noise())], rate=48_000).notes == (
        "there is no clip of the phrase",
        "too few clips to tell what the phrase sounds like: 0 positives and 1 others, 20 of each are needed",
        "1 of 1 recordings have more than 16,000 Hz: they are brought down as they are read",
    )


def test_licences_are_counted_and_faults_only_when_asked(tmp_path: Path) -> None:
    clips = [
        (member(licence=licence), noise(seed=i))
        for i, licence in enumerate(
            ("CC-BY-4.0", "CC BY-NC-SA 4.0", "", "non-commercial use", "Apache-2.0", "CC0-1.0")
        )
    ]
    assert look(tmp_path, clips).findings == ()
    found = look(tmp_path, clips, commercial_only=True)
    assert {Path(f.path).stem: f.detail for f in found.findings} == {
        "1": "CC BY-NC-SA 4.0",
        "2": "not known",
        "3": "non-commercial use",
    }
    assert dict(found.licences)["CC0-1.0"] == 1


@pytest.mark.parametrize(
    ("licence", "detail"),
    [
        ("cc_by_nc_4.0", "cc_by_nc_4.0"),
        ("Not for commercial use", "Not for commercial use"),
        ("MBROLA diphones, not to be sold", "MBROLA diphones, not to be sold"),
        ("unknown", "not known"),
        (terms.UNSTATED, "not known"),
        *((corpus.licence, "not known") for corpus in CORPORA.values() if corpus.name in ("mit-rirs", "fma")),
    ],
)
def test_a_licence_is_understood_however_it_is_written(licence: str, detail: str, tmp_path: Path) -> None:
    found = look(tmp_path, [(member(licence=licence), noise())], commercial_only=True)
    assert [(f.fault, f.detail) for f in found.findings] == [("licence", detail)]


@pytest.mark.parametrize(
    "licence",
    [*sorted({c.licence for c in CORPORA.values() if c.commercial}), "BSD-3-Clause", "CC BY-SA 4.0", "Public domain"],
)
def test_a_licence_that_permits_selling_is_no_fault(licence: str, tmp_path: Path) -> None:
    assert look(tmp_path, [(member(licence=licence), noise())], commercial_only=True).findings == ()


def test_a_recording_in_two_parts_and_under_two_labels_is_told(tmp_path: Path) -> None:
    one = noise()
    found = look(
        tmp_path, [(member(source="train"), one), (member("positive", source="test"), one * np.float32(0.5))]
    )
    (leak,) = found.findings
    assert (leak.fault, leak.part) == ("recording_leak", "test")
    assert leak.detail.startswith("here it is positive, there speech; the same waveform (correlation 1.00)")


def left_of(found: health.Health, count: int) -> set[int]:
    """Which of the clips a quarantine would leave."""
    return set(range(count)) - {int(Path(f.path).stem) for f in found.findings}


def test_a_long_file_takes_none_of_its_takes_with_it(tmp_path: Path) -> None:
    takes = [noise(seed=i) for i in range(12)]
    gap = np.zeros(800, np.float32)
    joined = np.concatenate([part for take in takes for part in (take, gap)])
    found = look(tmp_path, [(member("positive"), samples) for samples in (*takes, joined)])
    assert {f.fault for f in found.findings if Path(f.path).stem == "12"} == {"too_long", "near_duplicate"}
    assert left_of(found, 13) == set(range(12))


def test_of_copies_one_without_another_fault_stays(tmp_path: Path) -> None:
    one, two = noise(level=0.15), noise(seed=1, level=0.15)
    clipped = np.clip(one * np.float32(4.0), -0.6, 0.6)
    longer = np.concatenate([two, np.zeros(8_000, np.float32)])
    said = member(text="so hey katya")
    clips = [(member(), one), (member(), clipped), (member(), one * np.float32(0.5)), (said, longer), (member(), two)]
    found = look(tmp_path, clips, phrase="hey katya")
    assert {"clipped", "holds_phrase"} <= {f.fault for f in found.findings}
    left = left_of(found, 5)
    assert len(left & {0, 2}) == 1
    assert left & {1, 3, 4} == {4}
    both = [(member(), clipped)] * 2
    (tmp_path / "both").mkdir()
    assert left_of(look(tmp_path / "both", both), 2) == set()


def test_a_text_that_holds_the_phrase_is_told_without_listening(tmp_path: Path) -> None:
    clips = [(member(text=text), noise(seed=i)) for i, text in enumerate(("Oh, hey Katya!", "whey katyas", "hey"))]
    assert faults_of(look(tmp_path, clips, phrase="hey katya")) == {"0": "holds_phrase"}
    assert look(tmp_path, clips).findings == ()


def test_a_judge_listens_in_place_of_the_likeness(tmp_path: Path) -> None:
    found = look(tmp_path, [(member(), noise()), (member("rir"), noise(seed=1))], asks=said_by_name)
    (finding,) = found.findings
    assert (finding.fault, finding.detail) == ("holds_phrase", "the Judge is 90 % sure, at 0.5 s")


def test_the_report_plays_a_long_recording_where_the_phrase_is_heard(tmp_path: Path) -> None:
    samples = np.zeros(60 * 16_000, np.float32)
    samples[:16_000], samples[40 * 16_000 : 41 * 16_000] = noise(level=0.2), noise(seed=1, level=0.2)
    found = look(tmp_path, [(member(), samples)], asks=said_at_forty)
    assert {f.fault for f in found.findings} == {"holds_phrase"}
    health_page.write(found, tmp_path / "report", "set")
    (sound,) = (tmp_path / "report" / "sounds").iterdir()
    heard = load(sound)
    assert len(heard) == 12 * 16_000
    np.testing.assert_allclose(heard, samples[34 * 16_000 : 46 * 16_000], atol=1e-4)


def said_at_forty(path: str) -> tuple[bool, float, float]:
    return True, 0.9, 40.0


def said_by_name(path: str) -> tuple[bool, float, float]:
    return path.endswith(".wav"), 0.9, 0.5


@pytest.mark.slow
def test_positives_that_are_another_word_are_found(tmp_path: Path, shared_cache: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
        right = said((PHRASE,), 85, "positive", 1)
        wrong = said(("good morning", "the kitchen"), 4, "positive", 9)
        others = said(SENTENCES, 360, "speech", 2)[:160]
    manifest = Manifest((*right, *wrong, *others))
    part = health.Part("all", manifest, tmp_path / "journal.jsonl")
    found = health.check([part], tmp_path, Progress(quiet=True), workers=1)
    odd = {f.path for f in found.findings if f.fault == "unlike_others"}
    assert len(odd & {c.path for c in wrong}) >= 2
    assert len(odd - {c.path for c in wrong}) <= 2
