"""What a speech synthesiser is to wakewright: voices it offers, utterances it speaks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from wakewright.core.audio import Samples
from wakewright.core.errors import NoVoice
from wakewright.core.files import fingerprint

SPEECH_VERSION = 1
"""Part of every utterance's fingerprint; raise it when an engine or the trimming comes to sound different."""

Gender = Literal["female", "male"]
Setting = tuple[str, float | str | tuple[str, ...]]
"""Name and value of something only one engine knows, for instance ("noise", 0.6)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Voice:
    """One voice of one engine."""

    engine: str
    """Name of the engine."""
    name: str
    """The voice as the engine names it."""
    language: str
    """Language tag, lower case: en-us, de, fr-fr."""
    licence: str
    """Licence of the voice, or of the engine when the voice has none of its own."""
    gender: Gender | None = None
    """Where the engine says."""
    variants: tuple[str, ...] = ()
    """Speakers or timbres the one voice can take; empty for none but its own."""
    settings: tuple[Setting, ...] = ()
    """What the engine must be told to find this voice; carried over into every utterance."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """The variants, or one empty name for the voice as it is."""
        return self.variants or ("",)


@dataclasses.dataclass(frozen=True, slots=True)
class Utterance:
    """A text and all that is needed to speak it; the same utterance always means the same sound."""

    text: str
    """What is said."""
    engine: str
    """Name of the engine."""
    voice: str
    """Name of the voice."""
    variant: str = ""
    """One of the voice's variants, or nothing."""
    rate: float = 1.0
    """Speaking rate relative to the voice's own."""
    pitch: float = 1.0
    """Pitch relative to the voice's own."""
    settings: tuple[Setting, ...] = ()
    """What only this engine knows."""
    licence: str = ""
    """Licence of the voice; no part of the sound, so no part of the fingerprint."""
    foreign: bool = False
    """True for a voice of another language than the text's; no part of the fingerprint either."""

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits over everything that can be heard; names the clip in the cache."""
        heard = (self.text, self.engine, self.voice, self.variant, self.rate, self.pitch, self.settings)
        return fingerprint(SPEECH_VERSION, *heard)

    @property
    def speaker(self) -> str:
        """`engine/voice` or `engine/voice+variant`: clips that share it are never split between two parts."""
        return f"{self.engine}/{self.voice}" + (f"+{self.variant}" if self.variant else "")

    def setting(self, name: str) -> float | str | tuple[str, ...] | None:
        """The value of a setting, None when it is not set."""
        return dict(self.settings).get(name)


class Engine(Protocol):
    """A speech synthesiser. Engines hold no state between calls and can be sent to another process."""

    @property
    def name(self) -> str:
        """Short name, as in `recipe.voices.engines`."""

    @property
    def licence(self) -> str:
        """Licence of the program; voices may have another."""

    @property
    def how_to_get(self) -> str:
        """One line saying how to install it."""

    @property
    def varies(self) -> frozenset[Literal["rate", "pitch"]]:
        """What it can change; the rest of an utterance's rate and pitch stays 1."""

    def installed(self) -> bool:
        """Whether it can speak here. Starts no synthesis; at most looks for a program and its files."""

    def voices(self, language: str) -> list[Voice]:
        """The voices that speak `language` in any of its accents; empty when there is none."""

    def speak(self, utterance: Utterance) -> Samples:
        """Speak it: (samples,) float32, 16 kHz. Raises NoVoice with what the engine said when it fails."""


@runtime_checkable
class BatchEngine(Engine, Protocol):
    """An engine whose start is slow, so that many utterances share one."""

    def speak_batch(self, utterances: Sequence[Utterance]) -> list[Samples | NoVoice]:
        """Speak each; one that fails gives the NoVoice it would have raised, in its place."""


@runtime_checkable
class DrawsSettings(Protocol):
    """An engine whose sound has more to vary than voice, rate and pitch."""

    def draw(self, rng: np.random.Generator) -> tuple[Setting, ...]:
        """Settings for one utterance."""


def same_language(asked: str, offered: str) -> bool:
    """Whether two tags name one language, accents aside: en-us and en-gb do, de and nl do not."""
    return _base(asked) == _base(offered)


def _base(tag: str) -> str:
    return tag.replace("_", "-").split("-")[0].lower()
