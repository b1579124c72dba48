"""Voices of other languages: only those that still say the phrase, and said within their share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe, Voices
from wakewright.data import spoken
from wakewright.data.accents import accents
from wakewright.data.lexicon import lexicon
from wakewright.data.phonemes import distance, phonemes
from wakewright.data.phrases import TELL_APART, Sound, _pieces, near_misses
from wakewright.data.spoken import speak


@pytest.mark.parametrize("phrase", ["hey katya", "computer", "okay nabu"])
def test_accents_are_nearer_than_near_misses(phrase: str) -> None:
    recipe = Recipe(phrase=phrase)
    sound = Sound.of(recipe)
    found = accents(recipe)
    away = [distance(sound.forms[0], phonemes(phrase, language)) for language in found]
    assert len(found) >= 3
    assert away == sorted(away)
    assert max(away) <= TELL_APART * sound.size
    assert not any(language.startswith("en") for language in found)


def test_a_reading_that_is_another_word_is_left_out() -> None:
    # a Hungarian reads "hey katya" as "hey kacha" with another first vowel: farther than an accent
    assert "hu" not in accents(Recipe(phrase="hey katya"))


def test_the_recipe_may_name_them_and_other_scripts_have_none() -> None:
    assert accents(Recipe(phrase="computer", voices=Voices(accents=("fi",)))) == ["fi"]
    assert accents(Recipe(phrase="привет катя", language="ru")) == []


def test_the_share_is_said_by_foreign_voices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path))
    voices = Voices(
        engines=("espeak",),
        positives=60,
        near_misses=0,
        sentences=0,
        accent_share=0.2,
        accents=("fi", "de", "it", "nl", "cs", "sv"),
    )
    clips = speak(Recipe(phrase="computer", voices=voices), Progress(quiet=True))
    foreign = [c for c in clips if "/gmw/en" not in c.speaker]
    assert len(clips) == 60
    assert len(foreign) == 12


def test_no_share_means_no_foreign_voice() -> None:
    recipe = Recipe(phrase="computer", voices=Voices(accent_share=0.0))
    assert spoken._foreign(recipe, ["computer"], np.random.default_rng(0)) == []


def test_near_misses_stay_clear_of_accents() -> None:
    recipe = Recipe(phrase="computer")
    sound = Sound.of(recipe)
    texts = near_misses(recipe, 60, np.random.default_rng(0))
    known = set(lexicon("en-us").words)
    invented = [t for t in texts if not all(w in known for w in t.split()) and t not in _pieces(recipe)]
    assert len(invented) > 10
    assert min(sound.away(t) for t in invented) >= TELL_APART * sound.size
    assert min(sound.away(t) for t in texts) < TELL_APART * sound.size
