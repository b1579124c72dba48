"""Triangular bands, evenly spaced over the mel scale, over the bins of a Fourier transform."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE


def mel(hertz: float) -> float:
    """Hertz -> mel (O'Shaughnessy, "Speech Communication", 1987)."""
    return 2595 * math.log10(1 + hertz / 700)


@functools.cache
def mel_triangles(count: int, window: int, low_hz: float, high_hz: float) -> NDArray[np.float32]:
    """(window // 2 + 1, count) weights of each bin in each band; neighbouring triangles overlap by half."""
    edges = 700 * (10 ** (np.linspace(mel(low_hz), mel(high_hz), count + 2) / 2595) - 1)
    at = np.fft.rfftfreq(window, 1 / SAMPLE_RATE)[:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    bands = np.asarray(np.maximum(0.0, np.minimum(rising, falling)), np.float32)
    bands.setflags(write=False)
    return bands
