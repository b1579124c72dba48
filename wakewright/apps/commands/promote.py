"""`wakewright promote`: a run takes the place of another, if nothing that was measured gets worse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wakewright.core.run import Run
    from wakewright.evaluate.held import Limit, Row
    from wakewright.evaluate.promotion import Decision

RAREST = 1e-9
"""The smallest chance that is told: that of a thousand words lost is no number any more."""


def promote(
    run: Annotated[Path, typer.Argument(metavar="NEW", help="The run that is to be used from now on.")],
    over: Annotated[
        Path | None,
        typer.Option(metavar="OLD", help="Instead of the run in use, or the one that NEW went on from."),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=0, help="Processes; 0 takes one per core.")] = 0,
) -> None:
    """Hold a run against the one in use, and take it into use if no group is worse beyond its interval.

    Both hear everything that was mined, at their own thresholds, and their measurements are compared, group by group.
    Ends with status 1 when the run is not taken.
    """
    from wakewright.core import current
    from wakewright.core.files import require_writable
    from wakewright.core.run import Run
    from wakewright.evaluate import promotion

    fresh = Run.open(run)
    fresh.require("eval/result.json")
    old = _old(fresh, over)
    if old is None:
        current.promote(fresh)
        typer.echo(f"{fresh.folder} is in use; there was none before, so it was held against nothing")
        return
    if over is None and old.folder.resolve() == fresh.folder.resolve():
        typer.echo(f"{fresh.folder} is in use already; nothing changes")
        return
    for folder in (fresh.folder, fresh.folder.parent):  # before a long replay; taking into use asks again after it
        require_writable(folder, "make it writable, with room on the disk, and promote again")
    decision = promotion.compare(old, fresh, workers=workers)
    _tell(decision)
    if not decision.promoted:
        worse = "; ".join(f"{row.group} ({_both(row)})" for row in decision.worse_rows)
        typer.echo(
            f"not promoted: worse in {worse}\n{fresh.folder / promotion.NAME}\n"
            "a run as good as the old one is kept out by chance in about 5 % of all comparisons; where this may be "
            "one of them, measure both on more sound and promote again: wakewright evaluate RUN --speech DIR"
        )
        raise typer.Exit(1)
    current.promote(fresh)
    typer.echo(f"promoted: {fresh.folder} is in use\n{fresh.folder / promotion.NAME}")


def _old(fresh: Run, over: Path | None) -> Run | None:
    """The run whose place is asked for. Raises RunError for one that is none."""
    from wakewright.core import current
    from wakewright.core.run import Run

    if over is not None:
        return Run.open(over)
    path = current.current(fresh.folder.parent)
    if path is not None:
        return Run.open(path)
    return Run.open(fresh.recipe.train.start) if fresh.recipe.train.start is not None else None


def _tell(decision: Decision) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "", "old (95 %)", "new", "by chance", "", title_justify="left")
    for row in decision.rows:
        low, high = (_figure(row, value) for value in (row.low, row.high))
        old = f"{_figure(row, row.old)} ({low} to {high}), {_count(row.old_count, row.old_total)}"
        new = f"{_figure(row, row.new)}, {_count(row.count, row.total)}{_changed(row)}"
        table.add_row(row.group, row.unit, old, new, _once(row.chance), "worse" if row.worse else "")
    Console().print(table)
    _tell_groups(decision)
    if (heard := decision.unlabelled) is not None:
        old, new = (f"{count} ({count / heard.hours:.0f} per hour of it)" for count in (heard.old_woken, heard.woken))
        typer.echo(
            f"without a label, which decides nothing: of {heard.sounds} sounds ({3600 * heard.hours:.0f} s) the old "
            f"run wakes at {old}, the new one at {new}; to have them count: wakewright review DIR"
        )
    for remark in decision.remarks:
        typer.echo(remark)


def _tell_groups(decision: Decision) -> None:
    """How many figures and groups were compared, where they are worse, and which groups are."""
    limits = decision.limits
    for name, limit in (
        ("conditions", limits.missed),
        ("false accepts and what was captured", limits.accepted),
        ("groups of speakers, voices, rooms, levels, folders, files", limits.groups),
    ):
        if limit.compared:
            typer.echo(f"{name}: {limit.compared} compared, {_able(limit)}")
    for row in decision.groups:
        if row.worse:
            typer.echo(f"  {row.group}: {_both(row)}; by chance {_once(row.chance)}")


def _able(limit: Limit) -> str:
    if not limit.able:
        return "in none of which enough differs to tell"
    return (
        f"{limit.able} with enough that differs to tell; worse where chance does as much at most "
        f"{_once(limit.chance)}"
    )


def _both(row: Row) -> str:
    """What both did there, with the counts: "3, then 9 of 12 missed" or "1, then 8 in 0.50 h"."""
    if row.unit == "per hour":
        return f"{row.old_count}, then {row.count} in {row.total:.2f} h{_changed(row)}"
    if row.old_total != row.total:
        return f"{row.old_count} of {row.old_total:g}, then {row.count} of {row.total:g} {row.unit}"
    return f"{row.old_count}, then {row.count} of {row.total:g} {row.unit}{_changed(row)}"


def _changed(row: Row) -> str:
    """Of the same sound, what is wrong anew and what no more."""
    return "" if row.lost is None else f" (+{row.lost} -{row.won})"


def _once(chance: float) -> str:
    """How often chance does as much: "once in 40" of 0.025; of less than RAREST only that it is less."""
    if chance < RAREST:
        return f"less than once in {1 / RAREST:,.0f}"
    return "often" if chance > 0.2 else f"once in {1 / chance:,.0f}"


def _figure(row: Row, value: float) -> str:
    return f"{value:.2f}" if row.unit == "per hour" else f"{100 * value:.1f} %"


def _count(count: int, total: float) -> str:
    return f"{count} of {total}" if isinstance(total, int) else f"{count} in {total:.2f} h"
