"""Sound at an address, searched while it comes: recordings on the web, and radio, which is connected to again.

A connection that breaks ends the sound there: what had come is searched, and only then it is told, or the radio
tried again. Ctrl-C breaks the connection in the same way.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import signal
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType

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
UNREAD = {
    b"OggS": "Ogg without a told length, such as a radio's",
    b"#EXT": "a playlist (M3U)",
    b"[pla": "a playlist (PLS)",
    b"\xff\xf1": "AAC",
    b"\xff\xf9": "AAC",
    b"ADIF": "AAC",
}
"""What is not understood, by how it begins."""


class Ending:
    """Ctrl-C while an address is searched: waiting for sound ends at once, what is being searched is searched first.

    A second Ctrl-C ends that too. Only the main thread hears of one.
    """

    def __init__(self) -> None:
        self.asked = False
        self._waits = False

    def __enter__(self) -> Ending:
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if again or self._waits:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a wait. Raises KeyboardInterrupt as soon as, or where already, the end is asked for."""
        self._waits = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._waits = False


class _Connection:
    """What an address sends. Where the connection breaks it ends, and `lost` says how."""

    def __init__(self, answer: http.client.HTTPResponse, ending: Ending) -> None:
        self._answer, self._left, self._again, self._ending = answer, answer.length, b"", ending
        self.kind: str = answer.headers.get("Content-Type", "something")
        self.endless = answer.length is None
        """Whether it was not told how much will come."""
        self.radio = self.endless and any(name.lower().startswith("icy-") for name in answer.headers)
        """Whether it is a radio for certain (Icecast, SHOUTcast): its end is an interruption."""
        self.lost: str | None = None
        self.broken: AudioError | None = None
        """Why what it sent can be heard no further."""

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
            with self._ending.waiting():
                found = self._answer.read1(size)
        except KeyboardInterrupt:
            self.lost = "Ctrl-C"
            return b""
        except BROKEN as error:
            self.lost = str(error) or type(error).__name__
            return b""
        if self._left is not None:
            self._left -= len(found)
        if not found and self._left:  # closed too early it looks like an end
            self.lost = f"an end {self._left:,} bytes before it was due"
        return found


def blocks_at(url: str, say: Callable[[str], None], ending: Ending) -> Iterator[Block]:
    """The blocks of what an address gives; a radio that is lost is said and tried again.

    WAV and MP3 are heard while they come, endless or not; FLAC and Ogg once all of it is here. Raises InputError when
    the address cannot be reached, or no more, or is none of these; AudioError, after the last block of what came
    before it, for a fault in the sound; KeyboardInterrupt, after the last block too, where the end was asked for.
    """
    fruitless, reached = 0, False
    while True:
        lost, gave = "it ended", False
        try:
            with _connected(url, ending) as coming:
                reached = True
                for block in _heard(url, coming):
                    fruitless, gave = 0, True
                    yield block
            if ending.asked:
                raise KeyboardInterrupt
            if coming.broken is not None:
                if not (coming.radio and gave):
                    raise _faulty(url, coming.broken, gave)
                lost = coming.broken.got
            elif coming.lost is None and not coming.radio:
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
        with ending.waiting():
            time.sleep(pause(fruitless, PAUSE_S))


class _Unreachable(InputError):
    """An address that does not answer."""


def _gone(url: str, got: str, do: str) -> InputError:
    return InputError(f"{url} was lost", got=got, do=do)


def _faulty(url: str, fault: AudioError, gave: bool) -> AudioError:
    how = "cannot be heard to its end" if gave else "cannot be heard"
    return AudioError(f"{url} {how}", got=fault.got, do="check the address, or record it to a file")


@contextlib.contextmanager
def _connected(url: str, ending: Ending) -> Iterator[_Connection]:
    request = urllib.request.Request(url, headers={"User-Agent": "wakewright"})
    try:
        with ending.waiting():
            answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except (*BROKEN, ValueError) as error:
        raise _Unreachable(f"{url} cannot be read", got=str(error), do="check the address") from error
    with answer:
        yield _Connection(answer, ending)


def _heard(url: str, coming: _Connection) -> Iterator[Block]:
    """The blocks that come until the end, or until the connection is lost."""
    head = coming.head()
    name = f"{url} from {datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')}"
    if head == b"fLaC" or (head == b"OggS" and not coming.endless):
        yield from _fetched(url, coming)
    elif head == b"RIFF":
        yield from live_blocks(name, _until_lost(read_pipe(coming), coming))
    elif is_mp3(head) or coming.kind.split(";")[0].strip().lower() in MP3_TYPES:  # begun in the middle of a frame
        yield from live_blocks(name, _until_lost(read_mp3(coming), coming))
    elif coming.lost is None:
        known = next((name for begun, name in UNREAD.items() if head.startswith(begun)), coming.kind)
        known = known if head else "nothing"
        playlist = known.startswith("a playlist")
        raise InputError(
            f"{url} cannot be searched",
            got=f"{known}, where WAV, MP3 and FLAC are understood, and Ogg that is not endless",
            do="name an address that stands in it"
            if playlist
            else "name such a stream, or record it to a file first",
        )


def _until_lost(pieces: Iterable[Samples], coming: _Connection) -> Iterator[Samples]:
    """The pieces that come, up to a fault in them; that is the connection's if that is lost."""
    try:
        yield from pieces
    except AudioError as error:
        if coming.lost is None:
            coming.broken = error


def _fetched(url: str, coming: _Connection) -> Iterator[Block]:
    """The blocks of a recording that is understood once all of it is here; none where it was lost before."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        with disk_errors(path), path.open("wb") as file:
            while piece := coming.read(_COPIED):
                file.write(piece)
        if coming.lost is not None:
            return
        try:
            source = Source.of(path, url)
        except AudioError as error:  # it names the file, which nobody has ever seen
            coming.broken = error
            return
        yield from blocks_of(source)
