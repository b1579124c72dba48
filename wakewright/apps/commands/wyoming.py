"""`wakewright wyoming`: a wake-word service for Home Assistant and its satellites."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def wyoming(
    run: Annotated[list[Path], typer.Argument(help="Runs, or folders made by export, one for each phrase.")],
    uri: Annotated[str, typer.Option(help="tcp://HOST:PORT, unix://PATH or stdio://.")] = "tcp://0.0.0.0:10400",
    zeroconf: Annotated[
        str | None, typer.Option(metavar="NAME", help="Let Home Assistant discover it by this name.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Instead of the calibrated one.")] = None,
    judge: Annotated[
        str | None,
        typer.Option(metavar="RUN|URL", help="Tell of a wake only when this Judge confirms it; see listen --judge."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--cascade", metavar="KEY=VALUE", help="confirm, after_ms, timeout_ms or on_timeout=reject."),
    ] = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    import logging
    import sys
    from functools import partial

    from wakewright.apps import satellites
    from wakewright.apps.confirm import open_cascade, settings_of

    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.INFO)
    folders = tuple(path.parent if path.is_file() else path for path in run)
    confirm: satellites.OpenCascade | None = None
    if judge is not None:
        confirm = partial(open_cascade, judge=judge, chosen=settings_of(settings or []), live=True)
    service = satellites.Service(folders, threshold, confirm)
    phrases = ", ".join(service.models.values())
    satellites.run(service, uri, zeroconf, lambda: typer.echo(f"serving {phrases} at {uri}", err=True))
