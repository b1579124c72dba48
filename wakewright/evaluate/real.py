"""Recordings of real people as continuous streams: words with noise and without, and hours of everything else.

A folder to measure on holds `manifest.csv` (columns path, use, kind, label, corpus, speaker; only rows marked
`evaluate` are read), or sub-folders `positive`, `negative`, `noise` and `music`, each searched for audio, or speech
without the phrase and nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from wakewright.core import ground
from wakewright.core.audio import SAMPLE_RATE, Samples, duration, find_audio, load, rms
from wakewright.core.csvfile import columns_and_rows
from wakewright.core.engine import Workers, agreeing, map_work
from wakewright.core.errors import InputError
from wakewright.core.progress import Bar
from wakewright.data.scene import active_rms, word_bounds
from wakewright.detect.detector import Detector
from wakewright.detect.device_rule import DeviceRule
from wakewright.evaluate.metrics import Negatives, Scores, Span, Trial, collect_negatives, cut_trial

Measured = tuple[dict[str, list[Trial]], dict[str, Negatives]]
"""Trials by condition, negatives by kind."""

STREAM_S = 600.0
"""Length of a stream."""
GAP_WORDS_S, GAP_OTHERS_S = 2.0, 0.5
"""Pause before each recording."""
LEAD_S = 3.0
"""Start of a stream that nothing is measured in."""
FLOOR = 1e-4
"""RMS (-80 dBFS) of the hiss under everything: a microphone never gives digital silence."""
SPEECH_RMS = 0.05
"""Active level of the words where noise is mixed in (-26 dBFS)."""
FOLDERS = ("positive", "negative", "noise", "music")
"""Sub-folders of a folder without manifest.csv."""
COLUMNS = ("path", "use", "kind", "label", "corpus", "speaker")
"""Of manifest.csv; a column `accent` is read where there is one."""
SNRS_DB: tuple[float | None, ...] = (None, 10.0, 5.0)
"""Conditions the words are heard in; None is as recorded."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """One file to measure with."""

    path: str
    corpus: str
    speaker: str
    accent: str = ""
    """Where the table says."""


@dataclasses.dataclass(frozen=True)
class Material:
    """What a measurement is made of."""

    words: tuple[Recording, ...]
    """Recordings of the phrase."""
    others: Mapping[str, tuple[Recording, ...]]
    """Sound without it, by name of the kind."""
    noise: tuple[Recording, ...]
    """Noise to mix in."""


@dataclasses.dataclass(frozen=True)
class Stretch:
    """A stream to be put together: recordings one after another, over noise or not."""

    recordings: tuple[Recording, ...]
    gap_s: float
    seed: int
    snr_db: float | None = None
    noise: tuple[str, ...] = ()


class Timed(Protocol):
    """Whatever gives a score at each step of a stream."""

    hop_s: float
    first_step_s: float


class Ear(Timed, Protocol):
    """Anything that hears a whole stream: our detector, or another project's."""

    def hear(self, samples: Samples) -> Scores:
        """(n,) from a fresh start -> (steps,) smoothed scores."""
        ...


def read_material(folder: Path | str, phrase: str, *, apart: Sequence[str] = ()) -> Material:
    """What `folder` holds for this phrase; corpora named in `apart` become kinds of their own.

    With a manifest the recordings of other words count as speech, but for those whose label contains the phrase.
    Raises InputError when there is no speech without the phrase, AudioError for a folder without audio.
    """
    folder = Path(folder)
    table = folder / "manifest.csv"
    words, others, noise = _from_table(table, phrase, apart) if table.is_file() else _from_folders(folder)
    if not others.get("speech"):
        raise InputError(
            f"{folder} cannot measure {phrase!r}",
            got=f"{len(words)} recordings of it and no other speech",
            do="put recordings into negative/ below it, and into positive/ (noise/ and music/ are optional)",
        )
    return Material(tuple(words), {k: tuple(v) for k, v in others.items() if v}, tuple(noise))


def _from_folders(folder: Path) -> tuple[list[Recording], dict[str, list[Recording]], list[Recording]]:
    def inside(name: str) -> list[Recording]:
        place = folder / name
        files = find_audio(place) if place.is_dir() else []
        # a folder in it is a person, as in the folders that a run learns from; a file by itself stands for itself
        parts = [f.relative_to(place).parts for f in files]
        return [Recording(str(f), name, p[0]) for f, p in zip(files, parts, strict=True)]

    named = (p.name for p in folder.glob("*") if p.is_dir() and p.name not in FOLDERS)
    odd = sorted(name for name in named if name.casefold().removesuffix("s") in FOLDERS)
    if odd:
        raise InputError(
            f"{folder} has folders whose names are nearly those that are looked for",
            got=", ".join(odd),
            do=f"name them {', '.join(FOLDERS)}",
        )
    if not any((folder / name).is_dir() for name in ("positive", "negative")):
        speech = [Recording(str(f), folder.name, str(f)) for f in find_audio(folder)]
        return [], {"speech": speech}, []
    noise = inside("noise")
    return inside("positive"), {"speech": inside("negative"), "noise": noise, "music": inside("music")}, noise


def _from_table(
    table: Path, phrase: str, apart: Sequence[str]
) -> tuple[list[Recording], dict[str, list[Recording]], list[Recording]]:
    squeezed = "".join(phrase.casefold().split())
    words: list[Recording] = []
    others: dict[str, list[Recording]] = {"speech": [], "noise": [], "music": []}
    columns, rows = columns_and_rows(table)
    lacking = [name for name in COLUMNS if name not in columns]
    if lacking:
        raise InputError(
            f"{table} cannot be read",
            got=f"no column {', '.join(lacking)}",
            do="begin it with the line: " + ",".join(COLUMNS),
        )
    for row in (row for row in rows if row["use"] == "evaluate"):
        one = Recording(
            str(table.parent / row["path"]), row["corpus"], row["speaker"] or row["path"], row.get("accent") or ""
        )
        label = "".join(row["label"].casefold().split())
        if row["kind"] == "wake_word":
            if label == squeezed:
                words.append(one)
            elif squeezed not in label:
                others["speech"].append(one)
        elif row["corpus"] in apart:
            others.setdefault(row["corpus"], []).append(one)
        elif row["kind"] in others:
            others[row["kind"]].append(one)
    return words, others, others["noise"]


def stretches(
    recordings: Sequence[Recording],
    gap_s: float,
    *,
    seed: int = 0,
    snr_db: float | None = None,
    noise: Sequence[Recording] = (),
) -> list[Stretch]:
    """Lay recordings, in an order drawn from the seed, into streams of about ten minutes."""
    order = np.random.default_rng(seed).permutation(len(recordings))
    out: list[Stretch] = []
    group: list[Recording] = []
    length = LEAD_S
    for i in order:
        group.append(recordings[i])
        length += gap_s + duration(recordings[i].path)
        if length >= STREAM_S:
            out.append(Stretch(tuple(group), gap_s, seed + len(out), snr_db, tuple(n.path for n in noise)))
            group, length = [], LEAD_S
    if group:
        out.append(Stretch(tuple(group), gap_s, seed + len(out), snr_db, tuple(n.path for n in noise)))
    return out


def assemble(stretch: Stretch) -> tuple[Samples, list[tuple[int, int]]]:
    """(n,) float32 the stream, and first and one-past-last sample of each recording in it."""
    parts, places = [np.zeros(int(LEAD_S * SAMPLE_RATE), np.float32)], []
    at = len(parts[0])
    gap = np.zeros(int(stretch.gap_s * SAMPLE_RATE), np.float32)
    for recording in stretch.recordings:
        samples = load(recording.path)
        if stretch.snr_db is not None and (level := active_rms(samples)) > 0:
            samples = samples * np.float32(SPEECH_RMS / level)
        parts += [gap, samples]
        places.append((at + len(gap), at + len(gap) + len(samples)))
        at = places[-1][1]
    # a second behind the last word, so that its detection is heard too
    parts.append(np.zeros(3 * SAMPLE_RATE, np.float32))
    sound = np.concatenate(parts)
    rng = np.random.default_rng([stretch.seed, 5])
    if stretch.snr_db is not None:
        level = SPEECH_RMS / 10 ** (stretch.snr_db / 20)
        sound = sound + _bed(stretch.noise, len(sound), rng) * np.float32(level)
    sound = sound + rng.standard_normal(len(sound), np.float32) * np.float32(FLOOR)
    return np.clip(sound, -1.0, 1.0), places


def _bed(paths: Sequence[str], length: int, rng: np.random.Generator) -> Samples:
    """(length,) of noise files one after another, each brought to an RMS of 1."""
    if not paths:
        raise InputError("no noise to mix in", got="no file", do="put some into noise/")
    parts, have = [], 0
    while have < length:
        for i in rng.permutation(len(paths)):
            samples = load(paths[i])
            if (level := rms(samples)) > 1e-5:
                parts.append(samples / np.float32(level))
                have += len(samples)
    return np.concatenate(parts)[:length]


def hear_words(stretch: Stretch, ear: Ear) -> list[Trial]:
    """One trial per recording of a stream of words."""
    samples, places = assemble(stretch)
    return trials_of(stretch, ear, ear.hear(samples), word_places(stretch, places))


def word_places(stretch: Stretch, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """First and one-past-last sample of each word within the stream, by what is loud in its recording."""
    bounds = [word_bounds(load(recording.path)) for recording in stretch.recordings]
    return [(start + first, start + last) for (start, _), (first, last) in zip(places, bounds, strict=True)]


def trials_of(stretch: Stretch, ear: Timed, scores: Scores, words: Sequence[tuple[int, int]]) -> list[Trial]:
    """One trial per word of a stream that has been heard."""
    condition = condition_of(stretch)
    return [
        cut_trial(
            scores,
            ear.hop_s,
            first,
            last,
            first_step_s=ear.first_step_s,
            source=recording.path,
            clip=recording.path,
            groups={"speaker": recording.speaker}
            | ({"accent": recording.accent} if recording.accent else {})
            | {"corpus": recording.corpus, "condition": condition},
        )
        for recording, (first, last) in zip(stretch.recordings, words, strict=True)
    ]


def condition_of(stretch: Stretch) -> str:
    """How its words are heard."""
    return "as recorded" if stretch.snr_db is None else f"noise at {stretch.snr_db:g} dB"


def hear_others(stretch: Stretch, ear: Ear) -> Negatives:
    """The false-accept evidence of a stream without the phrase."""
    samples, places = assemble(stretch)
    return negatives_of(stretch, ear, ear.hear(samples), places)


def negatives_of(
    stretch: Stretch,
    ear: Timed,
    scores: Scores,
    places: Sequence[tuple[int, int]],
    *,
    rule: DeviceRule | None = None,
) -> Negatives:
    """The false-accept evidence of a stream that has been heard; `places` are those of its recordings.

    Without the `rule` of a device it is counted as every model's is, so that they can be compared.
    """
    # scores begin when the first step is complete; spans are in the time of the steps
    starts = [0.0, *(max(0.0, a / SAMPLE_RATE - ear.first_step_s) for a, _ in places[1:])]
    ends = [*starts[1:], len(scores) * ear.hop_s]
    spans = [
        Span(low, high, recording.path, True)
        for low, high, recording in zip(starts, ends, stretch.recordings, strict=True)
    ]
    return collect_negatives(scores, ear.hop_s, name="stream", spans=spans, rule=rule)


@functools.lru_cache(maxsize=4)
def detector_ear(folder: str) -> DetectorEar:
    """The detector of a run as it was trained, not as fitted to a household, as an Ear; loaded once per process."""
    return DetectorEar(Detector.load(folder, threshold=1.0, gain_db=0.0))


class DetectorEar:
    """A detector as an Ear."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.rule = detector.rule
        """How the device decides that it is for."""
        self.hop_s, self.first_step_s = detector.hop_s, detector.first_step_s

    def hear(self, samples: Samples) -> Scores:
        self._detector.reset()
        return self._detector.score(samples)


def _work(job: tuple[str, Stretch], *, folder: str) -> tuple[str, list[Trial] | Negatives]:
    name, stretch = job
    ear = detector_ear(folder)
    return name, hear_words(stretch, ear) if name.startswith("words/") else hear_others(stretch, ear)


def jobs(material: Material, snrs_db: Sequence[float | None] = SNRS_DB) -> list[tuple[str, Stretch]]:
    """Every stream of a measurement with its name: words/CONDITION or others/KIND."""
    out: list[tuple[str, Stretch]] = []
    for snr in snrs_db if material.words else ():
        if snr is not None and not material.noise:
            continue
        laid = stretches(material.words, GAP_WORDS_S, snr_db=snr, noise=material.noise)
        out += [(f"words/{condition_of(s)}", s) for s in laid]
    for kind, recordings in material.others.items():
        out += [(f"others/{kind}", s) for s in stretches(recordings, GAP_OTHERS_S)]
    return out


def measure(
    material: Material,
    folder: Path | str,
    *,
    snrs_db: Sequence[float | None] = SNRS_DB,
    workers: Workers = 0,
    bar: Bar | None = None,
) -> Measured:
    """Everything through the detector of `folder`: trials by condition, negatives by kind."""
    work = functools.partial(_work, folder=str(folder))
    there = seeing(workers, material)
    return collect(map_work(work, jobs(material, snrs_db), workers=there, progress_bar=bar))


def seeing(workers: Workers, material: Material) -> Workers:
    """The workers, of which those elsewhere must find the recordings as they are here."""
    recordings = [*material.words, *material.noise, *(one for kind in material.others.values() for one in kind)]
    return agreeing(workers, functools.partial(ground.around, tuple(one.path for one in recordings)))


def collect(results: Iterable[tuple[str, list[Trial] | Negatives]]) -> Measured:
    """Named results, streams of one name joined."""
    words: dict[str, list[Trial]] = {}
    others: dict[str, Negatives] = {}
    for name, value in results:
        key = name.split("/", 1)[1]
        if isinstance(value, Negatives):
            others[key] = others[key] + value if key in others else value
        else:
            words.setdefault(key, []).extend(value)
    return words, others
