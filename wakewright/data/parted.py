"""What part every person, voice and file was put into, kept beside the runs of a phrase: `runs/<phrase>/parts.jsonl`.

A part that follows from a name alone never changes. But where a source has few speakers somebody is put into a part
that would else be empty, or all are learnt from; with more of them that is not so, and those who are there
already would change their part. What one training learnt, the next would be measured on. So it is written down.

One line for each seed, source and its shares: with other ones the parts are drawn anew.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any, get_args

from wakewright.core.errors import RunError
from wakewright.core.files import write_text
from wakewright.core.manifest import Part
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.data.splits import Earlier, Parts, shares, unit

NAME = "parts.jsonl"


def beside(run: Run) -> Path:
    """Where the parts of a run's phrase are kept."""
    return run.folder.parent / NAME


def read(path: Path, recipe: Recipe, datasets: Collection[str]) -> Earlier:
    """The part of each unit, by source, as trainings with this seed and these shares left it; empty without a file.

    `datasets` are the sources with shares of their own. Raises RunError for a file that cannot be read.
    """
    found: dict[str, dict[str, Part]] = defaultdict(dict)
    for line in _lines(path):
        if _key(line) == _key_of(line["source"], recipe, datasets):
            for part in get_args(Part):
                found[line["source"]] |= dict.fromkeys(line[part], part)
    return found


def write(path: Path, recipe: Recipe, datasets: Collection[str], parts: Parts) -> None:
    """Add the parts as they are now; what is there of others stays. Raises RunError, DiskFull.

    Parts that the clips brought with them are not kept, nor rooms and mistakes, which are only learnt from, nor the
    voices of a synthesiser that had to be parted clip by clip.
    """
    held: dict[str, dict[str, set[Part]]] = defaultdict(lambda: defaultdict(set))
    for part, manifest in parts.items():
        for clip in manifest:
            if not clip.part and clip.kind not in ("rir", "hard_negative"):
                source, name = unit(clip)
                held[source][name].add(part)
    lines = {_key(line): line for line in _lines(path)}
    earlier = read(path, recipe, datasets)
    for source, units in held.items():
        if all(len(at) == 1 for at in units.values()):
            now: dict[str, Part] = dict(earlier.get(source, {})) | {
                name: next(iter(at)) for name, at in units.items()
            }
            told = {part: sorted(name for name, at in now.items() if at == part) for part in get_args(Part)}
            key = _key_of(source, recipe, datasets)
            lines[key] = {"seed": key[0], "source": source, "shares": list(key[2]), **told}
    write_text(path, "".join(json.dumps(lines[key], ensure_ascii=False) + "\n" for key in sorted(lines)))


_Key = tuple[int, str, tuple[float, ...]]


def _key(line: dict[str, Any]) -> _Key:
    return line["seed"], line["source"], tuple(line["shares"])


def _key_of(source: str, recipe: Recipe, datasets: Collection[str]) -> _Key:
    return recipe.seed, source, shares(recipe, dataset=source in datasets)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    found = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            line = json.loads(text)
            _key(line), *(line[part] for part in get_args(Part))
        except (ValueError, TypeError, KeyError) as error:
            raise RunError(
                f"{path}, line {number}, does not tell the parts of a source",
                got=str(error) or type(error).__name__,
                do="remove the file: what was learnt from by earlier runs may then be measured on by later ones",
            ) from error
        found.append(line)
    return found
