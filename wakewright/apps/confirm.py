"""Putting a Judge behind a listener, as the commands that listen do."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from wakewright.core.compose import load_recipe
from wakewright.core.current import chosen
from wakewright.core.errors import InputError, RecipeError
from wakewright.core.recipe import Cascade as Settings
from wakewright.core.recipe import Gate
from wakewright.detect.cascade import Cascade, open_judge
from wakewright.detect.judge import JudgeAway
from wakewright.detect.listener import Listener

KEY = "WAKEWRIGHT_JUDGE_KEY"
"""Environment variable with the key of a Judge: on a command line everybody could read it."""


SETTINGS = "confirm, trigger, after_ms, asks, again_ms, rewake_ms, timeout_ms, on_timeout"


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a command that listens was asked to run."""

    folders: tuple[Path, ...]
    threshold: float | None
    judge: str | None
    pair: Settings


def wish_of(runs: Sequence[Path], threshold: float | None, judge: str | None, words: Sequence[str]) -> Wish:
    """From a command line: runs, or one file of `wakewright cascade`; `words` are KEY=VALUE of the cascade.

    Of the folder of a phrase the run in use is taken.

    Raises InputError, RecipeError.
    """
    pairs = [path for path in runs if path.suffix in (".yaml", ".yml") and path.is_file()]
    if pairs and len(runs) > 1:
        raise InputError(
            "a pair stands alone", got=" ".join(map(str, runs)), do=f"name {pairs[0]} only, or the runs without it"
        )
    if runs[0].suffix in (".yaml", ".yml") and runs[0].is_file():
        pair = _read_pair(runs[0], words)
        runs, judge = [Path(pair.sentry or "")], judge or pair.judge
    else:
        pair = settings_of(words)
        if words and judge is None:
            raise InputError(
                "--cascade is for a Sentry with a Judge", got="no --judge", do="name one, or leave it out"
            )
    folders = tuple(chosen(path.parent if path.is_file() else path) for path in runs)
    return Wish(folders, pair.trigger if threshold is None else threshold, judge, pair)


def _read_pair(path: Path, words: Sequence[str]) -> Settings:
    try:
        pair = load_recipe(path, [f"cascade.{word}" for word in words]).cascade
    except RecipeError as error:
        raise InputError(
            f"{path} is no run, and no file that `wakewright cascade` wrote", got=str(error), do="name one of both"
        ) from error
    if pair is None or pair.sentry is None or pair.judge is None:
        raise InputError(
            f"{path} names no pair", got="no cascade.sentry or no cascade.judge", do="make it: wakewright cascade"
        )
    if not Path(pair.sentry).is_dir():
        raise InputError(
            f"{path} names a Sentry that is gone", got=pair.sentry, do="make it anew: wakewright cascade"
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
    """The cascade of KEY=VALUE words. Raises InputError for what it has not or cannot be."""
    try:
        return load_recipe(None, [f"cascade.{word}" for word in words], "any").cascade or Settings()
    except RecipeError as error:
        raise InputError(
            "a setting of the cascade cannot be used",
            got=str(error),
            do=f"settings are {SETTINGS}: --cascade KEY=VALUE",
        ) from error


def open_cascade(
    listener: Listener,
    judge: str,
    chosen: Settings,
    *,
    say: Callable[[str], None],
    live: bool,
    check: bool = True,
    away: set[str] | None = None,
) -> Cascade:
    """The listener with this Judge behind each of its phrases; `away` as in Cascade. Raises what open_judge raises.

    A Judge elsewhere that is away now may come later; one that refuses is said at once, unless no `check` is wanted.
    """
    judges = {d.phrase: open_judge(judge, d.phrase, chosen, os.environ.get(KEY)) for d in listener.detectors}
    try:
        for one in judges.values() if check else ():
            one.check()
    except JudgeAway as error:
        say(f"{error.what}; wakes are asked about when it is there")
    return Cascade(listener, judges, chosen, say=say, live=live, away=away)
