"""The plan: equal shares of engines, even voices and texts, spread rates, all from the seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakewright.core.errors import NoVoice, PhraseError
from wakewright.core.recipe import Recipe, Voices
from wakewright.data.voices import Engine, Utterance, engine_named, plan
from wakewright.data.voices.command import Command
from wakewright.data.voices.flite import Flite
from wakewright.data.voices.pico import Pico

RECIPE = Recipe(phrase="hey katya", voices=Voices(rate=(0.75, 1.3), pitch=(0.8, 1.25)))
# planning looks at nothing but the engines' lists of voices, so these need not be installed
ENGINES: list[Engine] = [engine_named("espeak"), Flite(), Pico()]


def drawn(
    count: int, texts: Sequence[str] = ("hey katya",), engines: Sequence[Engine] = ENGINES, seed: int = 1
) -> list[Utterance]:
    return plan(texts, count, engines, RECIPE, np.random.default_rng(seed))


@given(count=st.integers(0, 200), texts=st.integers(1, 7), seed=st.integers(0, 2**32))
def test_engines_texts_and_voices_are_balanced(count: int, texts: int, seed: int) -> None:
    utterances = drawn(count, [f"text {i}" for i in range(texts)], seed=seed)
    assert len(utterances) == count
    for counts, of in (
        (Counter(u.engine for u in utterances), 3),
        (Counter(u.text for u in utterances), texts),
        (Counter(u.voice for u in utterances if u.engine == "flite"), 4),
        (Counter(u.voice for u in utterances if u.engine == "espeak"), 8),
    ):
        values = list(counts.values()) + [0] * (of - len(counts))
        assert max(values) - min(values) <= 1


def test_the_seed_decides_and_the_order_of_the_engines_does_not() -> None:
    assert drawn(50) == drawn(50) == drawn(50, engines=ENGINES[::-1])
    assert drawn(50) != drawn(50, seed=2)


def test_no_clip_of_a_small_engine_is_near_another() -> None:
    pico = [u for u in drawn(300) if u.engine == "pico" and u.voice == "en-US"]
    assert len(pico) == 50
    rates, pitches = sorted(u.rate for u in pico), sorted(u.pitch for u in pico)
    # one in each fiftieth of the range, so the range is covered and no two are equal
    assert [int((r - 0.75) / 0.55 * 50 + 1e-6) for r in rates] == pytest.approx(range(50), abs=1)
    assert pitches[0] < 0.82
    assert pitches[-1] > 1.23
    assert len({u.fingerprint for u in pico}) == 50
    assert abs(np.corrcoef([u.rate for u in pico], [u.pitch for u in pico])[0, 1]) < 0.5


def test_variants_come_round_before_any_repeats() -> None:
    american = [u.variant for u in drawn(8 * 50, engines=ENGINES[:1]) if u.voice == "gmw/en-US"]
    assert len(american) == len(set(american)) == 50


def test_an_engine_that_can_vary_nothing_says_each_thing_once() -> None:
    fixed = Command(("say", "{text}", "{out}"))
    utterances = drawn(60, ["one", "two"], [*ENGINES, fixed])
    assert len(utterances) == 60
    assert Counter(u.engine for u in utterances)["command"] == 2
    assert {u.rate for u in utterances if u.engine == "command"} == {1.0}
    assert len(drawn(60, ["one", "two"], [fixed])) == 2


def test_the_speaker_names_engine_voice_and_variant() -> None:
    assert {u.speaker for u in drawn(40) if u.engine == "pico"} == {"pico/en-US", "pico/en-GB"}
    assert Utterance("a", "espeak", "gmw/en", "f2").speaker == "espeak/gmw/en+f2"


def test_the_fingerprint_covers_what_is_heard() -> None:
    one = Utterance("hey", "espeak", "gmw/en", "f2", 1.1, 0.9, (("noise", 0.5),), "GPL")
    assert one.fingerprint == "4b2e18313304299d"
    others = [
        Utterance("hay", "espeak", "gmw/en", "f2", 1.1, 0.9, (("noise", 0.5),)),
        Utterance("hey", "espeak", "gmw/en", "f3", 1.1, 0.9, (("noise", 0.5),)),
        Utterance("hey", "espeak", "gmw/en", "f2", 1.2, 0.9, (("noise", 0.5),)),
        Utterance("hey", "espeak", "gmw/en", "f2", 1.1, 0.8, (("noise", 0.5),)),
        Utterance("hey", "espeak", "gmw/en", "f2", 1.1, 0.9, (("noise", 0.6),)),
    ]
    assert len({one.fingerprint, *(u.fingerprint for u in others)}) == 6
    assert one.fingerprint == Utterance("hey", "espeak", "gmw/en", "f2", 1.1, 0.9, (("noise", 0.5),), "x").fingerprint


def test_a_language_nobody_speaks() -> None:
    recipe = RECIPE.model_copy(update={"language": "xx"})
    with pytest.raises(NoVoice, match=r"(?s)no installed engine speaks 'xx'.*flite.*install an engine"):
        plan(["hey"], 3, ENGINES, recipe, np.random.default_rng(1))


def test_only_engines_that_speak_the_language_take_part() -> None:
    recipe = RECIPE.model_copy(update={"language": "de"})
    utterances = plan(["hallo"], 10, ENGINES, recipe, np.random.default_rng(1))
    assert Counter(u.engine for u in utterances) == {"espeak": 5, "pico": 5}


def test_nothing_to_speak() -> None:
    with pytest.raises(PhraseError, match="nothing to speak"):
        drawn(3, [])
