"""Voices of other languages: only those that still say the phrase, and said within their share."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from wakewright.core.manifest import Clip, Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe, Voices
from wakewright.data import spoken
from wakewright.data.accents import accents
from wakewright.data.lexicon import lexicon
from wakewright.data.phonemes import distance, phonemes
from wakewright.data.phrases import TELL_APART, Sound, _pieces, near_misses
from wakewright.data.spoken import speak
from wakewright.data.voices import engines as voice_engines


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
    assert all(c.foreign == (c in foreign) for c in clips)


def test_no_share_means_no_foreign_voice() -> None:
    recipe = Recipe(phrase="computer", voices=Voices(accent_share=0.0))
    assert spoken._foreign(recipe, ["computer"], 600, np.random.default_rng(0), apart=False) == []


def test_foreign_voices_say_the_rest_as_well() -> None:
    voices = Voices(engines=("espeak",), positives=240, near_misses=240, sentences=240)
    for kind, utterances in spoken._script(Recipe(phrase="computer", voices=voices)).items():
        home, abroad = ([u for u in utterances if u.foreign == foreign] for foreign in (False, True))
        assert len(home) + len(abroad) == 240, kind
        assert 40 <= len(abroad) <= 60, kind
        assert all("/en" in u.voice for u in home)
        assert not any("/en" in u.voice for u in abroad)


def test_foreign_voices_say_nothing_that_sounds_like_the_phrase() -> None:
    recipe = Recipe(phrase="computer")
    sound = Sound.of(recipe)
    texts = ["computer", "komputer", "compute her", "the weather in Rome", "good evening"]
    for language in ("de", "it", "ro"):
        clear = spoken._clear_abroad(recipe, texts, language, 5, np.random.default_rng(0))
        assert {"the weather in Rome", "good evening"} <= set(clear) < set(texts)
        assert min(sound.away(text, language) for text in clear) >= TELL_APART * sound.size


def test_another_phrase_changes_few_sentences() -> None:
    voices = Voices(engines=("espeak", "flite"), positives=6, near_misses=0, sentences=160)
    said, home = [], []
    for phrase, seed in (("computer", 1), ("alexa", 2)):
        utterances = spoken._script(Recipe(phrase=phrase, seed=seed, voices=voices))["speech"]
        said.append({u.fingerprint for u in utterances})
        home.append({u.fingerprint for u in utterances if not u.foreign})
    assert all(len(fingerprints) == 160 for fingerprints in said)
    assert len(said[0] & said[1]) >= 105  # three quarters are said at home
    assert len(home[0] & home[1]) >= 110


def test_near_misses_stay_clear_of_accents() -> None:
    recipe = Recipe(phrase="computer")
    sound = Sound.of(recipe)
    texts = near_misses(recipe, 60, np.random.default_rng(0))
    known = set(lexicon("en-us").words)
    invented = [t for t in texts if not all(w in known for w in t.split()) and t not in _pieces(recipe)]
    assert len(invented) > 10
    assert min(sound.away(t) for t in invented) >= TELL_APART * sound.size
    assert min(sound.away(t) for t in texts) < TELL_APART * sound.size


def test_synthesisers_that_are_not_here_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    engines = [SimpleNamespace(name=n, installed=lambda n=n: n == "espeak") for n in ("espeak", "flite", "command")]
    monkeypatch.setattr(voice_engines, "all_engines", lambda: engines)
    assert "not here: flite (wakewright voices" in spoken.more_voices(Recipe(phrase="hey katya"))
    assert not spoken.more_voices(Recipe(phrase="hey katya", voices=Voices(engines=("espeak",))))
    monkeypatch.setattr(voice_engines, "all_engines", lambda: engines[:1])
    assert not spoken.more_voices(Recipe(phrase="hey katya"))


def test_a_phrase_that_lasts_longer_than_a_model_hears_is_told() -> None:
    def said(*seconds: float) -> Manifest:
        return Manifest(tuple(Clip(f"{i}.wav", "positive", s) for i, s in enumerate(seconds)))

    told = spoken.too_long(said(1.9, 2.1, 3.0, 1.0) + Manifest((Clip("s.wav", "speech", 9.0),)), 2.03)
    assert told is not None
    assert told.startswith("2 of 4 clips of the phrase last longer than the 2.0 s that the model hears at once")
    assert spoken.too_long(said(1.9, 2.1, 1.0, 1.0), 2.03) is None  # a slow voice says any phrase slowly
    assert spoken.too_long(said(), 2.03) is None
