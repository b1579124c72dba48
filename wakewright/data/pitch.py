"""Tempo without pitch, by overlapping similar pieces; pitch without tempo, by resampling that to the old length."""

from __future__ import annotations

import dataclasses

import numpy as np
import soxr

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.recipe import Span

FRAME = 640
"""Samples in a piece: 40 ms, two periods of the deepest voice."""

HOP = FRAME // 2

REACH = 160
"""How far from its place a piece may be taken, to either side: one period of a voice at 100 Hz."""

STEP = 4
"""Only every fourth sample is compared: the periods of a voice lie far below 2 kHz."""

_WINDOW = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class PitchPlan:
    """Drawn by Pitch."""

    factor: float
    """Above 1 is higher."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pitch:
    """Make the voice higher or lower (its formants with it) without changing its tempo or the clip's length."""

    factor: Span = (0.88, 1.14)
    """Range of the pitch."""

    def draw(self, rng: np.random.Generator) -> PitchPlan:
        return PitchPlan(float(np.exp(rng.uniform(*np.log(self.factor)))))

    def apply(self, samples: Samples, plan: PitchPlan) -> Samples:
        if len(samples) == 0 or plan.factor == 1.0:
            return samples.copy()
        longer = stretch(samples, plan.factor)
        shifted = np.asarray(soxr.resample(longer, SAMPLE_RATE * plan.factor, SAMPLE_RATE), dtype=np.float32)
        out = np.zeros(len(samples), np.float32)
        out[: len(shifted)] = shifted[: len(samples)]
        return out


@dataclasses.dataclass(frozen=True, slots=True)
class StretchPlan:
    """Drawn by Stretch."""

    factor: float
    """Above 1 is slower and longer."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stretch:
    """Speak slower or faster at the same pitch: the length changes."""

    factor: Span = (0.9, 1.15)
    """Range of the length relative to what it was."""

    def draw(self, rng: np.random.Generator) -> StretchPlan:
        return StretchPlan(float(np.exp(rng.uniform(*np.log(self.factor)))))

    def apply(self, samples: Samples, plan: StretchPlan) -> Samples:
        if len(samples) == 0 or plan.factor == 1.0:
            return samples.copy()
        return stretch(samples, plan.factor)


def stretch(samples: Samples, factor: float) -> Samples:
    """(n,) -> (n * factor,) float32: the same pitch, slower for a factor above 1.

    WSOLA (Verhelst and Roelands 1993): each piece is taken where it continues the piece before it best, by normalised
    cross-correlation.
    """
    length = max(1, round(len(samples) * factor))
    pieces = -(-length // HOP) + 1
    padded = np.zeros(FRAME + len(samples) + 2 * (FRAME + REACH), np.float32)
    padded[FRAME : FRAME + len(samples)] = samples
    starts = np.empty(pieces, np.int64)
    starts[0] = FRAME - HOP
    for k in range(1, pieces):
        wanted = min(int(FRAME - HOP + k * HOP / factor), len(padded) - FRAME - REACH)
        natural = min(int(starts[k - 1]) + HOP, len(padded) - FRAME)
        starts[k] = (
            wanted
            - REACH
            + _best(padded[wanted - REACH : wanted + REACH + FRAME : STEP], padded[natural : natural + FRAME : STEP])
        )
    cut = padded[starts[:, None] + np.arange(FRAME)] * _WINDOW
    out = np.zeros((pieces + 1) * HOP, np.float32)
    out[:-HOP] = cut[:, :HOP].ravel()
    out[HOP:] += cut[:, HOP:].ravel()
    return out[HOP : HOP + length]


def _best(region: Samples, piece: Samples) -> int:
    """Where in the region the piece fits best, in samples."""
    match = np.correlate(region, piece, "valid")
    energy = np.cumsum(np.concatenate([np.zeros(1), np.square(region, dtype=np.float64)]))
    energy = energy[len(piece) :] - energy[: -len(piece)]
    if not np.any(match > 0.0):  # silence, or nothing alike: stay in the middle
        return REACH
    return STEP * int(np.argmax(match / np.sqrt(np.maximum(energy, 1e-12))))
