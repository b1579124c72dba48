"""`wakewright voices`: which speech synthesisers are here, and how to get more."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

app = typer.Typer(
    name="voices", help="Speech synthesisers: what is here, and how to get more.", rich_markup_mode=None
)


Language = Annotated[str, typer.Option(help="Count the voices that speak it.")]
Names = Annotated[bool, typer.Option("--names", help="Each voice by its name, with its own licence.")]


@app.callback(invoke_without_command=True)
def _voices(context: typer.Context, language: Language = "en-us", names: Names = False) -> None:
    if context.invoked_subcommand is None:
        list_voices(language, names)


@app.command("list")
def list_voices(language: Language = "en-us", names: Names = False) -> None:
    """Every engine: whether it is here, its voices, its licence, how to get it."""
    from rich.console import Console
    from rich.table import Table

    from wakewright.data.voices import absent_engines, all_engines

    table = Table("engine", "speakers", "licence", title=f"voices for {language}", title_justify="left")
    for engine in all_engines():
        if not engine.installed():
            continue
        voices = engine.voices(language)
        table.add_row(engine.name, str(sum(len(voice.speakers) for voice in voices)), engine.licence)
        for voice in voices if names else ():
            table.add_row(f"  {voice.name}", str(len(voice.speakers)), voice.licence)
    Console().print(table)
    missing = absent_engines()
    for engine in missing:
        typer.echo(f"not here: {engine.name}. {engine.how_to_get}")
    if missing:
        typer.echo("Different engines help more than further voices of one.")


@app.command("get")
def get(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Such as en_US-libritts_r-medium.")],
) -> None:
    """Fetch voices for Piper into the cache; what was interrupted goes on where it stopped."""
    from wakewright.data.voices.fetch import get_voices

    for path in get_voices(names, say=typer.echo):
        typer.echo(str(path))
    if importlib.util.find_spec("piper") is None:
        typer.echo("to speak them, install Piper as well: pip install piper-tts")
