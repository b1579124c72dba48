"""`wakewright calibrate`: fit a finished run to a room and its people, without training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    run: Annotated[Path, typer.Argument(help="The run: its folder, or a file in it.")],
    positives: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Some ten recordings of the phrase, once in each.")
    ] = None,
    ambient: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE|DIR", help="Minutes of the room without the phrase; may be given several times."),
    ] = None,
    fa_per_hour: Annotated[
        float | None,
        typer.Option(min=0.01, help="False accepts per hour that are allowed; the recipe's unless said."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what was fitted here, and leave the run as it is.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be fitted, and write nothing.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Take away what was fitted before.")] = False,
) -> None:
    """Fit threshold and input gain to a household, from recordings made there.

    What was fitted is used by everything that loads the run: listen, judge, wyoming and export.
    """
    from wakewright.core.errors import InputError
    from wakewright.core.progress import Progress
    from wakewright.core.run import Run
    from wakewright.evaluate import household, room

    opened = Run.open(run)
    if reset:
        if positives is not None or ambient or out is not None or dry_run:
            raise InputError("--reset stands alone", got="other options beside it", do="leave them out")
        gone = household.reset(opened)
        typer.echo("the run is as it was trained and calibrated" + ("" if gone else ": nothing had been fitted"))
        return
    if positives is None or not ambient:
        raise InputError(
            "a household is fitted to its people and to its room",
            got="no --positives" if positives is None else "no --ambient",
            do='name both; make the first with: wakewright record "PHRASE"',
        )
    if out is not None and (out.is_dir() or not os.access(out.absolute().parent, os.W_OK)):
        raise InputError(f"{out} cannot be written", got="no folder to write into", do="name another --out")
    material = room.read_material(positives, ambient, opened)
    found = household.fit(opened, material, fa_per_hour=fa_per_hour, progress=Progress())
    for line in found.report():
        typer.echo(line)
    if dry_run:
        return
    if out is not None:
        household.write(out, found)
        typer.echo(f"{out}: copied beside the run's metadata.json as household.json it is used")
        return
    typer.echo(f"{household.store(opened, found)}: take it away with --reset")
