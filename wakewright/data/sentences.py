"""Ordinary sentences: patterns for English, plain word sequences for other languages, pseudo-words for the rest."""

from __future__ import annotations

import re

import numpy as np

from wakewright.data.lexicon import Lexicon, is_vowel_letter, letters, lexicon

SHORTEST, LONGEST = 2, 12
"""Words in a sentence."""

PATTERNS = (
    "the {adjective} {noun} can {verb}", "I would like to {verb} the {noun} {adverb}", "{name} lives in {place}",
    "we {adverb} {verb} our {plural} on {time}", "why did the {noun} {verb} {number} {plural}",
    "please {verb} a {noun} for {name}", "there are {number} {adjective} {plural} behind the {noun}",
    "{doing} {plural} is {adverb} {adjective}", "what {noun} should I {verb}", "turn off the {noun} in the {noun}",
    "my {noun} {third} the {plural} of {place}", "have you seen the {noun} that {name} was {doing}",
    "set a timer for {number} minutes", "{name} and {name} are {doing} {adverb}", "play some {adjective} {noun}",
    "it was {adjective} in {place} last {time}", "how many {plural} does a {noun} have", "a {noun} of {plural}",
    "{number} {plural}", "I think {name} {third} {plural} before {time}", "don't {verb} the {noun} yet",
    "nobody {third} {adjective} {plural} at the {noun} any more", "if you {verb} then the {noun} will {verb}",
    "she said that {doing} is too {adjective} for {name}", "remind me to {verb} my {noun} on {time}",
    "they could not {verb} because the {noun} was {adjective}", "is the {noun} {adjective} or {adjective}",
    "the {plural} from {place} {adverb} {verb} under the {adjective} {noun}", "no {noun} is ever {adjective}",
    "{name} bought {number} {plural} and a {adjective} {noun} in {place}", "thank you {name}", "{adverb} {doing}",
    "every {noun} {third} when the {noun} {third}", "who left this {noun} on top of the {plural}",
    "after {number} years the {noun} was still {doing}", "tell {name} that we {verb} {plural} {adverb}",
    "the train to {place} leaves at {number} {number}", "let us {verb} and {verb} until {time}", "not my {noun}",
    "{adjective} {plural} {verb} {adjective} {plural}", "he was {doing} a {noun} while we were {doing}",
    "which of these {number} {plural} would {name} {verb}", "oh {name} you are so {adjective}",
    "{plural} and {plural}", "{number} {number} {number} {number}", "open the {noun} and close the {noun}",
    "hey {assistant}", "okay {assistant} {verb} the {noun}", "{assistant} turn off the {noun}", "hello {assistant}",
    "{assistant} what is the {noun} in {place}", "{assistant} {assistant}",
)  # fmt: skip
"""Sentence patterns for English; a name in braces is a section of the word list. Homes with one assistant often have
another, whose name must not wake ours: one sentence in nine calls one."""


def sentence(language: str, phrase: str, rng: np.random.Generator) -> str:
    """One sentence of `SHORTEST` to `LONGEST` words in `language`, drawn from `rng`; see `phrases.sentences`."""
    words = lexicon(language)
    if words["verb"] and words["doing"]:
        return _from_pattern(words, rng)
    length = int(rng.integers(SHORTEST, LONGEST + 1))
    if words.words:
        return " ".join(_pick(words.words, rng) for _ in range(length))
    return " ".join(_pseudo_word(language, phrase, rng) for _ in range(length))


def _pick(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


def _from_pattern(words: Lexicon, rng: np.random.Generator) -> str:
    text = re.sub(r"\{(\w+)\}", lambda slot: _pick(words[slot[1]], rng), _pick(PATTERNS, rng))
    return re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", text)


def _pseudo_word(language: str, phrase: str, rng: np.random.Generator) -> str:
    """A number in figures, or two to five syllables' worth of letters of the phrase's script."""
    if rng.random() < 0.25:
        return str(int(rng.integers(0, 1000)))
    alphabet = letters(language, phrase)
    vowels = tuple(char for char in alphabet if is_vowel_letter(char))
    others = tuple(char for char in alphabet if not is_vowel_letter(char))
    size = int(rng.integers(1, 4))
    if not vowels or not others:
        return "".join(_pick(alphabet, rng) for _ in range(size))
    return "".join(_pick(others, rng) + _pick(vowels, rng) for _ in range(size))
