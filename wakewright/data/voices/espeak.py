"""espeak-ng from the pip wheel `espeakng-loader`, called in this process: robotic, fast, over a hundred languages.

The library keeps state from one utterance to the next (the phase of the flutter and of the noise, which nothing in
its interface resets), so that a clip would depend on what was spoken before it. Here every utterance gets the library
loaded afresh, from a copy that nothing else in the process has open: 2 ms each, and the same bytes in any order.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import importlib.util
import math
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import Samples, resample
from wakewright.data import espeak_library
from wakewright.data.voices.program import failed, unknown_voice
from wakewright.data.voices.protocol import Utterance, Voice, same_language

LICENCE = "GPL-3.0-or-later (program; places no terms on its sound)"

_SYNCHRONOUS, _DONT_EXIT, _UTF8 = 2, 0x8000, 1
"""AUDIO_OUTPUT_SYNCHRONOUS, espeakINITIALIZE_DONT_EXIT and espeakCHARS_UTF8 of speak_lib.h."""
_RATE, _PITCH = 1, 3
"""espeakRATE and espeakPITCH of speak_lib.h."""
_WORDS_PER_MINUTE = 175
_NOISE_SEED = 1
_ONE_AT_A_TIME = threading.Lock()

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The engine `espeak`."""

    name = "espeak"
    licence = LICENCE
    how_to_get = "pip install espeakng-loader (Linux, macOS, Windows)"
    varies: frozenset[Literal["rate", "pitch"]] = frozenset({"rate", "pitch"})

    def installed(self) -> bool:
        """Whether the wheel is there."""
        return importlib.util.find_spec("espeakng_loader") is not None

    def voices(self, language: str) -> list[Voice]:
        """One voice per accent of the language, each with every variant of the data folder."""
        return [
            Voice(self.name, name, tag, LICENCE, variants=_variants())
            for name, tag in _accents()
            if same_language(language, tag) and (_script(tag) in (None, _script(language)))
        ]

    def speak(self, utterance: Utterance) -> Samples:
        """Speak it; rate within 80 to 450 words a minute, pitch within about 0.65 to 1.55."""
        with _ONE_AT_A_TIME, _library() as (lib, rate):
            return resample(_synthesise(lib, utterance), rate)


def pitch_setting(pitch: float) -> int:
    """Relative pitch -> espeak-ng's 0..99, where 50 is the voice's own; measured on en-US: 25 is 0.80, 75 is 1.28."""
    return max(0, min(99, round(50 + 75 * math.log2(pitch))))


def rate_setting(rate: float) -> int:
    """Relative rate -> words per minute, within what espeak-ng speaks without changing its method."""
    return max(80, min(450, round(_WORDS_PER_MINUTE * rate)))


def _synthesise(lib: ctypes.CDLL, utterance: Utterance) -> NDArray[np.float32]:
    parts: list[NDArray[np.int16]] = []

    def take(wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            parts.append(np.ctypeslib.as_array(wave, (count,)).copy())
        return 0

    callback = _Callback(take)  # named, so that it outlives the calls below
    voice = utterance.voice + (f"+{utterance.variant}" if utterance.variant else "")
    known = utterance.variant in _variants() or not utterance.variant
    status = lib.espeak_SetVoiceByName(voice.encode())
    if status != 0 or not known:  # the library itself takes an unknown variant in silence
        raise unknown_voice("espeak", voice)
    lib.espeak_SetSynthCallback(callback)
    lib.espeak_SetParameter(_RATE, rate_setting(utterance.rate), 0)
    lib.espeak_SetParameter(_PITCH, pitch_setting(utterance.pitch), 0)
    text = utterance.text.encode()
    status = lib.espeak_Synth(
        text, ctypes.c_size_t(len(text) + 1), ctypes.c_uint(0), ctypes.c_int(0), ctypes.c_uint(0),
        ctypes.c_uint(_UTF8), None, None,
    )  # fmt: skip
    if status != 0 or not parts:
        raise failed("espeak-ng", f"status {status} and {len(parts)} pieces of sound for {utterance.text!r}")
    return np.concatenate(parts).astype(np.float32) / 32768.0


@functools.cache
def _paths() -> tuple[str, Path]:
    """A copy of the library that is this process's own, and the data folder."""
    folder = tempfile.mkdtemp(prefix="wakewright-espeak-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library, data = espeak_library.paths()
    return str(shutil.copy(library, Path(folder) / f"own-{library.name}")), data


@contextlib.contextmanager
def _library() -> Iterator[tuple[ctypes.CDLL, int]]:
    """The library as if the process had just begun, and its sample rate in Hz."""
    path, data = _paths()
    try:
        lib = ctypes.CDLL(path)
    except OSError as error:
        raise failed("espeak-ng", f"its library cannot be loaded: {error}") from error
    try:
        rate = int(lib.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _DONT_EXIT))
        if rate <= 0:
            raise failed("espeak-ng", f"status {rate} on starting with {data} (a path over 160 bytes is too long)")
        lib.espeak_ng_SetRandSeed(_NOISE_SEED)  # starting seeds it from the clock
        _c_library().srand(_NOISE_SEED)  # the Klatt variants draw from the C library
        yield lib, rate
    finally:
        lib.espeak_Terminate()
        _unload(lib)


def _unload(lib: ctypes.CDLL) -> None:
    import _ctypes

    if sys.platform == "win32":
        _ctypes.FreeLibrary(lib._handle)
    else:
        _ctypes.dlclose(lib._handle)


@functools.cache
def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)


@functools.cache
def _accents() -> tuple[tuple[str, str], ...]:
    """(name as in `gmw/en-US`, language tag) of every language file."""
    lang = espeak_library.paths()[1] / "lang"
    found = []
    for file in sorted(p for p in lang.rglob("*") if p.is_file()):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        tags = [line.split()[1] for line in lines if line.startswith("language ")]
        if tags:
            found.append((file.relative_to(lang).as_posix(), tags[0].lower()))
    return tuple(found)


@functools.cache
def _variants() -> tuple[str, ...]:
    return tuple(sorted(file.name for file in (espeak_library.paths()[1] / "voices" / "!v").iterdir()))


def _script(tag: str) -> str | None:
    """The script subtag: `en-shaw` is English in another alphabet, which Latin letters only get spelt in."""
    return next((part for part in tag.lower().split("-")[1:] if len(part) == 4 and part.isalpha()), None)
