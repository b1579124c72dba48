"""Cutting takes of the phrase out of recordings, and saying which cannot be used."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from wakewright.core.audio import SAMPLE_RATE, Samples, load, write_wav
from wakewright.core.errors import InputError
from wakewright.core.manifest import Manifest
from wakewright.data import takes
from wakewright.data.corpora import RECORDINGS, own_recordings
from wakewright.data.scene import active_rms, word_bounds
from wakewright.data.takes import Collection, cut, folder_of, room_level, single


def room(seconds: float, level: float = 0.001, seed: int = 0) -> Samples:
    hiss = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE), np.float32)
    return hiss * np.float32(level)


def said(spoken: Manifest, number: int, level: float = 0.1) -> Samples:
    """A spoken phrase, cut to its sound, at this level."""
    sound = load(spoken.of("positive").clips[number].path)
    first, last = word_bounds(sound)
    sound = sound[first:last]
    return sound * np.float32(level / active_rms(sound))


def laid(parts: list[Samples], noise: float = 0.001, seed: int = 0) -> Samples:
    sound = np.concatenate(parts)
    return sound + room(len(sound) / SAMPLE_RATE, noise, seed)[: len(sound)]


def pause(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


@pytest.mark.parametrize("noise", [0.0, 0.0003, 0.003])
def test_each_phrase_of_a_long_recording_becomes_a_take(spoken: Manifest, noise: float) -> None:
    words = [said(spoken, i, level) for i, level in zip(range(8), [0.03, 0.1] * 4, strict=True)]
    parts, places = [pause(1.0)], []
    for number, word in enumerate(words):
        start = sum(len(part) for part in parts)
        places.append((start, start + len(word)))
        parts += [word, pause(0.8 + 0.2 * number)]
    found = cut(laid(parts, noise))
    assert [take.problem for take in found] == [""] * 8
    for take, (first, last) in zip(found, places, strict=True):
        start, end = take.start_s * SAMPLE_RATE, take.start_s * SAMPLE_RATE + len(take.samples)
        assert first - 0.25 * SAMPLE_RATE <= start <= first + 0.08 * SAMPLE_RATE
        assert last - 0.12 * SAMPLE_RATE <= end <= last + 0.25 * SAMPLE_RATE


def test_clicks_are_no_takes_and_a_short_pause_is_within_the_phrase(spoken: Manifest) -> None:
    click = np.full(400, 0.5, np.float32)
    word = said(spoken, 0)
    sound = laid([pause(1), click, pause(1), word, pause(0.3), word, pause(1), click, pause(0.6)])
    (take,) = cut(sound)
    assert len(take.samples) == pytest.approx(2 * len(word) + 0.6 * SAMPLE_RATE, abs=0.2 * SAMPLE_RATE)
    assert cut(laid([pause(2)])) == []
    assert cut(pause(2)) == []


@pytest.mark.parametrize(
    ("level", "noise", "problem"),
    [
        (0.004, 0.0001, r"it is too quiet \(-48 dB\): come nearer"),
        (0.02, 0.006, r"the room is too noisy \(the phrase is 11 dB above it\)"),
        (2.0, 0.001, "it is clipped: turn the microphone down"),
        (0.1, 0.001, ""),
    ],
)
def test_levels_are_checked(spoken: Manifest, level: float, noise: float, problem: str) -> None:
    sound = np.clip(laid([pause(1), said(spoken, 0, level), pause(1)], noise), -1, 1)
    take = single(sound, room_level(sound))
    assert re.match(problem or "$", take.problem), take.problem


def test_what_is_cut_off_too_long_or_absent_is_told(spoken: Manifest) -> None:
    word = said(spoken, 0)
    for parts in ([word[2000:], pause(1)], [pause(1), word[:-2000]]):
        assert cut(laid(parts), 0.001)[0].problem.startswith("it is cut off")
    for parts in ([pause(1), *[word, pause(0.2)] * 6, pause(1)],):
        assert single(laid(parts), 0.001).problem.startswith("it is too long (")
    nothing = single(room(3), 0.001)
    assert nothing.problem.startswith("nothing was heard")
    assert len(nothing.samples) == 0
    # of two stretches of sound the one that is said counts, wherever the cough is
    cough = np.random.default_rng(1).normal(0, 0.02, 4000).astype(np.float32)
    take = single(laid([pause(0.5), cough, pause(0.8), word, pause(1)]), 0.001)
    assert take.start_s > 1.2
    assert not take.problem


def test_takes_are_numbered_by_person_and_listed(spoken: Manifest, tmp_path: Path) -> None:
    place = Collection(tmp_path, "hey katya")
    names = [place.keep("ann", said(spoken, i)) for i in range(3)]
    assert names == [tmp_path / "ann" / f"00{i}.wav" for i in (1, 2, 3)]
    assert place.keep("bob", said(spoken, 0)) == tmp_path / "bob" / "001.wav"
    listed = place.write_list()
    assert [(c.path, c.speaker, c.text, c.real) for c in listed] == [
        (f"{who}/{n}.wav", who, "hey katya", True)
        for who, n in (("ann", "001"), ("ann", "002"), ("ann", "003"), ("bob", "001"))
    ]
    (tmp_path / "ann" / "002.wav").unlink()
    again = Collection(tmp_path, "hey katya")
    assert again.keep("ann", said(spoken, 0)) is None  # this very take is there
    assert again.keep("ann", said(spoken, 5)) == tmp_path / "ann" / "004.wav"
    assert [c.path for c in again.write_list() if c.speaker == "ann"] == ["ann/001.wav", "ann/003.wav", "ann/004.wav"]
    assert {(c.speaker, c.text) for c in own_recordings([tmp_path])} == {("ann", "hey katya"), ("bob", "hey katya")}


def test_a_folder_of_another_phrase_and_a_damaged_list_are_refused(spoken: Manifest, tmp_path: Path) -> None:
    place = Collection(tmp_path, "hey katya")
    place.keep("ann", said(spoken, 0))
    place.write_list()
    with pytest.raises(InputError, match=r"holds recordings of another phrase\n  got: 'hey katya', not 'computer'"):
        Collection(tmp_path, "computer")
    (tmp_path / RECORDINGS).write_text("not json\n")
    with pytest.raises(InputError, match=r"recordings.jsonl, line 1, is not a clip"):
        Collection(tmp_path, "hey katya")


def test_a_person_needs_a_name() -> None:
    assert folder_of("Ann Müller") == "ann-muller"
    with pytest.raises(InputError, match=r"a person needs a name\n  got: '\.\.'"):
        folder_of("..")


def test_a_take_survives_writing_bit_for_bit(tmp_path: Path, spoken: Manifest) -> None:
    """Else the same recording cut twice would be kept twice."""
    loud = np.clip(said(spoken, 0, 0.5), -1, 1)
    write_wav(tmp_path / "a" / "001.wav", loud)
    place = Collection(tmp_path, "hey katya")
    assert place.keep("a", loud) is None
    assert takes.FRAME == 320
