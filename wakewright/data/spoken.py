"""From a recipe to its clips: what is spoken, and what real sound is there."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np

from wakewright.core.cluster import workers_of
from wakewright.core.manifest import Kind, Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.data import corpora
from wakewright.data.accents import accents
from wakewright.data.phrases import TELL_APART, Sound, near_misses, sentences
from wakewright.data.voices.engines import absent_engines, installed_engines
from wakewright.data.voices.plan import choirs, plan
from wakewright.data.voices.protocol import Utterance
from wakewright.data.voices.speak import speak_all

ENDINGS = ("", ".", "!", "?", ",")
"""Written after the phrase, since synthesisers change their melody with it."""

FEW_LANGUAGES = 6
"""With fewer languages than this none says more than it would among as many."""
ALWAYS = 2
"""Seed of the sentences."""

LONG_SHARE = 0.25
"""Slow voices say any phrase slowly; from this share of its clips on it is the phrase that is too long."""


def speak(recipe: Recipe, progress: Progress) -> Manifest:
    """Speak everything the recipe asks for. Raises NoVoice, PhraseError, RecipeError, DiskFull."""
    return _spoken(recipe, _script(recipe), progress)


def more_voices(recipe: Recipe) -> str:
    """A line that names the synthesisers which are not here and would help; empty where the recipe names its own."""
    if recipe.voices.engines:
        return ""
    absent = ", ".join(engine.name for engine in absent_engines())
    return absent and f"more voices make a better wake word; not here: {absent} (wakewright voices tells how)"


def speak_sentences(recipe: Recipe, progress: Progress) -> Manifest:
    """Speak the sentences alone. Raises NoVoice, RecipeError, DiskFull."""
    return _spoken(recipe, _sentences(recipe), progress)


def _spoken(recipe: Recipe, script: dict[Kind, list[Utterance]], progress: Progress) -> Manifest:
    spoken, workers = Manifest(), workers_of(recipe)
    for kind, utterances in script.items():
        with progress.stage(f"speak {kind.replace('_', ' ')}", len(utterances), "clips") as bar:
            spoken += speak_all(
                utterances,
                kind,
                workers,
                lambda done, _, bar=bar: bar.advance(done - bar.done),  # type: ignore[misc]
            )
    return spoken


def _script(recipe: Recipe) -> dict[Kind, list[Utterance]]:
    """Who says what, by kind.

    Sentences are the same whatever phrase and seed, but for those that sound like the phrase, so that the cache has
    most of them for the next wake word.
    """
    voices, rng = recipe.voices, np.random.default_rng([recipe.seed, 1])
    phrase = [text + ending for text in (recipe.phrase, *recipe.phrases.spellings) for ending in ENDINGS]
    script: dict[Kind, list[Utterance]] = {"positive": _cast(recipe, phrase, voices.positives, rng)}
    if voices.near_misses:
        texts = near_misses(recipe, max(40, voices.near_misses // 3), rng)
        script["near_miss"] = _cast(recipe, texts, voices.near_misses, rng, apart=True)
    return script | _sentences(recipe)


def _sentences(recipe: Recipe) -> dict[Kind, list[Utterance]]:
    count = recipe.voices.sentences
    if not count:
        return {}
    always = np.random.default_rng(ALWAYS)
    return {"speech": _cast(recipe, sentences(recipe, count, always), count, always, apart=True)}


def _cast(
    recipe: Recipe, texts: Sequence[str], count: int, rng: np.random.Generator, *, apart: bool = False
) -> list[Utterance]:
    """`count` utterances of the texts by voices at home and abroad.

    With `apart`, a text that another language reads as it might read the phrase is not given to its voices. The
    shares are those of the phrase: were the phrase alone said by foreign voices, they would give it away.
    """
    home, more, abroad = rng.spawn(3)  # what is said at home does not change with the phrase's accents
    foreign = _foreign(recipe, texts, count, abroad, apart=apart)
    at_home = count - round(count * recipe.voices.accent_share)
    said: list[Utterance] = []
    for amount, chance in ((at_home, home), (count - at_home - len(foreign), more)):
        if amount > 0:
            said += plan(texts, amount, installed_engines(recipe), recipe, chance)
    return said + foreign


def _foreign(
    recipe: Recipe, texts: Sequence[str], count: int, rng: np.random.Generator, *, apart: bool
) -> list[Utterance]:
    """What voices of other languages say, in equal shares; fewer clips where there are few languages."""
    languages = accents(recipe) if recipe.voices.accent_share else []
    share = round(count * recipe.voices.accent_share)
    each = share // max(FEW_LANGUAGES, len(languages))
    utterances: list[Utterance] = []
    for language in languages if each else ():
        abroad = recipe.model_copy(update={"language": language})
        engines = [engine for engine in installed_engines(abroad) if engine.voices(language)]
        theirs, amount = texts, each
        if apart:
            theirs = _clear_abroad(recipe, texts, language, each, rng)
            amount = len(theirs)
        if engines and amount:
            utterances += plan(theirs, amount, engines, abroad, rng)
    return [dataclasses.replace(utterance, foreign=True) for utterance in utterances]


def _clear_abroad(
    recipe: Recipe, texts: Sequence[str], language: str, count: int, rng: np.random.Generator
) -> list[str]:
    """At most `count` of the texts, none of which this language reads as an accent of the phrase."""
    sound = Sound.of(recipe)
    drawn = (texts[int(i)] for i in rng.permutation(len(texts)))
    clear = (text for text in drawn if TELL_APART * sound.size <= sound.away(text, language) < math.inf)
    return list(itertools.islice(clear, count))


def only_engine(clips: Manifest) -> str | None:
    """The synthesiser that says the phrase where no other one and no person does; None where others do."""
    said = clips.of("positive")
    engines = {clip.source for clip in said}
    return engines.pop() if len(engines) == 1 and not said.real_seconds else None


def too_long(clips: Manifest, heard_s: float) -> str | None:
    """What to say of a phrase that often lasts longer than the `heard_s` seconds a model hears at once; else None."""
    said = clips.of("positive")
    longer = sum(clip.seconds > heard_s for clip in said)
    if longer <= LONG_SHARE * len(said):
        return None
    return (
        f"{longer} of {len(said)} clips of the phrase last longer than the {heard_s:.1f} s that the model hears at "
        "once: where one ends, its beginning is forgotten, so other speech that ends alike may wake it. A shorter "
        "phrase is heard whole"
    )


def gather(recipe: Recipe) -> Manifest:
    """The real recordings a recipe names: own recordings of the phrase and the background.

    Own recordings are few and each is worth much, so they are read in full (see corpora.checked); of the background
    only headers are read. Raises AudioError, and NoVoice when nobody could speak.
    """
    choirs(installed_engines(recipe), recipe.language)
    own = corpora.own_recordings(recipe.recordings.paths) if recipe.recordings else Manifest()
    return corpora.checked(own, recipe) + corpora.scan(recipe.background)
