"""Log mel bands and cepstral coefficients (MFCC) as the field writes them, in NumPy.

A Hann window, the power of its Fourier transform, triangles on the mel scale (Stevens, Volkmann and Newman, 1937, in
the form of O'Shaughnessy, "Speech Communication", 1987, which HTK uses), the natural logarithm; and for MFCC the
orthonormal cosine transform of that (Davis and Mermelstein, "Comparison of Parametric Representations for
Monosyllabic Word Recognition", 1980). Nothing is padded: frame k is of the samples from k * hop on, one window of
them, and of nothing else. Each is computed by itself, with no product of matrices among them, whose last bit would
depend on how many came at once.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from wakewright.core import model
from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.errors import InputError
from wakewright.dsp.frontend import Frames

FLOOR = 1e-8
"""Least energy of a band: what the rounding of 16-bit samples has in it, below which there is nothing to hear."""
BLOCK = 64
"""Frames computed at once: they fit into a core's cache."""
_NAME = re.compile(
    r"(?P<kind>mel|mfcc)-(?P<window_ms>[\d.]+)ms-(?P<hop_ms>[\d.]+)ms-(?P<n_mels>\d+)bands"
    r"-(?P<fmin_hz>\d+)to(?P<fmax_hz>\d+)hz(?:-first(?P<n_mfcc>\d+))?"
)


def name_of(settings: model.Frontend) -> str:
    """All that its frames depend on, as one word: what a store's track and a detector's metadata are named by."""
    name = f"{settings.kind}-{settings.window_ms:g}ms-{settings.hop_ms:g}ms-{settings.n_mels}bands"
    name += f"-{settings.fmin_hz}to{settings.fmax_hz}hz"
    return f"{name}-first{settings.n_mfcc}" if settings.kind == "mfcc" else name


def settings_of(name: str) -> model.Frontend:
    """What `name_of` was given, but for the normalisation, which is the model's. Raises KeyError for another name."""
    found = _NAME.fullmatch(name)
    try:
        settings = model.Frontend.model_validate({k: v for k, v in found.groupdict().items() if v} if found else 0)
    except ValidationError as error:
        raise KeyError(name) from error
    if name_of(settings) != name:
        raise KeyError(name)
    return settings


class LogMel:
    """Samples to log mel bands, or to the cepstral coefficients of them."""

    def __init__(self, settings: model.Frontend) -> None:
        """Raises InputError for bands so narrow that the window cannot tell them apart."""
        self.name = name_of(settings)
        self.hop = round(settings.hop_ms * SAMPLE_RATE / 1000)
        self.first_end = self._window = round(settings.window_ms * SAMPLE_RATE / 1000)
        self._hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self._window) / self._window)
        self._fft = 1 << (self._window - 1).bit_length()
        self._bins, self._weights = _filters(settings, self._fft)
        self._cosines = cosines(settings.n_mfcc, settings.n_mels) if settings.kind == "mfcc" else None
        self.channels = settings.n_mels if self._cosines is None else settings.n_mfcc
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        self._pending = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Frames:
        """(n,) float32 -> (m, channels) float32: natural logarithms of energies, or their cepstral coefficients."""
        heard = np.concatenate([self._pending, samples])
        count = max(0, (len(heard) - self._window) // self.hop + 1)
        self._pending = heard[count * self.hop :]
        out = np.empty((count, self.channels), np.float32)
        if count:
            windows = np.lib.stride_tricks.sliding_window_view(heard, self._window)[:: self.hop]
            for at in range(0, count, BLOCK):
                out[at : at + BLOCK] = self._frames(windows[at : at + BLOCK])
        return out

    def _frames(self, windows: NDArray[np.float32]) -> NDArray[np.float64]:
        """(frames, window) -> (frames, channels)."""
        spectrum = np.fft.rfft(windows * self._hann, self._fft)
        power = spectrum.real**2 + spectrum.imag**2
        bands = (power[:, self._bins] * self._weights).sum(axis=-1)
        frames: NDArray[np.float64] = np.log(np.maximum(bands, FLOOR))
        if self._cosines is not None:
            frames = (frames[:, None, :] * self._cosines).sum(axis=-1)
        return frames


def to_mel(hertz: NDArray[Any]) -> NDArray[np.float64]:
    """Hertz -> mel."""
    return np.asarray(1127.0 * np.log1p(hertz / 700.0), np.float64)


def filterbank(settings: model.Frontend, fft: int) -> NDArray[np.float64]:
    """(bands, fft / 2 + 1) weights: triangles evenly spaced and straight on the mel scale, 1 at their tops."""
    low, high = to_mel(np.array([settings.fmin_hz, settings.fmax_hz], np.float64))
    corners = np.linspace(low, high, settings.n_mels + 2)
    mels = to_mel(np.arange(fft // 2 + 1) * (SAMPLE_RATE / fft))
    left, top, right = (corners[i : i + settings.n_mels, None] for i in range(3))
    rising, falling = (mels - left) / (top - left), (right - mels) / (right - top)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)), np.float64)


def cosines(count: int, bands: int) -> NDArray[np.float64]:
    """(count, bands): the first rows of the orthonormal cosine transform (DCT-II)."""
    rows = np.cos(np.pi / bands * np.arange(count)[:, None] * (np.arange(bands) + 0.5))
    rows *= np.sqrt(2.0 / bands)
    rows[0] /= np.sqrt(2.0)
    return rows


def _filters(settings: model.Frontend, fft: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(bands, most) the bins of the spectrum in each band, and their weights; what a band has fewer has no weight."""
    whole = filterbank(settings, fft)
    counts = (whole > 0).sum(axis=1)
    if not counts.all():
        raise InputError(
            f"model.frontend: {int((counts == 0).sum())} of the {settings.n_mels} bands lie between the lines of the "
            "spectrum and would hear nothing",
            got=f"n_mels={settings.n_mels}, fmin_hz={settings.fmin_hz}, window_ms={settings.window_ms:g}: lines "
            f"{SAMPLE_RATE / fft:.1f} Hz apart",
            do="take fewer bands or a longer window, or begin higher",
        )
    first = np.argmax(whole > 0, axis=1)
    bins = np.minimum(first[:, None] + np.arange(counts.max()), fft // 2)
    kept = np.arange(counts.max()) < counts[:, None]
    return bins, np.where(kept, np.take_along_axis(whole, bins, axis=1), 0.0)
