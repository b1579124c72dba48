"""Fetching Piper voices, over connections that break: `wakewright voices get NAME...`.

The collection's own list says how large each file is and its MD5, so that what arrives can be checked. A file grows
under another name (`.part`), goes on where it broke off, and takes its own name only when it is whole.
"""

from __future__ import annotations

import difflib
import hashlib
import http.client
import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wakewright.core.errors import EnvironmentProblem, InputError
from wakewright.core.files import cache_dir, disk_errors

COLLECTION = "https://huggingface.co/rhasspy/piper-voices/resolve/main"
"""The public collection of Piper voices: `voices.json` and the files it lists."""
ATTEMPTS = 5
"""Connections tried in a row without a byte gained before giving up."""
TIMEOUT_S = 30.0
_BLOCK = 1 << 16
_BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, socket.timeout)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Remote:
    """One file of the collection."""

    path: str
    """Path below the collection's address."""
    size: int
    """Bytes."""
    md5: str
    """Hex digest."""
    target: str
    """File name it gets here."""


def get_voices(
    names: Sequence[str], *, folder: Path | None = None, collection: str = COLLECTION, say: Say | None = None
) -> list[Path]:
    """Fetch Piper voices by name (`en_US-libritts_r-medium`); returns their .onnx files.

    Goes to `folder`, by default where the engine looks. `say` gets a line with address and size before each voice is
    fetched; what is there whole already is not fetched again. Raises InputError for a name the collection lacks,
    EnvironmentProblem when it cannot be reached or sends something else than it announced, DiskFull.
    """
    target = folder or cache_dir() / "piper"
    listed = _listed(collection)
    wanted = {name: _files(name, listed) for name in names}
    fetched = []
    for name, files in wanted.items():
        missing = [file for file in files if not _whole(target / file.target, file)]
        if say:
            size = sum(file.size for file in missing) / 1e6
            say(f"{name}: {size:.1f} MB from {collection}" if missing else f"{name}: already here, {target}")
        for file in missing:
            _fetch(f"{collection}/{file.path}", target / file.target, file)
        fetched.append(target / f"{name}.onnx")
    return fetched


def _listed(collection: str) -> dict[str, Any]:
    address = f"{collection}/voices.json"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            listed = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise _refused(address, error) from error
    except _BROKEN as error:
        raise _offline(address, error) from error
    except ValueError as error:
        raise EnvironmentProblem(
            f"{address} is not the list of voices", got=str(error), do="try again later"
        ) from error
    if not isinstance(listed, dict):
        raise EnvironmentProblem(f"{address} is not the list of voices", got="no object", do="try again later")
    return listed


def _files(name: str, listed: dict[str, Any]) -> list[Remote]:
    if name not in listed:
        near = difflib.get_close_matches(name, listed, n=3, cutoff=0.3) or sorted(listed)[:3]
        raise InputError("no such Piper voice", got=repr(name), do="did you mean " + ", ".join(near) + "?")
    files = []
    for path, about in listed[name]["files"].items():
        last = path.rsplit("/", 1)[-1]
        # all model cards have one name; beside other voices each needs its own
        target = f"{name}.MODEL_CARD" if last == "MODEL_CARD" else last
        if target in (f"{name}.onnx", f"{name}.onnx.json", f"{name}.MODEL_CARD"):
            files.append(Remote(path, int(about["size_bytes"]), str(about["md5_digest"]), target))
    # the model last: a voice counts as installed once its .onnx is there
    return sorted(files, key=lambda file: file.target.endswith(".onnx"))


def _whole(path: Path, file: Remote) -> bool:
    return path.is_file() and path.stat().st_size == file.size and _md5(path) == file.md5


def _fetch(address: str, path: Path, file: Remote) -> None:
    """Fetch one file, going on where it broke off, here or in an earlier run."""
    part = path.with_name(path.name + ".part")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fruitless = 0
        while (have := part.stat().st_size if part.exists() else 0) < file.size:
            try:
                _append(address, part, have, file.size)
            except urllib.error.HTTPError as error:
                if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                    break  # the file ends before the size it should have
                raise _refused(address, error) from error
            except _BROKEN as error:
                fruitless = 0 if part.exists() and part.stat().st_size > have else fruitless + 1
                if fruitless >= ATTEMPTS:
                    raise _offline(address, error) from error
        got = _md5(part)
        if have != file.size or got != file.md5:
            part.unlink()
            raise EnvironmentProblem(
                f"{address} sent something else than the collection lists",
                got=f"{have} bytes, MD5 {got}; listed are {file.size} bytes, MD5 {file.md5}",
                do="try again later, or put the voice into voices.piper_dir by hand",
            )
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(path)


def _append(address: str, part: Path, have: int, size: int) -> None:
    """Add to `part` what follows its `have` bytes; a server that ignores the range starts it anew.

    Never writes more than `size` bytes plus a block, whatever is sent. Raises http.client.IncompleteRead when the
    connection ends early.
    """
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        goes_on = answer.status == 206 and str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-")
        with part.open("ab" if goes_on else "wb") as stream:
            written = have if goes_on else 0
            while written <= size and (block := answer.read(_BLOCK)):
                stream.write(block)
                written += len(block)
    if written < size:
        raise http.client.IncompleteRead(b"", size - written)


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _refused(address: str, error: urllib.error.HTTPError) -> EnvironmentProblem:
    do = "the collection may have moved the file" if error.code == 404 else "try again later"
    return EnvironmentProblem(f"{address} was refused", got=f"HTTP {error.code} {error.reason}", do=do)


def _offline(address: str, error: Exception) -> EnvironmentProblem:
    reason = getattr(error, "reason", None) or error
    return EnvironmentProblem(
        f"{address} cannot be reached",
        got=str(reason) or type(error).__name__,
        do="check the network and run it again (it goes on where it stopped), or put a voice's *.onnx and "
        "*.onnx.json into a folder and set voices.piper_dir",
    )
