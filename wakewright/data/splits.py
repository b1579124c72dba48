"""Train, validation and test: nobody who is learnt from is measured on, by name, by recording or by copy.

What is parted is never a clip but a unit: all that one voice or person of a source says. Units that hold copies of
one recording are parted together, and a part that the owner of a dataset gave stands. A unit's part follows from its
name and the seed, whatever the phrase, the folder and the machine. Where that cannot be, since a part would have
nobody, what an earlier training settled on stands (`data/parted.py`): so whoever comes later moves nobody.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath
from typing import get_args

from wakewright.core.errors import RecipeError
from wakewright.core.manifest import Clip, Kind, Manifest, Part, place
from wakewright.core.recipe import Recipe

TEST_SHARE = 0.15
"""Share of the speakers kept for the measurement at the end of training; a dataset has its own."""
MANY_SPEAKERS = 12
"""A synthesiser with fewer voices gives none of them away: training needs each more than validation does."""
TRAIN: Part = "train"
NEED: tuple[Part, ...] = ("train", "validation", "test")
"""Parts, the one that can least be without anybody first."""
OTHERS: tuple[Kind, ...] = ("speech", "noise", "music")
"""Kinds of sound that false accepts are counted on."""
Parts = dict[Part, Manifest]
Unit = tuple[str, str]
"""Source and speaker; a clip without a speaker stands for itself."""
Copies = Sequence[Sequence[str]]
"""Groups of files, by absolute path, that hold one recording."""
Earlier = Mapping[str, Mapping[str, Part]]
"""By source and speaker (or file), the part that an earlier training put a unit into."""


def split(
    clips: Manifest,
    recipe: Recipe,
    copies: Copies = (),
    datasets: Collection[str] = (),
    earlier: Earlier | None = None,
) -> Parts:
    """Part every source by its speakers into train, validation and test; no speaker falls into two parts.

    Sources named in `datasets` are parted by the shares of `recipe.dataset`, those who say the phrase for themselves,
    so that each part has some of them. Units of `earlier` stay where they were, and nobody who is new moves them.
    Speakers who share a recording, by `copies`, are kept together: where those of `earlier` are, in train where one
    of them is. Parts that clips bring with them stand.

    Without validation or test words, or without other sound there, nothing could be chosen or measured. Where no
    source has `MANY_SPEAKERS`, each therefore gives some away; where that is not enough either, synthetic clips are
    parted one by one, and a synthetic voice may be in two parts, as `speakers` shows. What foreign voices say besides
    the phrase is left out of validation and test. Raises RecipeError when there is nothing but the phrase, or too
    little.
    """
    if not clips.of(*OTHERS):
        raise RecipeError(
            "there is nothing that the model could learn to stay silent for",
            got="no sentence and no background",
            do="set voices.sentences, or name folders in background.speech",
        )
    for many, each_clip in ((MANY_SPEAKERS, False), (2, False), (2, True)):
        parts = _split(clips, recipe, many, datasets, earlier or {}, each_clip=each_clip)
        parts = _together(parts, copies, earlier or {})
        if all(parts[name].of("positive") and parts[name].of(*OTHERS) for name in ("validation", "test")):
            return parts
    raise RecipeError(
        "there are too few clips to keep some for validation and some for the test",
        got=f"{len(clips.of('positive'))} of the phrase and {len(clips.of(*OTHERS))} others, of the phrase "
        f"{len(speakers(clips))} voices or people",
        do="set voices.positives and voices.sentences to a hundred or more, or bring recordings of three people",
    )


def given(clips: Manifest) -> Parts:
    """The clips whose part their owner gave, by part."""
    return {part: Manifest(tuple(clip for clip in clips if clip.part == part)) for part in get_args(Part)}


def speakers(clips: Manifest) -> set[Unit]:
    """Who says the phrase in these clips, as (source, speaker)."""
    return {(clip.source, clip.speaker) for clip in clips.of("positive")}


def told(parts: Parts) -> list[str]:
    """How many of the people who say the phrase are in each part, a line for each source of recordings."""
    lines = []
    for source in sorted({clip.source for part in parts.values() for clip in part.of("positive") if clip.real}):
        counts = [len({u for u in speakers(parts[name]) if u[0] == source}) for name in NEED]
        people = "{} learnt from, {} for validation, {} for the test".format(*counts)
        lines.append(f"{source}: who says the phrase: {people}")
    return lines


def _split(
    clips: Manifest, recipe: Recipe, many: int, datasets: Collection[str], earlier: Earlier, *, each_clip: bool
) -> Parts:
    known = {(clip.kind, clip.path): clip.speaker for clip in clips}
    say_it = speakers(clips)
    by_source: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    parts: dict[Part, list[Clip]] = {"train": [], "validation": [], "test": []}
    given = [clip for clip in clips if clip.part and clip.kind != "rir"]
    for clip in clips:
        # measured rooms are furniture, not evidence: they are only ever trained with
        stratum = "rir" if clip.kind == "rir" else "speech"
        if clip.source in datasets and stratum == "speech" and (clip.source, clip.speaker) in say_it:
            stratum = "phrase"
        if stratum == "rir" or not clip.part:
            alone = dataclasses.replace(clip, speaker="") if each_clip and not clip.real else clip
            by_source[clip.source, stratum].append(alone)
    for (source, stratum), group in sorted(by_source.items()):
        if stratum == "rir":
            parts["train"] += group
            continue
        units = {unit(clip)[1]: known_as(clip) for clip in group}
        remembered = earlier.get(source, {})
        before = {
            name: remembered[key] for name, known in units.items() for key in (known, name) if key in remembered
        }
        if len(units) < many and source not in datasets:  # a dataset is parted whatever its size
            drawn = dict.fromkeys(units, TRAIN) | before
        else:
            drawn = draw(source, units, recipe.seed, shares(recipe, dataset=source in datasets), before)
            group = sorted(group, key=lambda c: unit(c)[1])
        for clip in group:
            parts[drawn[unit(clip)[1]]].append(clip)
    for clip in given:
        if clip.part:
            parts[clip.part].append(clip)
    named = {
        name: Manifest(tuple(dataclasses.replace(c, speaker=known[c.kind, c.path]) for c in group))
        for name, group in parts.items()
    }
    # what a foreign voice makes of a sentence teaches, but nobody says it: it would set the threshold too high
    return {name: group if name == "train" else _spoken_at_home(group) for name, group in named.items()}


def apart(clips: Sequence[Clip] | Manifest, recipe: Recipe) -> tuple[Manifest, Manifest]:
    """What is learnt from, and who is not: whom a run of this seed and background validates or tests on.

    Where no source has `MANY_SPEAKERS`, each gives some away, as in `split`; a single one stays.
    """
    by_source: dict[str, dict[str, str]] = defaultdict(dict)
    for clip in clips:
        by_source[clip.source][unit(clip)[1]] = known_as(clip)
    unheard: set[Unit] = set()
    for many in (MANY_SPEAKERS, 2):
        for source, units in sorted(by_source.items()) if not unheard else ():
            if len(units) >= many:
                drawn = draw(source, units, recipe.seed, shares(recipe, dataset=False), {})
                unheard |= {(source, name) for name, part in drawn.items() if part != TRAIN}
    kept, gone = ([c for c in clips if (unit(c) in unheard) is away] for away in (False, True))
    return Manifest(tuple(kept)), Manifest(tuple(gone))


def draw(
    source: str,
    units: Collection[str] | Mapping[str, str],
    seed: int,
    shares: tuple[float, float],
    before: Mapping[str, Part],
) -> dict[str, Part]:
    """The part of each unit of a source: as `before`, else by a hash of seed, source and name.

    `units` may tell under which name each is drawn (see `known_as`); else it is its own.

    `shares` are of the units for the test, and of the others for validation. Where a part has nobody, the unit whose
    hash is nearest goes there, but for those of `before`: training gets one first, then validation, and of three the
    test. So one unit is learnt from, and of two the other is validated on.
    """
    for_test, for_validation = shares
    known = units if isinstance(units, Mapping) else dict(zip(units, units, strict=True))
    at = {
        name: (place(f"{seed}/{source}/{known[name]}"), place(f"{seed + 1}/{source}/{known[name]}"))
        for name in sorted(units)
    }
    parts: dict[str, Part] = {}
    for name, (test, validation) in at.items():
        by_hash: Part = "test" if test < for_test else "validation" if validation < for_validation else "train"
        parts[name] = before.get(name, by_hash)
    wanted: tuple[Part, ...] = ("train", "test", "validation") if len(units) > 2 else ("train", "validation")
    for part in wanted:
        held = Counter(parts.values())
        if held[part]:
            continue
        new = [name for name in at if name not in before]
        free = [n for n in new if held[parts[n]] > 1] or [n for n in new if NEED.index(parts[n]) > NEED.index(part)]
        if part == "train":  # without it nothing is learnt, so somebody goes over who had another part before
            free = free or list(at)
        if free:
            parts[min(free, key=lambda n: _distance(part, at[n]))] = part
    return parts


def _distance(part: Part, at: tuple[float, float]) -> float:
    """How far a unit with these hashes is from a part."""
    if part == "train":
        return -min(at)
    return at[0] if part == "test" else at[1]


def shares(recipe: Recipe, *, dataset: bool) -> tuple[float, float]:
    """Share of the speakers for the test, and share of the others for validation."""
    if not dataset or recipe.dataset is None:
        return TEST_SHARE, recipe.background.validation_share
    test = recipe.dataset.test_share
    return test, recipe.dataset.validation_share / (1 - test)


def _spoken_at_home(clips: Manifest) -> Manifest:
    return Manifest(tuple(c for c in clips if c.kind == "positive" or not c.foreign))


def _together(parts: Parts, copies: Copies, earlier: Earlier) -> Parts:
    """The same parts, with the speakers who share a recording in one: the first of train, validation, test that those
    of them have who are in `earlier`, and where none is, the first that any has.

    Clips whose part was given stay where they are; `leaks.find` tells of those that conflict.
    """
    units: dict[str, set[Unit]] = defaultdict(set)
    for manifest in parts.values():
        for clip in manifest:
            if clip.real and clip.kind != "rir":
                units[file_of(clip)].add(unit(clip))
    joined: dict[Unit, set[Unit]] = {}
    for group in copies:
        family = {one for path in group for one in units[path]}
        family = family.union(*(joined.get(one, set()) for one in family))
        joined.update(dict.fromkeys(family, family))
    home: dict[int, tuple[bool, int]] = {}
    for at, manifest in enumerate(parts.values()):
        for clip in manifest:
            if unit(clip) in joined and clip.kind != "rir":
                names = unit(clip)[1], known_as(clip)
                new = not any(name in earlier.get(clip.source, {}) for name in names)
                kin, rank = id(joined[unit(clip)]), (new, at)
                home[kin] = min(home.get(kin, rank), rank)
    order = list(parts)
    moved: dict[Part, list[Clip]] = {name: [] for name in parts}
    kept: dict[Part, list[Clip]] = {name: [] for name in parts}
    for name, manifest in parts.items():
        for clip in manifest:
            stays = clip.part or clip.kind == "rir" or unit(clip) not in joined
            to = name if stays else order[home[id(joined[unit(clip)])][1]]
            (kept if to == name else moved)[to].append(clip)
    return {name: Manifest((*kept[name], *moved[name])) for name in parts}


def unit(clip: Clip) -> Unit:
    """Who is never parted."""
    return clip.source, clip.speaker or clip.path


def known_as(clip: Clip) -> str:
    """The name that a unit is drawn and remembered by, which is the same in another folder and on another machine.

    Of a file by itself that is its path below the folder that gave the source its name, or the file's name alone.
    Two files of one name are two units, which are drawn alike.
    """
    if clip.speaker and clip.speaker != clip.path:
        return clip.speaker
    names = PurePath(clip.path).parts
    below = next((i + 1 for i in range(len(names) - 2, 0, -1) if names[i] == clip.source), len(names) - 1)
    return "/".join(names[below:])


def file_of(clip: Clip) -> str:
    """The clip's file by its absolute path, as `Copies` names files."""
    return os.path.abspath(clip.path)  # noqa: PTH100 - a tenth of the time of Path over tens of thousands of clips
