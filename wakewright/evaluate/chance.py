"""How likely chance alone makes the new of two figures look this much worse: exact one-sided tests, in numpy alone.

Of figures on the same sound only what differs between the two says anything. Were both equally good, each unit
(a speaker, a word, a source) would be as likely to differ the one way as the other, so every choice of signs for the
differences is as likely as what was found (R. A. Fisher, "The Design of Experiments", 1935, section 21). Where all
differences are of one, that is McNemar's test in its exact form. Figures on other sound carry Fisher's exact test
(shares) and the conditional one of two Poisson counts (rates).

Each test tells besides what the least chance is that it could have given. R. E. Tarone ("A modified Bonferroni method
for discrete data", Biometrics 46, 1990): what could not have looked worse whatever had happened need not be corrected
for, and the level of all together holds all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Chance(NamedTuple):
    """What a test says."""

    chance: float
    """Of a difference for the worse as large as this or larger, were both equally good."""
    least: float
    """The smallest that the same number of differences could have given."""


DRAWS = 20_000
"""Choices of signs that a joint level is found from."""
AT_ONCE = 1 << 20
"""Signs that are held in memory: of thousands of words all of them would take gigabytes."""
NOTHING = Chance(1.0, 1.0)
"""Where nothing differs."""


def of_differences(differences: Iterable[int], scatter: float = 1.0) -> Chance:
    """What of each unit the new one has more than the old one: misses or false accepts.

    Where the units go together, their sum scatters so many times as far as it would if each went its own way.
    """
    moved = [value for value in differences if value]
    if not moved:
        return NOTHING
    largest, found = sum(map(abs, moved)), sum(moved)
    above = _above(moved)
    return Chance(*(float(above[_place(value / scatter, largest)]) for value in (found, largest)))


def _above(moved: Iterable[int]) -> NDArray[np.float64]:
    """(sum + 1,) how likely the positive ones among differences of any sign sum to so much or more."""
    ways = np.ones(1)  # [x]: the share of all signs under which they sum to x
    for value in moved:
        longer = np.zeros(ways.size + abs(value))
        longer[: ways.size] += 0.5 * ways
        longer[abs(value) :] += 0.5 * ways
        ways = longer
    return np.minimum(1.0, np.cumsum(ways[::-1])[::-1])


def _place(total: float, largest: int) -> int:
    """Sum of the positive differences from which on all of them sum to `total` or more."""
    return max(0, math.ceil((total + largest) / 2 - 1e-9))


def joint_level(figures: Sequence[Mapping[str, int]], level: float) -> float:
    """The chance at which each of several figures on the same words is worse, all together no oftener than `level`.

    {unit: difference} of each. A unit differs in all of them the same way, so that they need less correction than
    their number asks for (P. H. Westfall and S. S. Young, "Resampling-Based Multiple Testing", 1993).
    """
    moved = [{unit: value for unit, value in one.items() if value} for one in figures]
    moved = [one for one in moved if one]
    if not moved:
        return level
    units = {unit: i for i, unit in enumerate(dict.fromkeys(unit for one in moved for unit in one))}
    tests = [
        (
            _above(one.values()),
            sum(map(abs, one.values())),
            [units[unit] for unit in one],
            np.asarray([*one.values()]),
        )
        for one in moved
    ]
    rng, lowest = np.random.default_rng(0), np.ones(DRAWS)
    rows = max(1, AT_ONCE // len(units))
    for first in range(0, DRAWS, rows):
        signs = rng.choice(np.asarray([-1.0, 1.0]), (min(rows, DRAWS - first), len(units)))
        part = lowest[first : first + rows]
        for above, largest, places, values in tests:
            drawn = signs[:, places] @ values.astype(np.float64)
            np.minimum(part, above[np.rint(0.5 * (drawn + largest)).astype(np.int64)], out=part)
    found = np.unique(lowest)
    allowed = found[np.searchsorted(np.sort(lowest), found, side="right") <= level * DRAWS]
    return float(allowed[-1]) if allowed.size else 0.0


def of_shares(old: int, new: int, total: int, later_total: int) -> Chance:
    """`old` misses in `total` words, then `new` in `later_total` other ones."""
    both, words = old + new, total + later_total
    first, last = max(0, both - total), min(both, later_total)
    logs = [
        _log_choose(later_total, count) + _log_choose(total, both - count) - _log_choose(words, both)
        for count in range(first, last + 1)
    ]
    return Chance(min(1.0, math.fsum(map(math.exp, logs[new - first :]))), math.exp(logs[-1]) if both else 1.0)


def of_outlier(change: float, units: int, others: Sequence[float]) -> float:
    """How likely `units` of a kind change by so much on average or more, of which `others` have changed as they did.

    Were both equally good, all changes would scatter about 0, and their ratio to the scatter of the others would
    follow Student's t ("The Probable Error of a Mean", 1908). Where nothing else has changed it is 0 for any change.
    """
    scatter = math.sqrt(math.fsum(one * one for one in others) / (len(others) * units))
    if not scatter:
        return 0.0 if change > 0 else 1.0
    return student_tail(change / scatter, len(others))


def student_tail(t: float, freedom: int) -> float:
    """The chance of more than `t` in Student's distribution with a whole number of degrees of freedom.

    Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
    """
    angle = math.atan(abs(t) / math.sqrt(freedom))
    odd = freedom % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for power in range(2 + odd, freedom + 1, 2):
        total += term
        term *= (power - 1) / power * math.cos(angle) ** 2
    within = math.sin(angle) * total
    if odd:
        within = 2 / math.pi * (angle + within)
    return 0.5 * (1 - within) if t >= 0 else 0.5 * (1 + within)


def of_rates(old: int, new: int, hours: float, later_hours: float) -> Chance:
    """`old` events in so many hours, then `new` ones, which are independent of them or go up and down with them."""
    both, part = old + new, later_hours / (hours + later_hours)
    terms = (
        math.exp(_log_choose(both, count) + count * math.log(part) + (both - count) * math.log1p(-part))
        for count in range(new, both + 1)
    )
    return Chance(min(1.0, math.fsum(terms)), part**both)


def each_level(least: Sequence[float], level: float) -> float:
    """The chance below which each of many is worse, so that chance finds any worse no more often than `level`.

    `least` are the smallest chances that they could have given.
    """
    counts = range(1, max(1, len(least)) + 1)
    return next(level / count for count in counts if sum(one <= level / count for one in least) <= count)


def _log_choose(total: int, count: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
