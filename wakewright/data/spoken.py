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
from wakewright.data.accents import accents
from wakewright.data.phrases import near_misses, sentences
from wakewright.data.scene import SILENT
from wakewright.data.voices.engines import installed_engines
from wakewright.data.voices.plan import plan
from wakewright.data.voices.protocol import Utterance
from wakewright.data.voices.speak import speak_all

ENDINGS = ("", ".", "!", "?", ",")
"""Written after the phrase, since synthesisers change their melody with it."""

FEW_LANGUAGES = 6
"""With fewer languages than this none says more than it would among as many."""
LONGEST_OWN_S = 10.0
"""An own recording that is longer holds more than the phrase."""


def speak(recipe: Recipe, progress: Progress) -> Manifest:
    """Speak everything the recipe asks for. Raises NoVoice, PhraseError, RecipeError, DiskFull."""
    engines = installed_engines(recipe)
    rng = np.random.default_rng([recipe.seed, 1])
    phrase = [text + ending for text in (recipe.phrase, *recipe.phrases.spellings) for ending in ENDINGS]
    voices = recipe.voices
    foreign = _foreign(recipe, phrase, rng)
    at_home = voices.positives - len(foreign)
    wanted: list[tuple[Kind, list[Utterance]]] = [
        ("positive", plan(phrase, at_home, engines, recipe, rng) + foreign if at_home else foreign)
    ]
    if voices.near_misses:
        texts = near_misses(recipe, max(40, voices.near_misses // 3), rng)
        wanted.append(("near_miss", plan(texts, voices.near_misses, engines, recipe, rng)))
    if voices.sentences:
        texts = sentences(recipe, voices.sentences, rng)
        wanted.append(("speech", plan(texts, voices.sentences, engines, recipe, rng)))
    spoken = Manifest()
    for kind, utterances in wanted:
        with progress.stage(f"speak {kind.replace('_', ' ')}", len(utterances), "clips") as bar:
            spoken += speak_all(
                utterances,
                kind,
                recipe.engine.workers or cores(),
                lambda done, _, bar=bar: bar.advance(done - bar.done),  # type: ignore[misc]
            )
    return spoken


def _foreign(recipe: Recipe, texts: Sequence[str], rng: np.random.Generator) -> list[Utterance]:
    """The phrase said by voices of other languages, in equal shares; fewer clips where there are few languages."""
    languages = accents(recipe)
    total = recipe.voices.positives * recipe.voices.accent_share
    count = round(total / max(FEW_LANGUAGES, len(languages)))
    utterances: list[Utterance] = []
    for language in languages:
        abroad = recipe.model_copy(update={"language": language})
        engines = [engine for engine in installed_engines(abroad) if engine.voices(language)]
        if engines and count:
            utterances += plan(texts, count, engines, abroad, rng)
    return utterances


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
