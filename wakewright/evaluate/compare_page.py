"""Two evaluations side by side as one self-contained HTML page, in the style of the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from wakewright.core import yamltext
from wakewright.evaluate import curves
from wakewright.evaluate.compare import DASH, Line, compare
from wakewright.evaluate.groups import FEWEST_COMPARED, GROUPS_SHOWN, GroupRow, compare_groups, corrected_level
from wakewright.evaluate.page import cell, document, html_table, thresholds_table
from wakewright.evaluate.result import Condition, Result, share
from wakewright.evaluate.wording import share_text

SIDES = ("first", "second")
STYLE = """
.free td{white-space:normal;overflow-wrap:anywhere}.charts h3{font-size:.95rem;font-weight:600;margin:.5rem 0 0}
"""
SAME_HOURS = 0.01
"""Share by which the hours of one sound may differ between two front ends."""


def html(first: Result, second: Result, names: tuple[str, str]) -> str:
    """The whole page, of runs of these names; every text that comes from a user, a file or a recipe is escaped."""
    lines = compare(first, second)
    results = (first, second)
    return document(
        f"{first.phrase}: two runs",
        [
            f"<h1>“{escape(first.phrase)}”: two runs</h1>",
            _runs(results, names),
            _warn(list(_unlike(first, second))),
            _curves(first, second),
            _figures("Wake words missed", [line for line in lines if line.kind == "missed"]),
            _figures("False accepts", [line for line in lines if line.kind == "false accepts"]),
            f'<p class="muted">{escape(HOW)}</p>',
            _groups(first, second),
            _plain([line for line in lines if not line.kind]),
            _thresholds(results),
            _recipes(first.recipe, second.recipe),
        ],
        STYLE,
    )


HOW = (
    "In small print: count, and 95 % interval. The difference is the second less the first, with the interval that "
    "follows from both; on the same recordings it is wider than it need be. Better or worse is said of the second "
    "where both intervals lie apart, which of two equal detectors happens in fewer than one figure of a hundred."
)


def _runs(results: Sequence[Result], names: Sequence[str]) -> str:
    rows = {
        "run": names,
        "model": [one.model for one in results],
        "measured": [one.created for one in results],
        "threshold": [f"{one.threshold:.3f} ({one.threshold_origin})" for one in results],
    }
    return _free(html_table(["", *SIDES], ([name, *map(cell, values)] for name, values in rows.items())))


def _free(table: str) -> str:
    """A table whose cells may be wrapped anywhere."""
    return f'<div class="free">{table}</div>'


def _unlike(first: Result, second: Result) -> Iterator[str]:
    """What was not measured on the same sound in both."""
    words = {c.name: c.chosen.missed.total for c in second.conditions}
    hours = {s.name: s.false_accepts.hours for s in second.silences}
    for c in first.conditions:
        if c.name in words and words[c.name] != c.chosen.missed.total:
            yield f"{c.name}: {c.chosen.missed.total} words, then {words[c.name]}. These are other recordings."
    for s in first.silences:
        one, other = s.false_accepts.hours, hours.get(s.name)
        if other is not None and abs(one - other) > SAME_HOURS * max(one, other):
            yield f"{s.name}: {one:.2f} h, then {other:.2f} h. These are other recordings."


def _warn(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    lines = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f'<div class="warn" role="note">{lines}<p>Figures of other recordings do not compare the runs.</p></div>'


def _curves(first: Result, second: Result) -> str:
    """One chart for each condition that both have, both curves in it."""
    theirs = {c.name: c for c in second.conditions if curves.drawable(c)}
    pairs = [(c, theirs[c.name]) for c in first.conditions if curves.drawable(c) and c.name in theirs]
    if not pairs:
        return ""
    drawn = "".join(f"<div><h3>{escape(one.name)}</h3>{_chart(one, other)}</div>" for one, other in pairs)
    note = curves.note([c for pair in pairs for c in pair])
    return f'<h2>Misses against false accepts</h2><div class="charts">{drawn}</div><p class="muted">{note}</p>'


def _chart(one: Condition, other: Condition) -> str:
    title = f"DET curves of both runs, {one.name}: wake words missed against false accepts per hour"
    return curves.det_chart(dict(zip(SIDES, (one, other), strict=True)), title)


def _figures(title: str, lines: Sequence[Line]) -> str:
    """Counted figures of both, with the difference."""
    rows = [
        [escape(line.name), cell(line.first), cell(line.second), _judged(line.difference or DASH, line.verdict)]
        for line in lines
    ]
    return f"<h2>{title}</h2>{html_table(['', *SIDES, 'difference'], rows)}" if rows else ""


def _judged(difference: str, verdict: str) -> str:
    return cell(difference) + (f"<b>{verdict}</b>" if verdict else "")


def _plain(lines: Sequence[Line]) -> str:
    """Thresholds, and how long after the word."""
    rows = [[escape(line.name), cell(line.first), cell(line.second)] for line in lines]
    return "<h2>Threshold and delay</h2>" + html_table(["", *SIDES], rows)


def _groups(first: Result, second: Result) -> str:
    """The groups that changed most for the worse, and most for the better."""
    rows, remarks = compare_groups(first, second, [c.name for c in first.conditions])
    if not rows:
        return ""
    worse = [row for row in rows if row.count > row.old_count][:GROUPS_SHOWN]
    better = sorted((row for row in rows if row.count < row.old_count), key=lambda row: row.high)[:GROUPS_SHOWN]
    level = f"{100 * corrected_level(len(rows)):.3f} %"
    tables = "".join(
        _group_table(f"missed {how} by the second", shown, level)
        for how, shown in (("more", worse), ("less", better))
        if shown
    )
    note = (
        f"{len(rows)} groups of {FEWEST_COMPARED} words or more were compared; at most {GROUPS_SHOWN} of each kind "
        f"are shown. The interval of each difference is of {level}, so that chance alone puts any of them above 0 in "
        f"one comparison of forty at most. {' '.join(remarks)}"
    )
    return f'<h2>Groups</h2>{tables}<p class="muted">{escape(note)}</p>'


def _group_table(caption: str, rows: Sequence[GroupRow], level: str) -> str:
    cells = [
        [
            escape(row.group),
            cell(share_text(share(row.old_count, row.total))),
            cell(share_text(share(row.count, row.total))),
            _judged(
                f"{100 * (row.count - row.old_count) / row.total:+.0f} points "
                f"({100 * row.low:+.0f} to {100 * row.high:+.0f}, {level})",
                "worse" if row.worse else "better" if row.high < 0 else "",
            ),
        ]
        for row in rows
    ]
    return html_table(["group", *SIDES, "difference"], cells, caption)


def _thresholds(results: Sequence[Result]) -> str:
    """What other thresholds of each would have done."""
    tables = [
        thresholds_table(one, f"the {side}, {one.threshold:.3f} in use")
        for side, one in zip(SIDES, results, strict=True)
    ]
    return "<h2>Other thresholds</h2>" + "".join(tables) if any(tables) else ""


def _recipes(first: str, second: str) -> str:
    """The settings in which the recipes differ; "" where one is not kept."""
    if not first or not second:
        return ""
    ours, theirs = (dict(_leaves(yamltext.read(text, "the recipe"))) for text in (first, second))
    rows = [
        [escape(name), *(escape(settings.get(name, DASH)) for settings in (ours, theirs))]
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    ]
    told = _free(html_table(["setting", *SIDES], rows)) if rows else "<p>Nothing.</p>"
    return f"<h2>What differs in the recipes</h2>{told}"


def _leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values."""
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, yamltext.write(value)
