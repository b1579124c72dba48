"""Whether two short sounds are the same one, heard again: a jingle, an advertisement, a second copy of a file.

Each sound becomes a print, its spectrum in 24 bands over 18 moments, in decibels and without level. Two sounds are
held against each other at several shifts, since a repeated sound is cut a step of the detector earlier or later.
Played again louder or coded anew it has nearly the same print, while another sentence by the same voice has not
(`benchmarks/mine.py --alike` shows how far the two lie apart).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import Samples
from wakewright.dsp.triangles import mel_triangles

Prints = NDArray[np.float32]
"""(shifts, BANDS * MOMENTS): prints of one sound, each of mean 0 and length 1; zeros where nothing is heard."""

BANDS, MOMENTS = 24, 18
PER_MOMENT = 10
"""Frames in a moment."""
MOST_SHIFT = 8
"""Frames by which one of two sounds may lie later, in steps of two."""
SHIFTS = range(0, 2 * MOST_SHIFT + 1, 2)
WINDOW, HOP = 512, 160
FLOOR_DB = 50.0
"""What lies further below the loudest band counts as this far below."""
ALIKE = 0.97
"""Prints whose product reaches this are of one sound."""


def prints_of(samples: Samples) -> Prints:
    """(n,) of about two seconds -> its prints at every shift; shorter sound counts as silent behind."""
    count = MOMENTS * PER_MOMENT + 2 * MOST_SHIFT
    whole = np.zeros(WINDOW + (count - 1) * HOP, np.float32)
    whole[: len(samples)] = samples[: len(whole)]
    frames = np.lib.stride_tricks.sliding_window_view(whole, WINDOW)[::HOP] * np.hanning(WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(frames)).astype(np.float32) ** 2 @ mel_triangles(BANDS, WINDOW, 100.0, 7500.0)
    return np.stack([_one(power[first : first + MOMENTS * PER_MOMENT]) for first in SHIFTS])


def _one(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """(frames, BANDS) -> (BANDS * MOMENTS,)."""
    per_moment = power.reshape(MOMENTS, PER_MOMENT, BANDS).mean(axis=1)
    if per_moment.max() <= 0:
        return np.zeros(BANDS * MOMENTS, np.float32)
    level = 10 * np.log10(np.maximum(per_moment, 1e-12))
    level = np.maximum(level, level.max() - FLOOR_DB)
    flat = (level - level.mean()).ravel()
    size = float(np.linalg.norm(flat))
    return np.asarray(flat / size if size > 0 else flat, np.float32)


def middle(prints: Prints) -> NDArray[np.float32]:
    """(BANDS * MOMENTS,) the print without shift: what others are held against."""
    return np.asarray(prints[len(prints) // 2])


def nearness(prints: Prints, others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(m, BANDS * MOMENTS) middle prints of others -> (m,) how near each is, 1 at most, at the best of the shifts."""
    return np.asarray((others @ prints.T).max(axis=1, initial=-1.0), np.float32)
