"""The user's own command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wakewright.core.errors import NoVoice, RecipeError
from wakewright.core.recipe import Recipe, Voices
from wakewright.data.voices import Utterance, installed_engines
from wakewright.data.voices.command import Command

TONE = (
    "import sys, wave; w = wave.open(sys.argv[2], 'wb'); w.setparams((1, 2, 8000, 0, 'NONE', '')); "
    "w.writeframes(b'\\x00\\x20\\x00\\xe0' * 100 * len(sys.argv[1]))"
)
WORDS = (sys.executable, "-c", TONE, "{text}", "{out}")


def spoken(text: str) -> int:
    voice = Command(WORDS).voices("de")[0]
    return len(Command().speak(Utterance(text, "command", voice.name, settings=voice.settings)))


def test_text_and_out_are_filled_in_and_any_rate_becomes_16_khz() -> None:
    assert spoken("hello") == 5 * 200 * 2


def test_the_text_is_one_word_whatever_is_in_it(tmp_path: Path) -> None:
    text = f"{{out}} {{text}}; touch {tmp_path / 'made'} $(id) 'x'"
    assert spoken(text) == len(text) * 200 * 2
    assert not (tmp_path / "made").exists()


def test_it_varies_what_it_has_a_place_for() -> None:
    assert Command(WORDS).varies == frozenset()
    assert Command((*WORDS, "--speed={rate}")).varies == {"rate"}


def test_the_recipe_switches_it_on() -> None:
    recipe = Recipe(phrase="hey katya", voices=Voices(command=WORDS))
    assert "command" in [e.name for e in installed_engines(recipe)]
    assert "command" not in [e.name for e in installed_engines(Recipe(phrase="hey katya"))]


def test_a_place_missing() -> None:
    with pytest.raises(RecipeError, match=r"(?s)voices.command has no \{out\}.*'say \{text\}'.*\"\{out\}\""):
        Command(("say", "{text}"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            (sys.executable, "-c", "import sys; sys.exit('out of breath')", "{text}{out}"),
            "exit status 1: out of breath",
        ),
        ((sys.executable, "-c", "0", "{text}{out}"), "no usable sound: no such file"),
        ((sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write('x')", "{out}"), "no usable sound"),
        (("/nowhere/say", "{text}{out}"), "/nowhere/say: No such file"),
    ],
)
def test_a_command_that_fails_says_why(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(NoVoice, match=rf"(?s)command could not speak.*{said}"):
        Command().speak(Utterance("hey", "command", "x", settings=(("command", words),)))
