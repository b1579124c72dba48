"""The DET curve as a picture for a README or a forum post. The only file that imports matplotlib."""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path

from wakewright.core.errors import MissingPackage
from wakewright.core.files import replacing
from wakewright.evaluate import curves
from wakewright.evaluate.result import Condition, Result
from wakewright.evaluate.wording import hours as hours_text

try:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
except ImportError as error:
    raise MissingPackage(
        "the DET curve cannot be drawn", got=str(error), do='install it: pip install "wakewright[train]"'
    ) from error

COLOURS = ("#1f5fbf", "#c4551a", "#2b8a5f", "#8a4fa3", "#8a6d1a")
INK, MUTED, GRID = "#1c1e21", "#5f6670", "#e4e7eb"
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


def det_png(result: Result, path: Path | str) -> None:
    """Draw the DET curves of all conditions: misses (%) against false accepts per hour, with 95 % bands.

    The logarithmic axis starts at one false accept in the hours tested, the least that can be told apart. What is
    missed with none at all stands to the left of it, as an open circle. Where the sound is too short for a curve it
    says so. Written atomically; the same result gives the same bytes.
    """
    figure = drawn(result)
    with replacing(path) as temporary, warnings.catch_warnings():
        # a phrase in a script that the font lacks is drawn as boxes; the report shows it properly
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        figure.savefig(temporary, format="png", metadata={"Software": None})


def drawn(result: Result) -> Figure:
    """What `det_png` writes."""
    figure = Figure(figsize=(7.2, 4.8), dpi=200, facecolor="white")
    FigureCanvasAgg(figure)
    shown = [c for c in result.conditions if curves.drawable(c)][: len(COLOURS)]
    title = f"“{result.phrase}”: how often it is missed"
    figure.text(0.092, 0.93, title, color=INK, fontsize=13, weight="bold", parse_math=False)
    figure.text(0.092, 0.873, f"{result.model}, streamed continuously", color=MUTED, fontsize=9.5, parse_math=False)
    if shown:
        axes = figure.add_axes((0.092, 0.185, 0.885, 0.63))
        left, right = _ends(shown)
        zero = left * (right / left) ** -0.08
        for i, (colour, condition) in enumerate(zip(COLOURS, shown, strict=False)):
            aside = (right / left) ** (0.013 * (i - 0.5 * (len(shown) - 1)))  # so that circles do not hide each other
            _draw(axes, condition, colour, zero * aside)
        _dress(axes, shown, zero)
        told = _caption(shown, device=bool(result.forms))
        figure.text(0.092, 0.028, told, color=MUTED, fontsize=8.2, linespacing=1.45)
    else:
        told = curves.no_curve(result.conditions[0]) if result.conditions else "Nothing was measured."
        figure.text(0.092, 0.6, textwrap.fill(told, 72), color=INK, fontsize=10, linespacing=1.45)
    return figure


def _ends(shown: list[Condition]) -> tuple[float, float]:
    """Both ends of the logarithmic axis: one false accept in the hours, and the highest rate of any curve."""
    left = min(1.0 / c.curve.hours for c in shown)
    right = max(c.curve.false_accepts[-1] / c.curve.hours for c in shown)
    return left, max(right, 2.0 * left)


def _draw(axes: Axes, condition: Condition, colour: str, zero: float) -> None:
    """One condition: band, line, the open circle for no false accept, and a dot at the calibrated threshold."""
    curve = condition.curve
    x = [count / curve.hours for count in curve.false_accepts]
    y, low, high = ([100 * v for v in values] for values in (curve.frr, curve.low, curve.high))
    missed = condition.chosen.missed
    # matplotlib leaves labels that begin with an underscore out of the legend
    label = f"{' ' * condition.name.startswith('_')}{condition.name}  ({missed.total} spoken)"
    axes.fill_between(x[1:], low[1:], high[1:], step="post", color=colour, alpha=0.11, linewidth=0)
    axes.plot(x[1:], y[1:], color=colour, lw=1.9, drawstyle="steps-post", label=label, zorder=3, clip_on=False)
    axes.plot([zero, zero], [low[0], high[0]], color=colour, alpha=0.3, linewidth=2.5, solid_capstyle="butt")
    axes.plot(zero, y[0], "o", ms=5.5, mfc="white", mec=colour, mew=1.4, zorder=4, clip_on=False)
    rate = condition.chosen.false_accepts
    place = rate.per_hour if rate.count and rate.per_hour else zero
    if missed.share is not None and place <= x[-1]:
        axes.plot(place, 100 * missed.share, "o", markersize=6, color=colour, zorder=5, clip_on=False)


def _dress(axes: Axes, shown: list[Condition], zero: float) -> None:
    """Axes, grid, ticks and legend."""
    left, right = _ends(shown)
    axes.set_xscale("log")
    # a tick closer to the end than this would have its number printed over the end's own
    clear = left * (right / left) ** 0.05
    axes.xaxis.set_major_locator(FixedLocator([zero, left, *(t for t in TICKS if clear < t <= right * 1.001)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: "none" if x < 0.99 * left else f"{x:.2g}"))
    axes.set_xlim(zero * (right / left) ** -0.04, right)
    # the calibrated thresholds' dots may lie above every band
    peak = 100 * max(max(*c.curve.high, c.chosen.missed.share or 0.0) for c in shown)
    axes.set_ylim(0, min(100.0, max(2.0, peak * 1.06)))
    axes.axvline((zero * left) ** 0.5, color="white", linewidth=4, zorder=2)
    axes.set_xlabel("false accepts per hour", color=INK, fontsize=10)
    axes.set_ylabel("wake words missed, %", color=INK, fontsize=10)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=9, length=0, pad=5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#b4bac2")
    legend = axes.legend(frameon=False, fontsize=9.5, labelcolor=INK, loc="upper right", handlelength=1.6)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _caption(shown: list[Condition], *, device: bool) -> str:
    """What the picture rests on; false accepts of an int8 model are counted by its `device`'s rule."""
    span = hours_text(shown[0].curve.hours)
    counted = ", as the device's firmware would fire" if device else "; peaks within 2 s count once"
    return (
        f"Counted in {span} without the word{counted}. Bands: 95 %, bootstrap over sources.\n"
        f"The axis starts at one in {span}. Open circle: with none at all. Dot: at the calibrated threshold."
    )
