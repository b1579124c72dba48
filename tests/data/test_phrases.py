"""Near misses and sentences: far enough from the phrase, spread, distinct, the same for the same seed."""

from __future__ import annotations

import statistics
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wakewright.core.errors import PhraseError, RecipeError
from wakewright.core.recipe import Phrases, Recipe
from wakewright.data.lexicon import doing, lexicon, plural
from wakewright.data.phonemes import phonemes, span_distance
from wakewright.data.phrases import Sound, near_misses, nearest_words, sentences

PHRASES = [
    ("alexa", "en-us"),
    ("computer", "en-us"),
    ("jarvis", "en-us"),
    ("amelia", "en-us"),
    ("hey katya", "en-us"),
    ("okay nabu", "en-us"),
    ("hey mycroft", "en-gb"),
    ("hallo karl", "de"),
    ("bonjour marie", "fr-fr"),
    ("oye lucía", "es"),
    ("привет катя", "ru"),
    ("小爱同学", "cmn"),
    ("γεια σου νίκο", "el"),
    ("bo", "en-us"),
]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("phrase", "language"), PHRASES)
def test_near_misses_are_near_but_not_the_phrase(phrase: str, language: str) -> None:
    recipe = Recipe(phrase=phrase, language=language)
    sound = Sound.of(recipe)
    texts = near_misses(recipe, 120, rng())
    assert len(texts) == len(set(texts)) == 120
    assert len({phonemes(text, language) for text in texts}) == 120
    distances = [sound.away(text) for text in texts]
    assert min(distances) >= sound.limit
    # near, and not all at one distance
    assert statistics.median(distances) <= 0.75 * sound.size
    assert max(distances) - min(distances) > 0.2 * sound.size


@pytest.mark.parametrize(("phrase", "language"), PHRASES)
def test_sentences_never_sound_like_the_phrase(phrase: str, language: str) -> None:
    recipe = Recipe(phrase=phrase, language=language)
    sound = Sound.of(recipe)
    texts = sentences(recipe, 100, rng())
    assert len(texts) == len(set(texts)) == 100
    assert all(2 <= len(text.split()) <= 12 for text in texts)
    assert min(sound.away(text) for text in texts) >= sound.limit
    assert len({len(text.split()) for text in texts}) >= 7


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    phrase=st.lists(st.sampled_from(lexicon("en").words), min_size=1, max_size=3).map(" ".join),
    seed=st.integers(0, 2**32),
    least=st.sampled_from([0.5, 1.5, 2.5]),
)
def test_no_text_is_closer_than_the_limit(phrase: str, seed: int, least: float) -> None:
    recipe = Recipe(phrase=phrase, phrases=Phrases(min_distance=least))
    sounds = phonemes(phrase, "en-us")
    limit = Sound.of(recipe).limit
    assert limit <= least
    texts = near_misses(recipe, 25, rng(seed)) + sentences(recipe, 25, rng(seed))
    assert all(span_distance(sounds, phonemes(text, "en-us")) >= limit for text in texts)
    assert near_misses(recipe, 25, rng(seed)) + sentences(recipe, 25, rng(seed)) == texts


def test_the_limit_is_the_recipes_unless_the_phrase_is_very_short() -> None:
    assert Sound.of(Recipe(phrase="hey katya")).limit == 1.5
    short = Sound.of(Recipe(phrase="bo"))
    assert short.limit == pytest.approx(short.size / 3)


def test_another_seed_gives_other_texts() -> None:
    recipe = Recipe(phrase="hey katya")
    assert near_misses(recipe, 60, rng(1)) != near_misses(recipe, 60, rng(2))
    assert sentences(recipe, 60, rng(1)) != sentences(recipe, 60, rng(2))


def test_near_misses_are_of_every_kind() -> None:
    texts = near_misses(Recipe(phrase="hey katya"), 300, rng())
    known = {word.lower() for word in lexicon("en").words} | {"hey", "katya"}
    words = [text for text in texts if all(word.lower() in known for word in text.split())]
    assert "hey" in texts or "katya" in texts, "part of the phrase"
    assert "katya hey" in texts, "swapped"
    assert 90 <= len(words) <= 220, "common words"
    assert len(texts) - len(words) >= 60, "pseudo-words"


def test_phrases_to_avoid_come_first_and_always() -> None:
    avoid = ("hey carrie", "cat food", "hey carrie")
    texts = near_misses(Recipe(phrase="hey katya", phrases=Phrases(avoid=avoid)), 5, rng())
    assert texts[:2] == ["hey carrie", "cat food"]
    assert len(texts) == 5
    assert near_misses(Recipe(phrase="hey katya", phrases=Phrases(avoid=avoid)), 0, rng()) == texts[:2]


def test_a_phrase_to_avoid_that_sounds_the_same_is_refused() -> None:
    with pytest.raises(PhraseError, match="cannot be told from the phrase by its sound") as caught:
        near_misses(Recipe(phrase="alexa", phrases=Phrases(avoid=("a lexus",))), 5, rng())
    assert "'a lexus' beside 'alexa'" in caught.value.got


def test_other_spellings_are_kept_clear_of_too() -> None:
    recipe = Recipe(phrase="katya", phrases=Phrases(spellings=("hippopotamus",)))
    sound = Sound.of(recipe)
    assert sound.away("the hippopotamus") == 0.0
    assert all(sound.away(text) >= sound.limit for text in near_misses(recipe, 60, rng()))


def test_what_cannot_be_spoken_is_refused() -> None:
    with pytest.raises(PhraseError, match="the phrase cannot be spoken"):
        near_misses(Recipe(phrase="..."), 5, rng())
    with pytest.raises(RecipeError, match="language: espeak-ng does not speak it"):
        sentences(Recipe(phrase="hello", language="xx"), 5, rng())


def test_a_thousand_sentences_take_seconds() -> None:
    begin = time.perf_counter()
    assert len(sentences(Recipe(phrase="hey katya", seed=3), 1000, rng(3))) == 1000
    assert time.perf_counter() - begin < 5.0


def test_english_sentences_use_many_words_and_sounds() -> None:
    texts = sentences(Recipe(phrase="hey katya"), 600, rng())
    assert len({word for text in texts for word in text.lower().split()}) > 1000
    sounds = {sound for text in texts for sound in phonemes(text, "en-us")}
    assert len(sounds) >= 35
    assert not any(f" a {vowel}" in f" {text}" for text in texts for vowel in "aeio")


@pytest.mark.parametrize("language", ["de", "fr", "es", "it", "nl", "pt", "pl", "sv", "cs", "ru", "cmn", "en"])
def test_word_lists_are_large_enough_and_spoken(language: str) -> None:
    words = lexicon(language).words
    assert len(words) >= (4000 if language == "en" else 100)
    assert len(set(words)) == len(words)
    assert all(phonemes(word, language) for word in words)
    assert lexicon(language)["address"]


def test_a_language_without_a_list_has_an_empty_lexicon() -> None:
    assert lexicon("el").words == ()
    assert lexicon("el")["noun"] == ()


@pytest.mark.parametrize(
    ("word", "plural_form"),
    [("box", "boxes"), ("baby", "babies"), ("day", "days"), ("child", "children"), ("cat", "cats")],
)
def test_plurals(word: str, plural_form: str) -> None:
    assert plural(word) == plural_form


@pytest.mark.parametrize(
    ("verb", "form"),
    [("make", "making"), ("run", "running"), ("see", "seeing"), ("lie", "lying"), ("open", "opening"),
     ("eat", "eating"), ("play", "playing"), ("fix", "fixing"), ("begin", "beginning"), ("die", "dying"),
     ("go", "going")],
)  # fmt: skip
def test_participles(verb: str, form: str) -> None:
    assert doing(verb) == form


def test_nearest_words_come_nearest_first() -> None:
    found = nearest_words(phonemes("kettel", "en-us"), "en-us", 20)
    assert found[0] == ("kettle", 0.0)
    assert [away for _, away in found] == sorted(away for _, away in found)
