"""RHVoice: statistical voices, several of them speaking English with another accent."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from wakewright.core.audio import Samples
from wakewright.data.voices.program import present, spoken, unknown_voice
from wakewright.data.voices.protocol import Gender, Utterance, Voice, same_language

LICENCE = "LGPL-2.1-or-later (program)"
_VOICE_LICENCES = {
    "alan": "LGPL-2.1-or-later",
    "bdl": "LGPL-2.1-or-later",
    "clb": "LGPL-2.1-or-later",
    "slt": "LGPL-2.1-or-later",
    "evgeniy-eng": "CC-BY-NC-ND-4.0",
    "lyubov": "CC-BY-NC-ND-4.0",
}

_FOLDERS = (Path("/usr/share/RHVoice/voices"), Path("/usr/local/share/RHVoice/voices"))
_TAGS = {
    "English": "en-us", "Scottish-English": "en-gb", "Russian": "ru", "Ukrainian": "uk", "Esperanto": "eo",
    "Georgian": "ka", "Kyrgyz": "ky", "Tatar": "tt", "Brazilian-Portuguese": "pt-br", "Macedonian": "mk",
    "Albanian": "sq", "Polish": "pl", "Czech": "cs", "Slovak": "sk", "Uzbek": "uz", "Spanish": "es",
    "Croatian": "hr", "Serbian": "sr", "Vietnamese": "vi",
}  # fmt: skip


class RHVoice:
    """The engine `rhvoice`."""

    name = "rhvoice"
    licence = LICENCE
    how_to_get = (
        "Debian 12 or later (non-free), Ubuntu 22.04 or later (universe, multiverse): "
        "apt-get install rhvoice rhvoice-english"
    )
    varies: frozenset[Literal["rate", "pitch"]] = frozenset({"rate", "pitch"})

    def installed(self) -> bool:
        """Whether the program and at least one voice are there."""
        return present("RHVoice-test") and bool(_listed())

    def voices(self, language: str) -> list[Voice]:
        """The voices whose `voice.info` names the language."""
        return [voice for voice in _listed() if same_language(language, voice.language)]

    def speak(self, utterance: Utterance) -> Samples:
        """Speak it; rate and pitch as whole percents, not below half."""
        if utterance.voice not in {voice.name for voice in _listed()}:
            raise unknown_voice(self.name, utterance.voice)
        options = ["-r", str(max(50, round(100 * utterance.rate))), "-t", str(max(50, round(100 * utterance.pitch)))]
        return spoken(
            self.name,
            lambda out: ["RHVoice-test", "-p", utterance.voice, *options, "-o", out],
            stdin=utterance.text + "\n",
        )


def _listed() -> list[Voice]:
    voices = []
    for info in sorted(file for folder in _FOLDERS for file in folder.glob("*/voice.info")):
        said = dict(
            line.split("=", 1)
            for line in info.read_text(encoding="utf-8", errors="replace").splitlines()
            if "=" in line
        )
        tag = _TAGS.get(said.get("language", ""))
        if tag is None:
            continue
        name = info.parent.name
        gender: Gender | None = (
            "female" if said.get("gender") == "female" else "male" if said.get("gender") == "male" else None
        )
        licence = _VOICE_LICENCES.get(name, "see the voice's own licence file")
        voices.append(Voice("rhvoice", name, tag, licence, gender))
    return voices
