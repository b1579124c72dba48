"""The espeak-ng library of the pip wheel `espeakng-loader`, loaded once per process for its rules of pronunciation.

espeak-ng keeps one global state: a second initialisation or a voice changed behind another caller's back spoils
what that caller was doing. So whoever asks it how a text sounds comes here, and holds `LOCK` from setting the voice
to the last call that depends on it:

    with espeak_library.LOCK:
        lib = espeak_library.set_voice("gmw/en-US")
        lib.espeak_TextToPhonemes(...)

Speaking aloud is another matter: that needs a fresh state per clip, and the voice engine loads copies of its own.
"""

from __future__ import annotations

import ctypes
import difflib
import functools
import threading
from pathlib import Path

from wakewright.core.errors import MissingPackage, NoVoice, RecipeError

LOCK = threading.RLock()
"""Held around every sequence of calls that relies on the voice or the parameters set before."""

OUTPUT_SYNCHRONOUS = 2
"""espeak_AUDIO_OUTPUT: AUDIO_OUTPUT_SYNCHRONOUS; samples go to the callback before espeak_Synth returns."""
_DONT_EXIT = 0x8000
"""espeakINITIALIZE_DONT_EXIT: return an error instead of ending the process when the data is missing."""
_EE_OK = 0

_voice: str | None = None


class _Voice(ctypes.Structure):
    """espeak_VOICE of speak_lib.h; `languages` holds priority byte + zero-terminated name, repeated, then a zero."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


@functools.cache
def paths() -> tuple[Path, Path]:
    """The wheel's library and its data folder. Raises MissingPackage without the wheel, NoVoice without its data."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise MissingPackage(
            "espeak-ng is needed to know how the phrase sounds, and is not installed",
            got=str(error),
            do="install it: pip install espeakng-loader",
        ) from error
    try:
        return Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())
    except RuntimeError as error:
        raise _unusable(str(error)) from error


def _unusable(reason: str) -> NoVoice:
    return NoVoice(
        "the espeak-ng library cannot be used",
        got=reason,
        do="reinstall it, in a folder whose path is not long: pip install --force-reinstall espeakng-loader",
    )


@functools.cache
def _load() -> ctypes.CDLL:
    path, data = paths()
    try:
        lib = ctypes.CDLL(str(path))
    except OSError as error:
        raise _unusable(str(error)) from error
    rate = lib.espeak_Initialize(OUTPUT_SYNCHRONOUS, 0, str(data).encode(), _DONT_EXIT)
    if rate <= 0:
        raise _unusable(f"status {rate} on starting with {data} (a path over 160 bytes is too long)")
    lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    lib.espeak_ListVoices.argtypes = [ctypes.c_void_p]
    lib.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
    lib.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    return lib


def library() -> ctypes.CDLL:
    """The initialised library; `espeak_TextToPhonemes` and `espeak_SetVoiceByName` have their types declared.

    Raises MissingPackage when the wheel is absent, NoVoice when it cannot be loaded.
    """
    with LOCK:
        return _load()


def set_voice(name: str) -> ctypes.CDLL:
    """Choose a voice by its identifier, with or without a variant (`gmw/en-US`, `gmw/en-US+f2`); returns the library.

    Call it with `LOCK` held. Nothing happens when that voice is the current one. Raises NoVoice for an unknown name.
    """
    global _voice
    with LOCK:
        lib = library()
        if name != _voice:
            _voice = None
            status = lib.espeak_SetVoiceByName(name.encode())
            if status != _EE_OK:
                raise NoVoice(
                    f"espeak-ng has no voice {name!r}",
                    got=f"status {status}",
                    do="see the names it has: wakewright voices --names",
                )
            _voice = name
        return lib


@functools.cache
def languages() -> dict[str, str]:
    """Language tag (lower case: `en-us`, `fr-fr`, `fr`, ...) to the identifier of the voice that fits it best."""
    with LOCK:
        found = library().espeak_ListVoices(None)
        ranked: list[tuple[int, str, str]] = []
        index = 0
        while found[index]:
            voice = found[index].contents
            index += 1
            identifier = voice.identifier.decode()
            ranked.append((0, identifier.lower(), identifier))
            ranked.append((1, identifier.rsplit("/")[-1].lower(), identifier))
            ranked += [(2 + priority, tag.lower(), identifier) for priority, tag in _tags(voice.languages)]
    best: dict[str, str] = {}
    for _, tag, identifier in sorted(ranked, key=lambda entry: (entry[0], len(entry[2]), entry[2])):
        best.setdefault(tag, identifier)
    return best


def _tags(address: int) -> list[tuple[int, str]]:
    tags: list[tuple[int, str]] = []
    while (priority := ctypes.c_ubyte.from_address(address).value) != 0:
        tag = ctypes.string_at(address + 1)
        tags.append((priority, tag.decode()))
        address += len(tag) + 2
    return tags


def identifier(language: str) -> str:
    """The voice that speaks `language` (as in the recipe: `en-us`, `de`, `fr-fr`, ...), as espeak-ng identifies it.

    Raises RecipeError with the nearest names when espeak-ng has no such language.
    """
    known = languages()
    tag = language.strip().lower().replace("_", "-")
    if tag in known:
        return known[tag]
    plain = sorted(name for name in known if "/" not in name)
    start = tag.split("-", maxsplit=1)[0]
    near = [name for name in plain if name.split("-")[0] == start] or _named(tag)
    near = near or difflib.get_close_matches(tag, plain, n=5, cutoff=0.4)
    near = near or [name for name in plain if name[:1] == tag[:1]][:5]
    raise RecipeError(
        "language: espeak-ng does not speak it",
        got=repr(language),
        do=f"use one of its names, for instance {', '.join(near or ['en-us', 'de', 'fr-fr'])}",
    )


def _named(name: str) -> list[str]:
    """Tags of the voices whose English name begins like `name`, so that "german" leads to "de"."""
    if len(name) < 3:
        return []
    with LOCK:
        found = library().espeak_ListVoices(None)
        tags: list[str] = []
        index = 0
        while found[index]:
            voice = found[index].contents
            index += 1
            if voice.name.decode().lower().startswith(name):
                tags += [tag.lower() for _, tag in _tags(voice.languages)[:1]]
    return tags[:8]
