"""Two evaluations side by side: what is the same is compared, what is not is named."""

from __future__ import annotations

import dataclasses
from typing import Literal

from wakewright.evaluate.intervals import LEVEL, Interval, difference_interval, rate_interval
from wakewright.evaluate.result import Condition, Rate, Result, Share
from wakewright.evaluate.wording import delay_text, number, rate_text, share_text

DASH = "-"
"""In the place of a figure that is not there."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One figure of both."""

    name: str
    first: str
    second: str
    """With its evidence, as the report words it."""
    verdict: str
    """`better` or `worse` for the second where the intervals do not overlap, empty where it may be chance."""
    difference: str = ""
    """Second less first with its 95 % interval, in points or per hour; empty where it is not known."""
    kind: Literal["", "missed", "false accepts"] = ""
    """What it counts, if anything."""


def compare(first: Result, second: Result) -> list[Line]:
    """Every figure that both have, and those that only one has, the other's cell being a dash.

    Intervals that do not overlap are a careful test: of two equal detectors one looks better in fewer than one figure
    of a hundred. Two evaluations of different recordings are not comparable, and nothing here can know.
    """
    lines = [Line("threshold", f"{first.threshold:.3f}", f"{second.threshold:.3f}", "")]
    ours, theirs = ({c.name: c for c in result.conditions} for result in (first, second))
    for name in dict.fromkeys([*ours, *theirs]):
        lines += _condition(name, ours.get(name), theirs.get(name))
    quiet, loud = ({s.name: s.false_accepts for s in result.silences} for result in (first, second))
    for name in dict.fromkeys([*quiet, *loud]):
        lines.append(_rates(f"false accepts, {name}", quiet.get(name), loud.get(name)))
    return lines


def _condition(name: str, first: Condition | None, second: Condition | None) -> list[Line]:
    both = (first, second)
    lines = [_shares(f"missed, {name}, at its threshold", *(c.chosen.missed if c else None for c in both))]
    for target in dict.fromkeys(p.target_fa_per_hour for c in both if c for p in c.points):
        lines.append(_shares(f"missed, {name}, at {target:g} FA/h", *(_missed_at(c, target) for c in both)))
    after = [delay_text(c.delay) if c else DASH for c in both]
    return [*lines, Line(f"after the word, {name}", after[0], after[1], "")]


def _missed_at(condition: Condition | None, target: float | None) -> Share | None:
    points = condition.points if condition else ()
    return next((p.missed for p in points if p.target_fa_per_hour == target), None)


def _shares(name: str, first: Share | None, second: Share | None) -> Line:
    texts = (share_text(first) if first else DASH, share_text(second) if second else DASH)
    if not first or not second or first.share is None or second.share is None:
        return Line(name, *texts, "", kind="missed")
    ends = Interval(first.low, first.high), Interval(second.low, second.high)
    low, high = difference_interval(first.share, ends[0], second.share, ends[1])
    told = f"{100 * (second.share - first.share):+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
    return Line(name, *texts, _verdict(*ends), told, "missed")


def _rates(name: str, first: Rate | None, second: Rate | None) -> Line:
    texts = (rate_text(first) if first else DASH, rate_text(second) if second else DASH)
    if not first or not second or first.per_hour is None or second.per_hour is None:
        return Line(name, *texts, "", kind="false accepts")
    low, high = difference_interval(first.per_hour, _two_sided(first), second.per_hour, _two_sided(second))
    change = second.per_hour - first.per_hour
    told = f"{_signed(change)} per hour ({_signed(low)} to {_signed(high)})"
    ends = ((one.low, float("inf") if one.high is None else one.high) for one in (first, second))
    return Line(name, *texts, _verdict(*ends), told, "false accepts")


def _two_sided(rate: Rate) -> Interval:
    """A count of none too with half of the doubt above it, since a difference has two sides."""
    return rate_interval(rate.count, rate.hours, LEVEL if rate.count else 0.5 * (1 + LEVEL))


def _signed(value: float) -> str:
    return ("-" if value < 0 else "+") + number(abs(value))


def _verdict(first: tuple[float, float], second: tuple[float, float]) -> str:
    """Less is better; only where the intervals do not overlap."""
    if second[1] < first[0]:
        return "better"
    return "worse" if second[0] > first[1] else ""
