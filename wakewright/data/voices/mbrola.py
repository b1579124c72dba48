"""MBROLA through the system's espeak-ng: recorded diphones, so human timbres under espeak-ng's intonation.

Besides the native voices of a language espeak-ng offers voices of other languages speaking it (`mb-fr1-en`): foreign
accents. Only those whose diphones are installed count.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

from wakewright.core.audio import Samples
from wakewright.data.voices.espeak import pitch_setting, rate_setting
from wakewright.data.voices.program import present, run, spoken
from wakewright.data.voices.protocol import Gender, Utterance, Voice, same_language

LICENCE = (
    "AGPL-3.0 (mbrola), GPL-3.0 (espeak-ng); diphones only with MBROLA, not to be sold or be part of what is sold"
)

_FOLDERS = (Path("/usr/share/mbrola"), Path("/usr/local/share/mbrola"), Path("/opt/homebrew/share/mbrola"))


class Mbrola:
    """The engine `mbrola`."""

    name = "mbrola"
    licence = LICENCE
    how_to_get = (
        "Debian (contrib, non-free) or Ubuntu (universe, multiverse): "
        "apt-get install espeak-ng mbrola mbrola-us1 mbrola-us2 mbrola-us3 mbrola-en1"
    )
    varies: frozenset[Literal["rate", "pitch"]] = frozenset({"rate", "pitch"})

    def installed(self) -> bool:
        """Whether both programs and at least one set of diphones are there."""
        return present("espeak-ng", "mbrola") and any(_databases())

    def voices(self, language: str) -> list[Voice]:
        """Native voices of the language, then those of other languages that speak it."""
        return [v for v in _listed() if same_language(language, v.language)]

    def speak(self, utterance: Utterance) -> Samples:
        """Speak it."""
        options = ["-s", str(rate_setting(utterance.rate)), "-p", str(pitch_setting(utterance.pitch))]
        return spoken(
            self.name,
            lambda out: ["espeak-ng", "-v", utterance.voice, *options, "-w", out, "--stdin"],
            stdin=utterance.text,
        )


def _databases() -> list[str]:
    """Names of the installed diphone sets: us1, de5."""
    names = {
        file.name
        for folder in _FOLDERS
        for pattern in ("??[0-9]", "??[0-9]/??[0-9]", "voices/??[0-9]")
        for file in folder.glob(pattern)
        if file.is_file()
    }
    return sorted(names)


@functools.cache
def _listed() -> tuple[Voice, ...]:
    """What `espeak-ng --voices=mb` offers, as far as its diphones are here; columns: priority, language, age/gender,
    name (no blanks in it), file."""
    installed = set(_databases())
    native: list[Voice] = []
    foreign: list[Voice] = []
    for line in run("mbrola", ["espeak-ng", "--voices=mb"]).out.splitlines()[1:]:
        _, tag, sex, _, file = line.split()[:5]
        name = file.removeprefix("mb/")
        database, _, speaks = name.removeprefix("mb-").partition("-")
        if database not in installed:
            continue
        gender: Gender | None = "female" if sex.endswith("F") else "male" if sex.endswith("M") else None
        voice = Voice("mbrola", name, "en-gb" if tag == "en-uk" else tag.lower(), LICENCE, gender)
        (foreign if speaks else native).append(voice)
    return tuple(native + foreign)
