"""`wakewright backbone`: the general beginnings of tiny models, and how to make one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="backbone",
    help="General beginnings for tiny models: those that ship, and new ones.",
    rich_markup_mode=None,
)

Folders = Annotated[list[str] | None, typer.Option(metavar="DIR", help="Folder of it; may be given several times.")]


@app.callback(invoke_without_command=True)
def _backbone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_backbones()


@app.command("list")
def list_backbones() -> None:
    """Those that ship: for which model, from how much speech, how like the speech embedding."""
    from rich.console import Console
    from rich.table import Table

    from wakewright.models import backbone

    table = Table(
        "model", "width", "hours heard", "speakers", "cosine", "R2", title="backbones", title_justify="left"
    )
    for path in sorted(backbone.SHIPPED.glob("*.safetensors")):
        found = backbone.read(path)
        about = found.about
        row = (about["hours_heard"], about["people"], about["cosine"], about["r2"])
        table.add_row(
            found.dims.name,
            f"{found.dims.width:g}",
            *(str(value) if isinstance(value, int) else f"{value:.3g}" for value in row),
        )
    Console().print(table)


@app.command("train")
def train(
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings, such as model.width=0.375.")
    ] = None,
    speech: Folders = None,
    noise: Folders = None,
    music: Folders = None,
    rirs: Folders = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder it is made in.")] = Path("runs/backbone"),
    licence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]TEXT",
            help="Licence of the folder NAME, or of all that have no table or file of it; repeatable.",
        ),
    ] = None,
) -> None:
    """Make a general beginning for a tiny model, from folders of speech and the voices there are.

    It learns to hear what the speech embedding hears. Called again with the same folders it goes on where it stood.
    """
    from wakewright import backbone
    from wakewright.core.compose import load_recipe
    from wakewright.core.progress import Progress

    named = {"speech": speech, "noise": noise, "music": music, "rirs": rirs}
    words = [f"background.{kind}={json.dumps(folders)}" for kind, folders in named.items() if folders]
    recipe = load_recipe(None, [*words, *(settings or ())], backbone.NO_PHRASE, layers=["backbone"])
    backbone.ask_licences(recipe, licence or ())
    path = backbone.train(recipe, out, licence or (), Progress())
    typer.echo(f"{path}: use it with train.pretrain.backbone={path}")
