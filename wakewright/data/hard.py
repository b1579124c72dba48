"""Hard negatives: sound that was mined, and that a person confirmed not to be the phrase."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from wakewright.core.errors import AudioError, RecipeError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.mined import Mined
from wakewright.core.recipe import Recipe

SOURCE = "mined"
"""Source of the clips."""
NAMED = 5
"""Files that an error names at most."""


def hard_negatives(recipe: Recipe) -> Manifest:
    """Every sound labelled negative in the folders that the recipe names, each once; its speaker is its source.

    Raises InputError for a folder that nothing was mined into; AudioError for a sound that is gone; RecipeError where
    nothing is labelled negative, and for a sound that one folder calls the phrase and another does not.
    """
    if recipe.mined is None:
        return Manifest()
    clips: dict[str, Clip] = {}
    phrases: set[str] = set()
    for path in recipe.mined.paths:
        mined = Mined.open(path)
        phrases |= {one.id for one in mined.labelled("phrase")}
        for one in mined.labelled("negative"):
            sound = mined.sound(one).resolve()
            if not sound.is_file():
                raise AudioError(f"no recording at {sound}", got="no such file", do="put it back, or mine again")
            clips.setdefault(one.id, Clip(str(sound), "hard_negative", one.seconds, one.source, SOURCE, real=True))
    if disputed := clips.keys() & phrases:
        raise RecipeError(
            "mined.paths: the folders disagree about what is the phrase",
            got=_named(clips[name].path for name in sorted(disputed)),
            do="label these alike in all of them: wakewright review DIR --label FILE",
        )
    if not clips:
        raise RecipeError(
            "mined.paths: nothing is confirmed there as not the phrase",
            got=", ".join(recipe.mined.paths),
            do="say what was found: wakewright review RUN",
        )
    return Manifest(tuple(clips.values()))


def refuse_held_out(clips: Manifest, held: Collection[str]) -> None:
    """Raise RecipeError when a clip was found in one of these files, which are kept for validation or the test."""
    kept = {str(Path(path).resolve()) for path in held}
    wrong = sorted({clip.speaker for clip in clips if clip.speaker in kept})
    if wrong:
        raise RecipeError(
            "mined.paths: sounds from recordings that are kept for validation or the test cannot be learnt",
            got=_named(wrong),
            do="remove the labels of these, or mine audio that the run does not measure on",
        )


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:NAMED]) + (f" and {len(listed) - NAMED} more" if len(listed) > NAMED else "")
