"""Who says what, how fast and how high: drawn once, so that the same seed speaks the same clips.

Engines get equal shares whatever number of voices they have: a hundred variants of espeak-ng are one synthesiser, and
a model trained on them learns that synthesiser (measured: 53 % missed with it alone, 2.5 % with six engines).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from wakewright.core.errors import NoVoice, PhraseError
from wakewright.core.recipe import Recipe, Span
from wakewright.data.voices.engines import installed_engines
from wakewright.data.voices.protocol import DrawsSettings, Engine, Utterance, Voice

__all__ = ["installed_engines", "plan"]

T = TypeVar("T")


def plan(
    texts: Sequence[str], count: int, engines: Sequence[Engine], recipe: Recipe, rng: np.random.Generator
) -> list[Utterance]:
    """Draw `count` utterances of `texts`, in equal shares of the engines, evenly over their voices and the texts.

    Rate and pitch are spread over the recipe's ranges voice by voice, each clip in a stratum of its own, so that an
    engine with two voices does not say one thing twice. An engine that can vary nothing is asked for each text in
    each voice once at most and the others take over the rest; where that leaves too few, fewer than `count` return.

    Raises NoVoice when no engine speaks the language, PhraseError when there is no text.
    """
    if not texts:
        raise PhraseError("there is nothing to speak", got="no text", do="give at least one")
    found = choirs(engines, recipe.language)
    shares = _shares(count, [_capacity(engine, voices, len(texts)) for engine, voices in found], rng)
    words = _decks(list(texts), rng)
    planned: list[Utterance] = []
    for (engine, voices), share in zip(found, shares, strict=True):
        planned += _for_engine(engine, voices, [next(words) for _ in range(share)], recipe, rng)
    return planned


def choirs(engines: Sequence[Engine], language: str) -> list[tuple[Engine, list[Voice]]]:
    """The engines that speak the language with their voices for it, by name. Raises NoVoice when none does."""
    asked = [(engine, engine.voices(language)) for engine in sorted(engines, key=lambda e: e.name)]
    found = [(engine, voices) for engine, voices in asked if voices]
    if not found:
        raise NoVoice(
            f"no installed engine speaks {language!r}",
            got="asked " + (", ".join(engine.name for engine in engines) or "no engine"),
            do="check the language, or install an engine that speaks it (see: wakewright voices)",
        )
    return found


def _capacity(engine: Engine, voices: Sequence[Voice], texts: int) -> float:
    """How many different clips the engine can make."""
    if engine.varies or isinstance(engine, DrawsSettings):
        return float("inf")
    return texts * sum(len(voice.speakers) for voice in voices)


def _shares(count: int, capacity: Sequence[float], rng: np.random.Generator) -> list[int]:
    """Equal shares of `count`, the odd clips to engines drawn by chance, nobody above capacity."""
    shares = [0] * len(capacity)
    while (left := count - sum(shares)) > 0:
        able = [int(i) for i in rng.permutation(len(capacity)) if shares[i] < capacity[i]]
        if not able:
            break
        each, odd = divmod(left, len(able))
        for place, i in enumerate(able):
            wish = shares[i] + each + (place < odd)
            shares[i] = wish if wish <= capacity[i] else int(capacity[i])
    return shares


def _for_engine(
    engine: Engine, voices: Sequence[Voice], texts: Sequence[str], recipe: Recipe, rng: np.random.Generator
) -> list[Utterance]:
    cast = _decks(list(voices), rng)
    by_voice: dict[Voice, list[str]] = {}
    for text in texts:
        by_voice.setdefault(next(cast), []).append(text)
    planned = []
    for voice, lines in by_voice.items():
        speakers = _decks(list(voice.speakers), rng)
        rates = _spread(recipe.voices.rate if "rate" in engine.varies else (1.0, 1.0), len(lines), rng)
        pitches = _spread(recipe.voices.pitch if "pitch" in engine.varies else (1.0, 1.0), len(lines), rng)
        for text, rate, pitch in zip(lines, rates, pitches, strict=True):
            drawn = engine.draw(rng) if isinstance(engine, DrawsSettings) else ()
            planned.append(
                Utterance(
                    text, engine.name, voice.name, next(speakers), rate, pitch, voice.settings + drawn, voice.licence
                )
            )
    return _distinct(planned) if not engine.varies and not isinstance(engine, DrawsSettings) else planned


def _distinct(planned: list[Utterance]) -> list[Utterance]:
    """The utterances, each once.

    Texts and voices come round in shuffled decks of different lengths, so that pairs can repeat.
    """
    return list({dataclasses.replace(u, licence=""): u for u in planned}.values())


def _spread(span: Span, count: int, rng: np.random.Generator) -> list[float]:
    """`count` values in shuffled order, one drawn in each of `count` equal parts of the span (a Latin hypercube)."""
    places = (rng.permutation(count) + rng.random(count)) / max(count, 1)
    return [round(float(span[0] + (span[1] - span[0]) * p), 3) for p in places]


def _decks(items: Sequence[T], rng: np.random.Generator) -> Iterator[T]:
    """Endless: all items in an order drawn by chance, then all again in another."""
    while True:
        for i in rng.permutation(len(items)):
            yield items[i]
