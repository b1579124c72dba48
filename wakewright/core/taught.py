"""What the weights that a run begins with have learnt from, over as many runs as came before it."""

from __future__ import annotations

from pathlib import Path

from wakewright.core.manifest import Manifest
from wakewright.core.run import Run

NAME = "manifest-taught.jsonl"
"""File of it in the run that begins with them."""


def taught(run: Run) -> Manifest:
    """What was learnt from in the run that `train.start` names, and before.

    Nothing where it names none, or one that is gone and of which nothing was kept. Raises InputError for a manifest
    that cannot be read.
    """
    return _taught(run, set())


def _taught(run: Run, known: set[Path]) -> Manifest:
    """`known` are the runs that were asked already."""
    kept = run.folder / NAME
    if kept.is_file():
        return Manifest.read(kept)
    if run.recipe.train.start is None:
        return Manifest()
    folder = Path(run.recipe.train.start).expanduser().resolve()
    path = folder / "manifest-train.jsonl"
    if not path.is_file() or folder in known:
        return Manifest()
    learnt = Manifest.read(path) + _taught(Run.open(folder), known | {folder})
    return Manifest(tuple(dict.fromkeys(learnt)))
