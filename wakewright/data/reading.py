"""What one recording is like, measured in one pass over its samples as they are stored.

Nothing is judged here: `faults` says which of these figures are a fault.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import pieces, resample
from wakewright.core.errors import AudioError
from wakewright.data import fingerprints

FRAME_S = 0.02
"""Seconds of a frame of which levels are taken."""
EDGE_S = 0.01
"""Seconds at the very start and end whose level tells whether something is cut off there."""
SILENT_DB = -60.0
"""Loud frames below this, in dB of full scale, hold nothing that was said near a microphone."""
SILENCE_DB = -120.0
"""The level, in dB of full scale, that stands for digital silence."""
LASTS = 5
"""Frames, 0.1 s: what is loud for shorter is a click, and no word is."""
SPEECH_PERCENTILE = 90.0
FLOOR_PERCENTILE = 10.0
"""A tenth of nearly every recording of speech is between the words."""
TIP_S = 0.002
"""Seconds at the very start and end in which even a synthesiser's speech is soft."""
FLAT = 3
"""Samples of one value in a row that a microphone gives at no peak."""
HEAPED = 4.0
"""A converter that clips heaps its samples on one value: this many times as many as on the next value below."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """The measurements of a recording."""

    seconds: float
    rate: int
    """Samples per second in the file."""
    channels: int
    peak: float
    """Largest absolute sample, full scale 1.0."""
    dc: float
    """Offset that loud and quiet frames share, full scale 1.0: a voiced wave alone is seldom even about zero."""
    rms_db: float
    """Root mean square in dB of full scale."""
    clipped: float
    """Share of the samples that lie on a flat top, at the rail or below it."""
    level_db: float
    """Level of the loud frames (90th percentile of 20 ms) in dB of full scale; the LASTS loudest of a clip that is
    silent for the rest."""
    floor_db: float
    """Level of the quiet frames (10th percentile)."""
    start_db: float
    """Level of the first 10 ms."""
    start_tip_db: float
    """Level of the first 2 ms."""
    end_db: float
    """Level of the last 10 ms."""
    end_tip_db: float
    """Level of the last 2 ms."""
    digest: str
    """Hash of the decoded samples, 32 hex digits: the same for WAV and FLAC of one recording."""
    fingerprint: str
    """What it sounds like, as fingerprints.Fingerprint.packed."""

    @property
    def snr_db(self) -> float:
        """How far the loud frames stand above the quiet ones; an estimate that needs a pause somewhere."""
        return self.level_db - self.floor_db


@dataclasses.dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a recording could not be read, in the words of AudioError."""

    got: str
    do: str


def read(path: Path | str) -> Reading | Unreadable:
    """Decode the whole file, in pieces, and measure it."""
    try:
        return _measure(pieces(path))
    except AudioError as error:
        return Unreadable(error.got or error.what, error.do)


def _measure(stored: Iterable[tuple[NDArray[np.float32], int]]) -> Reading:
    hashed = hashlib.blake2b(digest_size=16)
    count = flat = 0
    squares = peak = 0.0
    powers: list[NDArray[np.float32]] = []
    means: list[NDArray[np.float32]] = []
    beginning: list[NDArray[np.float32]] = []
    last = np.zeros(0, np.float32)
    rate = channels = 0
    for samples, rate in stored:
        if not count:
            channels = samples.shape[1]
            hashed.update(f"{rate}/{channels}".encode())
        hashed.update(samples.tobytes())
        flat += max(_flat_tops(samples[:, channel]) for channel in range(channels))
        mono = samples.mean(axis=1, dtype=np.float32)
        if count < fingerprints.HEARD_S * rate:
            beginning.append(mono)
        count += len(mono)
        squares += float(np.square(mono, dtype=np.float64).sum())
        peak = max(peak, float(np.abs(samples).max()))
        frames = _frames(mono, rate)
        powers.append(frames.var(axis=1))
        means.append(frames.mean(axis=1))
        last = np.concatenate([last, mono])[-round(EDGE_S * rate) :]
    first = np.concatenate(beginning)
    power = np.concatenate(powers)
    levels = 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))
    heard = resample(first[: round(fingerprints.HEARD_S * rate)], rate)
    return Reading(
        seconds=count / rate,
        rate=rate,
        channels=channels,
        peak=round(peak, 6),
        dc=round(_offset(np.concatenate(means), power), 6),
        rms_db=_level(squares / count),
        clipped=round(flat / count, 6),
        level_db=round(_loud(levels), 2),
        floor_db=round(float(np.percentile(levels, FLOOR_PERCENTILE)), 2),
        start_db=_level_of(first[: round(EDGE_S * rate)]),
        start_tip_db=_level_of(first[: round(TIP_S * rate)]),
        end_db=_level_of(last),
        end_tip_db=_level_of(last[-round(TIP_S * rate) :]),
        digest=hashed.hexdigest(),
        fingerprint=fingerprints.take(heard).packed(),
    )


def _frames(mono: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """(n,) -> (frames, size) whole frames; the whole as one when it is shorter than a frame."""
    size = min(max(1, round(FRAME_S * rate)), len(mono))
    return mono[: len(mono) // size * size].reshape(-1, size)


def _offset(means: NDArray[np.float32], power: NDArray[np.float32]) -> float:
    """How far loud and quiet frames alike are off zero: the less of the two, 0.0 where the signs differ."""
    quiet = float(np.median(means[power <= np.percentile(power, FLOOR_PERCENTILE)]))
    loud = float(np.median(means[power >= np.median(power)]))
    return min(quiet, loud, key=abs) if quiet * loud > 0 else 0.0


def _loud(levels: NDArray[np.float32]) -> float:
    """A word of half a second in a gated recording of six is less than a tenth of it."""
    usual = float(np.percentile(levels, SPEECH_PERCENTILE))
    if usual >= SILENT_DB or len(levels) < LASTS:
        return usual
    return max(usual, float(np.partition(levels, -LASTS)[-LASTS]))


def _level_of(samples: NDArray[np.float32]) -> float:
    return _level(float(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else SILENCE_DB


def _level(power: float) -> float:
    return round(float(10 * np.log10(max(power, 10 ** (SILENCE_DB / 10)))), 2)


def _flat_tops(samples: NDArray[np.float32]) -> int:
    """Samples of one channel that lie flat on its highest or lowest value, where a converter or a program clipped.

    Coarse formats (8 bits, mu-law) have flat tops too, but no more samples on the last value than on the one before.
    """
    return sum(_heap(np.asarray(side)) for side in (samples, -samples))


def _heap(samples: NDArray[np.float32]) -> int:
    top = float(samples.max())
    if top <= 0.0:
        return 0
    near = samples >= top * (1 - 1e-4)  # a resampled or dithered rail is not one value to the last bit
    runs = np.flatnonzero(np.diff(np.concatenate([[0], near.astype(np.int8), [0]])))
    lengths = runs[1::2] - runs[::2]
    flat = int(lengths[lengths >= FLAT].sum())
    if not flat:
        return 0
    below = samples[~near]
    second = float(below.max()) if len(below) else 0.0
    beside = int((below >= second - 1e-4 * top).sum()) if len(below) else 0
    return flat if flat >= HEAPED * beside else 0
