"""`wakewright evaluate`: measure a run again, on other audio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="The run: its folder, or a file in it.")],
    speech: Annotated[list[Path], typer.Option(metavar="DIR", help="Folder of speech; may be given several times.")],
) -> None:
    """Measure a run on speech it has never heard: misses with counts, false accepts per hour with hours."""
    from wakewright import pipeline
    from wakewright.core.audio import find_audio
    from wakewright.core.run import Run

    for folder in speech:
        find_audio(folder)
    pipeline.evaluate_run(Run.open(run), speech=speech)
