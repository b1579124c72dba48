"""The streams in which train, validation and test are heard (which clip is in which, `splits` says)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection

import numpy as np

from wakewright.core.manifest import Clip, Kind, Manifest, Part
from wakewright.core.recipe import Augment, Recipe
from wakewright.data import streams
from wakewright.data.splits import Parts

OFFSET = {"train": 0, "validation": 1000, "test": 2000}
"""Added to the seed, so that no room or place is shared between the parts."""
COPIES: dict[tuple[Kind, bool], int] = {
    ("speech", False): 1,
    ("noise", True): 2,
    ("music", True): 2,
}
"""How often each clip is heard in training, besides what `augment` says of the phrase and of real speech, and
`recordings.weight` of own recordings: real sound is rarer than synthetic, and worth more."""
MOST_OWN_COPIES = 60
"""An own recording is heard in no more surroundings than these: further ones would teach little and take as long."""

APART_S = 2.0
"""Pause, at least, before a word that is counted as heard or missed: a score still high from the word before it would
count for it too."""
ENOUGH_REAL_S = 300.0
"""Real speech in a part from which on synthetic speech is not counted with it."""


@dataclasses.dataclass(frozen=True)
class Scene:
    """The streams of one part of the data, and what they are heard in."""

    manifest: Manifest
    plans: list[streams.StreamPlan]
    surroundings: streams.Surroundings


def without(parts: Parts, clips: Collection[Clip]) -> Parts:
    """The parts less these clips in train and validation; the test part stays as it is."""
    gone = {clip.path for clip in clips}
    return {
        name: manifest if name == "test" else Manifest(tuple(c for c in manifest if c.path not in gone))
        for name, manifest in parts.items()
    }


def mild(settings: Augment) -> Augment:
    """Surroundings as a home usually has them: what thresholds are chosen on and rates are counted in.

    Training hears worse, so that it learns; counted there, rates would be those of a workshop.
    """
    usual: dict[str, object] = {
        "room_share": 0.3,
        "noise_share": 0.5,
        "snr_db": (10.0, 25.0),
        "speed": (1.0, 1.0),
        "eq_db": 3.0,
    }
    usual |= {"pitch": None, "band_limit_share": 0.0, "overload_share": Augment().overload_share, "trim_share": 0.0}
    return settings.model_copy(
        update=usual | dict.fromkeys(("wet", "babble", "schedule", "codec", "dropouts", "stretch"))
    )


def scene(
    parts: Parts,
    part: Part,
    copies: dict[tuple[Kind, bool], int],
    recipe: Recipe,
    *,
    salt: int = 0,
    settings: Augment | None = None,
    apart_s: float = 0.0,
) -> Scene:
    """Draw the streams of one part in which each clip is said `copies` times, `apart_s` more than usual apart.

    `settings` replace the recipe's own.
    """
    manifest = parts[part]
    seed = recipe.seed + OFFSET[part] + salt
    settings = settings or recipe.augment
    if part != "train" and settings.schedule is not None:  # nothing is learnt here that could begin with what is easy
        settings = settings.model_copy(update={"schedule": None})
    surroundings = streams.Surroundings(
        settings,
        seed,
        tuple(c.path for c in manifest.of("rir")),
        tuple(c.path for c in manifest.of("noise", "music")),
        () if settings.babble is None else tuple(c.path for c in manifest.of("speech")),
    )
    plans = streams.plan(manifest, copies, surroundings, np.random.default_rng([seed, 2]), apart_s=apart_s)
    return Scene(manifest, plans, surroundings)


def own_copies(clips: Manifest, recipe: Recipe) -> int:
    """How often each recording of the phrase among these clips is heard in training.

    As often as makes them `Recipe.own_weight` of all that say the phrase: no less often than a synthetic clip, and at
    most `MOST_OWN_COPIES` times. Batches hold that share whatever the number. 0 where there are none.
    """
    phrase = clips.of("positive")
    own = sum(clip.real for clip in phrase)
    weight, often = recipe.own_weight, recipe.augment.copies
    if not own or not weight:
        return 0
    wanted = weight / (1 - weight) * (len(phrase) - own) * often / own
    return min(MOST_OWN_COPIES, max(often, math.ceil(wanted)))


def training_scene(parts: Parts, recipe: Recipe) -> Scene:
    """Everything mixed, as often as it is worth."""
    copies: dict[tuple[Kind, bool], int] = {
        ("positive", True): own_copies(parts["train"], recipe),
        ("positive", False): recipe.augment.copies,
        ("near_miss", False): recipe.augment.copies,
        ("near_miss", True): recipe.augment.real_copies,
        ("speech", True): recipe.augment.real_copies,
        ("hard_negative", True): recipe.augment.real_copies * recipe.train.hard_negative_weight,
    }
    return scene(parts, "train", COPIES | copies, recipe)


def word_scene(
    parts: Parts,
    part: Part,
    recipe: Recipe,
    *,
    hard: bool = False,
    snr_db: float | None = None,
    real: bool | None = None,
) -> Scene:
    """The phrase alone, each clip once, in mild surroundings or in those of training; with `real`, only such clips.

    With `snr_db` the surroundings are mild but for a background under all of it, this far below the speech of its
    stream; single clips, which differ in level, may lie some decibels nearer to it or farther.
    """
    settings = None if hard else mild(recipe.augment)
    if snr_db is not None:
        settings = mild(recipe.augment).model_copy(update={"noise_share": 1.0, "snr_db": (snr_db, snr_db)})
    copies: dict[tuple[Kind, bool], int] = {("positive", r): 1 for r in (False, True) if real in (None, r)}
    return scene(parts, part, copies, recipe, salt=1, settings=settings, apart_s=APART_S)


def enough_real(parts: Parts, part: Part) -> bool:
    """Whether a part holds enough real speech to count false accepts on that alone."""
    return parts[part].of("speech").real_seconds >= ENOUGH_REAL_S


def other_scene(parts: Parts, part: Part, recipe: Recipe) -> Scene:
    """Sound without the phrase that false accepts are counted on: real where there is enough, else all there is.

    A model that learnt the phrase from synthesisers is readier to hear it in them than in people, so synthetic
    sentences among real speech would set the threshold too high.
    """
    often: dict[tuple[Kind, bool], int] = {("speech", True): 3, ("noise", True): 1, ("music", True): 1}
    if not enough_real(parts, part):
        often |= {("speech", True): 2, ("speech", False): 2}
    return scene(parts, part, often, recipe, salt=2, settings=mild(recipe.augment))


def synthetic_scene(parts: Parts, part: Part, recipe: Recipe) -> Scene:
    """Synthetic sentences alone."""
    return scene(parts, part, {("speech", False): 1}, recipe, salt=4, settings=mild(recipe.augment))


def near_scene(parts: Parts, part: Part, recipe: Recipe) -> Scene:
    """Near misses alone."""
    once: dict[tuple[Kind, bool], int] = {("near_miss", False): 1, ("near_miss", True): 1}
    return scene(parts, part, once, recipe, salt=3, settings=mild(recipe.augment), apart_s=APART_S)


def sample(clips: Manifest, count: int, seed: int) -> Manifest:
    """At most `count` of the clips, drawn by chance, in their order."""
    if len(clips) <= count:
        return clips
    chosen = np.sort(np.random.default_rng(seed).choice(len(clips), count, replace=False))
    return dataclasses.replace(clips, clips=tuple(clips.clips[i] for i in chosen))
