"""Two evaluations side by side: what is the same is compared, what is not is named."""

from __future__ import annotations

import dataclasses

from wakewright.evaluate.result import Condition, Rate, Result, Share
from wakewright.evaluate.wording import delay_text, rate_text, share_text

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
    verdict = ""
    if first and second and first.share is not None and second.share is not None:
        verdict = _verdict((first.low, first.high), (second.low, second.high))
    return Line(name, share_text(first) if first else DASH, share_text(second) if second else DASH, verdict)


def _rates(name: str, first: Rate | None, second: Rate | None) -> Line:
    verdict = ""
    if first and second and first.high is not None and second.high is not None:
        verdict = _verdict((first.low, first.high), (second.low, second.high))
    return Line(name, rate_text(first) if first else DASH, rate_text(second) if second else DASH, verdict)


def _verdict(first: tuple[float, float], second: tuple[float, float]) -> str:
    """Less is better; only where the intervals do not overlap."""
    if second[1] < first[0]:
        return "better"
    return "worse" if second[0] > first[1] else ""
