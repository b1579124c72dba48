"""The report of an evaluation: JSON for programs, a page and a picture for people, a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wakewright.core.files import write_text
from wakewright.evaluate.moments import Gallery
from wakewright.evaluate.page import html_page
from wakewright.evaluate.result import Result, write_result
from wakewright.evaluate.wording import delay_text, rate_text, share_text


def write_report(result: Result, run_dir: Path | str, galleries: Sequence[Gallery] = ()) -> Path:
    """Write eval/result.json, eval/det.png and report.html into the run folder; returns the path of the page.

    The galleries are in the page alone. The page is written last, so that its existence means the rest is there.
    Raises MissingPackage without matplotlib.
    """
    from wakewright.evaluate.plots import det_png  # matplotlib takes a second to import

    folder = Path(run_dir)
    write_result(folder / "eval" / "result.json", result)
    det_png(result, folder / "eval" / "det.png")
    page = folder / "report.html"
    write_text(page, html_page(result, galleries))
    return page


FORMS_TITLE = "what int8 costs, on the validation part"


def terminal_table(result: Result) -> str:
    """The same numbers as plain text, every rate with its evidence; ends with a line feed."""
    blocks = [f"“{result.phrase}”, {result.model}, threshold {result.threshold:.3f} ({result.threshold_origin})"]
    targets = [f"{point.target_fa_per_hour:g} FA/h" for point in result.conditions[0].points]
    missed = [["missed", "at threshold", *targets]]
    for c in result.conditions:
        missed.append([c.name, *(share_text(point.missed) for point in (c.chosen, *c.points))])
    blocks.append(columns(missed))
    quality = [["", "EER", "pAUC<10 %", "latency after the word"]]
    for c in result.conditions:
        eer = "-" if c.eer is None else f"{100 * c.eer:.1f} %"
        quality.append([c.name, eer, "-" if c.pauc is None else f"{c.pauc:.3f}", delay_text(c.delay)])
    blocks.append(columns(quality))
    blocks.append(
        columns([["false accepts", "at threshold"], *([s.name, rate_text(s.false_accepts)] for s in result.silences)])
    )
    if result.forms:
        forms = [[form.name, f"{100 * form.missed:.1f} %"] for form in result.forms]
        blocks.append(columns([[FORMS_TITLE, "missed"], *forms]))
    if result.confusions is not None and result.confusions.groups:
        heard = [[group.name, share_text(group.missed)] for group in result.confusions.groups[:3]]
        blocks.append(columns([["near misses", "wake it"], *heard]))
    if result.worst:
        worst = [[s.name, rate_text(s.false_accepts)] for s in result.worst[:3]]
        blocks.append(columns([["worst sources", ""], *worst]))
    blocks.append("In brackets: the count, and the 95 % interval.")
    if result.warnings:
        blocks.append("\n".join(f"! {warning}" for warning in result.warnings))
    return "\n\n".join(blocks) + "\n"


def columns(rows: list[list[str]]) -> str:
    """Rows of cells, the first the header -> left-aligned columns, two blanks apart, with a rule under the header."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * len(widths) - 2), *lines[1:]])
