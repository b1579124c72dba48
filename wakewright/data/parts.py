"""Train, validation and test: which clip belongs where, and the streams each part is heard in."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import numpy as np

from wakewright.core.manifest import Clip, Kind, Manifest, Part, split_by_speaker
from wakewright.core.recipe import Recipe
from wakewright.data import streams

TEST_SHARE = 0.15
"""Share of the speakers kept for the measurement at the end of training."""
MANY_SPEAKERS = 6
"""A synthesiser with fewer voices gives none of them away: training needs each more than validation does."""
OFFSET = {"train": 0, "validation": 1000, "test": 2000}
"""Added to the seed, so that no room or place is shared between the parts."""
COPIES: dict[tuple[Kind, bool], int] = {
    ("speech", False): 1,
    ("speech", True): 3,
    ("noise", True): 2,
    ("music", True): 2,
    ("positive", True): 10,
}
"""How often each clip is heard in training, besides augment.copies for what is spoken for the phrase: real sound and
own recordings are rarer than synthetic, and worth more."""


Parts = dict[Part, Manifest]


@dataclasses.dataclass(frozen=True)
class Scene:
    """The streams of one part of the data, and what they are heard in."""

    manifest: Manifest
    plans: list[streams.StreamPlan]
    surroundings: streams.Surroundings


def split(clips: Manifest, recipe: Recipe) -> Parts:
    """Part every source by its speakers into train, validation and test; no speaker falls into two parts."""
    by_source: dict[tuple[str, Kind], list[Clip]] = defaultdict(list)
    for clip in clips:
        # measured rooms are furniture, not evidence: they are only ever trained with
        by_source[clip.source, "rir" if clip.kind == "rir" else "speech"].append(clip)
    parts: dict[Part, list[Clip]] = {"train": [], "validation": [], "test": []}
    for (_, kind), group in sorted(by_source.items()):
        speakers = {clip.speaker for clip in group}
        if kind == "rir" or len(speakers) < MANY_SPEAKERS:
            parts["train"] += group
            continue
        rest, test = split_by_speaker(group, seed=recipe.seed, validation_share=TEST_SHARE)
        share = recipe.background.validation_share
        train, validation = split_by_speaker(rest, seed=recipe.seed + 1, validation_share=share)
        parts["train"] += train
        parts["validation"] += validation
        parts["test"] += test
    return {name: Manifest(tuple(group)) for name, group in parts.items()}


def scene(parts: Parts, part: Part, copies: dict[tuple[Kind, bool], int], recipe: Recipe, *, salt: int = 0) -> Scene:
    """Draw the streams of one part in which each clip is said `copies` times."""
    manifest = parts[part]
    seed = recipe.seed + OFFSET[part] + salt
    surroundings = streams.Surroundings(
        recipe.augment,
        seed,
        tuple(c.path for c in manifest.of("rir")),
        tuple(c.path for c in manifest.of("noise", "music")),
    )
    plans = streams.plan(manifest, copies, surroundings, np.random.default_rng([seed, 2]))
    return Scene(manifest, plans, surroundings)


def training_scene(parts: Parts, recipe: Recipe) -> Scene:
    """Everything mixed, as often as it is worth."""
    spoken_copies: dict[tuple[Kind, bool], int] = {
        ("positive", False): recipe.augment.copies,
        ("near_miss", False): recipe.augment.copies,
    }
    return scene(parts, "train", COPIES | spoken_copies, recipe)


def word_scene(parts: Parts, part: Part, recipe: Recipe) -> Scene:
    """The phrase alone, each clip once."""
    return scene(parts, part, {("positive", False): 1, ("positive", True): 1}, recipe, salt=1)


def other_scene(parts: Parts, part: Part, recipe: Recipe) -> Scene:
    """Everything but the phrase and its near misses: what false accepts are counted on."""
    often: dict[tuple[Kind, bool], int] = {
        ("speech", False): 2,
        ("speech", True): 2,
        ("noise", True): 1,
        ("music", True): 1,
    }
    return scene(parts, part, often, recipe, salt=2)


def near_scene(parts: Parts, part: Part, recipe: Recipe) -> Scene:
    """Near misses alone."""
    return scene(parts, part, {("near_miss", False): 1}, recipe, salt=3)


def sample(clips: Manifest, count: int, seed: int) -> Manifest:
    """At most `count` of the clips, drawn by chance, in their order."""
    if len(clips) <= count:
        return clips
    chosen = np.sort(np.random.default_rng(seed).choice(len(clips), count, replace=False))
    return dataclasses.replace(clips, clips=tuple(clips.clips[i] for i in chosen))
