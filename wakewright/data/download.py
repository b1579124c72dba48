"""The one downloader: a file from an address, over connections that break, until it is whole and is what was listed.

A file grows under another name (`.part`), goes on where it broke off, here or in a later run, and takes its own name
only when it is whole. Beside the part lies a note (`.part.json`) of which version of the file it belongs to: its ETag
or date and its length. Where the server has another version by then, or sends the whole file in place of the rest,
it starts again.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any

from wakewright.core.errors import EnvironmentProblem
from wakewright.core.files import disk_errors, write_json

ATTEMPTS = 5
"""Connections tried in a row without a byte gained, or fresh starts in all, before giving up."""
TIMEOUT_S = 30.0
"""Seconds without a byte after which a connection counts as broken."""
PAUSE_S = 1.0
"""Seconds before the second fruitless attempt; each further pause is twice as long."""
ADVICE = (
    "free some space, or use another disk (WAKEWRIGHT_CACHE, --to), then run it again: it goes on where it stopped"
)
"""What to do about a full disk."""
LONGEST_PAUSE_S = 60.0
_BLOCK = 1 << 16
BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)
"""What a connection that breaks, or never was, ends in."""
_BUSY = {408, 429, 500, 502, 503, 504}
_GONE = {404, 410}

Told = Callable[[int], None]
"""Is told how many bytes came, after every block; a negative number when the file starts again."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file at an address, and what is known of it."""

    address: str
    """http(s) address."""
    size: int | None
    """Bytes, when listed; None takes what the server announces."""
    checksum: str | None
    """`md5:`, `sha1:` or `sha256:` and the hex digest, as listed; None when nobody lists one."""
    most: int
    """Bytes after which a file without a listed size is refused."""
    listed_by: str
    """Who lists size and checksum, for messages."""
    by_hand: str
    """What the user can do without this download, for messages."""


def checksum_of(path: Path, kind: str) -> str:
    """`KIND:HEX` of a file; `kind` is md5, sha1 or sha256."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False))
    return f"{kind}:{digest.hexdigest()}"


def is_listed(path: Path, remote: Remote) -> bool:
    """Whether `path` is there and is, by size and checksum, what is listed."""
    if not path.is_file() or remote.size not in (None, path.stat().st_size):
        return False
    return remote.checksum is None or checksum_of(path, remote.checksum.split(":")[0]) == remote.checksum


def part_of(path: Path) -> Path:
    """Where `path` grows."""
    return path.with_name(path.name + ".part")


def download(remote: Remote, path: Path, *, told: Told | None = None, pause_s: float | None = None) -> None:
    """Fetch one file to `path`, going on where it broke off, here or in an earlier run.

    Parameters
    ----------
    told: hears of every block.
    pause_s: seconds before the second attempt, PAUSE_S when None.

    A part without a note of its version goes on only where a checksum will tell whether the two fit. Raises
    EnvironmentProblem when the address cannot be reached, refuses, answers with a web page, or sends something else
    than is listed (the part is then removed); DiskFull, which leaves the part.
    """
    part, note = part_of(path), _note_of(path)
    pause_s = PAUSE_S if pause_s is None else pause_s
    fruitless = starts = 0

    def hear(count: int) -> None:
        nonlocal starts
        starts += count < 0
        if told is not None:
            told(count)

    with disk_errors(path, ADVICE):
        path.parent.mkdir(parents=True, exist_ok=True)
        if part.exists() and not note.exists() and remote.checksum is None:
            part.unlink()
        while not _is_all(part, note, remote):
            before = _length(part)
            try:
                _append(remote, part, note, hear)
            except urllib.error.HTTPError as error:
                if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                    break  # the file ends before the size it should have
                if error.code not in _BUSY or fruitless + 1 >= ATTEMPTS:
                    raise _refused(remote, error) from error
                fruitless += 1
                time.sleep(pause(fruitless, pause_s, error.headers))
            except BROKEN as error:
                fruitless = 0 if _length(part) > before else fruitless + 1
                if max(fruitless, starts) >= ATTEMPTS:
                    raise _offline(remote, error) from error
                if fruitless:
                    time.sleep(pause(fruitless, pause_s))
        _verify(remote, part, note)
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
        note.unlink(missing_ok=True)


def fetch_text(address: str, *, most: int, by_hand: str) -> str:
    """A small text, such as a list: `most` bytes of it, UTF-8. Raises EnvironmentProblem as `download` does."""
    remote = Remote(address, None, None, most, "", by_hand)
    try:
        with _OPENER.open(urllib.request.Request(address), timeout=TIMEOUT_S) as answer:
            return bytes(answer.read(most)).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        raise _refused(remote, error) from error
    except BROKEN as error:
        raise _offline(remote, error) from error


def _append(remote: Remote, part: Path, note: Path, told: Told) -> None:
    """Add to `part` what follows; start it anew when the server has another version or ignores the range.

    Never writes more than the listed or announced size plus a block, whatever is sent. Raises
    http.client.IncompleteRead when the connection ends early.
    """
    have = _length(part)
    known = _read_note(note)
    headers = {"User-Agent": "wakewright"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if condition := _condition(known):
            headers["If-Range"] = condition
    request = urllib.request.Request(remote.address, headers=headers)
    with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
        _refuse_page(remote, answer.headers)
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        if goes_on and not str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-"):
            raise http.client.HTTPException("the server answers with another part of the file than it was asked for")
        now = _version(answer.headers, goes_on)
        if goes_on and _differs(known, now):
            told(-have)
            _forget(part, note)
            raise http.client.HTTPException("the file changed between two tries")
        _refuse_length(remote, now["length"])
        if not goes_on:
            told(-have)
            have = 0
            _forget(part, note)
            known = {}
        write_json(note, {**now, **{key: value for key, value in known.items() if value}})
        with part.open("ab" if goes_on else "wb") as stream:
            _copy(answer, stream, have, remote, now["length"], told)
    if now["length"] is None:  # what came until the connection was closed in order is all there is
        write_json(note, {**now, "length": _length(part)})


def _copy(answer: Any, stream: IO[bytes], have: int, remote: Remote, length: int | None, told: Told) -> None:
    end = remote.size if remote.size is not None else length
    most = remote.most if end is None else end
    while have <= most and (block := _read(answer)):
        stream.write(block)
        have += len(block)
        told(len(block))
    if end is not None and have < end:
        raise http.client.IncompleteRead(b"", end - have)


def _read(answer: Any) -> bytes:
    try:
        return bytes(answer.read(_BLOCK))
    except OSError as error:  # a network has many ways to fail; told apart from those of the disk
        raise ConnectionError(str(error)) from error


def _is_all(part: Path, note: Path, remote: Remote) -> bool:
    """Whether nothing more is to come, as far as sizes tell."""
    if remote.size is not None:
        return _length(part) >= remote.size
    length = _read_note(note).get("length")
    return part.exists() and length is not None and _length(part) >= length


def _verify(remote: Remote, part: Path, note: Path) -> None:
    have = _length(part)
    expected = remote.size if remote.size is not None else _read_note(note).get("length")
    got, listed = f"{have} bytes", [] if expected is None else [f"{expected} bytes"]
    same = expected in (None, have)
    if remote.checksum is not None and part.exists():
        kind, wanted = remote.checksum.split(":")
        found = checksum_of(part, kind).split(":")[1]
        same = same and found == wanted
        got += f", {kind.upper()} {found}"
        listed.append(f"{kind.upper()} {wanted}")
    if have > remote.most and remote.size is None:
        same = False
        listed = [f"at most {remote.most} bytes"]
    if not same:
        _forget(part, note)
        raise _something_else(remote, f"{got}; listed are {', '.join(listed)}")


def _refuse_page(remote: Remote, headers: Message) -> None:
    """Raise when a web page came in place of the file: a log-in page of a network, a notice that it has moved."""
    kind = headers.get_content_type()
    if kind in ("text/html", "application/xhtml+xml"):
        raise EnvironmentProblem(
            f"{remote.address} answers with a web page and not with the file",
            got=kind,
            do="if this network asks you to log in, do so in a browser and run it again (it goes on where it "
            f"stopped); {remote.by_hand}",
        )


def _refuse_length(remote: Remote, length: int | None) -> None:
    """Raise when the server announces less than is listed or more than is acceptable, before hours go into it."""
    too_little = remote.size is not None and length is not None and length < remote.size
    too_much = remote.size is None and length is not None and length > remote.most
    if too_little or too_much:
        listed = f"{remote.size} bytes" if too_little else f"at most {remote.most} bytes"
        raise _something_else(remote, f"{length} bytes; listed are {listed}")


def _version(headers: Message, partial: bool) -> dict[str, Any]:
    """ETag, date and length of the whole file, as an answer tells them; None for what it does not."""
    length = headers.get("Content-Length")
    if partial:
        length = str(headers.get("Content-Range", "")).rpartition("/")[2]
    return {
        "etag": headers.get("ETag"),
        "modified": headers.get("Last-Modified"),
        "length": int(length) if length and length.isdigit() else None,
    }


def _differs(known: dict[str, Any], now: dict[str, Any]) -> bool:
    return any(known.get(key) and now[key] and known[key] != now[key] for key in now)


def _condition(known: dict[str, Any]) -> str | None:
    """The If-Range of RFC 9110: a strong ETag, else the date."""
    etag = known.get("etag")
    found = etag if etag and not etag.startswith("W/") else known.get("modified")
    return None if found is None else str(found)


def _note_of(path: Path) -> Path:
    return path.with_name(path.name + ".part.json")


def _read_note(note: Path) -> dict[str, Any]:
    with contextlib.suppress(FileNotFoundError, ValueError):
        found = json.loads(note.read_text(encoding="utf-8"))
        if isinstance(found, dict) and {"etag", "modified", "length"} <= found.keys():
            return found
    return {}


def _forget(part: Path, note: Path) -> None:
    part.unlink(missing_ok=True)
    note.unlink(missing_ok=True)


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def pause(fruitless: int, pause_s: float, headers: Message | None = None) -> float:
    """Seconds to wait after so many fruitless connections: `pause_s` after the first, twice as long each time, or as
    long as the server asks, a minute at most."""
    asked = str(headers.get("Retry-After", "")) if headers is not None else ""
    seconds = float(asked) if asked.isdigit() else pause_s * 2.0 ** (fruitless - 1)
    return min(seconds, LONGEST_PAUSE_S)


def _something_else(remote: Remote, got: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{remote.address} sent something else than {remote.listed_by}",
        got=got,
        do=f"try again later, or {remote.by_hand}",
    )


def _refused(remote: Remote, error: urllib.error.HTTPError) -> EnvironmentProblem:
    gone = "its publisher may have moved the file" if error.code in _GONE else "try again later"
    return EnvironmentProblem(
        f"{remote.address} was refused", got=f"HTTP {error.code} {error.reason}", do=f"{gone}; {remote.by_hand}"
    )


def _offline(remote: Remote, error: Exception) -> EnvironmentProblem:
    reason = getattr(error, "reason", None) or error
    return EnvironmentProblem(
        f"{remote.address} cannot be reached",
        got=str(reason) or type(error).__name__,
        do=f"check the network and run it again (it goes on where it stopped), or {remote.by_hand}",
    )


class _StaysSecure(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to an address that anybody on the way could answer for."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme.lower()
        if scheme not in ("http", "https") or (req.type == "https" and scheme != "https"):
            raise urllib.error.HTTPError(newurl, code, f"redirected from {req.type} to {scheme}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_StaysSecure)
