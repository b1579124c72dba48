"""Transforms of the scene: the room around the speaker and the sound under the speech (see augment)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples, rms
from wakewright.core.errors import AudioError
from wakewright.core.recipe import Span
from wakewright.data import filters
from wakewright.data.channel import decibels

ACTIVE_DB = 25.0
"""A frame this far below the loudest one no longer counts as speech when its level is measured."""

END_DB = 30.0
"""A word ends with its last 20 ms that are at most this far below its loudest."""

TRIM_GUARD_S = 0.06
"""Kept on either side of a word whose recording is cut short."""

SILENT = 1e-4
"""RMS (-80 dBFS) below which a background is taken for silence: raising it would only raise rounding noise."""

EARLY_S = 0.05
"""Reflections this soon after the direct sound add to its loudness (the 50 ms of the definition measure D50)."""


def active_rms(samples: Samples) -> float:
    """RMS over the 20 ms frames at most 25 dB below the loudest one: pauses do not lower it; 0.0 for silence."""
    frame = SAMPLE_RATE // 50
    if len(samples) == 0:
        return 0.0
    whole = samples[: len(samples) // frame * frame] if len(samples) >= frame else samples
    power: NDArray[np.float64] = np.mean(
        np.square(whole.reshape(-1, min(frame, len(whole)))), axis=1, dtype=np.float64
    )
    active = power[power >= power.max() * 10.0 ** (-ACTIVE_DB / 10.0)]
    return float(np.sqrt(active.mean()))


def word_bounds(samples: Samples) -> tuple[int, int]:
    """First and one-past-last sample of what is loud in a recording: within END_DB of its loudest 20 ms."""
    frame = SAMPLE_RATE // 50
    count = max(1, len(samples) // frame)
    levels = [rms(samples[i * frame : (i + 1) * frame]) for i in range(count)]
    loud = np.flatnonzero(np.asarray(levels) >= max(levels) * 10 ** (-END_DB / 20))
    return int(loud[0]) * frame, min(len(samples), (int(loud[-1]) + 1) * frame)


@dataclasses.dataclass(frozen=True, slots=True)
class TrimPlan:
    """Drawn by Trim."""

    before: float
    """Share that is kept of what lies before the word."""
    after: float
    """Share that is kept of what lies after it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Trim:
    """A recording that begins late or ends early, the word in it kept whole.

    The word is what is within END_DB of the loudest 20 ms and TRIM_GUARD_S around it, for soft beginnings and ends. A
    recording whose background is as loud as that has nothing to cut.
    """

    def draw(self, rng: np.random.Generator) -> TrimPlan:
        return TrimPlan(float(rng.random()), float(rng.random()))

    def apply(self, samples: Samples, plan: TrimPlan) -> Samples:
        if len(samples) == 0:
            return samples.copy()
        guard = int(TRIM_GUARD_S * SAMPLE_RATE)
        first, last = word_bounds(samples)
        first, last = max(0, first - guard), min(len(samples), last + guard)
        begin, end = round(first * (1 - plan.before)), last + round((len(samples) - last) * plan.after)
        return samples[begin:end].copy()


@dataclasses.dataclass(frozen=True, slots=True)
class RoomPlan:
    """Drawn by Room."""

    index: int
    """Which impulse response."""


def direct_path(response: Samples) -> int:
    """Index of the direct sound in an (n,) impulse response: the crest of the first wave to reach half the peak."""
    size = np.abs(response)
    first = int(np.argmax(size >= size.max() / 2))
    return first + int(np.argmax(size[first : first + SAMPLE_RATE // 1000]))


@dataclasses.dataclass(frozen=True)
class Room:
    """Speech as a room returns it: convolution with one of the impulse responses.

    The way from mouth to microphone is taken out, so that the word ends where it did; the direct sound and the
    reflections of its first 50 ms keep the energy of the dry speech, so that the level stays. Raises AudioError for
    an impulse response that is silent, or for none at all.
    """

    responses: Sequence[Samples]
    """(m,) float32 each; see rooms.simulate_rooms and rooms.load_rirs."""
    tail_s: float = 0.0
    """Seconds of reverberation kept after the clip's end; 0 keeps the length."""

    def __post_init__(self) -> None:
        if not len(self.responses) or not all(len(r) and np.any(r) for r in self.responses):
            raise AudioError(
                "the room impulse responses cannot be used",
                got="one that is silent" if len(self.responses) else "none",
                do="remove it from background.rirs, or simulate rooms with augment.rooms",
            )

    def draw(self, rng: np.random.Generator) -> RoomPlan:
        return RoomPlan(int(rng.integers(len(self.responses))))

    def apply(self, samples: Samples, plan: RoomPlan) -> Samples:
        if len(samples) == 0:
            return samples.copy()
        response = self.responses[plan.index]
        direct = direct_path(response)
        early = response[: direct + int(EARLY_S * SAMPLE_RATE)]
        scale = np.float32(1.0 / np.sqrt(np.sum(np.square(early, dtype=np.float64))))
        length = len(samples) + int(self.tail_s * SAMPLE_RATE)
        wet = filters.convolve(samples, response)[direct : direct + length]
        out = np.zeros(length, np.float32)
        np.multiply(wet, scale, out=out[: len(wet)])
        return out


def over(under: Samples, samples: Samples, snr_db: float) -> Samples:
    """(n,) float32 over a background (n,), scaled so that the active speech lies `snr_db` above it."""
    noise = float(np.sqrt(np.mean(np.square(under)))) if len(under) else 0.0
    if noise < SILENT:
        return samples.copy()
    speech = active_rms(samples)
    if speech == 0.0:
        return samples + under
    return samples + under * (np.float32(speech / noise) / decibels(snr_db))


@dataclasses.dataclass(frozen=True, slots=True)
class MixPlan:
    """Drawn by Mix."""

    index: int
    """Which background."""
    start: float
    """Where in it, 0 the beginning, 1 the last place where the clip still fits."""
    snr_db: float
    """Level of the active speech above the background."""


@dataclasses.dataclass(frozen=True)
class Mix:
    """Background under the speech, at a signal-to-noise ratio.

    The speech's level is that of its active frames, the background's is its RMS under the clip; only the background
    is scaled. A background shorter than the clip is repeated. A background that is silent there leaves the clip as
    it is; under a clip that is silent the background keeps its own level.
    """

    backgrounds: Sequence[Samples]
    """(m,) float32 each, none of them empty; any sequence, so it may read from disk."""
    snr_db: Span = (-2.0, 25.0)
    """Range of the ratio."""

    def draw(self, rng: np.random.Generator) -> MixPlan:
        index = int(rng.integers(len(self.backgrounds)))
        return MixPlan(index, float(rng.random()), float(rng.uniform(*self.snr_db)))

    def apply(self, samples: Samples, plan: MixPlan) -> Samples:
        return over(self._under(len(samples), plan), samples, plan.snr_db)

    def _under(self, length: int, plan: MixPlan) -> Samples:
        background = self.backgrounds[plan.index]
        if len(background) >= length:
            start = int(plan.start * (len(background) - length))
            return background[start : start + length]
        if len(background) == 0:
            return background
        return np.take(background, np.arange(length) + int(plan.start * len(background)), mode="wrap")
