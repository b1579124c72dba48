"""How a device decides: ESPHome's micro_wake_word counts in whole 256ths.

It fires when the sum of the last `window` scores, each a byte, exceeds the cutoff, a byte, times the window; the
cutoff is what its manifest calls `probability_cutoff`, times 255, cut off. A threshold is calibrated as one of these.

Then it cools off, as it does when it begins: it forgets the scores it had, and fires on nothing before `COOL_OFF`
slices of 10 ms have passed in which the newest score was below the cutoff. So a score that stays high fires once.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

COOL_OFF = 100
"""Slices of features (frames), of today's firmware; that of ESPHome 2024.7 stopped listening, and began with 74."""
CUTOFFS = 256
"""A cutoff is a byte."""


def cutoff_of(threshold: float, window: int) -> int:
    """The lowest cutoff at which the device fires on nothing that stays below the `threshold`, 0 to 255.

    `threshold` is of the mean of `window` scores of 256ths, 0 to 1.
    """
    return min(255, max(0, math.ceil((threshold * 256 * window - 1) / window)))


def threshold_of(cutoff: int, window: int) -> float:
    """The threshold that a mean of `window` scores reaches exactly when the device fires.

    It lies half a step below the first sum that fires, where no rounding of the mean can matter.
    """
    return (cutoff * window + 0.5) / (256 * window)


def on_device(threshold: float, window: int) -> float:
    """The nearest threshold not below this one that a device can have."""
    return threshold_of(cutoff_of(threshold, window), window)


def probability_cutoff(cutoff: int) -> float:
    """What to write into the manifest so that ESPHome makes this cutoff of it: `int(value * 255)`."""
    return next(
        value for value in (round(cutoff / 255 + 1e-4 * i, 4) for i in range(3)) if int(value * 255) == cutoff
    )


@dataclasses.dataclass(frozen=True)
class DeviceRule:
    """The firmware's decisions over a stream of scores."""

    window: int
    """Scores in the sum."""
    stride: int
    """Slices per score."""

    def bytes_of(self, smoothed: NDArray[np.float32]) -> NDArray[np.int64]:
        """(steps,) means over the window from the beginning of a stream, 0 to 1 -> (steps,) scores in 256ths."""
        sums = np.rint(smoothed.astype(np.float64) * 256 * self.window).astype(np.int64)
        # a score is what it added to the sum, and what left the sum then: the score of one window before
        steps = np.diff(sums, prepend=0)
        padded = np.pad(steps, (0, -len(steps) % self.window)).reshape(-1, self.window)
        return np.asarray(padded.cumsum(axis=0).reshape(-1)[: len(steps)], np.int64)

    def fires(self, scores: NDArray[np.int64], cutoff: int) -> list[int]:
        """(steps,) scores of a stream in 256ths -> the steps at which the device fires, of a cutoff from 0 to 255."""
        total = np.concatenate(([0], np.cumsum(scores)))
        ends = np.arange(1, len(total))
        above = np.flatnonzero(total[1:] - total[np.maximum(ends - self.window, 0)] > cutoff * self.window)
        quiet = np.flatnonzero(scores < cutoff)
        found: list[int] = []
        last, passed = -1, self.stride - 1  # it begins as after a detection; slices of that step's empty window count
        while above.size:
            steps = math.ceil((COOL_OFF - passed) / self.stride)
            place = int(np.searchsorted(quiet, last, side="right")) + steps - 1
            if place >= quiet.size:
                break
            ready = int(quiet[place])
            step = self._first(total, above, ready, last, cutoff)
            if step is None:
                break
            used = COOL_OFF - passed - (steps - 1) * self.stride if step == ready else 1
            last, passed = step, self.stride - used
            found.append(step)
        return found

    def _first(
        self, total: NDArray[np.int64], above: NDArray[np.int64], ready: int, last: int, cutoff: int
    ) -> int | None:
        """The first step from `ready` on whose sum since `last` exceeds the cutoff."""
        for step in range(ready, min(last + self.window, len(total) - 1)):
            if total[step + 1] - total[last + 1] > cutoff * self.window:
                return step
        place = int(np.searchsorted(above, max(ready, last + self.window)))
        return int(above[place]) if place < above.size else None
