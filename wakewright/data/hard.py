"""Hard negatives: sound that was mined, and that a person confirmed not to be the phrase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

from wakewright.core.errors import AudioError, RecipeError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.mined import Mined
from wakewright.core.recipe import Recipe
from wakewright.data.download import checksum_of
from wakewright.data.journal import stamp

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
    """Raise RecipeError when a clip was found in one of these files, which are kept for validation or the test.

    A copy of such a file, byte for byte, is the same recording.
    """
    kept = {str(Path(path).resolve()) for path in held}
    sources = {clip.speaker for clip in clips}
    wrong = sorted(sources & kept | _copies(sources - kept, kept))
    if wrong:
        raise RecipeError(
            "mined.paths: sounds from recordings that are kept for validation or the test cannot be learnt",
            got=_named(wrong),
            do="remove the labels of these, or mine audio that the run does not measure on",
        )


def _copies(sources: Collection[str], kept: Collection[str]) -> set[str]:
    """The sources that hold the same bytes as one of the kept files; only files of one size are read."""
    by_size: dict[int, list[str]] = defaultdict(list)
    for path in sources:
        if (found := stamp(path)) is not None:
            by_size[found[0]].append(path)
    alike: dict[int, list[str]] = defaultdict(list)
    for path in kept if by_size else ():
        if (found := stamp(path)) is not None and found[0] in by_size:
            alike[found[0]].append(path)
    copies = set()
    for size, held in alike.items():
        digests = {checksum_of(Path(path), "sha256") for path in held}
        copies |= {path for path in by_size[size] if checksum_of(Path(path), "sha256") in digests}
    return copies


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:NAMED]) + (f" and {len(listed) - NAMED} more" if len(listed) > NAMED else "")
