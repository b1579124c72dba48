"""`wakewright bench`: what listening costs on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from wakewright.apps.commands.options import finite


def bench(
    run: Annotated[Path, typer.Argument(help="The run, or a folder made by export.")],
    judge: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Measure this Judge too, here and over HTTP.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, callback=finite, help="Audio to stream.")] = 60.0,
    count: Annotated[int, typer.Option(min=10, help="Clips to judge.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Latency of a step, CPU per second of audio, memory and load time, as a table or JSON."""
    from wakewright.apps import bench as measuring

    found = measuring.measure(run, judge, seconds, count)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for line in measuring.table(found):
        typer.echo(line)
