"""The report as one self-contained HTML page: no network, light and dark, readable on a phone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from wakewright.evaluate import curves
from wakewright.evaluate.groups import FEWEST
from wakewright.evaluate.moment_page import STYLE as MOMENT_STYLE
from wakewright.evaluate.moment_page import galleries_html
from wakewright.evaluate.moments import Gallery
from wakewright.evaluate.result import Breakdown, Condition, Result
from wakewright.evaluate.svg import Axis, Line, chart, linear_axis
from wakewright.evaluate.wording import delay_text, hours, rate_text, share_text

NONE = 0.5
"""Where a count of none stands on a logarithmic axis."""

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--card:#f6f7f9;--ink:#1c1e21;--muted:#5f6670;--rule:#dfe3e8;--warn:#8a5a00;
--warnpaper:#fff6e0;--c1:#1f5fbf;--c2:#c4551a;--c3:#2b8a5f;--c4:#8a4fa3;--c5:#8a6d1a}
@media(prefers-color-scheme:dark){:root{--paper:#15171a;--card:#1e2125;--ink:#e8eaed;--muted:#9aa2ad;--rule:#33383f;
--warn:#f0c060;--warnpaper:#2c2515;--c1:#6ea3f5;--c2:#f0925c;--c3:#5cc795;--c4:#c38be0;--c5:#d8b85a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.25rem 0 .5rem}
p{margin:.4rem 0}.muted{color:var(--muted);font-size:.9rem;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.75rem;margin:1.25rem 0}
.cards div{background:var(--card);border-radius:.6rem;padding:.8rem 1rem}
.cards b{display:block;font-size:1.5rem;line-height:1.3;font-weight:650}
.cards span{color:var(--muted);font-size:.85rem;display:block}
.warn{background:var(--warnpaper);border-left:4px solid var(--warn);border-radius:.3rem;padding:.6rem 1rem;
margin:1rem 0}.warn p{margin:.25rem 0}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{color:var(--muted);font-weight:500}th,td{white-space:nowrap}
td small,th small{display:block;color:var(--muted)}caption{text-align:left;color:var(--muted);padding:.2rem 0}
tbody th{color:inherit;font-weight:inherit;white-space:normal;min-width:6rem;overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:1.25rem}
figure{margin:.5rem 0;min-width:0;max-width:38rem}figcaption{color:var(--muted);font-size:.85rem}
svg{width:100%;height:auto;display:block}svg text{font-size:12px;fill:var(--muted)}svg .label{fill:var(--ink)}
svg .grid{stroke:var(--rule);stroke-width:1}
svg .mark{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:4 3}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.85rem;padding-left:2.6rem}
.key i{display:inline-block;width:1.1rem;height:.22rem;border-radius:.1rem;margin-right:.4rem;vertical-align:middle}
audio{width:100%;max-width:20rem;height:2.2rem;display:block}
.sounds{display:grid;grid-template-columns:repeat(auto-fit,minmax(16rem,1fr));gap:.9rem}
pre{background:var(--card);padding:1rem;border-radius:.6rem;overflow-x:auto;font-size:.85rem}
summary{cursor:pointer;color:var(--muted)}
"""


def html_page(result: Result, galleries: Sequence[Gallery] = ()) -> str:
    """The whole page. Every text that comes from a user, a file or a recipe is escaped."""
    phrase = escape(result.phrase)
    sections = [
        f"<h1>“{phrase}”</h1>",
        f'<p class="muted">{escape(result.model)}{escape(", " + result.created if result.created else "")}</p>',
        _cards(result),
        _notes(result.warnings),
        _conditions(result),
        _det(result),
        _silences(result),
        _thresholds(result),
        _scores(result),
        _breakdowns(result),
        _forms(result),
        _confusions(result),
        _worst(result),
        galleries_html(galleries, result.threshold),
        _history(result),
        _advice(result.advice),
        _samples(result),
        _licences(result),
        _recipe(result.recipe),
    ]
    return document(f"{result.phrase}: wake word report", sections, MOMENT_STYLE)


def document(title: str, sections: Iterable[str], more_style: str = "") -> str:
    """A page of these sections, which are HTML; empty ones are left out. The title is escaped."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{more_style}</style></head>\n<body>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body></html>\n"
    )


def _split(text: str) -> tuple[str, str]:
    """ "2.1 % (7 of 329)" -> ("2.1 %", "7 of 329"), for a large figure and its evidence in small print."""
    head, _, rest = text.partition(" (")
    return head, rest.removesuffix(")")


def cell(text: str) -> str:
    """A figure with its evidence below."""
    head, rest = _split(text)
    return f"{escape(head)}<small>{escape(rest)}</small>" if rest else escape(head)


def html_table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Cells are HTML already; header and caption are not. The first cell of a row names it to a screen reader."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' if name else "<td></td>" for name in header)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{one}</td>" for one in rest) + "</tr>"
        for first, *rest in rows
    )
    named = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{named}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cards(result: Result) -> str:
    """The headline: missed, woken for nothing, how fast, at which threshold."""
    first = result.conditions[0]
    figures = [
        (f"missed, {first.name}", *_split(share_text(first.chosen.missed))),
        *((f"false accepts, {s.name}", *_split(rate_text(s.false_accepts))) for s in result.silences[:1]),
        ("from the end of the word", *_delay(first)),
        ("threshold", f"{result.threshold:.3f}", result.threshold_origin),
    ]
    cards = (
        f"<div><span>{escape(name)}</span><b>{escape(value)}</b><span>{escape(proof)}</span></div>"
        for name, value, proof in figures
    )
    return f'<div class="cards">{"".join(cards)}</div>'


def _delay(condition: Condition) -> tuple[str, str]:
    """The median, and the rest."""
    head, _, rest = delay_text(condition.delay).partition(" median, ")
    return head, f"median; {rest}" if rest else ""


def _notes(warnings: Sequence[str]) -> str:
    """What to know before believing it."""
    if not warnings:
        return ""
    lines = "".join(f"<p>{escape(warning)}</p>" for warning in warnings)
    return f'<div class="warn" role="note">{lines}</div>'


def _conditions(result: Result) -> str:
    """Misses by condition, at the calibrated threshold and at each false-accept rate."""
    targets = [point.target_fa_per_hour for point in result.conditions[0].points]
    rows, quality = [], []
    for c in result.conditions:
        rows.append([escape(c.name), *(cell(share_text(point.missed)) for point in (c.chosen, *c.points))])
        head, rest = _delay(c)
        eer = "–" if c.eer is None else f"{100 * c.eer:.1f} %"
        pauc = "–" if c.pauc is None else f"{c.pauc:.3f}"
        quality.append([escape(c.name), f"{escape(head)}<small>{escape(rest)}</small>", eer, pauc])
    return (
        "<h2>Wake words missed</h2>"
        + html_table(["", "at the threshold", *(f"at {t:g} FA/h" for t in targets)], rows)
        + '<p class="muted">In small print: count, and 95 % interval in per cent; exact (Clopper-Pearson) at the '
        "threshold, bootstrap over sources at a false-accept rate. FA/h: false accepts per hour.</p>"
        + html_table(["", "from end of word to detection", "equal error rate", "pAUC, FPR below 10 %"], quality)
    )


def _det(result: Result) -> str:
    """The DET curves."""
    shown = [c for c in result.conditions if curves.drawable(c)]
    if not shown and not result.conditions:
        return ""
    if not shown:
        told = curves.no_curve(result.conditions[0])
        return f'<h2>Misses against false accepts</h2><p class="muted">{told}</p>'
    drawn = curves.det_chart(
        {c.name: c for c in shown}, "DET curve: wake words missed against false accepts per hour"
    )
    return f'<h2>Misses against false accepts</h2>{drawn}<p class="muted">{curves.note(shown)}</p>'


def _silences(result: Result) -> str:
    """False accepts by kind of sound."""
    rows = [[escape(s.name), cell(rate_text(s.false_accepts)), hours(s.real_hours)] for s in result.silences]
    return "<h2>False accepts</h2>" + html_table(["", "at the threshold", "real recordings"], rows)


def _thresholds(result: Result) -> str:
    """What other thresholds would have done."""
    if result.thresholds is None:
        return ""
    return (
        "<h2>Other thresholds</h2>"
        + thresholds_table(result)
        + '<p class="muted">On the sound of the figures above. Intervals are of one threshold named beforehand: a '
        "threshold picked here because it looks best will do a little worse.</p>"
    )


def thresholds_table(result: Result, caption: str = "") -> str:
    """The table of it; "" for an evaluation without."""
    table = result.thresholds
    if table is None:
        return ""
    rows = [
        [
            f"<b>{row.threshold:.3f}</b><small>in use</small>" if row.threshold == result.threshold else number,
            *(cell(share_text(missed)) for missed in row.missed),
            cell(rate_text(row.false_accepts)),
        ]
        for row in table.rows
        for number in [f"{row.threshold:.4f}".rstrip("0")]
    ]
    header = ["threshold", *(f"missed, {name}" for name in table.conditions)]
    return html_table([*header, f"false accepts, {result.silences[0].name}"], rows, caption)


def _breakdowns(result: Result) -> str:
    """One table per label, side by side where there is room; those of further conditions folded away."""
    parts: dict[str, list[str]] = {}
    for table in result.breakdowns:
        parts.setdefault(table.condition, []).append(_breakdown(table))
    first = result.conditions[0].name
    shown = [
        f'<h2>Missed by group, worst first: {escape(name)}</h2><div class="charts">{"".join(tables)}</div>'
        if name == first
        else f'<details><summary>missed by group: {escape(name)}</summary><div class="charts">{"".join(tables)}</div>'
        "</details>"
        for name, tables in parts.items()
    ]
    return "".join(shown)


def _breakdown(table: Breakdown) -> str:
    rows = [[escape(g.name), cell(share_text(g.missed))] for g in table.groups]
    told = html_table([table.label, "missed"], rows) if rows else f"<b>{escape(table.label)}</b>"
    notes = []
    if table.left_out:
        notes.append(f"{table.left_out} more, which are missed less, are not shown.")
    if table.few and table.missed_of_few is not None:
        count = f"{table.few} more" if rows else f"All {table.few}"
        notes.append(f"{count} with fewer than {FEWEST} words each: together {share_text(table.missed_of_few)}.")
    return f'<div>{told}<p class="muted">{" ".join(notes)}</p></div>'


def _confusions(result: Result) -> str:
    """Which near misses wake it."""
    table = result.confusions
    if table is None:
        return ""
    rows = [[escape(g.name), cell(share_text(g.missed))] for g in table.groups]
    told = html_table(["near miss", "wakes it"], rows) if rows else ""
    rest = f"{table.left_out} {'more' if rows else 'near misses'} are not shown: they wake it as seldom, or never."
    if table.left_out == 1:
        rest = f"1 {'more' if rows else 'near miss'} is not shown: it wakes it as seldom, or never."
    more = f'<p class="muted">{rest + " " if table.left_out else ""}{escape(table.note)}</p>'
    return f"<h2>What sounds like it</h2>{told}{more}"


def _worst(result: Result) -> str:
    """Who or what woke it."""
    if not result.worst:
        return ""
    rows = [[escape(s.name), cell(rate_text(s.false_accepts))] for s in result.worst]
    return "<h2>Where the false accepts come from</h2>" + html_table(["source", "false accepts"], rows)


def _scores(result: Result) -> str:
    """The histogram, in counts on a logarithmic axis since nearly all the sound scores nearly nothing."""
    if result.histogram is None:
        return ""
    h = result.histogram
    lines = [
        Line(
            f"{name} ({sum(values):,.0f})",
            h.edges,
            [max(v, NONE) for v in (*values, values[-1])],
            steps=True,
            bars=True,
        )
        for name, values in (("wake words", h.positives), ("peaks in other sound", h.negatives))
    ]
    top = max(10.0, *h.positives, *h.negatives)
    counts = tuple((10.0**i, f"{10**i:,}") for i in range(math.floor(math.log10(top)) + 1))
    drawn = chart(
        lines,
        linear_axis("highest score", 0.0, 1.0),
        Axis("how many (logarithmic)", NONE, top * 1.2, counts, log=True),
        title="Histogram of the scores",
        mark_x=result.threshold,
    )
    note = (
        f"Words are those of the first condition; the other sound is {result.silences[0].name}, and its peaks are "
        f"what false accepts are counted by. Dashed: the threshold, {result.threshold:.3f}. On the floor: none."
    )
    return f'<h2>Scores</h2>{drawn}<p class="muted">{escape(note)}</p>'


def _forms(result: Result) -> str:
    """What int8 costs: the same weights in three arithmetics."""
    if not result.forms:
        return ""
    rows = [[escape(form.name), f"{100 * form.missed:.1f} %"] for form in result.forms]
    note = "The same weights over the same validation words; mean at once, twice and four times the target rate."
    return f'<h2>What int8 costs</h2>{html_table(["", "missed"], rows)}<p class="muted">{note}</p>'


def _history(result: Result) -> str:
    """The training, one small chart per curve."""
    charts = []
    for curve in result.history:
        if len(curve.steps) < 2:
            continue
        x_axis = linear_axis("step", min(curve.steps), max(curve.steps))
        y_axis = linear_axis(curve.name, min(0.0, *curve.values), max(curve.values) * 1.05)
        charts.append(chart([Line(curve.name, curve.steps, curve.values)], x_axis, y_axis, title=curve.name))
    return f'<h2>Training</h2><div class="charts">{"".join(charts)}</div>' if charts else ""


def _advice(advice: Sequence[str]) -> str:
    """What would make it better."""
    if not advice:
        return ""
    return "<h2>Advice</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in advice) + "</ul>"


def _samples(result: Result) -> str:
    """Sounds, referenced relative to the page."""
    if not result.samples:
        return ""
    items = "".join(
        f'<div>{escape(s.label)}<audio controls preload="none" src="{escape(s.path)}"></audio></div>'
        for s in result.samples
    )
    return f'<h2>Listen</h2><div class="sounds">{items}</div>'


def _licences(result: Result) -> str:
    """Under which licences the clips were that the model learnt from."""
    if not result.licences:
        return ""
    rows = [[escape(one.source), escape(one.licence), str(one.clips or "")] for one in result.licences]
    return "<h2>Licences of what it learnt from</h2>" + html_table(["source", "licence", "clips"], rows)


def _recipe(recipe: str) -> str:
    """Everything decided before the run."""
    return f"<h2>Recipe</h2><details><summary>show</summary><pre>{escape(recipe)}</pre></details>" if recipe else ""
