"""Measuring on recordings: what a folder may look like, and streams that are what was asked for."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.core.audio import SAMPLE_RATE, Samples, load, write_wav
from wakewright.core.errors import AudioError, InputError
from wakewright.core.manifest import Manifest
from wakewright.data.scene import active_rms, word_bounds
from wakewright.evaluate import real
from wakewright.evaluate.metrics import Negatives, Scores, no_negatives
from wakewright.evaluate.real import Recording, Stretch, assemble, read_material, stretches


def noise(path: Path, seconds: float = 4.0, level: float = 0.01, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    write_wav(path, rng.normal(0, level, round(seconds * SAMPLE_RATE)).astype(np.float32))
    return path


def words(spoken: Manifest) -> tuple[Recording, ...]:
    return tuple(Recording(c.path, "espeak", c.speaker) for c in spoken.of("positive"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = (
        ("a.wav", "evaluate", "wake_word", "Hey  Katya", "mine", "ann"),
        ("b.wav", "evaluate", "wake_word", "alexa", "mine", "bob"),
        ("c.wav", "evaluate", "wake_word", "hey katya now", "mine", "bob"),
        ("d.wav", "train", "wake_word", "hey katya", "mine", "cid"),
        ("e.wav", "evaluate", "speech", "", "books", ""),
        ("f.wav", "evaluate", "speech", "", "accents", "eve"),
        ("g.wav", "evaluate", "noise", "", "esc", ""),
        ("h.wav", "evaluate", "music", "", "tunes", ""),
        ("i.wav", "evaluate", "rir", "", "rooms", ""),
    )
    lines = ["path,use,kind,label,corpus,speaker", *(",".join(row) for row in rows)]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def names(recordings: tuple[Recording, ...]) -> list[str]:
    return [Path(r.path).name for r in recordings]


def test_a_manifest_says_what_each_recording_is(table: Path) -> None:
    material = read_material(table, "hey katya")
    assert names(material.words) == ["a.wav"]
    assert {kind: names(r) for kind, r in material.others.items()} == {
        "speech": ["b.wav", "e.wav", "f.wav"],  # another word is speech; one that holds the phrase is neither
        "noise": ["g.wav"],
        "music": ["h.wav"],
    }
    assert names(material.noise) == ["g.wav"]
    assert material.words[0] == Recording(str(table / "a.wav"), "mine", "ann")
    assert material.others["speech"][1].speaker == "e.wav"
    apart = read_material(table, "hey katya", apart=("accents",))
    assert names(apart.others["accents"]) == ["f.wav"]
    assert names(apart.others["speech"]) == ["b.wav", "e.wav"]


def test_a_manifest_that_lacks_a_column_or_all_rows_is_said(table: Path) -> None:
    text = (table / "manifest.csv").read_text()
    (table / "manifest.csv").write_text(text.replace("label", "lable", 1))
    with pytest.raises(InputError, match=r"manifest.csv cannot be read\n  got: no column label\n  do:  "):
        read_material(table, "hey katya")
    (table / "manifest.csv").write_text("")
    with pytest.raises(InputError, match="no column path, use, kind, label, corpus, speaker"):
        read_material(table, "hey katya")
    (table / "manifest.csv").write_text(text.replace("evaluate", "train"))
    with pytest.raises(
        InputError, match=r"cannot measure 'hey katya'\n  got: 0 recordings of it and no other speech"
    ):
        read_material(table, "hey katya")


def test_folders_say_what_each_recording_is(tmp_path: Path) -> None:
    for name in ("positive/a.wav", "positive/deep/b.wav", "negative/c.wav", "noise/d.wav"):
        noise(tmp_path / name, 0.2)
    material = read_material(tmp_path, "hey katya")
    assert names(material.words) == ["a.wav", "b.wav"]
    assert {kind: names(r) for kind, r in material.others.items()} == {"speech": ["c.wav"], "noise": ["d.wav"]}
    assert [word.speaker for word in material.words] == ["a.wav", "deep"], "a folder is a person, a file itself"
    assert [name for name, _ in real.jobs(material)] == [
        "words/as recorded",
        "words/noise at 10 dB",
        "words/noise at 5 dB",
        "others/speech",
        "others/noise",
    ]


@pytest.mark.parametrize("name", ["positives", "Negative", "noises"])
def test_folders_that_are_nearly_named_are_not_taken_for_speech(name: str, tmp_path: Path) -> None:
    noise(tmp_path / name / "a.wav", 0.2)
    with pytest.raises(InputError, match=rf"\n  got: {name}\n  do:  name them positive, negative, noise, music"):
        read_material(tmp_path, "hey katya")


def test_a_folder_of_plain_speech_has_no_words(tmp_path: Path) -> None:
    noise(tmp_path / "a" / "1.wav", 0.2)
    material = read_material(tmp_path, "hey katya")
    assert material.words == ()
    assert names(material.others["speech"]) == ["1.wav"]
    assert [name for name, _ in real.jobs(material)] == ["others/speech"]


def test_what_cannot_be_measured_on_is_said(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no audio at"):
        read_material(tmp_path / "gone", "hey katya")
    noise(tmp_path / "positive" / "a.wav", 0.2)
    with pytest.raises(
        InputError, match=r"got: 1 recordings of it and no other speech\n  do:  put recordings into neg"
    ):
        read_material(tmp_path, "hey katya")
    (tmp_path / "negative").mkdir()
    with pytest.raises(AudioError, match=r"no audio in .*negative"):
        read_material(tmp_path, "hey katya")


def test_noise_lies_as_far_below_the_words_as_asked(spoken: Manifest, tmp_path: Path) -> None:
    loud = tuple(str(noise(tmp_path / f"{i}.wav", level=0.002 * 10**i, seed=i)) for i in range(3))
    for snr in (10.0, 5.0, 0.0):
        sound, places = assemble(Stretch(words(spoken), 2.0, 3, snr, loud))
        clean, same = assemble(Stretch(words(spoken), 2.0, 3, 200.0, loud))
        assert places == same
        bed = sound - clean
        for first, last in places:
            assert active_rms(clean[first:last]) == pytest.approx(real.SPEECH_RMS, rel=0.02)
            level = np.sqrt(np.mean(np.square(bed[first:last])))
            assert 20 * np.log10(active_rms(clean[first:last]) / level) == pytest.approx(snr, abs=1.0)
        before = bed[: places[0][0]]
        assert 20 * np.log10(real.SPEECH_RMS / np.sqrt(np.mean(np.square(before)))) == pytest.approx(snr, abs=1.0)


def test_a_stream_holds_each_recording_where_it_says(spoken: Manifest) -> None:
    sound, places = assemble(Stretch(words(spoken), 2.0, 1))
    assert sound.dtype == np.float32
    assert np.abs(sound).max() <= 1.0
    previous = round(real.LEAD_S * SAMPLE_RATE)
    for (first, last), recording in zip(places, words(spoken), strict=True):
        assert first - previous == 2 * SAMPLE_RATE
        np.testing.assert_allclose(sound[first:last], load(recording.path), atol=6 * real.FLOOR)
        previous = last
    assert len(sound) - previous == 3 * SAMPLE_RATE
    quiet = sound[: places[0][0]]
    assert np.sqrt(np.mean(np.square(quiet))) == pytest.approx(real.FLOOR, rel=0.05)


def test_streams_are_drawn_from_the_seed_and_hold_everything_once(tmp_path: Path, spoken: Manifest) -> None:
    recordings = words(spoken) * 30
    drawn = stretches(recordings, 2.0)
    assert drawn == stretches(recordings, 2.0)
    assert drawn != stretches(recordings, 2.0, seed=1)
    assert sorted(r.path for s in drawn for r in s.recordings) == sorted(r.path for r in recordings)
    assert len(drawn) == 2
    assert 600 <= len(assemble(drawn[0])[0]) / SAMPLE_RATE < 610
    with pytest.raises(InputError, match="no noise to mix in"):
        assemble(stretches(recordings[:1], 2.0, snr_db=5.0)[0])


def test_a_word_is_found_between_its_silences() -> None:
    word = 0.3 * np.sin(np.arange(8000) * 0.3).astype(np.float32)
    hiss = np.random.default_rng(0).normal(0, 0.002, 40_000).astype(np.float32)
    hiss[16_000:24_000] += word
    first, last = word_bounds(hiss)
    assert abs(first - 16_000) <= 320
    assert abs(last - 24_000) <= 320
    assert word_bounds(word[:100]) == (0, 100)
    assert word_bounds(np.zeros(3200, np.float32)) == (0, 3200)


class Ramp:
    """An ear whose score tells the time: step i scores i / 1e6."""

    hop_s, first_step_s = 0.08, 0.83

    def hear(self, samples: Samples) -> Scores:
        steps = int((len(samples) / SAMPLE_RATE - self.first_step_s) / self.hop_s) + 1
        return (np.arange(steps) / 1e6).astype(np.float32)


def test_a_trial_lies_where_its_word_is_spoken(spoken: Manifest) -> None:
    stretch = Stretch(words(spoken), 2.0, 1)
    _, places = assemble(stretch)
    trials = real.hear_words(stretch, Ramp())
    assert [t.source for t in trials] == [r.path for r in stretch.recordings]
    for trial, (start, _), recording in zip(trials, places, stretch.recordings, strict=True):
        first, last = word_bounds(load(recording.path))
        assert trial.word_end == start + last
        emitted = Ramp.first_step_s + trial.scores * 1e6 * Ramp.hop_s
        assert 0 <= emitted[0] - (start + first) / SAMPLE_RATE < Ramp.hop_s + 1e-3
        assert 0 <= (start + last) / SAMPLE_RATE + 1.0 - emitted[-1] < Ramp.hop_s + 1e-3
        assert trial.first_s == pytest.approx(emitted[0] - (start + last) / SAMPLE_RATE, abs=1e-3)
        assert trial.groups == {"speaker": recording.speaker, "corpus": "espeak", "condition": "as recorded"}


class Bursts(Ramp):
    """An ear that hears nothing but the recording of one place."""

    def __init__(self, first_s: float, last_s: float) -> None:
        self._place = (first_s, last_s)

    def hear(self, samples: Samples) -> Scores:
        emitted = self.first_step_s + np.arange(len(super().hear(samples))) * self.hop_s
        return ((emitted >= self._place[0]) & (emitted < self._place[1])).astype(np.float32)


def test_false_accepts_belong_to_the_recording_that_was_heard_and_hours_add_up(spoken: Manifest) -> None:
    recordings = words(spoken)
    stretch = Stretch(recordings, 0.5, 1)
    sound, places = assemble(stretch)
    for number, (first, last) in enumerate(places):
        ear = Bursts(first / SAMPLE_RATE, last / SAMPLE_RATE)
        found = real.hear_others(stretch, ear)
        assert found.count(0.5) == 1
        assert found.sources[found.owner[np.argmax(found.peaks)]] == recordings[number].path
        assert found.hours == pytest.approx(len(ear.hear(sound)) * ear.hop_s / 3600 - 2 / 3600, abs=1e-4)
        assert found.real_hours == pytest.approx(found.hours)
        assert (found.source_hours >= 0).all()


def test_results_of_one_name_are_joined(spoken: Manifest) -> None:
    stretch = Stretch(words(spoken), 0.5, 1)
    one = real.hear_others(stretch, Ramp())
    trials = real.hear_words(stretch, Ramp())
    joined = real.collect([("others/speech", one), ("words/clean", trials), ("others/speech", one)] * 2)
    assert list(joined[0]) == ["clean"]
    assert len(joined[0]["clean"]) == 2 * len(trials)
    assert joined[1]["speech"].hours == pytest.approx(4 * one.hours)
    assert isinstance(sum(itertools.repeat(one, 2), no_negatives()), Negatives)


def test_recordings_of_any_rate_are_heard(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", rng.normal(0, 0.1, (96_000, 2)), 48_000)
    _, places = assemble(Stretch((Recording(str(tmp_path / "a.wav"), "", ""),), 0.5, 1))
    assert places[0][1] - places[0][0] == 32_000
