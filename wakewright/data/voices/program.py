"""Running a synthesiser that is a program of its own, and reading what it wrote."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wakewright.core import audio
from wakewright.core.audio import Samples
from wakewright.core.errors import AudioError, NoVoice

SECONDS_ALLOWED = 60.0
"""A program that takes longer for one call is stopped."""


class Answer(NamedTuple):
    """What a program wrote."""

    out: str
    err: str


def present(*programs: str) -> bool:
    """Whether every program is on the search path."""
    return all(shutil.which(p) for p in programs)


def run(engine: str, words: Sequence[str], *, stdin: str = "", timeout_s: float = SECONDS_ALLOWED) -> Answer:
    """Run a command, never through a shell; returns what it wrote.

    Raises NoVoice with the end of its standard error when it is absent, fails or takes too long.
    """
    try:
        done = subprocess.run(list(words), input=stdin.encode(), capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise failed(engine, f"no answer within {timeout_s:.0f} s") from error
    except OSError as error:
        raise failed(engine, f"{words[0]}: {error.strerror or error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or "nothing on standard error"
        raise failed(engine, f"exit status {done.returncode}: {said[-500:]}")
    return Answer(done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def spoken(engine: str, words: Callable[[str], Sequence[str]], *, stdin: str = "") -> Samples:
    """Run `words(path)`, which must write a sound file to `path`; (samples,) float32, 16 kHz.

    Raises NoVoice when the command fails or writes nothing that can be read.
    """
    with tempfile.TemporaryDirectory(prefix="wakewright-") as folder:
        out = str(Path(folder) / "spoken.wav")
        command = words(out)
        run(engine, command, stdin=stdin)
        return read(engine, out)


def read(engine: str, path: Path | str) -> Samples:
    """The sound file an engine wrote: (samples,) float32, 16 kHz. Raises NoVoice when it is not one."""
    try:
        return np.ascontiguousarray(audio.load(path))
    except AudioError as error:
        raise failed(engine, f"no usable sound: {error.got}") from error


def unknown_voice(engine: str, voice: str) -> NoVoice:
    """The error for a voice the engine does not have; some programs would speak with another in silence."""
    return NoVoice(f"{engine} has no voice {voice!r}", do="see the names it has: wakewright voices --names")


def failed(engine: str, got: str) -> NoVoice:
    """The error of an engine that is there and does not speak."""
    return NoVoice(f"{engine} could not speak", got=got, do="check its installation, or leave it out: voices.engines")
