"""The signal processing that augmentation and rooms share: convolution, spectral gain and coloured noise, in float32.

Everything is done by FFT with enough padding that nothing wraps around. Gains over frequency are zero-phase, so
that no filter moves the end of a word.
"""

from __future__ import annotations

import functools

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples

PADDING = 4096
"""Zeros after the samples before a spectral gain: longer than the ring of any gain used here (256 ms)."""


def _fast(length: int) -> int:
    """The next length that the FFT likes, at least `length`; even, so that the last bin is the Nyquist frequency."""
    return 2 * int(scipy.fft.next_fast_len((length + 1) // 2, real=True))


@functools.lru_cache(maxsize=16)
def _hz_for(bins: int) -> NDArray[np.float32]:
    hz = np.linspace(0.0, SAMPLE_RATE / 2, bins, dtype=np.float32)
    hz.setflags(write=False)
    return hz


@functools.lru_cache(maxsize=16)
def _log_hz_for(bins: int) -> NDArray[np.float32]:
    log_hz = np.log(np.maximum(_hz_for(bins), 1.0)).astype(np.float32)
    log_hz.setflags(write=False)
    return log_hz


def convolve(samples: Samples, response: Samples) -> Samples:
    """(n,) and (m,) float32 -> their whole convolution, (n + m - 1,) float32; empty when either is."""
    if not len(samples) or not len(response):
        return np.zeros(0, np.float32)
    whole = len(samples) + len(response) - 1
    size = _fast(whole)
    spectrum = scipy.fft.rfft(samples, size) * scipy.fft.rfft(response, size)
    return np.asarray(scipy.fft.irfft(spectrum, size)[:whole], dtype=np.float32)


def _shape(samples: Samples, bins_to_gain: functools.partial[NDArray[np.float32]]) -> Samples:
    if not len(samples):
        return np.zeros(0, np.float32)
    size = _fast(len(samples) + PADDING)
    spectrum = scipy.fft.rfft(samples, size)
    spectrum *= bins_to_gain(size // 2 + 1)
    return np.ascontiguousarray(scipy.fft.irfft(spectrum, size)[: len(samples)], dtype=np.float32)


def _curve(knots_hz: tuple[float, ...], gains_db: tuple[float, ...], bins: int) -> NDArray[np.float32]:
    db = np.interp(_log_hz_for(bins), np.log(knots_hz), gains_db).astype(np.float32)
    return np.asarray(np.exp(db * np.float32(np.log(10) / 20)), dtype=np.float32)


def equalise(samples: Samples, knots_hz: tuple[float, ...], gains_db: tuple[float, ...]) -> Samples:
    """(n,) float32 -> (n,) with a gain that runs straight, in decibels over octaves, between the knots.

    Below the first and above the last knot the gain stays as it is there.
    """
    return _shape(samples, functools.partial(_curve, knots_hz, gains_db))


def _band(low_hz: float, high_hz: float, order: int, bins: int) -> NDArray[np.float32]:
    # (f / edge) ** (2 * order) by way of the logarithm, which is ten times faster, kept within float32
    log_hz = _log_hz_for(bins)
    above = np.exp(np.minimum(np.float32(2 * order) * (np.float32(np.log(low_hz)) - log_hz), np.float32(80)))
    below = np.exp(np.minimum(np.float32(2 * order) * (log_hz - np.float32(np.log(high_hz))), np.float32(80)))
    return np.asarray(1 / np.sqrt((1 + above) * (1 + below)), dtype=np.float32)


def band_pass(samples: Samples, low_hz: float, high_hz: float, order: int) -> Samples:
    """(n,) float32 -> (n,), cut by 3 dB at `low_hz` and `high_hz` with a Butterworth filter's magnitude."""
    return _shape(samples, functools.partial(_band, low_hz, high_hz, order))


def coloured(rng: np.random.Generator, length: int, slope: float) -> Samples:
    """(length,) float32 noise of RMS 1 whose power falls as 1 / f**slope: 0 white, 1 pink, 2 brown.

    Made in the frequency domain (Timmer and Koenig 1995); below 20 Hz the power stays level, since no microphone
    hears it and brown noise would be nothing else.
    """
    if length == 0:
        return np.zeros(0, np.float32)
    size = _fast(max(length, 16))
    bins = size // 2 + 1
    parts = rng.standard_normal((bins, 2), dtype=np.float32)
    if slope:
        parts *= (np.maximum(_hz_for(bins), np.float32(20.0)) ** np.float32(-slope / 2))[:, None]
    parts[0] = 0.0
    spectrum = parts.view(np.complex64)[:, 0]
    noise = np.asarray(scipy.fft.irfft(spectrum, size)[:length], dtype=np.float32)
    level = np.sqrt(np.mean(np.square(noise)))
    return noise / level if level > 0 else noise
