"""Sound at an address, searched while it comes: recordings on the web, and radio, which is connected to again.

A connection that breaks ends the sound there: what had come is searched, and only then it is told, or the radio
tried again.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from wakewright.core.audio import Samples
from wakewright.core.errors import AudioError, InputError
from wakewright.core.files import disk_errors
from wakewright.core.mp3 import is_mp3, read_mp3
from wakewright.core.pcm import read_pipe
from wakewright.data.download import PAUSE_S, TIMEOUT_S, pause
from wakewright.evaluate.sources import Block, Source, blocks_of, live_blocks

TRIES = 15
"""Connections to a radio without any sound, one after another, before giving up: some ten minutes."""
BROKEN = (OSError, http.client.HTTPException)
"""What reading from a connection that breaks raises."""
MP3_TYPES = ("audio/mpeg", "audio/mp3", "audio/x-mpeg", "audio/mpeg3")
_COPIED = 1 << 16


class _Connection:
    """What an address sends. Where the connection breaks it ends, and `lost` says how."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer, self._left, self._again = answer, answer.length, b""
        self.kind: str = answer.headers.get("Content-Type", "something")
        self.endless = answer.length is None
        """Whether it was not told how much will come."""
        self.radio = self.endless and any(name.lower().startswith("icy-") for name in answer.headers)
        """Whether it is a radio for certain (Icecast, SHOUTcast): its end is an interruption."""
        self.lost: str | None = None

    def head(self) -> bytes:
        """The first four bytes, which will be read again."""
        self._again = self.read(4)
        return self._again

    def read(self, size: int = -1, /) -> bytes:
        """As many bytes, fewer at the end; all of them for -1."""
        found = bytearray()
        while piece := self.read1(_COPIED if size < 0 else size - len(found)):
            found += piece
        return bytes(found)

    def read1(self, size: int, /) -> bytes:
        """At most as many, those that are there."""
        if self._again:
            found, self._again = self._again[:size], self._again[size:]
            return found
        if not size or self.lost is not None:
            return b""
        try:
            found = self._answer.read1(size)
        except BROKEN as error:
            self.lost = str(error) or type(error).__name__
            return b""
        if self._left is not None:
            self._left -= len(found)
        if not found and self._left:  # closed too early it looks like an end
            self.lost = f"an end {self._left:,} bytes before it was due"
        return found


def blocks_at(url: str, say: Callable[[str], None]) -> Iterator[Block]:
    """The blocks of what an address gives: WAV and MP3 while they come, endless or not; FLAC once all of it is here.

    A radio that is lost is said and tried again. Raises InputError when the address cannot be reached, or no more,
    or is none of these; AudioError for one that is broken.
    """
    fruitless, reached = 0, False
    while True:
        lost = "it ended"
        try:
            with _connected(url) as coming:
                reached = True
                for block in _heard(url, coming):
                    fruitless = 0
                    yield block
            if coming.lost is None and not coming.radio:
                return
            lost = coming.lost or lost
            if not coming.endless:
                raise _gone(url, lost, "search it again: what was found until then is kept")
        except _Unreachable as error:
            if not reached:
                raise
            lost = error.got
        fruitless += 1
        if fruitless > TRIES:
            raise _gone(url, lost, "search it again when it is back: what was found is kept")
        if fruitless == 1:
            say(f"{url} was lost ({lost}): connecting again")
        time.sleep(pause(fruitless, PAUSE_S))


class _Unreachable(InputError):
    """An address that does not answer."""


def _gone(url: str, got: str, do: str) -> InputError:
    return InputError(f"{url} was lost", got=got, do=do)


@contextlib.contextmanager
def _connected(url: str) -> Iterator[_Connection]:
    request = urllib.request.Request(url, headers={"User-Agent": "wakewright"})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except (*BROKEN, ValueError) as error:
        raise _Unreachable(f"{url} cannot be read", got=str(error), do="check the address") from error
    with answer:
        yield _Connection(answer)


def _heard(url: str, coming: _Connection) -> Iterator[Block]:
    """The blocks that come until the end, or until the connection is lost."""
    head = coming.head()
    name = f"{url} from {datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')}"
    if head == b"fLaC":
        yield from _fetched(url, coming)
    elif head == b"RIFF":
        yield from live_blocks(name, _until_lost(read_pipe(coming), coming))
    elif is_mp3(head) or coming.kind.split(";")[0].strip().lower() in MP3_TYPES:  # begun in the middle of a frame
        yield from live_blocks(name, _until_lost(read_mp3(coming), coming))
    elif coming.lost is None:
        raise InputError(
            f"{url} cannot be searched",
            got=f"{coming.kind}, where WAV, MP3 and FLAC are understood",
            do="name such a stream, or record it to a file first",
        )


def _until_lost(pieces: Iterable[Samples], coming: _Connection) -> Iterator[Samples]:
    """The pieces that come; that they end where they should not is the connection's fault if that is lost."""
    try:
        yield from pieces
    except AudioError:
        if coming.lost is None:
            raise


def _fetched(url: str, coming: _Connection) -> Iterator[Block]:
    """The blocks of a recording that is understood once all of it is here; none where it was lost before."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        with disk_errors(path), path.open("wb") as file:
            while piece := coming.read(_COPIED):
                file.write(piece)
        if coming.lost is None:
            yield from blocks_of(Source.of(path, url))
