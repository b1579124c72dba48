"""metadata.json: what a detector must know of the model beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wakewright.core.errors import RunError
from wakewright.core.listening import Policy
from wakewright.detect.networks import damaged

FILE = "metadata.json"
FORMAT = 1
NEEDED: dict[str, type | tuple[type, ...]] = {
    "original_wake_word": str,
    "threshold": (int, float),
    "policy": dict,
    "stride": int,
    "frontend": str,
}
"""Entries that a detector cannot do without, and what each is."""


def read(folder: Path) -> dict[str, Any]:
    """What the metadata.json in `folder` says.

    Raises RunError when there is none, when it is damaged, or when a newer wakewright wrote it.
    """
    path = folder / FILE
    if not path.is_file():
        got, do = "no metadata.json", "train first, or name a run: wakewright runs"
        if runs := sorted(found.parent for found in folder.glob(f"*/{FILE}")):
            got = f"the folder of a phrase with {len(runs)} run{'' if len(runs) == 1 else 's'}, none of them in use"
            do = f"name a run, such as {runs[-1]}, or take one into use: wakewright promote {runs[-1]}"
        raise RunError(f"no detector in {folder}", got=got, do=do)
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(about, dict):
            raise ValueError(f"a {type(about).__name__} where entries belong")
        if about.get("format", 0) > FORMAT:
            raise RunError(
                f"{path} was written by a newer wakewright", got=f"format {about['format']}", do="update wakewright"
            )
        _check(about)
    except (ValueError, TypeError) as error:  # of pydantic too
        raise damaged(path, str(error).splitlines()[0]) from error
    return about


def _check(about: dict[str, Any]) -> None:
    """Raise ValueError for metadata that no detector can be made of."""
    lacking = [name for name in NEEDED if name not in about]
    if lacking:
        raise ValueError(f"no {', '.join(map(repr, lacking))}")
    for name, kind in NEEDED.items():
        if not isinstance(about[name], kind) or isinstance(about[name], bool):
            raise ValueError(f"{name!r} is {about[name]!r}")
    if about["stride"] < 1:
        raise ValueError(f"'stride' is {about['stride']}")
    Policy(**about["policy"])
