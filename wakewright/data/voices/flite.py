"""flite: four small voices of Carnegie Mellon University, built into the program."""

from __future__ import annotations

from typing import Literal

from wakewright.core.audio import Samples
from wakewright.data.voices.program import present, spoken, unknown_voice
from wakewright.data.voices.protocol import Gender, Utterance, Voice, same_language

LICENCE = "BSD-like (CMU Flite)"

_F0_HZ: dict[str, tuple[Gender, float | None]] = {
    "kal16": ("male", 95.0),
    "awb": ("male", None),
    "rms": ("male", None),
    "slt": ("female", 172.0),
}
"""Gender, and mean pitch in Hz as measured; None for a voice that does not obey `int_f0_target_mean`.

`kal` is left out: it is kal16 at 8 kHz.
"""


class Flite:
    """The engine `flite`."""

    name = "flite"
    licence = LICENCE
    how_to_get = "Debian or Ubuntu: apt-get install flite; macOS: brew install flite"
    varies: frozenset[Literal["rate", "pitch"]] = frozenset({"rate", "pitch"})

    def installed(self) -> bool:
        """Whether the program is there."""
        return present("flite")

    def voices(self, language: str) -> list[Voice]:
        """The four English voices."""
        if not same_language(language, "en-us"):
            return []
        return [Voice(self.name, name, "en-us", LICENCE, gender) for name, (gender, _) in _F0_HZ.items()]

    def speak(self, utterance: Utterance) -> Samples:
        """Speak it; pitch moves kal16 and slt only."""
        if utterance.voice not in _F0_HZ:
            raise unknown_voice(self.name, utterance.voice)
        features = ["--setf", f"duration_stretch={1 / utterance.rate:.4f}"]
        f0 = _F0_HZ[utterance.voice][1]
        if f0 is not None and utterance.pitch != 1.0:
            features += ["--setf", f"int_f0_target_mean={f0 * utterance.pitch:.1f}"]
        return spoken(
            self.name,
            lambda out: ["flite", "-voice", utterance.voice, *features, "-t", utterance.text, "-o", out],
        )
