"""Arrays that grow on disk stream by stream, so that whoever makes them may be killed and goes on where it was.

Each array grows in `NAME.part`, which has the form of numpy.save from its first byte on, so that at the end its
header is written over and the file renamed: nothing is copied, and the disk holds it once. `growing.jsonl` says what
is made, then for every stream how many rows each array has of it, and their CRC-32; its line comes after its rows.
The disk may have put them there the other way round when the machine itself went down, so on opening all rows are
read against their line, and everything from the first that does not hold is cut off.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wakewright.core.files import disk_errors, write_text

JOURNAL = "growing.jsonl"
SYNC_S = 5.0
"""Seconds of work that may be lost when the machine itself goes down; of a killed process nothing written is."""


class _Entry(NamedTuple):
    """What is written of one stream."""

    note: int
    rows: dict[str, tuple[int, int]]
    """Rows and their CRC-32, by array."""


class Growing:
    """The arrays of one folder while they grow."""

    def __init__(self, folder: Path, about: dict[str, Any], empty: Mapping[str, NDArray[Any]]) -> None:
        """As `open`, which is to be called instead."""
        self._folder, self._empty = folder, empty
        self._entries = self._take_up(about)
        self._journal = _raw(folder / JOURNAL, "ab")
        self._parts = {name: _raw(self._part(name), "ab") for name in empty}
        self._synced = time.monotonic()

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, about: dict[str, Any], empty: Mapping[str, NDArray[Any]]) -> Iterator[Growing]:
        """Go on with what was begun in `folder` and is told by the same `about`, or begin; what else grew there goes.

        `empty` holds an array without rows for each to be made. One process at a time. Raises DiskFull.
        """
        with disk_errors(folder):
            growing = cls(folder, about, empty)
        try:
            yield growing
        finally:
            growing._close()

    @property
    def notes(self) -> list[int]:
        """The note of every stream that is there, in order."""
        return [entry.note for entry in self._entries]

    def rows(self, name: str) -> list[int]:
        """Rows of every stream in one array."""
        return [entry.rows[name][0] for entry in self._entries]

    def add(self, note: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Append the rows of the next stream; they outlast this process when this returns. Raises DiskFull."""
        rows = {}
        with disk_errors(self._folder):
            for name, part in self._parts.items():
                data = arrays[name].tobytes()
                _put(part, data)
                rows[name] = len(arrays[name]), zlib.crc32(data)
            _put(self._journal, _line([note, rows]).encode())
            self._entries.append(_Entry(note, rows))
            if time.monotonic() - self._synced >= SYNC_S:
                self._sync()

    def finish(self) -> None:
        """Turn every part into `NAME.npy`; only `tidy` ends it, and a kill before that loses nothing."""
        with disk_errors(self._folder):
            for name in self._parts:
                with _raw(self._part(name), "rb+") as part:
                    _put(part, header(self._empty[name], sum(self.rows(name))))
            self._sync()
            self._close()
            for name in self._parts:
                self._part(name).replace(self._whole(name))

    def _part(self, name: str) -> Path:
        return self._folder / f"{name}.part"

    def _whole(self, name: str) -> Path:
        return self._folder / f"{name}.npy"

    def _sync(self) -> None:
        for file in (*self._parts.values(), self._journal):  # the journal last: it speaks of the others
            os.fsync(file.fileno())
        self._synced = time.monotonic()

    def _close(self) -> None:
        for file in (*self._parts.values(), self._journal):
            file.close()

    def _take_up(self, about: dict[str, Any]) -> list[_Entry]:
        """What was written of these arrays; journal and parts hold that and nothing more afterwards."""
        if begun(self._folder, about):
            for name in self._empty:
                if not self._part(name).exists() and self._whole(name).exists():  # killed after `finish` renamed it
                    self._whole(name).replace(self._part(name))
        else:
            tidy(self._folder)
        kept = self._sound(_entries(self._folder))
        write_text(self._folder / JOURNAL, "".join(map(_line, [about, *kept])))
        for name, empty in self._empty.items():
            start = header(empty, 0)
            size = len(start) + _row_bytes(empty) * sum(entry.rows[name][0] for entry in kept)
            with self._part(name).open("ab+") as part:
                part.truncate(size)
            with _raw(self._part(name), "rb+") as part:
                _put(part, start)
        return kept

    def _sound(self, entries: list[_Entry]) -> list[_Entry]:
        """The entries up to the first whose rows are not there as they were written."""
        if not all(self._part(name).exists() for name in self._empty):
            return []
        with contextlib.ExitStack() as files:
            parts = {name: files.enter_context(self._part(name).open("rb")) for name in self._empty}
            for name, part in parts.items():
                part.seek(len(header(self._empty[name], 0)))
            return list(itertools.takewhile(lambda entry: self._holds(entry, parts), entries))

    def _holds(self, entry: _Entry, parts: Mapping[str, BinaryIO]) -> bool:
        if entry.rows.keys() != parts.keys():
            return False
        for name, (rows, wanted) in entry.rows.items():
            data = parts[name].read(rows * _row_bytes(self._empty[name]))
            if len(data) != rows * _row_bytes(self._empty[name]) or zlib.crc32(data) != wanted:
                return False
        return True


def begun(folder: Path, about: dict[str, Any]) -> bool:
    """Whether arrays told by `about` were begun in the folder and not ended."""
    return told(folder) == about


def told(folder: Path) -> dict[str, Any] | None:
    """What grows in the folder; None where nothing does."""
    about = next(_lines(folder), None)
    return about if isinstance(about, dict) else None


def tidy(folder: Path) -> None:
    """Remove journal and parts, those that a kill left unnamed too."""
    for path in (*folder.glob("*.part"), *folder.glob(f".{Path(JOURNAL).stem}-*"), folder / JOURNAL):
        path.unlink(missing_ok=True)


def header(empty: NDArray[Any], rows: int) -> bytes:
    """What numpy.save writes before the data of an array like `empty` with so many rows: as long for any number."""
    about = {
        "descr": np.lib.format.dtype_to_descr(empty.dtype),
        "fortran_order": False,
        "shape": (rows, *empty.shape[1:]),
    }
    written = io.BytesIO()
    np.lib.format.write_array_header_1_0(written, about)
    return written.getvalue()


def _entries(folder: Path) -> list[_Entry]:
    try:
        return [
            _Entry(note, {name: (rows, found) for name, (rows, found) in arrays.items()})
            for note, arrays in itertools.islice(_lines(folder), 1, None)
        ]
    except (TypeError, ValueError, AttributeError):  # not of this form: it is made anew
        return []


def _lines(folder: Path) -> Iterator[Any]:
    """The whole lines of the journal, up to the first that is torn or damaged."""
    try:
        with (folder / JOURNAL).open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield json.loads(line)
    except (FileNotFoundError, ValueError):
        return


def _line(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def _row_bytes(empty: NDArray[Any]) -> int:
    return empty.dtype.itemsize * int(np.prod(empty.shape[1:], dtype=np.int64))


def _raw(path: Path, mode: str) -> Any:
    """A file that keeps nothing back: what `_put` wrote is with the operating system."""
    return path.open(mode, buffering=0)


def _put(file: Any, data: bytes) -> None:
    """Write all of it: a raw file on a disk about to be full takes a part of it before it raises."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
