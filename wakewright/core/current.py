"""Which run of a phrase is in use: `runs/<phrase>/current.json`, beside the runs, with what was in use before.

run        name of the run's folder
before     those in use before it, the latest last: what stepping back takes up again
log        every change, with its time
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wakewright.core import record
from wakewright.core.errors import RunError
from wakewright.core.files import require_writable, write_json
from wakewright.core.lock import exclusive
from wakewright.core.run import Run

NAME = "current.json"


def current(phrase: Path) -> Path | None:
    """Folder of the run in use among those in the folder `phrase`; None where none was ever promoted.

    Raises RunError when the pointer is damaged, or when the run is gone.
    """
    name: str | None = _read(phrase)["run"]
    if name is None:
        return None
    if not (phrase / name / "record.json").is_file():
        raise RunError(
            f"the run in use in {phrase} is gone",
            got=f"no run {name}",
            do="step back to the one before: wakewright runs rollback PHRASE, or promote another",
        )
    return phrase / name


def chosen(path: Path) -> Path:
    """The run in use, where `path` is the folder of a phrase that has one; else `path`. Raises as `current`."""
    return (current(path) or path) if (path / NAME).is_file() else path


def in_use(run: Run) -> bool:
    """Whether this run is the one in use among those beside it. Raises RunError when the pointer is damaged."""
    return bool(_read(run.folder.parent)["run"] == run.folder.name)


def promote(run: Run) -> None:
    """Take this run into use among those beside it. Raises RunError."""
    phrase, name = run.folder.parent, run.folder.name
    require_writable(phrase, "make it writable, with room on the disk, and promote again")
    with exclusive(phrase / ".current.lock") as alone:
        _refuse_unless(alone, phrase)
        stored = _read(phrase)
        if stored["run"] == name:
            return
        before = [*stored["before"], *([stored["run"]] if stored["run"] else [])]
        _write(phrase, stored, name, before, "promoted")


def rollback(phrase: Path) -> Path:
    """Take the run into use again that was before; gives its folder.

    Runs that are gone are passed over. Raises RunError when there is none before.
    """
    if phrase.is_dir():
        require_writable(phrase, "make it writable, with room on the disk, and step back again")
    with exclusive(phrase / ".current.lock") as alone:
        _refuse_unless(alone, phrase)
        stored = _read(phrase)
        before = list(stored["before"])
        while before:
            name: str = before.pop()
            if (phrase / name / "record.json").is_file():
                _write(phrase, stored, name, before, "rolled back")
                return phrase / name
    raise RunError(
        f"there is no run in {phrase} to step back to",
        got=f"in use: {stored['run'] or 'none'}, and none before it",
        do="promote one: wakewright promote RUN",
    )


def _read(phrase: Path) -> dict[str, Any]:
    path = phrase / NAME
    if not path.is_file():
        return {"run": None, "before": [], "log": []}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        run, before, log = stored["run"], stored["before"], stored["log"]
        if not (isinstance(run, str | None) and isinstance(before, list) and isinstance(log, list)):
            raise TypeError("no name or list where one belongs")
        if not all(isinstance(name, str) for name in before):
            raise TypeError("a run before it without a name")
        return {"run": run, "before": before, "log": log}
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged", got=repr(error), do="remove it, and promote a run again") from error


def _write(phrase: Path, stored: dict[str, Any], name: str, before: list[str], how: str) -> None:
    entry = {"time": record.now(), "how": how, "run": name, "over": stored["run"]}
    write_json(phrase / NAME, {"run": name, "before": before, "log": [*stored["log"], entry]})


def _refuse_unless(alone: bool, phrase: Path) -> None:
    if not alone:
        raise RunError(f"{phrase / NAME} is being changed", got="another process has it", do="try again")
