"""Any other synthesiser that has a command line: `voices.command` in the recipe.

The command is a list of words, run without a shell. `{text}` and `{out}` stand for what to say and the WAV file to
write; `{rate}` and `{pitch}`, relative to the voice's own, may stand there too and are then varied.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Literal

from wakewright.core.audio import Samples
from wakewright.core.errors import RecipeError
from wakewright.data.voices.program import failed, spoken
from wakewright.data.voices.protocol import Utterance, Voice

LICENCE = "unknown: the user's own command"


class Command:
    """The engine `command`.

    Parameters
    ----------
    words: the command line; empty when the recipe has none. Raises RecipeError when {text} or {out} is missing.
    """

    name = "command"
    licence = LICENCE
    how_to_get = 'set voices.command in the recipe, for instance ["my-tts", "--say", "{text}", "--wav", "{out}"]'

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        line = " ".join(words)
        missing = [mark for mark in ("{text}", "{out}") if mark not in line]
        if words and missing:
            raise RecipeError(f"voices.command has no {' and no '.join(missing)}", got=repr(line), do=self.how_to_get)
        self.words = tuple(words)

    @property
    def varies(self) -> frozenset[Literal["rate", "pitch"]]:
        """What the command line has a place for."""
        line = " ".join(self.words)
        marks: tuple[Literal["rate", "pitch"], ...] = ("rate", "pitch")
        return frozenset(mark for mark in marks if f"{{{mark}}}" in line)

    def installed(self) -> bool:
        """Whether there is a command, and its program is there."""
        return bool(self.words) and shutil.which(self.words[0]) is not None

    def voices(self, language: str) -> list[Voice]:
        """One voice, taken to speak whatever language is asked for."""
        if not self.words:
            return []
        return [Voice(self.name, Path(self.words[0]).name, language, LICENCE, settings=(("command", self.words),))]

    def speak(self, utterance: Utterance) -> Samples:
        """Run the command the utterance carries."""
        words = utterance.setting("command")
        if not isinstance(words, tuple) or not words:
            raise failed(self.name, "an utterance without a command line")
        values = {"text": utterance.text, "rate": f"{utterance.rate:g}", "pitch": f"{utterance.pitch:g}"}
        return spoken(self.name, lambda out: [_filled(word, values | {"out": out}) for word in words])


def _filled(word: str, values: dict[str, str]) -> str:
    """One pass, so that braces inside the text are left as they are."""
    return re.sub(r"\{(text|out|rate|pitch)\}", lambda mark: values[mark[1]], word)
