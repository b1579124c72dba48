"""`wakewright promote`: a run takes the place of another, if nothing that was measured gets worse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wakewright.core.run import Run
    from wakewright.evaluate.promotion import Decision, Row


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
    from wakewright.core.run import Run
    from wakewright.evaluate import promotion

    fresh = Run.open(run)
    fresh.require("eval/result.json")
    old = _old(fresh, over)
    if old is None:
        current.promote(fresh)
        typer.echo(f"{fresh.folder} is in use; there was none before, so it was held against nothing")
        return
    decision = promotion.compare(old, fresh, workers=workers)
    _tell(decision)
    if not decision.promoted:
        typer.echo(
            f"not promoted: worse in {'; '.join(decision.worse)}\n{fresh.folder / promotion.NAME}\n"
            "where that may be chance, measure both on more sound and promote again: "
            "wakewright evaluate RUN --speech DIR"
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

    table = Table("group", "", "old (95 %)", "new", "", title_justify="left")
    for row in decision.rows:
        low, high = (_figure(row, value) for value in (row.low, row.high))
        old = f"{_figure(row, row.old)} ({low} to {high}), {_count(row.old_count, row.old_total)}"
        new = f"{_figure(row, row.new)}, {_count(row.count, row.total)}"
        table.add_row(row.group, row.unit, old, new, "worse" if row.worse else "")
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
    """How many groups were compared, and those that are worse."""
    if not decision.groups:
        return
    from wakewright.evaluate.groups import corrected_level

    worse = [row for row in decision.groups if row.worse]
    level = 100 * corrected_level(len(decision.groups))
    typer.echo(
        f"groups of speakers, voices, rooms, levels: {len(decision.groups)} compared, {len(worse)} worse "
        f"(their difference lies above 0 with its {level:.3f} % interval)"
    )
    for row in worse:
        typer.echo(
            f"  {row.group}: {row.old_count}, then {row.count} of {row.total} missed, "
            f"{100 * row.low:.0f} to {100 * row.high:.0f} points more"
        )


def _figure(row: Row, value: float) -> str:
    return f"{value:.2f}" if row.unit == "per hour" else f"{100 * value:.1f} %"


def _count(count: int, total: float) -> str:
    return f"{count} of {total}" if isinstance(total, int) else f"{count} in {total:.2f} h"
