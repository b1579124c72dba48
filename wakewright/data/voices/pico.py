"""SVOX pico, the former voice of Android: few voices, fairly natural ones."""

from __future__ import annotations

from typing import Literal
from xml.sax.saxutils import escape

from wakewright.core.audio import Samples
from wakewright.data.voices.program import present, spoken
from wakewright.data.voices.protocol import Utterance, Voice, same_language

LICENCE = "Apache-2.0 (program); voice data redistributable, stated as Apache-2.0 without its sources"

_LANGUAGES = ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT")


class Pico:
    """The engine `pico`."""

    name = "pico"
    licence = LICENCE
    how_to_get = "Debian (non-free) or Ubuntu (multiverse): apt-get install libttspico-utils"
    varies: frozenset[Literal["rate", "pitch"]] = frozenset({"rate", "pitch"})

    def installed(self) -> bool:
        """Whether the program is there."""
        return present("pico2wave")

    def voices(self, language: str) -> list[Voice]:
        """One female voice for each of six accents."""
        return [
            Voice(self.name, tag, tag.lower(), LICENCE, "female")
            for tag in _LANGUAGES
            if same_language(language, tag)
        ]

    def speak(self, utterance: Utterance) -> Samples:
        """Speak it; rate within 0.2 to 5, pitch within 0.5 to 2."""
        text = (
            f'<speed level="{round(100 * utterance.rate)}"><pitch level="{round(100 * utterance.pitch)}">'
            f"{escape(utterance.text)}</pitch></speed>"
        )
        return spoken(self.name, lambda out: ["pico2wave", "-l", utterance.voice, "-w", out, "--", text])
