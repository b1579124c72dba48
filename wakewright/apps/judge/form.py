"""The file in a form: multipart/form-data, as curl and browsers send it.

A form is here whole and within its limits, so that it is taken apart by looking for its boundary: that takes the time
and memory of a copy. What else a client might choose, such as a charset, is not asked for: some take minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wakewright.apps.judge.refusal import Refusal

FIELD = "file"
MOST_PARTS = 9
HEAD_BYTES = 8192
"""Of one part."""
BOUNDARY_LETTERS = 70
"""As RFC 2046 has it."""
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')


def file_in(content: bytes, boundary: str) -> bytes:
    """The one part called `file`, which is a file. Raises Refusal 400."""
    if not boundary or len(boundary) > BOUNDARY_LETTERS:
        raise _unread("no boundary" if not boundary else f"a boundary of {len(boundary)} letters")
    parts = list(_parts(content, boundary))
    found = [(is_file, part) for name, is_file, part in parts if name == FIELD]
    if len(found) != 1 or not found[0][0]:
        raise Refusal(
            400,
            f"the form needs one file called `{FIELD}`",
            got=", ".join(sorted({name[:40] for name, _, _ in parts}))[:200] or "no field",
            do="curl -F file=@clip.wav .../verify",
        )
    return found[0][1]


def _parts(content: bytes, boundary: str) -> Iterator[tuple[str, bool, bytes]]:
    """(name, whether it is a file, content) of each."""
    whole, edge = b"\r\n" + content, b"\r\n--" + boundary.encode("utf-8")
    _, begin, last = _next_edge(whole, edge, 0)
    for _ in range(MOST_PARTS):
        if last:
            return
        head_end = whole.find(b"\r\n\r\n", begin - 2, begin + HEAD_BYTES)
        if head_end < 0:
            raise _unread("a part whose head does not end")
        name, is_file = _named(whole[begin:head_end])
        start = head_end + 4
        end, begin, last = _next_edge(whole, edge, start)
        yield name, is_file, whole[start:end]
    if not last:
        raise _unread(f"more than {MOST_PARTS} parts")


def _next_edge(whole: bytes, edge: bytes, start: int) -> tuple[int, int, bool]:
    """(where it begins, where what follows it begins, whether it is the last) of the next boundary."""
    while (at := whole.find(edge, start)) >= 0:
        start = at + len(edge)
        if whole.startswith(b"--", start):
            return at, start, True
        end = whole.find(b"\r\n", start, start + HEAD_BYTES)
        if end >= 0 and not whole[start:end].strip(b" \t"):
            return at, end + 2, False
    raise _unread("a form that does not end with its boundary")


def _named(head: bytes) -> tuple[str, bool]:
    for line in head.decode("utf-8", "replace").split("\r\n"):
        field, _, value = line.partition(":")
        if field.strip().lower() == "content-disposition":
            given = {key.lower(): quoted or plain for key, quoted, plain in _PARAMETER.findall(value)}
            if "name" in given:
                return given["name"], "filename" in given or "filename*" in given
    raise _unread("a part without a name")


def _unread(got: str) -> Refusal:
    return Refusal(400, "the form cannot be read", got=got, do=f"send one multipart field `{FIELD}` with the sound")
