"""`wakewright evaluate`: measure a run again, on other audio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="The run: its folder, or a file in it.")],
    speech: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Recordings: with positive/ and negative/ below, or speech only."),
    ],
) -> None:
    """Measure a run on speech it has never heard.

    Misses come with their count, false accepts per hour with the hours.
    """
    from wakewright import pipeline
    from wakewright.core.run import Run
    from wakewright.evaluate.report import terminal_table

    opened = Run.open(run)
    typer.echo(terminal_table(pipeline.evaluate_run(opened, speech)))
    typer.echo(f"{opened.report_path}")
