"""What `wakewright data hear` does: clips and surroundings of a recipe or a run become a page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from wakewright.apps.commands.train import compose
from wakewright.core.audio import duration
from wakewright.core.errors import InputError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run, slug
from wakewright.data import corpora, spoken
from wakewright.data.auditions import NAMES, Stage, auditions
from wakewright.evaluate import augment_page

SENTENCES = 12
"""Spoken for babble where no speech is named."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is to be heard."""

    what: str
    """A phrase, a recipe or a run."""
    settings: Sequence[str] = ()
    count: int = 3
    """Clips of each."""
    out: Path | None = None
    only: Sequence[str] = ()
    """Names of augmentations; none for all."""
    audio: Path | None = None
    """A recording in place of the phrase's own clips."""


def hear(wish: Wish, say: Callable[[str], None]) -> Path:
    """Write the page and say where. Raises InputError for a name that is none, and as train does for a recipe."""
    for name in wish.only:
        if name not in NAMES:
            raise InputError("--only names no augmentation", got=name, do="write one of: " + ", ".join(NAMES))
    recipe, clips = _of_run(wish) if Path(wish.what).is_dir() else _of_recipe(wish)
    said = clips.of("positive").clips[: wish.count]
    if wish.audio is not None:
        said = (Clip(str(wish.audio), "positive", duration(wish.audio), real=True),)
    folder = wish.out or Path(f"{slug(recipe.phrase)}-heard")
    found = auditions(Stage.of(recipe, clips), said, [name for name in NAMES if not wish.only or name in wish.only])
    page = augment_page.write(found, folder / "index.html", recipe.phrase)
    say(str(page))
    return page


def _of_run(wish: Wish) -> tuple[Recipe, Manifest]:
    if wish.settings:
        raise InputError(
            "a run keeps its recipe", got=" ".join(wish.settings), do="leave the settings out, or name a recipe"
        )
    run = Run.open(wish.what)
    return run.recipe, run.clips("train")


def _of_recipe(wish: Wish) -> tuple[Recipe, Manifest]:
    recipe = compose(wish.what, wish.settings)
    few = {"positives": wish.count, "near_misses": 0, "sentences": SENTENCES}
    if wish.audio is not None:
        few["positives"] = 1
    script = recipe.model_copy(update={"voices": recipe.voices.model_copy(update=few)})
    return recipe, corpora.scan(recipe.background) + spoken.speak(script, Progress())
