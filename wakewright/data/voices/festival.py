"""festival: diphone and HTS voices of the universities of Edinburgh and Carnegie Mellon.

Starting it takes ten times longer than speaking, so many utterances share one process. Each is guarded on its own:
one that fails writes no file, and the rest go on.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from wakewright.core.audio import Samples
from wakewright.core.errors import NoVoice
from wakewright.data.voices.program import failed, present, read, run
from wakewright.data.voices.protocol import Gender, Utterance, Voice, same_language

LICENCE = "BSD-like (festival)"
_VOICE_LICENCES = {
    "rab_diphone": "BSD-like voice; its OALD lexicon is for non-commercial use only",
    "us1_mbrola": "MBROLA diphones: free of charge, only with MBROLA, not to be sold",
    "us2_mbrola": "MBROLA diphones: free of charge, only with MBROLA, not to be sold",
    "us3_mbrola": "MBROLA diphones: free of charge, only with MBROLA, not to be sold",
}
_TAGS = {
    "english": "en-us", "britishenglish": "en-gb", "americanenglish": "en-us", "spanish": "es", "italian": "it",
    "finnish": "fi", "czech": "cs", "german": "de", "russian": "ru", "hindi": "hi", "welsh": "cy", "polish": "pl",
}  # fmt: skip
"""Language tag for what festival's voice descriptions call a language."""

_DEFINITIONS = """
(define (wakewright_say voice text rate pitch out)
  (eval (list (intern (string-append "voice_" voice))))
  (Parameter.set 'Duration_Stretch (/ (Parameter.get 'Duration_Stretch) rate))
  (if (string-matches voice ".*_hts")
      (set! hts_engine_params (append hts_engine_params (list (list "-r" rate)))))
  (if (assoc 'target_f0_mean int_lr_params)
      (set! int_lr_params
            (cons (list 'target_f0_mean (* pitch (cadr (assoc 'target_f0_mean int_lr_params)))) int_lr_params)))
  (utt.save.wave (utt.synth (eval (list 'Utterance 'Text text))) out 'riff))
"""
# A voice's own parameters are set anew each time it is chosen; HTS keeps its rate in a parameter of its own.

_LIST = """
(mapcar (lambda (v) (let ((d (cadr (voice.description v))))
  (format t "%s|%s|%s|%s\\n" v (cadr (assoc 'language d)) (cadr (assoc 'gender d)) (cadr (assoc 'dialect d)))))
  (voice.list))
"""


class Festival:
    """The engine `festival`."""

    name = "festival"
    licence = LICENCE
    how_to_get = (
        "Debian or Ubuntu: apt-get install festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts; "
        "with Debian's contrib or Ubuntu's multiverse also festvox-rablpc16k"
    )
    varies: frozenset[Literal["rate", "pitch"]] = frozenset({"rate", "pitch"})

    def installed(self) -> bool:
        """Whether the program is there."""
        return present("festival")

    def voices(self, language: str) -> list[Voice]:
        """The voices festival lists, as far as they say which language they speak."""
        return [voice for voice in _listed() if same_language(language, voice.language)]

    def speak(self, utterance: Utterance) -> Samples:
        """Speak it alone; slow (see `speak_batch`). Pitch does not move the HTS voices."""
        spoken = self.speak_batch([utterance])[0]
        if isinstance(spoken, NoVoice):
            raise spoken
        return spoken

    def speak_batch(self, utterances: Sequence[Utterance]) -> list[Samples | NoVoice]:
        """Speak each in one process; one that fails gives its NoVoice in its place."""
        with tempfile.TemporaryDirectory(prefix="wakewright-") as folder:
            outs = [Path(folder) / f"{i}.wav" for i in range(len(utterances))]
            script = Path(folder) / "script.scm"
            lines = [_line(u, out) for u, out in zip(utterances, outs, strict=True)]
            script.write_bytes(_encoded(_DEFINITIONS + "\n".join(lines) + "\n"))
            try:
                said = run(self.name, ["festival", "-b", str(script)], timeout_s=60 + 2 * len(utterances)).err
            except NoVoice as error:
                if not any(out.exists() for out in outs):
                    return [error] * len(utterances)
                said = error.got
            return [_sound(self.name, out, said) for out in outs]


def _line(utterance: Utterance, out: Path) -> str:
    call = (
        f"(wakewright_say {_quoted(utterance.voice)} {_quoted(utterance.text)} "
        f"{utterance.rate:.4f} {utterance.pitch:.4f} {_quoted(str(out))})"
    )
    return f"(unwind-protect {call} nil)"


def _quoted(text: str) -> str:
    """A Scheme string: backslash and quote escaped, so that no text can end it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _encoded(script: str) -> bytes:
    """festival's western voices read Latin-1; for text beyond that, its other voices read UTF-8."""
    try:
        return script.encode("latin-1")
    except UnicodeEncodeError:
        return script.encode()


def _sound(engine: str, out: Path, said: str) -> Samples | NoVoice:
    if not out.exists():
        return failed(engine, f"no sound written; {said.strip()[-300:] or 'it gave no reason'}")
    try:
        return read(engine, out)
    except NoVoice as error:
        return error


@functools.cache
def _listed() -> tuple[Voice, ...]:
    with tempfile.TemporaryDirectory(prefix="wakewright-") as folder:
        script = Path(folder) / "list.scm"
        script.write_text(_LIST)
        lines = run("festival", ["festival", "-b", str(script)]).out.splitlines()
    voices = []
    for name, language, sex, dialect in sorted(line.split("|") for line in lines if line.count("|") == 3):
        tag = _TAGS.get(language.lower())
        if tag is None:
            continue
        gender: Gender | None = "female" if sex == "female" else "male" if sex == "male" else None
        tag = "en-gb" if tag == "en-us" and dialect in ("british", "scottish") else tag
        voices.append(Voice("festival", name, tag, _VOICE_LICENCES.get(name, LICENCE), gender))
    return tuple(voices)
