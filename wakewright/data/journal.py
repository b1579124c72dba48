"""What reading recordings gave, kept line by line, so that a reader killed at any moment loses a few files of work.

A line holds for a file as long as its size and time of change stay. A line cut off by a kill is dropped when the
journal is opened again, and of several lines for one file the last holds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from wakewright.core.audio import in_utf8
from wakewright.core.engine import map_processes
from wakewright.core.errors import InputError
from wakewright.core.files import disk_errors
from wakewright.core.lock import exclusive, holder
from wakewright.core.progress import Progress
from wakewright.data.reading import Reading, Unreadable, read

VERSION = 3
"""Raised when a reading measures something else; lines of another version are read again."""
CHUNK = 16
"""Files given to a process at once."""

Result = Reading | Unreadable
Stamp = tuple[int, int]
"""Size in bytes and time of change in nanoseconds of a file."""


def stamp(path: Path | str) -> Stamp | None:
    """The stamp of a file; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of Path.stat over tens of thousands of files
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


class Journal:
    """The journal in one file, held by one process at a time."""

    def __init__(self, path: Path, stream: TextIO, known: dict[str, tuple[Stamp, Result]]) -> None:
        self.path, self._stream, self._known = path, stream, known

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[Journal]:
        """Hold the journal at `path`, which need not exist. Raises InputError when another process holds it."""
        lock = path.with_name(f".{path.name}.lock")
        with disk_errors(path), exclusive(lock) as held:
            if not held:
                raise InputError(
                    f"{path} is in use",
                    got=f"process {holder(lock) or 'unknown'}, which reads the same recordings",
                    do="wait until it has ended",
                )
            known, whole = _read(path)
            with path.open("a", encoding="utf-8") as stream:
                stream.truncate(whole)
                yield cls(path, stream, known)

    def get(self, path: str) -> Result | None:
        """What reading the file gave, when it has not changed since."""
        entry = self._known.get(path)
        return entry[1] if entry and entry[0] == stamp(path) else None

    def add(self, path: str, then: Stamp, result: Result) -> None:
        """Keep a result; it is with the operating system when this returns."""
        kind = {"reading": _values(result)} if isinstance(result, Reading) else dataclasses.asdict(result)
        line = {"v": VERSION, "path": path, "size": then[0], "mtime_ns": then[1], **kind}
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()
        self._known[path] = then, result

    def read_all(self, paths: Sequence[str], progress: Progress, workers: int = 0) -> tuple[dict[str, Result], int]:
        """What reading each file gave, and how many were opened for it, on several processes."""
        results = {path: self.get(path) for path in paths}
        fresh = [path for path, result in results.items() if result is None]
        if fresh:
            with progress.stage("read", len(results), "files", done=len(results) - len(fresh)) as bar:
                stamped = map_processes(_read_stamped, fresh, workers, chunk=CHUNK, progress_bar=bar)
                for path, (then, result) in zip(fresh, stamped, strict=True):
                    results[path] = result
                    if then is not None and path == in_utf8(path):  # else it cannot be written
                        self.add(path, then, result)
        return {path: result for path, result in results.items() if result is not None}, len(fresh)


_FIELDS = tuple(field.name for field in dataclasses.fields(Reading))


def _values(reading: Reading) -> list[float | str]:
    """The fields in order; `dataclasses.astuple` copies each of them, which takes as long as writing the line."""
    return [getattr(reading, name) for name in _FIELDS]


def _read_stamped(path: str) -> tuple[Stamp | None, Result]:
    then = stamp(path)  # before it is read: a file that changes meanwhile is read again the next time
    return then, read(path)


def _read(path: Path) -> tuple[dict[str, tuple[Stamp, Result]], int]:
    """The entries, and up to which byte the file is whole."""
    known: dict[str, tuple[Stamp, Result]] = {}
    whole = 0
    if not path.exists():
        return known, whole
    with path.open("rb") as stream:
        for raw in stream:
            if not raw.endswith(b"\n"):
                break
            whole += len(raw)
            try:
                line = json.loads(raw)
                if line["v"] != VERSION:
                    continue
                result = Reading(*line["reading"]) if "reading" in line else Unreadable(line["got"], line["do"])
                known[line["path"]] = (line["size"], line["mtime_ns"]), result
            except (ValueError, TypeError, KeyError):  # damaged: its file is read again
                continue
    return known, whole
