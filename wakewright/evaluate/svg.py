"""Small charts as inline SVG. Colours are CSS variables, so that one drawing serves light and dark pages."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 460, 290
LEFT, RIGHT, TOP, BOTTOM = 46, 20, 12, 44
COLOURS = 5
"""CSS variables --c1 to --c5."""


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis: its ends, where its ticks stand and what they say."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def share(self, value: float) -> float:
        """Where `value` lies: 0 at the low end, 1 at the high end; values beyond an end lie on it."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclasses.dataclass(frozen=True)
class Line:
    """One curve, with an optional band; `steps` holds each value until the next x."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    steps: bool = False
    bars: bool = False
    """Fill down to the axis, for a histogram."""
    dot: tuple[float, float] | None = None


def linear_axis(label: str, low: float, high: float, unit: str = "") -> Axis:
    """An axis from low to high with about five round ticks; an empty range is widened."""
    if high <= low:
        high = low + 1.0
    raw = (high - low) / 5.0
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    ticks = [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]
    return Axis(label, low, high, tuple((tick, f"{tick:.6g}{unit}") for tick in ticks))


def log_axis(label: str, low: float, high: float, *, unit: str = "") -> Axis:
    """A logarithmic axis, ticked at 1, 2 and 5 (over more than three decades at 1 only) and at its low end."""
    high = max(high, 2.0 * low)
    marks = (1,) if high / low > 1000 else (1, 2, 5)
    clear = low * (high / low) ** 0.07  # nearer to the low end a number would be printed over the end's own
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [m * 10.0**d for d in decades for m in marks if clear < m * 10.0**d <= high * 1.001]
    return Axis(label, low, high, tuple((v, f"{float(f'{v:.2g}'):g}{unit}") for v in [low, *values]), log=True)


def _spot(x_axis: Axis, y_axis: Axis, x: float, y: float) -> tuple[float, float]:
    """Data to drawing."""
    across = LEFT + x_axis.share(x) * (WIDTH - LEFT - RIGHT)
    down = HEIGHT - BOTTOM - y_axis.share(y) * (HEIGHT - TOP - BOTTOM)
    return round(across, 1), round(down, 1)


def _corners(x_axis: Axis, y_axis: Axis, line: Line, values: Sequence[float]) -> list[tuple[float, float]]:
    """The points of a curve, with a corner before every step."""
    spots: list[tuple[float, float]] = []
    for x, y in zip(line.x, values, strict=True):
        spot = _spot(x_axis, y_axis, x, y)
        if line.steps and spots:
            spots.append((spot[0], spots[-1][1]))
        spots.append(spot)
    return spots


def _path(spots: Sequence[tuple[float, float]]) -> str:
    """Points to path data."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in spots)


def _grid(x_axis: Axis, y_axis: Axis) -> list[str]:
    """Grid lines, numbers and axis labels."""
    parts = []
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value, text in y_axis.ticks:
        _, y = _spot(x_axis, y_axis, x_axis.low, value)
        parts.append(f'<path class="grid" d="M{LEFT} {y:g}H{right}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{escape(text)}</text>')
    for value, text in x_axis.ticks:
        x, _ = _spot(x_axis, y_axis, value, y_axis.low)
        parts.append(f'<path class="grid" d="M{x:g} {TOP}V{floor}"/>')
        parts.append(f'<text x="{x:g}" y="{floor + 16}" text-anchor="middle">{escape(text)}</text>')
    middle = (LEFT + right) / 2
    parts.append(
        f'<text class="label" x="{middle:g}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_axis.label)}</text>'
    )
    return parts


def _curve(x_axis: Axis, y_axis: Axis, line: Line, colour: str) -> list[str]:
    """Band, line and dot."""
    parts = []
    if line.low and line.high:
        there = _corners(x_axis, y_axis, line, line.high)
        back = _corners(x_axis, y_axis, line, line.low)[::-1]
        parts.append(f'<path d="{_path(there + back)}Z" fill="{colour}" opacity=".14"/>')
    spots = _corners(x_axis, y_axis, line, line.y)
    if line.bars:
        floor = HEIGHT - BOTTOM
        closed = [(spots[0][0], floor), *spots, (spots[-1][0], floor)]
        parts.append(f'<path d="{_path(closed)}Z" fill="{colour}" opacity=".25"/>')
    parts.append(f'<path d="{_path(spots)}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>')
    if line.dot:
        x, y = _spot(x_axis, y_axis, *line.dot)
        parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{colour}"/>')
    return parts


def chart(lines: Sequence[Line], x_axis: Axis, y_axis: Axis, *, title: str, mark_x: float | None = None) -> str:
    """Draw the lines as one <figure>, with a key in HTML under it when there are two or more. All text is escaped.

    `title` is read aloud by screen readers; the y axis' label is the caption. `mark_x` draws an upright dashed line.
    """
    parts = _grid(x_axis, y_axis)
    for i, line in enumerate(lines):
        if line.x:
            parts += _curve(x_axis, y_axis, line, f"var(--c{i % COLOURS + 1})")
    if mark_x is not None:
        x, _ = _spot(x_axis, y_axis, mark_x, y_axis.low)
        parts.append(f'<path class="mark" d="M{x:g} {TOP}V{HEIGHT - BOTTOM}"/>')
    keys = "".join(
        f'<span><i style="background:var(--c{i % COLOURS + 1})"></i>{escape(line.name)}</span>'
        for i, line in enumerate(lines)
    )
    key = f'<div class="key">{keys}</div>' if len(lines) > 1 else ""
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return f"<figure><figcaption>{escape(y_axis.label)}</figcaption>{drawing}{key}</figure>"
