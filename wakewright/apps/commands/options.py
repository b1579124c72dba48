"""Options that several commands have."""

from __future__ import annotations

import math
from typing import Annotated

import typer


def finite(value: float | None) -> float | None:
    """Callback of an option: a range alone lets NaN through, and one without an end infinity."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number to reckon with")
    return value


Threshold = Annotated[
    float | None, typer.Option(min=0, max=1, callback=finite, help="Instead of the calibrated one.")
]
CascadeSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--cascade",
        metavar="KEY=VALUE",
        help="trigger, confirm, after_ms, asks, again_ms, rewake_ms, timeout_ms, on_timeout=reject.",
    ),
]
