"""Putting a Judge behind a listener, as the commands that listen do."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from wakewright.core.compose import load_recipe
from wakewright.core.errors import InputError
from wakewright.core.recipe import Cascade as Settings
from wakewright.core.recipe import Gate
from wakewright.detect.cascade import Cascade, open_judge
from wakewright.detect.listener import Listener

KEY = "WAKEWRIGHT_JUDGE_KEY"
"""Environment variable with the key of a Judge: on a command line everybody could read it."""


def read_pair(path: Path, settings: Sequence[str]) -> Settings:
    """What `wakewright cascade` wrote, with `settings` (KEY=VALUE) laid over it.

    Raises RecipeError for a file that is none, InputError for one without a Sentry or a Judge.
    """
    recipe = load_recipe(path, [f"cascade.{word}" for word in settings])
    pair = recipe.cascade
    if pair is None or pair.sentry is None or pair.judge is None:
        raise InputError(
            f"{path} names no pair", got="no cascade.sentry or no cascade.judge", do="make it: wakewright cascade"
        )
    return pair


def gate_of(word: str | None) -> Gate | None:
    """`energy`, `silero`, `energy=-55` (decibels) or `silero=0.5` (probability). Raises RecipeError."""
    if word is None:
        return None
    kind, _, value = word.partition("=")
    field = {"energy": "level_db", "silero": "probability"}.get(kind, "level_db")
    words = [f"policy.gate.kind={kind}", *([f"policy.gate.{field}={value}"] if value else [])]
    return load_recipe(None, words, "any").policy.gate


def settings_of(words: Sequence[str]) -> Settings:
    """Settings of a cascade from KEY=VALUE words. Raises RecipeError."""
    return load_recipe(None, [f"cascade.{word}" for word in words], "any").cascade or Settings()


def open_cascade(
    listener: Listener, judge: str, chosen: Settings, *, say: Callable[[str], None], live: bool
) -> Cascade:
    """The listener with this Judge behind each of its phrases. Raises what open_judge raises."""
    judges = {d.phrase: open_judge(judge, d.phrase, chosen, os.environ.get(KEY)) for d in listener.detectors}
    return Cascade(listener, judges, chosen, say=say, live=live)
