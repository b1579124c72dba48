"""`wakewright data`: recordings that others made, and those of your own."""

from __future__ import annotations

import typer

from wakewright.apps.commands.data_get import get

app = typer.Typer(
    name="data", help="Recordings to learn from and to measure on.", no_args_is_help=True, rich_markup_mode=None
)
app.command("get")(get)
