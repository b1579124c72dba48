"""DET curves for a page: of the conditions of one run, or of one condition of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wakewright.evaluate.result import Condition
from wakewright.evaluate.svg import Line, chart, linear_axis, log_axis
from wakewright.evaluate.wording import hours


def drawable(condition: Condition) -> bool:
    """Whether there is a curve: a line needs two points beyond none."""
    return len(condition.curve.false_accepts) > 2


def no_curve(condition: Condition) -> str:
    """Why there is none, and what to do."""
    heard = hours(condition.curve.hours)
    return (
        f"There is no curve: {heard} without the word hold too few sounds that come near to it. Train without "
        "--quick, or give it background speech."
    )


def det_chart(shown: Mapping[str, Condition], title: str) -> str:
    """The curves of drawable conditions by name, over axes that hold them all."""
    lines = [_line(name, condition) for name, condition in shown.items()]
    least = min(1.0 / condition.curve.hours for condition in shown.values())
    top = max(2.0, *(max(line.high) for line in lines))
    return chart(
        lines,
        log_axis("false accepts per hour", least, max(line.x[-1] for line in lines)),
        linear_axis("wake words missed, %", 0.0, min(100.0, top * 1.05)),
        title=title,
    )


def _line(name: str, condition: Condition) -> Line:
    curve = condition.curve
    x = [count / curve.hours for count in curve.false_accepts[1:]]
    y, low, high = ([100 * v for v in values[1:]] for values in (curve.frr, curve.low, curve.high))
    rate, missed = condition.chosen.false_accepts, condition.chosen.missed
    dot = None
    if rate.count and rate.per_hour and missed.share is not None and rate.per_hour <= x[-1]:
        dot = (rate.per_hour, 100 * missed.share)
    return Line(name, x, y, low, high, steps=True, dot=dot)


def note(shown: Sequence[Condition]) -> str:
    """What the curves rest on, in a few sentences."""
    span = hours(max(condition.curve.hours for condition in shown))
    return (
        f"{span} without the word; peaks within 2 s count once, those of an int8 model as its device's firmware "
        f"would fire. The axis starts at one in {span}: less cannot be told apart. Bands: 95 % bootstrap. Dot: at "
        "the calibrated threshold, unless it let nothing through."
    )
