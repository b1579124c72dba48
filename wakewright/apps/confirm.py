"""Putting a Judge behind a listener, as the commands that listen do."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from wakewright.core.compose import load_recipe
from wakewright.core.recipe import Cascade as Settings
from wakewright.detect.cascade import Cascade, open_judge
from wakewright.detect.listener import Listener

KEY = "WAKEWRIGHT_JUDGE_KEY"
"""Environment variable with the key of a Judge: on a command line everybody could read it."""


def open_cascade(
    listener: Listener, judge: str, settings: Sequence[str], *, say: Callable[[str], None], live: bool
) -> Cascade:
    """The listener with this Judge behind each of its phrases; `settings` are KEY=VALUE.

    Raises RecipeError for a setting, and what open_judge raises.
    """
    recipe = load_recipe(None, [f"cascade.{word}" for word in settings], "any")
    chosen = recipe.cascade or Settings()
    judges = {d.phrase: open_judge(judge, d.phrase, chosen, os.environ.get(KEY)) for d in listener.detectors}
    return Cascade(listener, judges, chosen, say=say, live=live)
