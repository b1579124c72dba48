"""Pairs in a recipe: numbers must rise, other pairs may be in any order."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from wakewright.core.recipe import Phrases, Voices


def test_a_span_of_numbers_must_rise() -> None:
    assert Voices(rate=(0.9, 0.9)).rate == (0.9, 0.9)
    with pytest.raises(ValidationError, match=r"rate: the low end 1\.3 is above the high end 0\.75"):
        Voices(rate=(1.3, 0.75))


def test_two_words_are_not_a_span() -> None:
    assert Phrases(avoid=("hey you", "cat food")).avoid == ("hey you", "cat food")
    assert Voices(engines=("pico", "espeak")).engines == ("pico", "espeak")
