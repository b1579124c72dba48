"""A sound as a picture: mel bands over time in decibels, as a PNG that a page can hold."""

from __future__ import annotations

import functools
import math
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE
from wakewright.dsp.triangles import mel, mel_triangles

BANDS = 56
WINDOW, HOP = 512, 160
"""Samples of a frame (32 ms) and from frame to frame (10 ms)."""
LOW_HZ, HIGH_HZ = 60.0, 7800.0
RANGE_DB = 60.0
"""From the loudest point down to the darkest colour."""
LEVELS = 48
"""Colours; more would make the file larger and show nothing."""
COLOURS = ((8, 10, 28), (52, 30, 110), (140, 44, 120), (222, 84, 78), (250, 164, 74), (252, 246, 190))
"""Evenly spaced, dark to light, so that it reads in grey as well."""


def decibels_below_loudest(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """(n,) -> (BANDS, frames) from -RANGE_DB to 0; frame i is centred at i * HOP samples. All dark for silence."""
    half = WINDOW // 2
    padded = np.pad(samples.astype(np.float32) / 32768, half)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * np.hanning(WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(frames)).astype(np.float32) ** 2 @ mel_triangles(BANDS, WINDOW, LOW_HZ, HIGH_HZ)
    loudest = float(power.max(initial=0.0))
    if loudest <= 0:
        return np.full(power.shape[::-1], -RANGE_DB, np.float32)
    level = 10 * np.log10(np.maximum(power / np.float32(loudest), np.float32(1e-12)))
    return np.asarray(np.maximum(level, -RANGE_DB).T, np.float32)


def height_of(hertz: float) -> float:
    """Where a frequency lies in the picture: 0 at the bottom, 1 at the top."""
    low, high = mel(LOW_HZ), mel(HIGH_HZ)
    return min(1.0, max(0.0, (mel(hertz) - low) / (high - low)))


@functools.cache
def palette() -> NDArray[np.uint8]:
    """(LEVELS, 3) red, green, blue from dark to light."""
    at = np.linspace(0, len(COLOURS) - 1, LEVELS)
    known = np.arange(len(COLOURS))
    return np.stack([np.interp(at, known, [c[i] for c in COLOURS]).round() for i in range(3)], 1).astype(np.uint8)


def png(samples: NDArray[np.int16]) -> bytes:
    """The spectrogram of (n,) samples, high frequencies at the top, one pixel per band and frame."""
    level = decibels_below_loudest(samples)
    index = np.rint((level / RANGE_DB + 1) * (LEVELS - 1)).astype(np.uint8)[::-1]
    return indexed_png(index, palette())


def seconds_shown(samples: NDArray[np.int16]) -> float:
    """Seconds that the picture's width stands for."""
    return (math.floor(len(samples) / HOP) + 1) * HOP / SAMPLE_RATE


def indexed_png(index: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """(height, width) places in the (n, 3) colours -> a PNG of eight bits a pixel (ISO/IEC 15948)."""
    height, width = index.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = index
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": colours.tobytes(),
        b"IDAT": zlib.compress(rows.tobytes(), 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts.items()
    )
