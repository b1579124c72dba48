"""Clips that are to be left out: a list beside the manifest. No recording is moved or changed.

An entry holds for a file as it was when it was judged: once it is recorded again or repaired, it counts again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from wakewright.core.errors import InputError
from wakewright.core.files import one_spelling, write_text
from wakewright.core.manifest import Manifest
from wakewright.data.journal import stamp


def beside(manifest: Path) -> Path:
    """Where the list of a manifest lies: clips.jsonl has clips.quarantine.jsonl."""
    return manifest.with_name(manifest.stem + ".quarantine.jsonl")


def read(path: Path) -> dict[str, list[str]]:
    """Reasons by file, by its one spelling, of the files that have not changed since; empty where there is no list.

    Raises InputError naming the line that cannot be read.
    """
    if not path.exists():
        return {}
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            file, then, reasons = entry["path"], (entry["size"], entry["mtime_ns"]), list(entry["reasons"])
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{path}, line {number}, is no entry of a quarantine", got=str(error), do="repair or remove the line"
            ) from error
        if stamp(file) == then:
            found[str(one_spelling(file))] = reasons
    return found


def add(path: Path, reasons: Mapping[str, Iterable[str]]) -> int:
    """Add these files to the list, atomically, and drop those that have changed; how many it holds then."""
    entries = read(path) | {str(one_spelling(file)): sorted(set(words)) for file, words in reasons.items()}
    lines = []
    for file, words in sorted(entries.items()):
        now = stamp(file)
        if now is not None:
            entry = {"path": file, "size": now[0], "mtime_ns": now[1], "reasons": words}
            lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
    write_text(path, "".join(lines))
    return len(lines)


def without(clips: Manifest, path: Path) -> Manifest:
    """The clips less those on the list at `path`. Raises InputError for a list that cannot be read."""
    gone = read(path)
    return Manifest(tuple(c for c in clips if str(one_spelling(c.path)) not in gone)) if gone else clips
