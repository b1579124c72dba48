"""Augmentation: what a microphone in a room hears, instead of the clean clip. Draw, then apply.

A transform is a frozen dataclass of settings. `draw(rng)` decides everything and returns a plan of plain numbers;
`apply(samples, plan)` carries it out and knows no chance: the same samples and plan give the same bytes. Samples
are (n,) float32 at 16 kHz; the input is never changed. Only `Speed`, `Stretch` and `Trim` change the length, and
`Room` when asked for a tail.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from wakewright.core.audio import Samples
from wakewright.core.recipe import Augment, Span
from wakewright.data.babble import Babble
from wakewright.data.channel import BandLimit, Equaliser, Gain, NoiseFloor, Overload, Speed, peak
from wakewright.data.link import Codec, Dropouts
from wakewright.data.pitch import Pitch, Stretch
from wakewright.data.scene import Mix, Room, Trim

__all__ = [
    "Babble",
    "BandLimit",
    "Chain",
    "Codec",
    "Dropouts",
    "Equaliser",
    "Gain",
    "Mix",
    "NoiseFloor",
    "Overload",
    "Partly",
    "Room",
    "Sometimes",
    "Speed",
    "Stretch",
    "Transform",
    "Trim",
    "at_level",
    "surroundings",
    "voice",
]

_Plan = TypeVar("_Plan")


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
class PartlyPlan:
    """Drawn by Partly."""

    inner: Any
    """The transform's own plan."""
    wet: float
    """How much of it is heard."""


@dataclasses.dataclass(frozen=True, slots=True)
class Partly:
    """A transform that keeps the length, heard together with what went into it: wet and dry."""

    transform: Transform[Any]
    wet: Span = (0.0, 1.0)
    """Range of the transform's share in the sum; the rest is as it was."""

    def draw(self, rng: np.random.Generator) -> PartlyPlan:
        return PartlyPlan(self.transform.draw(rng), float(rng.uniform(*self.wet)))

    def apply(self, samples: Samples, plan: PartlyPlan) -> Samples:
        wet = self.transform.apply(samples, plan.inner)
        return wet * np.float32(plan.wet) + samples * np.float32(1.0 - plan.wet)


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


def at_level(settings: Augment, level: int | None) -> Augment:
    """The settings at a level of their schedule: of each range of ratios the part of that level, 0 the highest."""
    if level is None or settings.schedule is None:
        return settings
    levels = settings.schedule.levels

    def part(span: Span) -> Span:
        low, high = span
        step = (high - low) / levels
        return high - (level + 1) * step, high - level * step

    babble = settings.babble
    return settings.model_copy(
        update={
            "snr_db": part(settings.snr_db),
            "babble": babble and babble.model_copy(update={"snr_db": part(babble.snr_db)}),
        }
    )


def voice(settings: Augment) -> Chain:
    """What changes the spoken clip itself, before it is placed: its silence, speed, pitch, tempo, equaliser.

    The length changes.
    """
    steps: list[Transform[Any]] = []
    if settings.trim_share > 0:
        steps.append(Sometimes(Trim(), settings.trim_share))
    steps.append(Speed(settings.speed))
    if settings.pitch is not None:
        steps.append(Pitch(settings.pitch))
    if settings.stretch is not None:
        steps.append(Stretch(settings.stretch))
    steps.append(Equaliser(settings.eq_db))
    return Chain(tuple(steps))


def surroundings(
    settings: Augment,
    responses: Sequence[Samples],
    backgrounds: Sequence[Samples],
    speech: Sequence[Samples] = (),
) -> Chain:
    """What happens between mouth and file, the length kept.

    In its order: room, background, babble, channel, overload, level, hiss, coder, lost packets. Without impulse
    responses there is no room, without backgrounds no mixing; what settings leave out draws nothing. Raises
    AudioError for babble without speech, MissingPackage for a coder that is not there.
    """
    steps: list[Transform[Any]] = []
    if len(responses) and settings.room_share > 0:
        room: Transform[Any] = Room(responses)
        room = room if settings.wet is None else Partly(room, settings.wet)
        steps.append(Sometimes(room, settings.room_share))
    if len(backgrounds) and settings.noise_share > 0:
        steps.append(Sometimes(Mix(backgrounds, settings.snr_db), settings.noise_share))
    if settings.babble is not None:
        people = Babble(speech, settings.babble.voices, settings.babble.snr_db)
        steps.append(Sometimes(people, settings.babble.share))
    steps.append(Sometimes(BandLimit(), settings.band_limit_share))
    steps.append(Sometimes(Overload(), settings.overload_share))
    steps += [Gain(settings.gain_db), NoiseFloor()]
    if settings.codec is not None:
        steps.append(Sometimes(Codec(settings.codec.kinds), settings.codec.share))
    if settings.dropouts is not None:
        steps.append(Sometimes(Dropouts(settings.dropouts.loss, settings.dropouts.burst), settings.dropouts.share))
    return Chain(tuple(steps))
