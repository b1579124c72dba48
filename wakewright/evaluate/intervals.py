"""How far a counted rate can be trusted: exact 95 % intervals, in numpy alone.

Rates per hour carry Garwood's interval (F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika
28, 1936). Shares carry that of Clopper and Pearson ("The use of confidence or fiducial limits", Biometrika 26,
1934). Both are exact: they cover the truth at least 95 % of the time, so they are a little wide, never too narrow.
Wilson's interval is tighter but covers less than it says near 0 and 1, which is where wake words live.

Differences carry the interval that follows from those of the two figures (G. Y. Zou and A. Donner, "Construction of
confidence limits about effect measures", Statistics in Medicine 27, 2008).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Confidence of every interval in the reports."""


class Interval(NamedTuple):
    """Both ends of a confidence interval, in the unit of what it belongs to."""

    low: float
    high: float


def _log_factorials(largest: int) -> NDArray[np.float64]:
    """(largest + 1,) natural logarithms of 0!, 1!, ... largest!."""
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, largest + 1, dtype=np.float64)))))


def _bisect(rises: Callable[[float], float], target: float, low: float, high: float) -> float:
    """The place in [low, high] where the rising function reaches `target`, to double precision."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if rises(middle) < target:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def poisson_interval(count: int, level: float = LEVEL) -> Interval:
    """Garwood's interval for the mean of a Poisson count.

    A count of zero has no lower end to guard, so all of the doubt goes to the upper one: one-sided, the "rule of
    three" (2.996 at 95 %). Every other count is two-sided. Raises ValueError for a negative count.
    """
    if count < 0:
        raise ValueError(f"a count cannot be negative, got {count}")
    if count == 0:
        return Interval(0.0, -math.log(1.0 - level))
    tail = 0.5 * (1.0 - level)
    orders = np.arange(count + 1, dtype=np.float64)
    logs = _log_factorials(count)

    def at_most(upto: int, mean: float) -> float:
        return float(np.exp(orders[: upto + 1] * math.log(mean) - mean - logs[: upto + 1]).sum())

    ceiling = count + 12.0 * math.sqrt(count) + 30.0
    low = _bisect(lambda mean: 1.0 - at_most(count - 1, mean), tail, 1e-300, float(count))
    high = _bisect(lambda mean: 1.0 - at_most(count, mean), 1.0 - tail, float(count), ceiling)
    return Interval(low, high)


def rate_interval(count: int, hours: float, level: float = LEVEL) -> Interval:
    """`poisson_interval` per hour; (0, inf) when no time was measured at all."""
    if hours <= 0:
        return Interval(0.0, math.inf)
    low, high = poisson_interval(count, level)
    return Interval(low / hours, high / hours)


@functools.lru_cache(maxsize=4096)
def share_interval(count: int, total: int, level: float = LEVEL) -> Interval:
    """Clopper-Pearson interval, two-sided, of `count` in `total`; (0, 1) for a total of zero.

    Raises ValueError unless 0 <= count <= total.
    """
    if not 0 <= count <= total:
        raise ValueError(f"{count} of {total} is not a share")
    if total == 0:
        return Interval(0.0, 1.0)
    tail = 0.5 * (1.0 - level)
    orders = np.arange(total + 1, dtype=np.float64)
    logs = _log_factorials(total)
    choose = logs[total] - logs - logs[::-1]

    def at_least(count: int, share: float) -> float:
        terms = choose + orders * math.log(share) + (total - orders) * math.log1p(-share)
        return float(np.exp(terms[count:]).sum())

    low = 0.0 if count == 0 else _bisect(lambda p: at_least(count, p), tail, 1e-300, count / total)
    high = 1.0
    if count < total:
        high = _bisect(lambda p: at_least(count + 1, p), 1.0 - tail, count / total or 1e-300, 1.0 - 1e-16)
    return Interval(low, high)


def difference_interval(first: float, around_first: Interval, second: float, around_second: Interval) -> Interval:
    """Interval of `second - first`, from both figures and their intervals of one level.

    Right for two that are independent; figures of the same recordings go up and down together, for which it is wider
    than it need be.
    """
    change = second - first
    low = math.hypot(second - around_second.low, around_first.high - first)
    high = math.hypot(around_second.high - second, first - around_first.low)
    return Interval(change - low, change + high)
