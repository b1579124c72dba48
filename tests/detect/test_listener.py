"""Several wake words at once: each hears what it would hear alone, and brings the sound around it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakewright import Detector
from wakewright.core.audio import Samples, load
from wakewright.core.errors import InputError
from wakewright.core.manifest import Manifest
from wakewright.detect.around import Around
from wakewright.detect.detector import BEFORE_S, Detection, History
from wakewright.detect.listener import Listener
from wakewright.dsp import frontend

KEPT = round(BEFORE_S * 16000)


@pytest.fixture(scope="module")
def sound(spoken: Manifest) -> Samples:
    """Twelve seconds of speech over hiss."""
    hiss = np.random.default_rng(0).normal(0, 0.003, 2 * 16000).astype(np.float32)
    parts = [hiss]
    for clip in spoken:
        parts += [load(clip.path), hiss[:4000]]
    return np.concatenate(parts)[: 12 * 16000]


@pytest.fixture(scope="module")
def three(exported: dict[str, Path], sound: Samples, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three wake words on two front ends, with thresholds at which they fire."""
    folders = []
    for name, phrase in (("speech_embedding", "hey katya"), ("mixednet", "computer"), ("tc_resnet", "jarvis")):
        folder = tmp_path_factory.mktemp("words") / name
        shutil.copytree(exported[name], folder)
        threshold = float(np.quantile(Detector.load(folder).score(sound), 0.8))
        about = json.loads((folder / "metadata.json").read_text())
        (folder / "metadata.json").write_text(
            json.dumps(about | {"original_wake_word": phrase, "threshold": threshold})
        )
        folders.append(folder)
    return folders


def test_each_hears_what_it_would_hear_alone_however_the_audio_is_cut(three: list[Path], sound: Samples) -> None:
    alone = [fire for folder in three for fire in Detector.load(folder).stream(sound)]
    assert len({fire.phrase for fire in alone}) == 3
    listener = Listener.load(three)
    for size in (len(sound), 1280, 333):
        found = list(listener.stream(sound[at : at + size] for at in range(0, len(sound), size)))
        key = [(fire.sample, fire.phrase, fire.start) for fire in found]
        assert sorted(key) == sorted((fire.sample, fire.phrase, fire.start) for fire in alone)
        assert [fire.sample for fire in found] == sorted(fire.sample for fire in found)
    assert listener.samples == len(sound)


def test_front_ends_are_shared(three: list[Path], sound: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener.load(three)
    pushed: list[str] = []
    for (name, _), front in listener._fronts.items():

        def push(samples: Samples, name: str = name, inner: frontend.Frontend = front) -> frontend.Frames:
            pushed.append(name)
            return type(inner).push(inner, samples)

        monkeypatch.setattr(front, "push", push)
    listener.push(sound[:1280])
    assert sorted(pushed) == ["micro", "speech_embedding"]


def test_a_detection_brings_the_sound_before_it(three: list[Path], sound: Samples) -> None:
    for size in (len(sound), 1280, 7001):
        found = list(Listener.load(three).stream(sound[at : at + size] for at in range(0, len(sound), size)))
        for fire in found:
            np.testing.assert_array_equal(fire.audio, sound[max(0, fire.sample - KEPT) : fire.sample])
            assert 0 <= fire.start < fire.sample
            assert fire.end_s - fire.start_s <= 3.0
    (alone, *_) = Detector.load(three[0]).stream(sound)
    np.testing.assert_array_equal(alone.audio, sound[max(0, alone.sample - KEPT) : alone.sample])


def test_reset_starts_a_new_stream(three: list[Path], sound: Samples) -> None:
    listener = Listener.load(three)
    first = listener.push(sound)
    assert any(d.current for d in listener.detectors)
    listener.reset()
    assert listener.samples == 0
    assert all(d.current == 0 for d in listener.detectors)
    assert listener.push(sound) == first


def test_words_that_cannot_be_told_apart_are_refused(exported: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"told apart\n  got: 'hey katya' more than once\n  do:  name each once"):
        Listener.load([exported["mixednet"], exported["tc_resnet"]])
    with pytest.raises(InputError, match="got: none"):
        Listener([])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 90), max_size=20))
def test_the_history_holds_the_newest_samples_in_order(sizes: list[int]) -> None:
    history, heard = History(50 / 16000), np.zeros(0, np.float32)
    for size in sizes:
        piece = np.arange(len(heard), len(heard) + size, dtype=np.float32)
        heard = np.concatenate([heard, piece])
        end = len(heard)
        (one,) = history.add(piece, [Detection("x", 1.0, 0, end)])
        np.testing.assert_array_equal(one.audio, heard[-50:])
        np.testing.assert_array_equal(history.last(), heard[-50:])
        assert history.samples == end


def fire(sample: int, before: int = 3) -> Detection:
    return Detection("x", 0.9, 0, sample, np.arange(sample - before, sample, dtype=np.float32))


@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_what_is_heard_afterwards_completes_a_detection(size: int) -> None:
    around, stream = Around(5 / 16000), np.arange(40, dtype=np.float32)
    fires = {7: fire(7), 9: fire(9), 38: fire(38)}
    done = []
    for at in range(0, 40, size):
        piece = stream[at : at + size]
        done += around.push(piece, [f for end, f in fires.items() if at < end <= at + len(piece)])
    assert [one.sample for one, _ in done] == [7, 9]
    done += around.end()
    for one, sound in done:
        np.testing.assert_array_equal(sound, np.arange(one.sample - 3, min(40, one.sample + 5)))
    assert around.end() == []


@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_what_is_heard_afterwards_is_handed_out_at_each_moment(size: int) -> None:
    around, stream = Around(0.0, 2 / 16000, 6 / 16000), np.arange(40, dtype=np.float32)
    done = []
    for at in range(0, 40, size):
        found = [fire(end) for end in (7, 36) if at < end <= at + size]
        done += around.push(stream[at : at + size], found)
    done += around.end()
    by_detection = {one.sample: [len(s) - 3 for o, s in done if o.sample == one.sample] for one, _ in done}
    assert by_detection == {7: [0, 2, 6], 36: [0, 2, 4]}
    for one, sound in done:
        np.testing.assert_array_equal(sound, np.arange(one.sample - 3, one.sample - 3 + len(sound)))
