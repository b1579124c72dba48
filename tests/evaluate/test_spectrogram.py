"""The picture of a sound: what sounds lies where it should, and the file is a PNG that others read."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.image import imread

from wakewright.core.audio import SAMPLE_RATE
from wakewright.evaluate import spectrogram
from wakewright.evaluate.spectrogram import BANDS, HOP, RANGE_DB


def tone(
    hertz: float, first_s: float, last_s: float, seconds: float = 2.0
) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.asarray(8000 * np.sin(2 * np.pi * hertz * at) * ((at >= first_s) & (at < last_s)), np.int16)


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 4000.0])
def test_a_tone_lies_at_its_height_and_in_its_time(hertz: float) -> None:
    level = spectrogram.decibels_below_loudest(tone(hertz, 0.5, 1.0))
    assert level.shape == (BANDS, 2 * SAMPLE_RATE // HOP + 1)
    assert level.max() == 0
    assert level.min() == -RANGE_DB
    band = int(np.argmax(level.max(axis=1)))
    assert (band + 0.5) / BANDS == pytest.approx(spectrogram.height_of(hertz), abs=1.5 / BANDS)
    loud = np.flatnonzero(level[band] > -20) * HOP / SAMPLE_RATE
    assert loud[0] == pytest.approx(0.5, abs=0.03)
    assert loud[-1] == pytest.approx(1.0, abs=0.03)


def test_others_read_the_png_and_find_the_colours() -> None:
    samples = tone(1000.0, 0.5, 1.0)
    level, colours = spectrogram.decibels_below_loudest(samples), spectrogram.palette()
    seen = np.rint(imread(io.BytesIO(spectrogram.png(samples)))[..., :3] * 255)
    assert seen.shape == (BANDS, level.shape[1], 3)
    top_down = level[::-1]
    np.testing.assert_array_equal(seen[top_down == 0], np.broadcast_to(colours[-1], seen[top_down == 0].shape))
    assert (seen[top_down == -RANGE_DB] == colours[0]).all()
    assert seen.shape[1] * HOP / SAMPLE_RATE == pytest.approx(spectrogram.seconds_shown(samples))


def test_silence_is_dark_and_nothing_is_still_a_picture() -> None:
    assert (spectrogram.decibels_below_loudest(np.zeros(3200, np.int16)) == -RANGE_DB).all()
    assert spectrogram.png(np.zeros(0, np.int16)).startswith(b"\x89PNG")
