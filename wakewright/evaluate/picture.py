"""Spectrograms and features as small PNG pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.evaluate.spectrogram import indexed_png

WINDOW, HOP = SAMPLE_RATE // 40, SAMPLE_RATE // 100
"""Of the spectrogram, in samples: 25 ms every 10 ms."""
LOWEST_DB, HIGHEST_DB = -70.0, 20.0
"""Power of a bin that is black, and white."""
STOPS = (
    (0.0, (8, 8, 24)),
    (0.3, (60, 20, 110)),
    (0.55, (190, 50, 90)),
    (0.8, (250, 150, 50)),
    (1.0, (255, 250, 220)),
)
"""Colours over the scale."""


def png(shades: NDArray[np.floating[Any]]) -> bytes:
    """(rows, columns) of 0 to 1, the first row on top -> a PNG of 256 colours; the same shades, the same bytes."""
    scale = np.linspace(0.0, 1.0, 256)
    places = [at for at, _ in STOPS]
    palette = np.stack([np.interp(scale, places, [c[i] for _, c in STOPS]) for i in range(3)], axis=1)
    index = np.rint(np.clip(shades, 0.0, 1.0) * 255).astype(np.uint8)
    return indexed_png(index, np.rint(palette).astype(np.uint8))


def spectrogram(samples: Samples) -> bytes:
    """(n,) samples -> a PNG, 8 kHz at the top; one column per 10 ms."""
    padded = np.concatenate([samples, np.zeros(max(0, WINDOW - len(samples)), np.float32)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), 512)) ** 2
    db = 10 * np.log10(power + 1e-12)
    return png(np.kron(((db - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB)).T[::-2], np.ones((1, 2))))


def features(frames: NDArray[np.float32], top: float = 26.0) -> bytes:
    """(frames, channels) from 0 to `top` -> a PNG, the highest channel on top; two columns per frame."""
    return png(np.kron(frames.T[::-1].astype(np.float64) / top, np.ones((3, 2))))
