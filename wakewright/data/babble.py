"""Several people talking in the background (see augment)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from wakewright.core.audio import Samples
from wakewright.core.errors import AudioError
from wakewright.core.recipe import Span
from wakewright.data import rooms
from wakewright.data.scene import over


@dataclasses.dataclass(frozen=True, slots=True)
class BabblePlan:
    """Drawn by Babble."""

    voices: int
    """How many talk at once."""
    snr_db: float
    """Level of the active speech above all of them together."""
    seed: int
    """Of who says what, and when."""


@dataclasses.dataclass(frozen=True)
class Babble:
    """People talking at once under the speech, each one clip after another, at a level of their own.

    Raises AudioError where there is nothing that they could say.
    """

    speech: Sequence[Samples]
    """(m,) float32 each, none of them empty; any sequence, so it may read from disk."""
    voices: tuple[int, int] = (3, 8)
    """Range of their number, both ends included."""
    snr_db: Span = (3.0, 20.0)
    """Range of the ratio."""

    def __post_init__(self) -> None:
        if not len(self.speech):
            raise AudioError(
                "there is nobody for the babble in the background",
                got="no clip of speech without the phrase",
                do="name folders in background.speech, set voices.sentences, or set augment.babble=null",
            )

    def draw(self, rng: np.random.Generator) -> BabblePlan:
        low, high = self.voices
        return BabblePlan(
            int(rng.integers(low, high + 1)), float(rng.uniform(*self.snr_db)), int(rng.integers(2**32))
        )

    def apply(self, samples: Samples, plan: BabblePlan) -> Samples:
        rng = np.random.default_rng(plan.seed)
        return over(rooms.babble(rng, len(samples), self.speech, plan.voices), samples, plan.snr_db)
