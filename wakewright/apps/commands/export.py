"""`wakewright export`: the files that a device or a program needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="The run: its folder, or a file in it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="Format to write.")] = "onnx",
) -> None:
    """Write the model for other programs."""
    from wakewright.core.run import Run

    opened = Run.open(run)
    from wakewright.export.folder import export_run

    for path in export_run(opened, to=to, out=out):
        typer.echo(str(path))
