"""What part every person, voice and file was put into: kept for every phrase, and beside the runs of each.

A part that follows from a name alone never changes. But where a source has few speakers somebody is put into a part
that would else be empty, or all are learnt from; with more of them, or with those who say another phrase, that is not
so, and those who are there already would change their part. What one training learnt, the next would be measured on.
So it is written down, twice:

- `runs/<phrase>/parts.jsonl` has everybody of the runs beside it. It comes first.
- one file for every phrase and folder (`everywhere`) has the people and recordings, no synthetic voices: how many
  these are changes with what is installed, and a voice that few are measured on would be lost to every later phrase.
  Whom one phrase learns from, although another is measured on them, no third one is measured on.

One line for each seed, source and its shares: with other ones the parts are drawn anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from wakewright.core.errors import RunError
from wakewright.core.files import cache_dir, require_writable, write_text
from wakewright.core.lock import exclusive, holder
from wakewright.core.manifest import Manifest, Part
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.data.splits import NEED, TRAIN, Earlier, Parts, known_as, shares, unit

NAME = "parts.jsonl"
PATIENCE_S = 60.0
"""Longest wait for other trainings that part their clips at this moment: each takes seconds."""


def beside(run: Run) -> Path:
    """Where the parts of a run's phrase are kept."""
    return run.folder.parent / NAME


def everywhere() -> Path:
    """Where the parts of people are kept for every phrase and folder: $WAKEWRIGHT_PARTS, else in the cache."""
    return Path(os.environ.get("WAKEWRIGHT_PARTS") or cache_dir() / NAME).expanduser()


@contextlib.contextmanager
def settling() -> Iterator[None]:
    """Hold the parts of every phrase while clips are parted, so that no other training settles the same people.

    Raises RunError when another holds them for too long, and as `_require_usable`.
    """
    _require_usable(everywhere())
    lock, until = everywhere().with_name(f".{everywhere().name}.lock"), time.monotonic() + PATIENCE_S
    while True:
        with exclusive(lock) as held:
            if held:
                yield
                return
        if time.monotonic() >= until:
            raise RunError(
                f"{everywhere()} is in use",
                got=f"process {holder(lock) or 'unknown'}, which parts its clips",
                do="wait until it has ended, or name another file in WAKEWRIGHT_PARTS",
            )
        time.sleep(0.1)


def _require_usable(path: Path) -> None:
    """Raise RunError, DiskFull where the file could not be written in the end."""
    do = "name a file in a folder that can be written in WAKEWRIGHT_PARTS"
    if path.is_dir():
        raise RunError(f"the parts of people cannot be kept in {path}", got="a folder", do=do)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"there is no folder {path.parent}", got=error.strerror or "no reason", do=do) from error
    require_writable(path.parent, do)


def earlier(run: Run, datasets: Collection[str]) -> Earlier:
    """The part of each unit as an earlier run of the phrase left it, else one of any phrase. Raises RunError."""
    found = {source: dict(units) for source, units in read(everywhere(), run.recipe, datasets).items()}
    for source, units in read(beside(run), run.recipe, datasets).items():
        found[source] = {**found.get(source, {}), **units}
    return found


def settle(run: Run, datasets: Collection[str], parts: Parts) -> None:
    """Keep the parts for later runs of the phrase, those of people for every phrase. Raises RunError, DiskFull."""
    write(beside(run), run.recipe, datasets, parts)
    real: Parts = {part: Manifest(tuple(clip for clip in parts[part] if clip.real)) for part in parts}
    write(everywhere(), run.recipe, datasets, real, shared=True)


def read(path: Path, recipe: Recipe, datasets: Collection[str]) -> Earlier:
    """The part of each unit, by source, as trainings with this seed and these shares left it; empty without a file.

    `datasets` are the sources with shares of their own. Raises RunError for a file that cannot be read.
    """
    return _told(_lines(path), recipe, datasets)


def _told(lines: Iterable[dict[str, Any]], recipe: Recipe, datasets: Collection[str]) -> Earlier:
    found: dict[str, dict[str, Part]] = defaultdict(dict)
    for line in lines:
        if _key(line) == _key_of(line["source"], recipe, datasets):
            for part in get_args(Part):
                found[line["source"]] |= dict.fromkeys(line[part], part)
    return found


def write(path: Path, recipe: Recipe, datasets: Collection[str], parts: Parts, *, shared: bool = False) -> None:
    """Add the parts as they are now; what is there of others stays. Raises RunError, DiskFull.

    What is `shared` by every phrase has the names that are the same elsewhere, and what was there stays but for those
    who have now been learnt from.

    Parts that the clips brought with them are not kept, nor rooms and mistakes, which are only learnt from, nor the
    voices of a synthesiser that had to be parted clip by clip.
    """
    held: dict[str, dict[str, set[Part]]] = defaultdict(lambda: defaultdict(set))
    for part, manifest in parts.items():
        for clip in manifest:
            if not clip.part and clip.kind not in ("rir", "hard_negative"):
                held[clip.source][known_as(clip) if shared else unit(clip)[1]].add(part)
    lines = {_key(line): line for line in _lines(path)}
    before = _told(lines.values(), recipe, datasets)
    for source, units in held.items():
        if shared or all(len(at) == 1 for at in units.values()):
            fresh: dict[str, Part] = {name: min(at, key=NEED.index) for name, at in units.items()}
            now = _merged(before.get(source, {}), fresh) if shared else dict(before.get(source, {})) | fresh
            told = {part: sorted(name for name, at in now.items() if at == part) for part in get_args(Part)}
            key = _key_of(source, recipe, datasets)
            lines[key] = {"seed": key[0], "source": source, "shares": list(key[2]), **told}
    write_text(path, "".join(json.dumps(lines[key], ensure_ascii=False) + "\n" for key in sorted(lines)))


def _merged(before: Mapping[str, Part], fresh: Mapping[str, Part]) -> dict[str, Part]:
    """Whoever was ever learnt from is learnt from; of others the first part holds."""
    learnt = dict.fromkeys((name for name, part in fresh.items() if part == TRAIN), TRAIN)
    return {**fresh, **before, **learnt}


_Key = tuple[int, str, tuple[float, ...]]


def _key(line: dict[str, Any]) -> _Key:
    return line["seed"], line["source"], tuple(line["shares"])


def _key_of(source: str, recipe: Recipe, datasets: Collection[str]) -> _Key:
    return recipe.seed, source, shares(recipe, dataset=source in datasets)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    found = []
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        try:
            line = json.loads(text.decode())
            _key(line), *(sorted(line[part]) for part in get_args(Part))
        except (ValueError, TypeError, KeyError) as error:
            raise RunError(
                f"{path}, line {number}, does not tell the parts of a source",
                got=str(error) or type(error).__name__,
                do="remove the file: what was learnt from by earlier runs may then be measured on by later ones",
            ) from error
        found.append(line)
    return found
