"""Every engine there is, by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from wakewright.core.errors import NoVoice, RecipeError
from wakewright.core.recipe import Recipe
from wakewright.data.voices.command import Command
from wakewright.data.voices.espeak import Espeak
from wakewright.data.voices.festival import Festival
from wakewright.data.voices.flite import Flite
from wakewright.data.voices.mbrola import Mbrola
from wakewright.data.voices.pico import Pico
from wakewright.data.voices.piper import Piper
from wakewright.data.voices.protocol import Engine
from wakewright.data.voices.rhvoice import RHVoice


def all_engines(recipe: Recipe | None = None) -> list[Engine]:
    """Every engine, installed or not; the recipe says where Piper's voices are and what the user's command is."""
    folder = recipe.voices.piper_dir if recipe else None
    return [
        Espeak(),
        Flite(),
        Festival(),
        Pico(),
        Mbrola(),
        RHVoice(),
        Piper(Path(folder).expanduser() if folder else None),
        Command(recipe.voices.command if recipe else ()),
    ]


def engine_named(name: str) -> Engine:
    """The engine of that name, able to speak any utterance made for it. Raises RecipeError for an unknown name."""
    engines = {engine.name: engine for engine in all_engines()}
    if name not in engines:
        raise _unknown(name, list(engines))
    return engines[name]


def absent_engines() -> list[Engine]:
    """Those that are not installed here; the user's own command is known to a recipe only, and is none of them."""
    return [engine for engine in all_engines() if engine.name != "command" and not engine.installed()]


def installed_engines(recipe: Recipe) -> list[Engine]:
    """The engines the recipe asks for, as far as they are installed; every installed one when it names none.

    Raises RecipeError for a name that is no engine's, NoVoice when none of them is installed.
    """
    engines = all_engines(recipe)
    known = [engine.name for engine in engines]
    asked = recipe.voices.engines
    for name in asked or ():
        if name not in known:
            raise _unknown(name, known)
    wanted = [engine for engine in engines if asked is None or engine.name in asked]
    found = [engine for engine in wanted if engine.installed()]
    if not found:
        raise NoVoice(
            "no speech synthesiser is installed",
            got="none of " + (", ".join(engine.name for engine in wanted) or "no engine at all"),
            do="; ".join(f"{engine.name}: {engine.how_to_get}" for engine in wanted[:3]),
        )
    return found


def _unknown(name: str, known: Sequence[str]) -> RecipeError:
    near = difflib.get_close_matches(name, known, n=1)
    return RecipeError(
        "voices.engines: no such engine",
        got=repr(name),
        do=(f"did you mean {near[0]!r}? " if near else "") + f"there are: {', '.join(known)}",
    )
