"""The NumPy micro front end gives every integer that the C code gives."""

from __future__ import annotations

import numpy as np
import pytest

from wakewright.core.audio import load, to_int16
from wakewright.core.manifest import Manifest
from wakewright.dsp import micro_numpy
from wakewright.dsp.micro import MicroFrontend

LENGTH = 3 * 16000


def by_c(signal: np.ndarray) -> np.ndarray:
    return MicroFrontend().push_integers(signal)


def sounds() -> dict[str, np.ndarray]:
    rng, at = np.random.default_rng(4), np.arange(LENGTH)
    return {
        "noise": rng.normal(0, 0.1, LENGTH),
        "faint noise": rng.normal(0, 0.0003, LENGTH),
        "silence": np.zeros(LENGTH),
        "full scale": np.sign(rng.normal(size=LENGTH)),
        "lowest value": np.full(LENGTH, -1.0),
        "tone": 0.9 * np.sin(0.3 * at),
        "sweep": 0.99 * np.sin(at**2 / 40_000),
        "clicks": np.where(at % 4000 == 0, 1.0, 0.0),
        "swell": rng.normal(0, 0.4, LENGTH) * np.abs(np.sin(at / 9000)) ** 3,
    }


@pytest.mark.parametrize("kind", list(sounds()))
def test_every_integer_is_that_of_the_c_code(kind: str) -> None:
    signal = np.clip(sounds()[kind], -1, 1).astype(np.float32)
    wanted = by_c(signal)
    assert wanted.shape == (298, 40)
    np.testing.assert_array_equal(micro_numpy.features(to_int16(signal)[None])[0], wanted)


def test_speech_is_heard_as_by_the_c_code(spoken: Manifest) -> None:
    said = [load(clip.path) for clip in spoken.clips[:20]]
    whole = np.concatenate(said)
    np.testing.assert_array_equal(micro_numpy.features(to_int16(whole)[None])[0], by_c(whole))
    assert micro_numpy.features(to_int16(whole)[None]).max() > 300


def test_signals_side_by_side_know_nothing_of_each_other() -> None:
    signals = np.stack([np.clip(sound, -1, 1) for sound in sounds().values()]).astype(np.float32)
    together = micro_numpy.features(to_int16(signals.ravel()).reshape(signals.shape))
    for alone, heard in zip(signals, together, strict=True):
        np.testing.assert_array_equal(heard, by_c(alone))


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (479, 0), (480, 1), (639, 1), (640, 2)])
def test_a_frame_appears_when_its_window_is_full(samples: int, frames: int) -> None:
    assert micro_numpy.features(np.zeros((2, samples), np.int16)).shape == (2, frames, 40)
