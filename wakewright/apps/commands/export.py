"""`wakewright export`: the files that a device or a program needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="The run: its folder, or a file in it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into.")],
    to: Annotated[
        str, typer.Option(metavar="FORMAT", help="onnx, openwakeword, esphome, tflite, c, espdl.")
    ] = "onnx",
    calibrate: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Make int8 of a model trained in float32: N streams give its ranges."),
    ] = 0,
    author: Annotated[str, typer.Option(help="Author, as the manifest for ESPHome names one.")] = "wakewright",
    force: Annotated[bool, typer.Option("--force", help="Also when it goes past the recipe's targets.")] = False,
    website: Annotated[str, typer.Option(help="The author's site, for the same.")] = "",
) -> None:
    """Write the model for other programs and devices.

    What goes to a device is proven first: the same sound gives the same scores in every interpreter.
    """
    from wakewright.core.run import Run

    opened = Run.open(run)
    from wakewright.export.device import WEBSITE
    from wakewright.export.folder import export_run, household_notes

    for path in export_run(
        opened, to=to, out=out, author=author, website=website or WEBSITE, force=force, calibrate=calibrate
    ):
        typer.echo(str(path))
    for note in household_notes(opened, to, calibrate):
        typer.echo(f"! {note}")
