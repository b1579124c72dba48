"""What batches are drawn from: frames or words, level by level where a schedule goes from clean to hard."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakewright.core.recipe_augment import Schedule


def chances(schedule: Schedule, done: float) -> NDArray[np.float64]:
    """(levels,) chance of each level, the cleanest first, when `done` of the training's steps (0 to 1) are done.

    The cleanest alone at first; one after the other comes in, each little by little, until at `until` all are alike.
    """
    come = min(1.0, done / schedule.until) * (schedule.levels - 1)
    weights = np.clip(come - np.arange(-1, schedule.levels - 1), 0.0, 1.0)
    weights[0] = 1.0
    return np.asarray(weights / weights.sum())


class Pool:
    """Values to draw from, each as often as any other of its level."""

    def __init__(self, values: NDArray[Any], levels: NDArray[np.int8] | None = None) -> None:
        """Of (n, ...) values and, with a schedule, the (n,) level of each."""
        self.values = values
        """All of them."""
        self._by_level = (
            [] if levels is None else [values[levels == i] for i in range(int(levels.max(initial=-1)) + 1)]
        )

    def __len__(self) -> int:
        return len(self.values)

    def draw(self, count: int, rng: np.random.Generator, wanted: NDArray[np.float64] | None = None) -> NDArray[Any]:
        """(count, ...) of the values; none where there are none.

        `wanted` is the chance of each level. Where nothing is at a level that has any, the cleanest that holds
        something stands in.
        """
        if not count or not len(self):
            return self.values[:0]
        if wanted is None or not self._by_level:
            return self.values[rng.integers(len(self), size=count)]
        sizes = np.array([len(values) for values in self._by_level])
        shares = wanted[: len(sizes)] * (sizes > 0)
        if not shares.sum():
            shares = np.eye(len(sizes))[np.argmax(sizes > 0)]
        counts = rng.multinomial(count, shares / shares.sum())
        return np.concatenate(
            [
                values[rng.integers(len(values), size=amount)]
                for values, amount in zip(self._by_level, counts, strict=True)
                if amount
            ]
        )
