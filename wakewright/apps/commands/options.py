"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Threshold = Annotated[float | None, typer.Option(min=0, max=1, help="Instead of the calibrated one.")]
CascadeSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--cascade",
        metavar="KEY=VALUE",
        help="trigger, confirm, after_ms, asks, again_ms, rewake_ms, timeout_ms, on_timeout=reject.",
    ),
]
