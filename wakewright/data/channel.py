"""Transforms of voice and channel: speed, equaliser, narrow band, overload, level and hiss (see augment)."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import soxr

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.recipe import Span
from wakewright.data import filters


def decibels(db: float) -> np.float32:
    """Decibels -> amplitude ratio."""
    return np.float32(10.0 ** (db / 20.0))


def peak(samples: Samples) -> float:
    """Largest magnitude, 0.0 for none."""
    return float(np.max(np.abs(samples))) if len(samples) else 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class SpeedPlan:
    """Drawn by Speed."""

    factor: float
    """Above 1 is faster, higher and shorter."""


@dataclasses.dataclass(frozen=True, slots=True)
class Speed:
    """Play faster or slower: tempo and pitch change together, by soxr's resampler."""

    factor: Span = (0.85, 1.2)
    """Range of the speed."""

    def draw(self, rng: np.random.Generator) -> SpeedPlan:
        return SpeedPlan(float(rng.uniform(*self.factor)))

    def apply(self, samples: Samples, plan: SpeedPlan) -> Samples:
        if len(samples) == 0 or plan.factor == 1.0:
            return samples.copy()
        return np.asarray(soxr.resample(samples, SAMPLE_RATE * plan.factor, SAMPLE_RATE), dtype=np.float32)

    @staticmethod
    def moved(position: int, plan: SpeedPlan) -> int:
        """Where a sample of the input, such as a word's end, lies in the output."""
        return round(position / plan.factor)


@dataclasses.dataclass(frozen=True, slots=True)
class EqualiserPlan:
    """Drawn by Equaliser."""

    gains_db: tuple[float, ...]
    """Gain at each knot."""


@dataclasses.dataclass(frozen=True, slots=True)
class Equaliser:
    """A random smooth gain over the frequencies: other mouths, microphones and distances."""

    eq_db: float = 8.0
    """Largest boost or cut."""
    knots_hz: tuple[float, ...] = (100.0, 250.0, 600.0, 1400.0, 3200.0, 7000.0)
    """Frequencies whose gain is drawn; in between it runs straight over octaves."""

    def draw(self, rng: np.random.Generator) -> EqualiserPlan:
        return EqualiserPlan(tuple(rng.uniform(-self.eq_db, self.eq_db, len(self.knots_hz)).tolist()))

    def apply(self, samples: Samples, plan: EqualiserPlan) -> Samples:
        return filters.equalise(samples, self.knots_hz, plan.gains_db)


@dataclasses.dataclass(frozen=True, slots=True)
class BandLimitPlan:
    """Drawn by BandLimit."""

    low_hz: float
    high_hz: float
    order: int
    """Steepness: 6 dB per octave each."""


@dataclasses.dataclass(frozen=True, slots=True)
class BandLimit:
    """A narrow channel: a telephone (300 to 3400 Hz), a small loudspeaker or cheap microphone, or an 8 kHz codec."""

    kinds: tuple[Literal["telephone", "loudspeaker", "codec"], ...] = ("telephone", "loudspeaker", "codec")
    """Channels to draw from."""

    def draw(self, rng: np.random.Generator) -> BandLimitPlan:
        kind = self.kinds[int(rng.integers(len(self.kinds)))]
        if kind == "telephone":
            return BandLimitPlan(float(rng.uniform(270, 330)), float(rng.uniform(3200, 3500)), 6)
        if kind == "loudspeaker":
            return BandLimitPlan(float(rng.uniform(150, 450)), float(rng.uniform(4500, 7500)), 2)
        return BandLimitPlan(float(rng.uniform(40, 80)), float(rng.uniform(3600, 3950)), 16)

    def apply(self, samples: Samples, plan: BandLimitPlan) -> Samples:
        return filters.band_pass(samples, plan.low_hz, plan.high_hz, plan.order)


@dataclasses.dataclass(frozen=True, slots=True)
class OverloadPlan:
    """Drawn by Overload."""

    depth_db: float
    """How far below the peak the limit lies."""
    soft: bool
    """A rounded limit (tanh) instead of a flat one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Overload:
    """Clipping: what lies beyond a limit below the clip's peak is cut off or squeezed. Never beyond full scale."""

    depth_db: Span = (1.0, 12.0)
    """Range of the limit below the peak."""

    def draw(self, rng: np.random.Generator) -> OverloadPlan:
        return OverloadPlan(float(rng.uniform(*self.depth_db)), bool(rng.random() < 0.5))

    def apply(self, samples: Samples, plan: OverloadPlan) -> Samples:
        limit = np.float32(min(peak(samples), 1.0)) / decibels(plan.depth_db)
        if limit == 0.0:
            return samples.copy()
        if plan.soft:
            return np.asarray(np.tanh(samples / limit) * limit, dtype=np.float32)
        return np.clip(samples, -limit, limit)


@dataclasses.dataclass(frozen=True, slots=True)
class GainPlan:
    """Drawn by Gain."""

    peak_db: float
    """Peak relative to full scale."""


@dataclasses.dataclass(frozen=True, slots=True)
class Gain:
    """Scale to a peak level. Silence stays silence."""

    peak_db: Span = (-32.0, -3.0)
    """Range of the peak relative to full scale, at most 0."""

    def draw(self, rng: np.random.Generator) -> GainPlan:
        return GainPlan(float(rng.uniform(*self.peak_db)))

    def apply(self, samples: Samples, plan: GainPlan) -> Samples:
        top = peak(samples)
        return samples * np.float32(decibels(plan.peak_db) / top) if top > 0.0 else samples.copy()


@dataclasses.dataclass(frozen=True, slots=True)
class NoiseFloorPlan:
    """Drawn by NoiseFloor."""

    level_db: float
    """RMS relative to full scale."""
    slope: int
    """0 white, 1 pink, 2 brown."""
    seed: int
    """Of the noise itself."""


@dataclasses.dataclass(frozen=True, slots=True)
class NoiseFloor:
    """The hiss of the microphone itself, at an absolute level: apply it after Gain."""

    level_db: Span = (-95.0, -50.0)
    """Range of the RMS relative to full scale."""

    def draw(self, rng: np.random.Generator) -> NoiseFloorPlan:
        return NoiseFloorPlan(float(rng.uniform(*self.level_db)), int(rng.integers(3)), int(rng.integers(2**32)))

    def apply(self, samples: Samples, plan: NoiseFloorPlan) -> Samples:
        noise = filters.coloured(np.random.default_rng(plan.seed), len(samples), plan.slope)
        return samples + noise * decibels(plan.level_db)
