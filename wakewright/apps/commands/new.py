"""`wakewright new`: a recipe to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new(
    phrase: Annotated[str, typer.Argument(help='The wake phrase, as it is written: "hey katya".')],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings, such as train.lr=3e-4.")
    ] = None,
    out: Annotated[
        str, typer.Option(metavar="FILE", help="File to write, PHRASE.yaml by default; - prints it.")
    ] = "",
    target: Annotated[str, typer.Option("--for", metavar="DEVICE", help="pi, server, esp32, esp32-s3, rp2040.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Write a recipe to edit, every setting explained."""
    from wakewright.apps.commands.train import target_layer
    from wakewright.core.compose import commented, load_recipe
    from wakewright.core.errors import InputError
    from wakewright.core.files import write_text
    from wakewright.core.run import slug
    from wakewright.data.adviser import check_writing

    check_writing("phrase", phrase)
    recipe = load_recipe(None, settings or (), phrase, layers=target_layer(target))
    text = commented(recipe)
    if out == "-":
        typer.echo(text, nl=False)
        return
    path = Path(out or f"{slug(phrase)}.yaml")
    if path.exists() and not force:
        raise InputError(f"{path} is there already", do="choose another name with --out, or replace it with --force")
    write_text(path, text)
    typer.echo(f"wrote {path}; edit it, then: wakewright train {path}")
