"""Beginning where an earlier run ended: its weights, kept in the new run so that it needs the old one no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wakewright.core import taught
from wakewright.core.errors import RecipeError, RunError
from wakewright.core.files import write_bytes
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.models import registry

NAME = "start.pt"
"""File of the weights in the run that begins with them."""


def find(recipe: Recipe) -> Path | None:
    """The model that `train.start` names; None where it names none.

    Raises RunError for a run that is none or has no model; RecipeError for one of another phrase or another model.
    """
    if recipe.train.start is None:
        return None
    run = Run.open(recipe.train.start)
    path = run.require("model.pt")
    if run.recipe.phrase != recipe.phrase:
        raise RecipeError(
            "train.start: the run is of another phrase",
            got=f"{run.recipe.phrase!r}, not {recipe.phrase!r}",
            do="name a run of this phrase",
        )
    theirs, ours = run.recipe.model, recipe.model
    if theirs != ours:
        raise RecipeError(
            "train.start: the run is of another model",
            got=f"{theirs}, not {ours}",
            do="leave the model as it is there",
        )
    return path


def keep(run: Run) -> None:
    """Copy the weights that the run begins with into it, and what they learnt from, unless they are there.

    Raises as `find` and `taught.taught`.
    """
    if not (run.folder / NAME).is_file() and (path := find(run.recipe)) is not None:
        taught.taught(run).write(run.folder / taught.NAME)
        write_bytes(run.folder / NAME, path.read_bytes())


def begin(model: Any, run: Run) -> None:
    """Put the kept weights into a model in float32; one that rounds finds its ranges anew.

    Raises RunError when the file is damaged or of another model.
    """
    path = run.folder / NAME
    stored, wanted = registry.read(path), model.state_dict()
    if stored["dims"] != model.dims.told() or not wanted.keys() <= stored["weights"].keys():
        raise RunError(f"{path} is of another model", got=str(stored["dims"]), do="begin a new run")
    model.load_state_dict({name: stored["weights"][name] for name in wanted})
