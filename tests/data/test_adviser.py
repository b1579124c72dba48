"""What the adviser says before training, and the few phrases it refuses."""

from __future__ import annotations

import pytest

from wakewright.core.errors import PhraseError, RecipeError
from wakewright.core.recipe import Phrases, Recipe
from wakewright.data.adviser import advise, check_phrase, render


@pytest.mark.parametrize(
    ("phrase", "language", "syllables"),
    [
        ("hey katya", "en-us", 4),
        ("amelia", "en-us", 4),
        ("okay nabu", "en-us", 4),
        ("hallo karl", "de", 3),
        ("bonjour marie", "fr-fr", 4),
        ("oye lucía", "es", 5),
        ("привет катя", "ru", 4),
        ("小爱同学", "cmn", 4),
    ],
)
def test_a_good_phrase_has_nothing_against_it(phrase: str, language: str, syllables: int) -> None:
    advice = advise(Recipe(phrase=phrase, language=language))
    assert advice.syllables == syllables
    assert advice.notes == ()
    assert advice.hint is None
    assert advice.good
    assert any("a good length" in line for line in render(advice))


def test_a_short_word_is_warned_of_but_not_refused() -> None:
    advice = advise(Recipe(phrase="bob"))
    assert not advice.good
    assert "single short word (1 syllable and 3 phonemes)" in advice.notes[0]
    assert f"note: {advice.notes[0]}" in render(advice)


def test_short_but_two_words_is_told_so() -> None:
    assert any(note.startswith("Short (2 syllables") for note in advise(Recipe(phrase="oh bo")).notes)


def test_an_everyday_word_is_warned_of() -> None:
    assert any("everyday word" in note for note in advise(Recipe(phrase="Computer")).notes)


def test_close_common_words_are_named_with_their_distance() -> None:
    advice = advise(Recipe(phrase="kettel"))
    words = dict(advice.confusions)
    assert words["kettle"] == min(words.values()) == 0.0
    assert [away for _, away in advice.confusions] == sorted(away for _, away in advice.confusions)
    assert any("kettle" in note and "too close to train against" in note for note in advice.notes)
    assert any(line.startswith("likely confusions") and "kettle (0.0)" in line for line in render(advice))


@pytest.mark.parametrize("phrase", ["hey zoë", "Hey Zoe\u0308", "HEY ZOE", "hey, zoë!"])
def test_the_phrase_itself_in_other_letters_is_no_confusion(phrase: str) -> None:
    """ "zoe" is among the common words, without its diaeresis."""
    assert "hey zoe" not in [text.lower() for text, _ in advise(Recipe(phrase=phrase)).confusions]


def test_an_accent_that_makes_another_word_is_one() -> None:
    assert "schön" in dict(advise(Recipe(phrase="schon", language="de")).confusions)


def test_two_common_words_that_make_the_phrase_are_found() -> None:
    found = advise(Recipe(phrase="jarvis")).confusions
    assert any(" " in text and away < 1.0 for text, away in found)


@pytest.mark.parametrize(
    ("phrase", "says"),
    [
        ("hey xqz", '"xqz" is read letter by letter'),
        ("hey r2d2", "use words"),
        ("at&t now", "a sign that voices read in different ways"),
        ("привет", '"привет" is read letter by letter'),
    ],
)
def test_a_better_spelling_is_hinted_at(phrase: str, says: str) -> None:
    advice = advise(Recipe(phrase=phrase))
    assert advice.hint is not None
    assert says in advice.hint
    assert f"hint: {advice.hint}" in render(advice)


@pytest.mark.parametrize("phrase", ["jean-luc is here", "it's amelia", "hey, katya!"])
def test_usual_punctuation_needs_no_hint(phrase: str) -> None:
    assert advise(Recipe(phrase=phrase)).hint is None


def test_combining_signs_of_a_script_need_no_hint() -> None:
    advice = advise(Recipe(phrase="नमस्ते", language="hi"))
    assert advice.hint is None
    assert any("no word list for hi" in note for note in advice.notes)


def test_a_close_phrase_to_avoid_is_pointed_out() -> None:
    advice = advise(Recipe(phrase="hey katya", phrases=Phrases(avoid=("hey carrie",))))
    assert any('"hey carrie" in phrases.avoid sounds nearly like it' in note for note in advice.notes)


@pytest.mark.parametrize(
    ("phrase", "language", "what"),
    [
        ("", "en-us", "there is nothing to say"),
        (" \t ", "en-us", "there is nothing to say"),
        ("b", "en-us", "one letter is too short"),
        ("b!", "en-us", "one letter is too short"),
        ("a" * 200, "en-us", "longer than 60 characters"),
        ("a b c d e f g h i", "en-us", "more than 8 words"),
        ("😀", "en-us", "a symbol that is not spoken"),
        ("hey 👩‍🚀", "en-us", "a symbol that is not spoken"),
        ("hey\x00katya", "en-us", "a symbol that is not spoken"),
        ("...", "en-us", "no letter that can be spoken"),
        ("+ -", "en-us", "no letter that can be spoken"),
        ("你好", "en-us", "its letters cannot be read in en-us"),
    ],
)
def test_what_cannot_be_a_phrase_is_refused(phrase: str, language: str, what: str) -> None:
    with pytest.raises(PhraseError, match=what) as caught:
        check_phrase(Recipe(phrase=phrase, language=language))
    assert caught.value.what.startswith("phrase: ")
    assert caught.value.got
    assert caught.value.do
    assert caught.value.exit_code == 2


def test_other_spellings_are_checked_too() -> None:
    with pytest.raises(PhraseError, match=r"phrases\.spellings: there is nothing to say"):
        check_phrase(Recipe(phrase="hey katya", phrases=Phrases(spellings=("hey kat ya", " "))))


@pytest.mark.parametrize(
    ("phrase", "language"),
    [("火", "cmn"), ("5", "en-us"), ("xqz", "en-us"), ("สวัสดี", "th"), ("안녕", "ko"), ("okay", "en-us")],
)
def test_nothing_else_is_refused(phrase: str, language: str) -> None:
    check_phrase(Recipe(phrase=phrase, language=language))
    assert render(advise(Recipe(phrase=phrase, language=language)))


def test_an_unknown_language_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="de") as caught:
        check_phrase(Recipe(phrase="hallo karl", language="german"))
    assert "de" in caught.value.do
