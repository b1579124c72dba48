"""The micro front end once more, in NumPy, over many signals at once: every integer as the C code computes it.

It is what the C code can be checked against: window, fixed-point FFT, mel filterbank, noise reduction, automatic gain
(PCAN, Wang et al., "Trainable Frontend For Robust and Far-Field Keyword Spotting", 2017) and logarithm, in the widths
and with the roundings of TensorFlow Lite Micro's `microfrontend` and the 16-bit kissfft under it. It runs where the C
code does not; where that runs it is some three times as fast (benchmarks/micro_frontends.py), so all else uses that.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE
from wakewright.dsp.micro import CHANNELS, HOP, WINDOW

Integers = NDArray[np.int64]

FFT = 512
LOWEST_HZ, HIGHEST_HZ = 125.0, 7500.0
WEIGHT_BITS = 12
"""Of the window and of the filterbank."""
SMOOTHING_BITS = 10
NOISE_BITS = 14
SMOOTHING = (0.025, 0.06)
"""Share of a new frame in the noise estimate, of even and odd channels."""
REMAINING = 0.05
"""Least share of the signal that noise reduction leaves."""
PCAN_STRENGTH, PCAN_OFFSET, PCAN_GAIN_BITS, PCAN_SNR_BITS, PCAN_OUT_BITS = 0.95, 80.0, 21, 12, 6
CORRECTION_BITS = FFT.bit_length() - 1 - WEIGHT_BITS // 2
"""What the FFT's and the filterbank's scales leave to make up for."""
LOG_SHIFT, LOG_SEGMENTS_BITS, LOG_OF_2 = 6, 7, 45426
"""Scale of the logarithm as a shift; its table's segments as bits; ln 2 in 16 bits."""
BLOCK = 64
"""Frames whose spectra are computed at once: they fit into a core's cache."""


def features(samples: NDArray[np.int16]) -> NDArray[np.uint16]:
    """(signals, n) int16 at 16 kHz -> (signals, frames, 40) uint16, (n - 480) // 160 + 1 frames each.

    Every signal begins afresh, as after a reset.
    """
    signals, length = samples.shape
    count = max(0, (length - WINDOW) // HOP + 1)
    if not count:
        return np.zeros((signals, 0, CHANNELS), np.uint16)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW, axis=1)[:, ::HOP].reshape(-1, WINDOW)
    bands = [_bands(windows[at : at + BLOCK]) for at in range(0, len(windows), BLOCK)]
    return _gained(np.concatenate(bands).reshape(signals, count, CHANNELS))


def _bands(windows: NDArray[np.int16]) -> Integers:
    """(frames, 480) -> (frames, 40) square roots of the energies in the filterbank's channels."""
    weighted = (windows * _window()) >> WEIGHT_BITS
    # the lowest value has no counterpart in the C code's 16 bits: it stays below zero and is not seen to be loud
    loudest = np.abs(weighted.astype(np.int16)).max(axis=1, initial=0).astype(np.int32)
    shift = 15 - _bit_length(loudest)
    padded = np.zeros((len(windows), FFT), np.int32)
    padded[:, :WINDOW] = (weighted << shift[:, None]).astype(np.int16)
    real, imaginary = _real_fft(padded)
    energies = (real.astype(np.int64) ** 2 + imaginary.astype(np.int64) ** 2).astype(np.float64)
    # sums of products of 12 and 31 bits over a channel's few bins: exact in the 53 bits of a float64
    return _square_root((energies @ _filterbank()).astype(np.int64)) >> shift[:, None]


def _gained(bands: Integers) -> NDArray[np.uint16]:
    """(signals, frames, 40) bands -> the same after noise reduction, automatic gain and logarithm."""
    cleaned, estimates = _without_noise(bands)
    gain = _wide_dynamic(estimates)
    snr = (cleaned * gain) >> (PCAN_GAIN_BITS - CORRECTION_BITS - PCAN_SNR_BITS)
    quiet = (snr * snr) >> (2 + 2 * PCAN_SNR_BITS - PCAN_OUT_BITS)
    loud = (snr >> (PCAN_SNR_BITS - PCAN_OUT_BITS)) - (1 << PCAN_OUT_BITS)
    shrunk = np.where(snr < 2 << PCAN_SNR_BITS, quiet, loud)
    return np.minimum(_logarithm(shrunk << CORRECTION_BITS), 0xFFFF).astype(np.uint16)


def _without_noise(bands: Integers) -> tuple[Integers, Integers]:
    """Bands less their slowly following noise estimates, and those; only this goes from frame to frame."""
    smoothing = np.where(np.arange(CHANNELS) % 2 == 0, *(int(s * (1 << NOISE_BITS)) for s in SMOOTHING))
    scaled = (bands << SMOOTHING_BITS) & 0xFFFFFFFF  # 32 bits in C, and very loud bands wrap around there
    fresh = scaled * smoothing
    estimates = np.empty_like(bands)
    estimate: Integers = np.zeros((len(bands), CHANNELS), np.int64)
    for frame in range(bands.shape[1]):
        estimate = (fresh[:, frame] + estimate * ((1 << NOISE_BITS) - smoothing)) >> NOISE_BITS
        estimates[:, frame] = estimate
    floor = (bands * int(REMAINING * (1 << NOISE_BITS))) >> NOISE_BITS
    return np.maximum((scaled - np.minimum(estimates, scaled)) >> SMOOTHING_BITS, floor), estimates


def _bit_length(values: NDArray[Any]) -> Integers:
    """Bits that each of these whole numbers (from 0 to below 2**53) takes."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _square_root(values: Integers) -> Integers:
    """Whole square roots, rounded to the nearest."""
    root = np.sqrt(values.astype(np.float64)).astype(np.int64)
    root -= root * root > values
    root += (root + 1) * (root + 1) <= values
    return root + (values - root * root > root)


def _logarithm(values: Integers) -> Integers:
    """Natural logarithms with `LOG_SHIFT` bits behind the point, by a table of straight lines; 0 up to 1."""
    safe = np.maximum(values, 2)
    whole = _bit_length(safe) - 1
    rest = safe - (1 << whole)
    fraction = np.where(whole < 16, rest << np.maximum(16 - whole, 0), rest >> np.maximum(whole - 16, 0))
    table, unit_bits = _log_table(), 16 - LOG_SEGMENTS_BITS
    segment = fraction >> unit_bits
    low = table[segment]
    between = ((table[segment + 1] - low) * (fraction - (segment << unit_bits))) >> 16
    log2 = (whole << 16) + fraction + low + between
    natural = (LOG_OF_2 * log2 + (1 << 15)) >> 16
    return np.where(values > 1, ((natural << LOG_SHIFT) + (1 << 15)) >> 16, 0)


def _wide_dynamic(values: Integers) -> Integers:
    """The automatic gain for noise estimates, by a table of parabolas, one for each power of two."""
    table = _gain_table()
    interval = _bit_length(values)
    row = table[np.maximum(interval, 2)]
    part = np.where(interval < 11, values << np.maximum(11 - interval, 0), values >> np.maximum(interval - 11, 0))
    part &= 0x3FF
    bent = ((((row[..., 2] * part) >> 5) + (row[..., 1] << 5)) * part + (1 << 14)) >> 15
    return np.where(values <= 2, table[np.minimum(values, 2), 3], bent + row[..., 0])


def _gain(estimate: int) -> int:
    scaled = np.float32(estimate) / np.float32(1 << (SMOOTHING_BITS - CORRECTION_BITS))
    gain = np.float32(1 << PCAN_GAIN_BITS) * np.power(scaled + np.float32(PCAN_OFFSET), np.float32(-PCAN_STRENGTH))
    return 0x7FFF if gain > 0x7FFF else int(gain + np.float32(0.5))


@functools.lru_cache(maxsize=1)
def _gain_table() -> Integers:
    """(33, 4): start, slope and bend of the parabola for each bit length; last f(0), f(1), f(2)."""
    table: Integers = np.zeros((33, 4), np.int64)
    for bits in range(2, 33):
        low = 1 << (bits - 1)
        ends = _gain(low), _gain(low + (low >> 1)), _gain(0xFFFFFFFF if bits == 32 else 2 * low)
        slope = 4 * (ends[1] - ends[0]) - (ends[2] - ends[0])
        table[bits, :3] = ends[0], slope, ends[2] - ends[0] - slope
    table[:3, 3] = _gain(0), _gain(1), table[2, 0]
    return table


@functools.lru_cache(maxsize=1)
def _log_table() -> Integers:
    """log2(1 + x) - x at the ends of the segments of 0..1, in 16 bits; once more at the end, which is never used."""
    x = np.arange((1 << LOG_SEGMENTS_BITS) + 2) / (1 << LOG_SEGMENTS_BITS)
    return np.rint((np.log2(1 + x) - x) * (1 << 16)).astype(np.int64)


@functools.lru_cache(maxsize=1)
def _window() -> NDArray[np.int32]:
    at = ((np.arange(WINDOW) + 0.5) * (2 * np.pi / WINDOW)).astype(np.float32)  # cosf in C: one value hangs on it
    hann = 0.5 - 0.5 * np.cos(at.astype(np.float64)).astype(np.float32).astype(np.float64)
    return np.floor(hann * (1 << WEIGHT_BITS) + 0.5).astype(np.int32)


def _mel(hertz: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.float32(1127.0) * np.log1p(hertz / np.float32(700.0), dtype=np.float32), np.float32)


@functools.lru_cache(maxsize=1)
def _filterbank() -> NDArray[np.float64]:
    """(257, 40) whole weights: triangles on the mel scale that add up to one between their tops."""
    ends = _mel(np.array([LOWEST_HZ, HIGHEST_HZ], np.float32))
    spacing = (ends[1] - ends[0]) / np.float32(CHANNELS + 1)
    centres = ends[0] + spacing * np.arange(CHANNELS + 2, dtype=np.float32)
    width = np.float32(0.5 * SAMPLE_RATE) / np.float32(FFT // 2)
    mels = _mel(np.arange(FFT // 2 + 1, dtype=np.float32) * width)
    weights = np.zeros((FFT // 2 + 1, CHANNELS + 1))
    for number in range(int(1.5 + LOWEST_HZ / width), FFT // 2 + 1):
        band = int(np.searchsorted(centres, mels[number], side="left")) - 1
        if band > CHANNELS:
            break
        share = (centres[band + 1] - mels[number]) / (centres[band + 1] - centres[band])
        falling = np.floor(share * np.float32(1 << WEIGHT_BITS) + np.float32(0.5))
        rising = np.floor((np.float32(1) - share) * np.float32(1 << WEIGHT_BITS) + np.float32(0.5))
        weights[number, band] += falling
        if band < CHANNELS:
            weights[number, band + 1] += rising
    return weights[:, 1:]


def _rounded(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Products of two numbers with 15 bits behind the point -> one such number."""
    return (values + (1 << 14)) >> 15


def _times(
    real: NDArray[np.int32], imaginary: NDArray[np.int32], by: tuple[NDArray[np.int32], NDArray[np.int32]]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    cosine, sine = by
    return _rounded(real * cosine - imaginary * sine), _rounded(real * sine + imaginary * cosine)


def _circle(phases: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return tuple(np.floor(0.5 + 32767 * f(phases)).astype(np.int32) for f in (np.cos, np.sin))  # type: ignore[return-value]


def _real_fft(values: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(frames, 512) of 16 bits -> real and imaginary parts (frames, 257), divided by 512 on the way."""
    half = FFT // 2
    real, imaginary = _fft(values[:, ::2], values[:, 1::2])
    real, imaginary = (_rounded(part * (32767 // 2)) for part in (real, imaginary))
    out_real = np.zeros((len(values), half + 1), np.int32)
    out_imaginary = np.zeros_like(out_real)
    out_real[:, 0], out_real[:, half] = real[:, 0] + imaginary[:, 0], real[:, 0] - imaginary[:, 0]
    k = np.arange(1, half // 2 + 1)
    sums = real[:, k] + real[:, half - k], imaginary[:, k] - imaginary[:, half - k]
    differences = real[:, k] - real[:, half - k], imaginary[:, k] + imaginary[:, half - k]
    turned = _times(*differences, _circle(-np.pi * (k / half + 0.5)))
    out_real[:, k], out_imaginary[:, k] = (sums[0] + turned[0]) >> 1, (sums[1] + turned[1]) >> 1
    out_real[:, half - k], out_imaginary[:, half - k] = (sums[0] - turned[0]) >> 1, (turned[1] - sums[1]) >> 1
    return out_real, out_imaginary


@functools.lru_cache(maxsize=1)
def _order() -> NDArray[np.int64]:
    """Place of each of 256 inputs: the digits of its number to the base 4, backwards."""
    digits = np.arange(256).reshape(4, 4, 4, 4)
    return digits.transpose(3, 2, 1, 0).ravel()


def _fft(real: NDArray[np.int32], imaginary: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(frames, 256) complex of 16 bits: four stages of radix 4, each divided by 4 before it."""
    frames = len(real)
    real, imaginary = real[:, _order()], imaginary[:, _order()]
    for size in (1, 4, 16, 64):
        shape = (frames, 64 // size, 4, size)
        r, i = (_rounded(part.reshape(shape) * (32767 // 4)) for part in (real, imaginary))
        turns = -2 * np.pi * np.arange(size) / (4 * size)
        r1, i1 = _times(r[:, :, 1], i[:, :, 1], _circle(turns))
        r2, i2 = _times(r[:, :, 2], i[:, :, 2], _circle(2 * turns))
        r3, i3 = _times(r[:, :, 3], i[:, :, 3], _circle(3 * turns))
        even, odd = (r[:, :, 0] + r2, i[:, :, 0] + i2), (r1 + r3, i1 + i3)
        lower, turned = (r[:, :, 0] - r2, i[:, :, 0] - i2), (r1 - r3, i1 - i3)
        real = np.stack([even[0] + odd[0], lower[0] + turned[1], even[0] - odd[0], lower[0] - turned[1]], axis=2)
        imaginary = np.stack([even[1] + odd[1], lower[1] - turned[0], even[1] - odd[1], lower[1] + turned[0]], axis=2)
        real, imaginary = real.reshape(frames, 256), imaginary.reshape(frames, 256)
    return real, imaginary
