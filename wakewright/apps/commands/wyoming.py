"""`wakewright wyoming`: a wake-word service for Home Assistant and its satellites."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wakewright.apps.commands.options import CascadeSettings, Threshold


def wyoming(
    run: Annotated[
        list[Path], typer.Argument(help="Runs or exported folders, one for each phrase; or a file made by cascade.")
    ],
    uri: Annotated[str, typer.Option(help="tcp://HOST:PORT, unix://PATH or stdio://.")] = "tcp://0.0.0.0:10400",
    zeroconf: Annotated[
        str | None, typer.Option(metavar="NAME", help="Let Home Assistant discover it by this name.")
    ] = None,
    threshold: Threshold = None,
    judge: Annotated[
        str | None,
        typer.Option(metavar="RUN|URL", help="Tell of a wake only when this Judge confirms it; see listen --judge."),
    ] = None,
    settings: CascadeSettings = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    import logging
    import sys
    from functools import partial

    from wakewright.apps import satellites
    from wakewright.apps.confirm import open_cascade, wish_of

    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.INFO)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would log each question to a Judge
    wish = wish_of(run, threshold, judge, settings or [])
    confirm: satellites.OpenCascade | None = None
    if wish.judge is not None:
        confirm = partial(open_cascade, judge=wish.judge, chosen=wish.pair, live=True)
    service = satellites.Service(wish.folders, wish.threshold, confirm)
    phrases = ", ".join(service.models.values())
    satellites.run(service, uri, zeroconf, lambda: typer.echo(f"serving {phrases} at {uri}", err=True))
