"""Writing files so that a reader never sees half of one.

Everything goes to a temporary file in the target's own folder, is flushed to disk and then renamed over the
target, which POSIX and NTFS both do atomically. A full disk becomes `DiskFull`, and the old file stays.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wakewright.core.errors import DiskFull, EnvironmentProblem, RunError

_FULL = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR}
"""Of a place where nothing may be written, or where no folder can be since a file is there."""

ADVICE = "free some space, or point --output-dir and WAKEWRIGHT_CACHE at another disk, then use --resume"
"""What to do about a full disk, where nothing else is said."""


@contextlib.contextmanager
def disk_errors(path: Path, do: str = ADVICE) -> Iterator[None]:
    """Turn "no space left" into `DiskFull`, naming the path and what to `do` about it.

    A refusal of the cache, which everything reads and writes unasked, becomes `EnvironmentProblem`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _REFUSED and _of_cache(error.filename) and not _is_taken(error):
            raise EnvironmentProblem(
                f"the cache {cache_dir()} cannot be used",
                got=f"{error.filename}: {error.strerror}",
                do="name a folder that can be written in WAKEWRIGHT_CACHE",
            ) from error
        if error.errno not in _FULL:
            raise
        raise DiskFull(
            f"no room to write {path}",
            got=error.strerror or "disk full",
            do=do,
        ) from error


def _of_cache(filename: Any) -> bool:
    """Whether this is in the cache, or above it, where a folder of it was to be made."""
    if not isinstance(filename, str | Path):
        return False
    path, cache = Path(filename).absolute(), cache_dir().absolute()
    return path.is_relative_to(cache) or cache.is_relative_to(path)


def _is_taken(error: OSError) -> bool:
    """Whether a folder was to be new and is there, which says nothing against the cache that it is in."""
    return isinstance(error, FileExistsError) and Path(error.filename).is_dir()


@contextlib.contextmanager
def replacing(path: Path | str, do: str = ADVICE) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` when the block ends well, else remove it.

    Raises DiskFull, with advice what to `do`, when the disk is full; `path` is left as it was then.
    """
    path = Path(path)
    with disk_errors(path, do):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def require_writable(folder: Path, do: str) -> None:
    """Write a little into `folder` and take it away again, before work is done whose outcome is to lie there.

    Raises RunError where nothing may be written, DiskFull where there is no room; both with advice what to `do`.
    """
    try:
        with disk_errors(folder, do), tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(bytes(1 << 16))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        if error.errno not in {errno.EROFS, errno.EACCES, errno.EPERM}:
            raise
        raise RunError(f"nothing can be written into {folder}", got=error.strerror or "not allowed", do=do) from error


def write_bytes(path: Path | str, data: bytes, do: str = ADVICE) -> None:
    """Write `data` to `path` atomically. Raises DiskFull, with advice what to `do`."""
    with replacing(path, do) as temporary:
        temporary.write_bytes(data)


def copy_all(files: Iterable[Path], folder: Path, do: str) -> list[Path]:
    """Copy files into `folder`; none takes its place before all are written. Raises DiskFull, as `replacing`."""
    paths = []
    with contextlib.ExitStack() as written:
        for file in files:
            paths.append(folder / file.name)
            with written.enter_context(replacing(paths[-1], do)).open("wb") as stream:
                stream.write(file.read_bytes())
                stream.flush()
                os.fsync(stream.fileno())  # a disk may find out that it is full only now: before any takes its place
    return paths


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` atomically as UTF-8 with Unix line ends."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` to `path` atomically as indented JSON; NaN and infinity are refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_line(path: Path | str, values: Any) -> None:
    """Append one line of JSON; it is whole or, after a kill, not read. What an earlier kill left torn is cut off."""
    path = Path(path)
    line = json.dumps(values, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(path), path.open("ab+") as file:
        _drop_torn_line(file)
        file.write(line)


def read_lines(path: Path | str) -> list[Any]:
    """Every whole line that `append_line` wrote, in order; none where there is no file."""
    path = Path(path)
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last line end is torn
    return [json.loads(line) for line in lines if line]


def _drop_torn_line(file: Any) -> None:
    """Cut what a killed writer left behind the last line end, so that the next line starts on its own."""
    end = file.seek(0, os.SEEK_END)
    start = end
    while start > 0:
        block = max(0, start - 4096)
        file.seek(block)
        at = file.read(start - block).rfind(b"\n")
        if at >= 0:
            start = block + at + 1
            break
        start = block
    if start != end:
        file.truncate(start)
    file.seek(0, os.SEEK_END)


def one_spelling(path: Path | str) -> Path:
    """The absolute path without `.` and `..`, so that a file has one name however it was reached; `~` is the home.

    Links keep their own names, save those that a `..` leads out of: it goes up from where the link leads.
    """
    # functions of strings take a third of the time of Path over tens of thousands of clips
    given = os.path.expanduser(path)  # noqa: PTH111
    plain = os.path.abspath(given)  # noqa: PTH100 - Path.absolute keeps `..`, Path.resolve follows links
    if ".." in given and os.path.realpath(plain) != os.path.realpath(given):
        plain = os.path.realpath(given)
    return Path(plain)


def fingerprint(*parts: Any) -> str:
    """Sixteen hex digits that change when any JSON-serialisable part changes."""
    blob = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str).encode()
    return hashlib.sha256(blob).hexdigest()[:16]


def cache_dir() -> Path:
    """Where reusable work (spoken clips, rooms, features) is kept: $WAKEWRIGHT_CACHE, else ~/.cache/wakewright."""
    return Path(os.environ.get("WAKEWRIGHT_CACHE") or "~/.cache/wakewright").expanduser()
