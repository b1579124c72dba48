"""From a recipe to its clips: what is spoken, and what real sound is there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wakewright.core.audio import load, rms
from wakewright.core.engine import cores
from wakewright.core.errors import AudioError
from wakewright.core.manifest import Kind, Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.data import corpora
from wakewright.data.phrases import near_misses, sentences
from wakewright.data.scene import SILENT
from wakewright.data.voices.engines import installed_engines
from wakewright.data.voices.plan import plan
from wakewright.data.voices.speak import speak_all

ENDINGS = ("", ".", "!", "?", ",")
"""Written after the phrase, since synthesisers change their melody with it."""

LONGEST_OWN_S = 10.0
"""An own recording that is longer holds more than the phrase."""


def speak(recipe: Recipe, progress: Progress) -> Manifest:
    """Speak everything the recipe asks for. Raises NoVoice, PhraseError, RecipeError, DiskFull."""
    engines = installed_engines(recipe)
    rng = np.random.default_rng([recipe.seed, 1])
    phrase = [text + ending for text in (recipe.phrase, *recipe.phrases.spellings) for ending in ENDINGS]
    voices = recipe.voices
    wanted: list[tuple[Kind, Sequence[str], int]] = [("positive", phrase, voices.positives)]
    if voices.near_misses:
        wanted.append(("near_miss", near_misses(recipe, max(40, voices.near_misses // 3), rng), voices.near_misses))
    if voices.sentences:
        wanted.append(("speech", sentences(recipe, voices.sentences, rng), voices.sentences))
    spoken = Manifest()
    for kind, texts, count in wanted:
        utterances = plan(texts, count, engines, recipe, rng)
        with progress.stage(f"speak {kind.replace('_', ' ')}", len(utterances), "clips") as bar:
            spoken += speak_all(
                utterances,
                kind,
                recipe.engine.workers or cores(),
                lambda done, _, bar=bar: bar.advance(done - bar.done),  # type: ignore[misc]
            )
    return spoken


def gather(recipe: Recipe) -> Manifest:
    """The real recordings a recipe names: own recordings of the phrase and the background.

    Own recordings are few and each is worth much, so they are read in full: raises AudioError for one that cannot be
    used, that is silent, or that is too long to hold the phrase once. Of the background only headers are read.
    Raises NoVoice when nobody could speak.
    """
    installed_engines(recipe)
    own = corpora.own_recordings(recipe.recordings.paths) if recipe.recordings else Manifest()
    for clip in own:
        if clip.seconds > LONGEST_OWN_S:
            raise AudioError(
                f"{clip.path} cannot be used",
                got=f"{clip.seconds:.0f} s, where the phrase takes one or two",
                do="cut it into recordings that hold the phrase once each",
            )
        if rms(load(clip.path)) < SILENT:
            raise AudioError(
                f"{clip.path} cannot be used",
                got="silence, where the phrase should be",
                do="remove it, or record it again nearer to the microphone",
            )
    return own + corpora.scan(recipe.background)
