"""`wakewright budget`: what a tiny model will cost a device, before it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wakewright.core.recipe import Recipe
    from wakewright.core.run import Run
    from wakewright.export import budget as budgets


def _of_run(run: Run) -> budgets.Budget:
    from wakewright.export import budget as budgets
    from wakewright.export.folder import int8_of

    int8 = int8_of(run)
    return budgets.of_file(int8.file, int8.model, trained=True)


def budget(
    what: Annotated[
        str, typer.Argument(metavar="PHRASE|RECIPE|RUN", help="The phrase, a recipe (*.yaml), or a finished run.")
    ],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings, such as model.width=0.5.")
    ] = None,
    target: Annotated[
        str, typer.Option("--for", metavar="DEVICE", help="Device it is meant for, as for train.")
    ] = "esp32-s3",
) -> None:
    """Flash, memory and time that a model needs on a device: before its training, or of a run.

    Exit status 2 when it goes past the recipe's targets.
    """
    from wakewright.apps.commands.train import compose, is_recipe, target_layer
    from wakewright.core.errors import RecipeError
    from wakewright.core.run import Run
    from wakewright.export import budget as budgets

    if Path(what).exists() and not is_recipe(what):
        run = Run.open(what)
        recipe: Recipe = run.recipe
        found: budgets.Budget | None = _of_run(run)
    else:
        recipe = compose(what, settings or (), layers=[] if is_recipe(what) else target_layer(target))
        found = budgets.of_recipe(recipe)
    if found is None and recipe.model.frontend is not None:
        raise RecipeError(
            "no microcontroller hears through another front end than micro",
            got=f"model.frontend.kind={recipe.model.frontend.kind}",
            do="leave model.frontend out",
        )
    if found is None:
        raise RecipeError(
            f"{recipe.model.name} is no model for a microcontroller",
            got="it listens to the speech embedding, 42 million multiplications per 80 ms",
            do="choose a tiny one: model.name=mixednet or tc_resnet",
        )
    for line in budgets.table(found):
        typer.echo(line)
    past = found.past(recipe.targets) if recipe.targets else []
    for line in past:
        typer.echo(f"! {line}")
    if past:
        raise typer.Exit(2)
