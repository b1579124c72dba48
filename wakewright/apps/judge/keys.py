"""Bearer keys: made once, shown once, stored as hashes, compared in constant time, read anew when the file changes.

A key holds 256 random bits, so that its plain SHA-256 cannot be reversed by guessing.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import hmac
import json
import logging
import secrets
from pathlib import Path
from typing import Any

from wakewright.core.errors import EnvironmentProblem, InputError
from wakewright.core.files import write_json

LOG = logging.getLogger("wakewright.judge")
BYTES = 32
FORMAT = 1


def digest(key: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def now() -> datetime.datetime:
    """The time that expiry is held against."""
    return datetime.datetime.now(datetime.UTC)


def read(path: Path) -> list[dict[str, Any]]:
    """The entries of a key file: name, sha256, expires, and created unless written by hand. None without a file.

    Raises InputError for a file that is none, EnvironmentProblem for one that this user may not read.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        keys: list[dict[str, Any]] = stored["keys"]
        for entry in keys:
            bytes.fromhex(entry["sha256"])
            _expiry(entry)
            str(entry["name"])
    except FileNotFoundError:
        return []
    except PermissionError as error:
        raise EnvironmentProblem(
            f"{path} cannot be read by the user of this process",
            got=error.strerror or str(error),
            do="make and remove keys as the user that the Judge runs as, or give that user the file (chown)",
        ) from error
    except (ValueError, KeyError, TypeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise InputError(
            f"{path} is no file of keys", got=str(error) or type(error).__name__, do="remove it, and make keys anew"
        ) from error
    return keys


def _expiry(entry: dict[str, Any]) -> datetime.datetime | None:
    """When a key ends; a time without a zone, as written by hand, is UTC."""
    if entry["expires"] is None:
        return None
    ends = datetime.datetime.fromisoformat(entry["expires"])
    return ends if ends.tzinfo else ends.replace(tzinfo=datetime.UTC)


def add(path: Path, name: str, days: float | None = None) -> str:
    """Make a key, store its hash in the file, and return it: it cannot be had again. Raises InputError."""
    keys = read(path)
    if any(entry["name"] == name for entry in keys):
        raise InputError(
            f"there is a key {name!r} already", got=str(path), do="remove it first, or give the new one another name"
        )
    key = secrets.token_urlsafe(BYTES)
    expires = None if days is None else (now() + datetime.timedelta(days=days)).isoformat(timespec="seconds")
    created = now().isoformat(timespec="seconds")
    keys.append({"name": name, "sha256": digest(key), "created": created, "expires": expires})
    _write(path, keys)
    return key


def remove(path: Path, name: str) -> None:
    """Make the key of this name useless. Raises InputError when there is none."""
    keys = read(path)
    left = [entry for entry in keys if entry["name"] != name]
    if len(left) == len(keys):
        names = ", ".join(entry["name"] for entry in keys)
        raise InputError(f"there is no key {name!r} in {path}", got=names or "no key", do="name one of these")
    _write(path, left)


def _write(path: Path, keys: list[dict[str, Any]]) -> None:
    write_json(path, {"format": FORMAT, "keys": keys})
    path.chmod(0o600)


class KeyRing:
    """The keys of a file, as the file stands: a server need not restart when one is added or removed."""

    def __init__(self, path: Path) -> None:
        """Raises what `read` raises."""
        self._path = path
        self._seen = self._stamp()
        self._keys = read(path)

    def __len__(self) -> int:
        return len(self._keys)

    def _stamp(self) -> tuple[int, int, int]:
        try:
            about = self._path.stat()
        except OSError:
            return 0, 0, 0
        return about.st_mtime_ns, about.st_size, about.st_ino

    def holder(self, key: str) -> str | None:
        """Whose key this is; None for one that is unknown or has expired.

        A file that was damaged since leaves the keys as they were; one that may not be read leaves none, since a
        key that was removed would go on working.
        """
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self._read_anew()
        wanted, found = digest(key).encode(), None
        for entry in self._keys:  # all of them, so that the time taken tells nothing
            same = hmac.compare_digest(entry["sha256"].encode(), wanted)
            expires = _expiry(entry)
            if same and (expires is None or expires > now()):
                found = str(entry["name"])
        return found

    def _read_anew(self) -> None:
        try:
            with contextlib.suppress(InputError):  # half-copied, perhaps: what was valid stays so
                self._keys = read(self._path)
        except EnvironmentProblem as error:
            self._keys = []
            LOG.error(json.dumps({"event": "no keys", "why": error.what, "do": error.do}))
