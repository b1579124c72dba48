"""What `wakewright calibrate` fitted to a room and its people: household.json, beside a run's metadata.json.

It holds a threshold in place of the run's own, and a gain for the sound before the front end.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from wakewright.core.errors import RunError

FILE = "household.json"
FORMAT = 1
NEEDED = ("threshold", "gain_db", "fitted_to")


def fitted_to(model: Path) -> str:
    """Sixteen hex digits of a model file: a threshold means nothing for another."""
    return hashlib.sha256(model.read_bytes()).hexdigest()[:16]


def applied(folder: Path, about: dict[str, Any]) -> dict[str, Any]:
    """A run's metadata with its household's threshold and `input_gain_db`; as it is where there is no household.

    Raises RunError for a household.json that is damaged, newer, or of another model.
    """
    path = folder / FILE
    if not path.is_file():
        return about
    found = read(path)
    if found["fitted_to"] != fitted_to(folder / about.get("model", "model.onnx")):
        raise RunError(
            f"{path} was fitted to another model than the one beside it",
            got=f"model {found['fitted_to']}",
            do=f"fit it again: wakewright calibrate {folder}, or take it away with --reset",
        )
    return about | {"threshold": found["threshold"], "input_gain_db": found["gain_db"]}


def read(path: Path) -> dict[str, Any]:
    """What a household.json holds. Raises RunError when it is damaged or newer."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        newer = found["format"] != FORMAT
        whole = all(isinstance(found[name], str if name == "fitted_to" else int | float) for name in NEEDED)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    if newer:
        raise RunError(
            f"{path} was written by a newer wakewright", got=f"format {found['format']}", do="update wakewright"
        )
    if not whole:
        raise _damaged(path, "no number where one belongs")
    return dict(found)


def _damaged(path: Path, got: str) -> RunError:
    return RunError(
        f"{path} is damaged", got=got, do="take it away with: wakewright calibrate RUN --reset, or restore it"
    )
