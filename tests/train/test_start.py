"""What the weights that a run begins with have learnt from, over as many runs as came before it."""

from __future__ import annotations

import shutil
from pathlib import Path

from wakewright.core.manifest import Clip, Manifest
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.core.taught import NAME, taught
from wakewright.models import registry
from wakewright.train import start


def said_by(name: str) -> Manifest:
    return Manifest((Clip(f"/r/{name}/1.wav", "positive", 1.0, name, "mine", real=True),))


def run_from(before: Run | None, place: Path, name: str) -> Run:
    """A run that has learnt from one person, begun from another."""
    recipe = Recipe(phrase="hey katya")
    train = recipe.train.model_copy(update={"start": str(before.folder) if before else None})
    run = Run.create(recipe.model_copy(update={"train": train}), place)
    start.keep(run)
    said_by(name).write(run.folder / "manifest-train.jsonl")
    registry.save(run.model_path, registry.create(registry.Dimensions.of(recipe.model)))
    return run


def who(clips: Manifest) -> list[str]:
    return sorted(clip.speaker for clip in clips)


def test_what_every_run_before_has_learnt_counts_and_is_kept(tmp_path: Path) -> None:
    first = run_from(None, tmp_path, "ann")
    assert who(taught(first)) == []
    second = run_from(first, tmp_path, "bob")
    assert who(taught(second)) == ["ann"]
    third = run_from(second, tmp_path, "carl")
    assert who(taught(third)) == ["ann", "bob"]
    (second.folder / NAME).unlink()  # as an earlier version left it
    fourth = run_from(second, tmp_path, "dora")
    assert who(taught(fourth)) == ["ann", "bob"]
    for run in (first, second):
        shutil.rmtree(run.folder)
    assert who(taught(third)) == ["ann", "bob"]
    (third.folder / NAME).unlink()
    assert who(taught(third)) == []
