"""Augmentation: what a microphone in a room hears, instead of the clean clip. Draw, then apply.

A transform is a frozen dataclass of settings. `draw(rng)` decides everything and returns a plan of plain numbers;
`apply(samples, plan)` carries it out and knows no chance: the same samples and plan give the same bytes. Samples
are (n,) float32 at 16 kHz; the input is never changed. Only `Speed` changes the length, and `Room` when asked for a
tail.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from wakewright.core.audio import Samples
from wakewright.core.recipe import Augment
from wakewright.data.channel import BandLimit, Equaliser, Gain, NoiseFloor, Overload, Speed, peak
from wakewright.data.pitch import Pitch
from wakewright.data.scene import Mix, Room

__all__ = [
    "BandLimit",
    "Chain",
    "Equaliser",
    "Gain",
    "Mix",
    "NoiseFloor",
    "Overload",
    "Room",
    "Sometimes",
    "Speed",
    "Transform",
    "surroundings",
    "voice",
]

_Plan = TypeVar("_Plan")

OVERLOAD_SHARE = 0.05
"""Share of the clips that overload the microphone."""


class Transform(Protocol[_Plan]):
    """What every transform offers."""

    def draw(self, rng: np.random.Generator) -> _Plan:
        """Decide everything that is left to chance."""
        ...

    def apply(self, samples: Samples, plan: _Plan) -> Samples:
        """(n,) float32 -> (n,) float32, as planned."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class SometimesPlan:
    """Drawn by Sometimes."""

    inner: Any
    """The transform's own plan, or None when it is left out."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sometimes:
    """A transform that is applied to a share of the clips."""

    transform: Transform[Any]
    share: float
    """Chance of being applied, 0 to 1."""

    def draw(self, rng: np.random.Generator) -> SometimesPlan:
        return SometimesPlan(self.transform.draw(rng) if rng.random() < self.share else None)

    def apply(self, samples: Samples, plan: SometimesPlan) -> Samples:
        return samples.copy() if plan.inner is None else self.transform.apply(samples, plan.inner)


@dataclasses.dataclass(frozen=True, slots=True)
class ChainPlan:
    """Drawn by Chain."""

    steps: tuple[Any, ...]
    """One plan per transform."""


@dataclasses.dataclass(frozen=True, slots=True)
class Chain:
    """Transforms one after another."""

    transforms: tuple[Transform[Any], ...]
    full_scale: bool = True
    """Scale the result down where it would go beyond full scale."""

    def draw(self, rng: np.random.Generator) -> ChainPlan:
        return ChainPlan(tuple(t.draw(rng) for t in self.transforms))

    def apply(self, samples: Samples, plan: ChainPlan) -> Samples:
        out = samples if self.transforms else samples.copy()
        for transform, step in zip(self.transforms, plan.steps, strict=True):
            out = transform.apply(out, step)
        top = peak(out) if self.full_scale else 0.0
        return np.clip(out * np.float32(1.0 / top), -1.0, 1.0) if top > 1.0 else out


def voice(settings: Augment) -> Chain:
    """What changes the spoken clip itself (speed, pitch, equaliser), before it is placed: the length changes."""
    pitch: tuple[Transform[Any], ...] = (Pitch(settings.pitch),) if settings.pitch is not None else ()
    return Chain((Speed(settings.speed), *pitch, Equaliser(settings.eq_db)))


def surroundings(settings: Augment, responses: Sequence[Samples], backgrounds: Sequence[Samples]) -> Chain:
    """What happens between mouth and file: room, background, channel, overload, level, hiss. The length stays.

    Without impulse responses there is no room, without backgrounds no mixing.
    """
    steps: list[Transform[Any]] = []
    if len(responses) and settings.room_share > 0:
        steps.append(Sometimes(Room(responses), settings.room_share))
    if len(backgrounds) and settings.noise_share > 0:
        steps.append(Sometimes(Mix(backgrounds, settings.snr_db), settings.noise_share))
    steps.append(Sometimes(BandLimit(), settings.band_limit_share))
    steps.append(Sometimes(Overload(), OVERLOAD_SHARE))
    steps += [Gain(settings.gain_db), NoiseFloor()]
    return Chain(tuple(steps))
