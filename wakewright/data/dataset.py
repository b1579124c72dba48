"""Recordings that were imported, as a training takes them: from their manifests, less what is quarantined."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from wakewright.core.audio import load, rms
from wakewright.core.errors import AudioError, RecipeError
from wakewright.core.files import one_spelling
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.recipe import Recipe
from wakewright.data import quarantine
from wakewright.data.scene import SILENT


def clips(recipe: Recipe) -> Manifest:
    """Every clip of the recipe's manifests, each file once.

    Raises InputError for a manifest that is not there or cannot be read, AudioError for a recording that has been
    moved or a recording of the phrase that is silent, RecipeError where one file is said to be two things.
    """
    if recipe.dataset is None:
        return Manifest()
    found: dict[str, Clip] = {}
    for name in recipe.dataset.manifests:
        for clip in _read(Path(name).expanduser()):
            before = found.setdefault(clip.path, clip)
            if _contradict(before, clip):
                raise _both(before, clip)
    for clip in found.values():
        if not Path(clip.path).is_file():
            raise AudioError(
                f"there is no recording at {clip.path}",
                got="a manifest of a folder that was moved or changed",
                do="import it again: wakewright data import DIR --out FILE",
            )
        if clip.kind == "positive" and rms(load(clip.path)) < SILENT:
            raise AudioError(
                f"{clip.path} cannot be used",
                got="silence, where the phrase should be",
                do="look what else is wrong there: wakewright data check MANIFEST --quarantine",
            )
    return Manifest(tuple(found.values()))


def placed(path: Path) -> Manifest:
    """The manifest at `path`, each clip by its absolute path: a list may lie beside its recordings and name them from
    there. Raises InputError for one that cannot be read.
    """
    folder = one_spelling(path).parent
    clips = Manifest.read(path)
    return Manifest(tuple(dataclasses.replace(clip, path=str(one_spelling(folder / clip.path))) for clip in clips))


def joined(others: Manifest, brought: Manifest) -> Manifest:
    """Both together, each file once: what `others` (own recordings, folders of background) say of it holds.

    Raises RecipeError for a file that is the phrase in one and not in the other.
    """
    known = {str(Path(clip.path).resolve()): clip for clip in others}
    fresh = []
    for clip in brought:
        before = known.get(str(Path(clip.path).resolve()))
        if before is None:
            fresh.append(clip)
        elif _contradict(before, clip):
            raise _both(before, clip)
    return others + Manifest(tuple(fresh))


def _read(path: Path) -> Manifest:
    if not path.is_file():
        raise RecipeError(
            f"dataset.manifests: there is no manifest at {path}",
            got="a folder" if path.is_dir() else "no such file",
            do=f"make one: wakewright data import {path if path.is_dir() else 'DIR'} --out clips.jsonl",
        )
    read = quarantine.without(placed(path), quarantine.beside(path))
    if not len(read):
        raise RecipeError(
            f"dataset.manifests: {path} has no clip", got="an empty manifest", do="import a folder with recordings"
        )
    return read


def _contradict(one: Clip, other: Clip) -> bool:
    return (one.kind == "positive") != (other.kind == "positive")


def _both(one: Clip, other: Clip) -> RecipeError:
    return RecipeError(
        f"{other.path} is said to be the phrase and not to be it",
        got=f"{one.kind} in {one.source}, {other.kind} in {other.source}",
        do="listen to it, and take it out of one of them",
    )
