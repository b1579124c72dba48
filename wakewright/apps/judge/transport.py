"""What every connection is held to, of HTTP or a stream: how much is read at once, and that answers are read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from wakewright.apps.judge.refusal import Refusal

READ_BYTES = 16_384
"""Read of a connection at once; asyncio reads sixteen times as much, which many would hold before it is counted."""
UNREAD_BYTES = 1 << 18
"""Answers that may wait for a client to read them, in this process; the system holds some more."""

Note = Callable[[Refusal, str], None]
"""Told of each refusal that nobody else is told of, and of the address that it went to."""


class Bounded(asyncio.Protocol):
    """A protocol of uvicorn's with these limits; the class beside it is what reads and writes."""

    transport: asyncio.Transport
    seconds: float
    note: Note
    _look: asyncio.TimerHandle | None = None
    _resumed = False
    _unread = 0

    def begin(self, transport: asyncio.Transport) -> None:
        """Call when the connection is made."""
        self._came = bytearray(READ_BYTES)
        self._watch()

    def end(self) -> None:
        """Call when it is lost, or another protocol's."""
        if self._look is not None:
            self._look.cancel()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where to read to."""
        return self._came

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were read."""
        if self.transport.is_closing():
            return
        self.data_received(bytes(memoryview(self._came)[:nbytes]))
        if self.transport.get_write_buffer_size() > UNREAD_BYTES:
            self._give_up_on_reader()

    def resume_writing(self) -> None:
        """The client has read on."""
        self._resumed = True
        super().resume_writing()

    def address(self) -> str:
        """Of the client."""
        return str((self.transport.get_extra_info("peername") or "-")[0])

    def drop(self) -> None:
        """End it without waiting for anything to be read."""
        self.transport.abort()

    def _watch(self) -> None:
        self._look = asyncio.get_running_loop().call_later(self.seconds, self._see_whether_it_reads)

    def _see_whether_it_reads(self) -> None:
        """A client that reads nothing of an answer for that long would hold its connection for good."""
        unread = self.transport.get_write_buffer_size()
        if unread and unread >= self._unread > 0 and not self._resumed:
            self._give_up_on_reader()
            return
        self._unread, self._resumed = unread, False
        self._watch()

    def _give_up_on_reader(self) -> None:
        got = f"{self.transport.get_write_buffer_size()} bytes that were not read"
        refusal = Refusal(408, "the answers were not read", got=got, do="read them, or ask for fewer")
        self.note(refusal, self.address())
        self.drop()


def peer_of(connection: Any) -> str:
    """The address of one of the server's connections."""
    return str(connection.client[0]) if connection.client else "-"
