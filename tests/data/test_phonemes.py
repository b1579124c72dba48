"""Text to phonemes with the real espeak-ng, and the distance between them."""

from __future__ import annotations

import itertools
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakewright.core.errors import MissingPackage, NoVoice, RecipeError
from wakewright.data import espeak_library
from wakewright.data.phonemes import (
    CONSONANTS,
    VOWELS,
    distance,
    gap,
    ipa,
    phonemes,
    span_distance,
    spelt_out,
    substitution,
    syllables,
)

SOUNDS = st.sampled_from([*sorted(VOWELS), *sorted(CONSONANTS), "aɪ", "tʃ", "dʒ", "ɔ̃", "ts", "eɪ"])
SPOKEN = st.lists(SOUNDS, max_size=7).map(tuple)


def apart(phrase: str, heard: str, language: str = "en-us") -> float:
    return span_distance(phonemes(phrase, language), phonemes(heard, language))


@pytest.mark.parametrize(
    ("text", "language", "sounds", "count"),
    [
        ("computer", "en-us", "k ə m p j u ɾ ɚ", 3),
        ("judge", "en-us", "dʒ ʌ dʒ", 1),
        ("zehn Pferde", "de", "ts e n pf e ɾ d ə", 3),
        ("enfant", "fr-fr", "ɑ̃ f ɑ̃", 2),
        ("hola señor", "es", "o l a s e ɲ o ɾ", 4),
        ("катя", "ru", "k ɑ t ʌ", 2),
        ("čtvrtek", "cs", "tʃ t v ə r t e k", 2),
        ("...", "en-us", "", 0),
        ("", "en-us", "", 0),
    ],
)
def test_phonemes_are_whole_and_bare(text: str, language: str, sounds: str, count: int) -> None:
    found = phonemes(text, language)
    assert " ".join(found) == sounds
    assert syllables(found) == count


def test_sentences_of_several_clauses_are_read_to_their_end() -> None:
    whole = phonemes("Hello, my friend. How are you?", "en-us")
    assert whole == phonemes("hello", "en-us") + phonemes("my friend", "en-us") + phonemes("how are you", "en-us")


def test_tone_stress_and_length_are_left_out() -> None:
    for text, language in (("你好小爱同学", "cmn"), ("computer", "en-us"), ("hallo", "de")):
        assert all(
            char in VOWELS or char in CONSONANTS or char == "\u0303" for char in "".join(phonemes(text, language))
        )
    assert "ˈ" in ipa("computer", "en-us")


@pytest.mark.parametrize(
    ("phrase", "same"),
    [("alexa", "a lexus"), ("computer", "come pewter"), ("jarvis", "jar vis"), ("okay nabu", "o k now boo")],
)
def test_the_phrase_written_otherwise_is_the_phrase(phrase: str, same: str) -> None:
    assert apart(phrase, same) < 1.0
    assert apart(phrase, f"well {same} then") < 1.0


@pytest.mark.parametrize(
    ("phrase", "other", "language"),
    [
        ("alexa", "the train to london", "en-us"),
        ("computer", "a cup of tea", "en-us"),
        ("amelia", "turn off the light", "en-us"),
        ("hey katya", "good morning", "en-us"),
        ("hallo karl", "guten morgen", "de"),
        ("привет катя", "до свидания", "ru"),
    ],
)
def test_ordinary_speech_is_far_from_the_phrase(phrase: str, other: str, language: str) -> None:
    assert apart(phrase, other, language) > 1.5


def test_alike_sounds_cost_less_than_unlike_ones() -> None:
    assert 0 < substitution("t", "d") < substitution("t", "m") <= 1.0
    assert substitution("s", "ʃ") < substitution("s", "ɡ")
    assert substitution("i", "ɪ") < substitution("i", "ɑ") < substitution("i", "k")
    assert substitution("j", "i") < substitution("k", "i")
    assert gap("ə") < gap("a")


def test_substitution_is_symmetric_and_bounded_and_tells_all_apart() -> None:
    sounds = [*VOWELS, *CONSONANTS, "aɪ", "aʊ", "tʃ", "dʒ", "ɔ̃"]
    for a, b in itertools.product(sounds, sounds):
        assert substitution(a, b) == pytest.approx(substitution(b, a))
        assert (substitution(a, b) == 0.0) == (a == b), (a, b)
        assert substitution(a, b) <= 1.2


@settings(deadline=None)
@given(SPOKEN, SPOKEN, SPOKEN)
def test_span_distance_finds_the_phrase_inside(
    before: tuple[str, ...], phrase: tuple[str, ...], after: tuple[str, ...]
) -> None:
    assert span_distance(phrase, before + phrase + after) == 0.0


@settings(deadline=None)
@given(SPOKEN, SPOKEN)
def test_span_distance_is_the_smallest_over_all_spans(phrase: tuple[str, ...], heard: tuple[str, ...]) -> None:
    spans = [heard[i:j] for i in range(len(heard) + 1) for j in range(i, len(heard) + 1)]
    assert span_distance(phrase, heard) == pytest.approx(min(distance(phrase, span) for span in spans))
    assert distance(phrase, heard) == pytest.approx(distance(heard, phrase))


@pytest.mark.parametrize(
    ("word", "language", "spelt"),
    [
        ("xqz", "en-us", True),
        ("bbc", "fr-fr", True),
        ("hrt", "es", True),
        ("привет", "en-us", True),
        ("alexa", "en-us", False),
        ("io", "it", False),
        ("a", "en-us", False),
        ("小爱", "cmn", False),
    ],
)
def test_words_read_letter_by_letter_are_noticed(word: str, language: str, spelt: bool) -> None:
    assert spelt_out(word, language) is spelt


@pytest.mark.parametrize(
    ("language", "nearest"), [("en-au", "en-gb"), ("german", "de"), ("fr-frr", "fr-fr"), ("ess", "es")]
)
def test_an_unknown_language_names_the_nearest(language: str, nearest: str) -> None:
    with pytest.raises(RecipeError, match="language: espeak-ng does not speak it") as caught:
        phonemes("hello", language)
    assert nearest in caught.value.do
    assert repr(language) in caught.value.got


def test_languages_are_known_by_their_usual_tags() -> None:
    assert espeak_library.identifier("en-us") == "gmw/en-US"
    assert espeak_library.identifier("fr-fr") == espeak_library.identifier("FR") == "roa/fr"
    assert espeak_library.identifier("zh") == "sit/cmn"


def test_an_unknown_voice_is_an_error_and_changes_nothing() -> None:
    with espeak_library.LOCK, pytest.raises(NoVoice, match="no voice 'gmw/nowhere'"):
        espeak_library.set_voice("gmw/nowhere")
    assert phonemes("guten Tag", "de") == ("ɡ", "u", "t", "ə", "n", "t", "ɑ", "k")


def test_threads_with_different_languages_do_not_disturb_each_other() -> None:
    words = [f"nation {number}" for number in range(40)]
    alone = {language: [ipa(word, language) for word in words] for language in ("en-us", "de", "fr-fr")}
    together: dict[str, list[str]] = {}
    threads = [
        threading.Thread(target=lambda name=name: together.update({name: [ipa(word, name) for word in words]}))
        for name in alone
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing had asked for the library yet; what is loaded stays loaded for the tests after this one."""
    monkeypatch.setattr(espeak_library, "paths", espeak_library.paths.__wrapped__)
    monkeypatch.setattr(espeak_library, "_load", espeak_library._load.__wrapped__)


def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh(monkeypatch)
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingPackage, match="espeak-ng is needed to know how the phrase sounds") as caught:
        espeak_library.library()
    assert "pip install espeakng-loader" in caught.value.do


def test_a_broken_library_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = espeak_library.paths()[1]
    fresh(monkeypatch)
    broken = tmp_path / "libespeak-ng.so"
    broken.write_text("not a library")
    monkeypatch.setattr(espeak_library, "paths", lambda: (broken, data))
    with pytest.raises(NoVoice, match="the espeak-ng library cannot be used") as caught:
        espeak_library.library()
    assert "libespeak-ng.so" in caught.value.got
