"""A stream's connection: WebSocket within bounds on how often, in how many pieces and how much without being read.

The package websockets bounds the bytes of a message. It counts no frames, and frames may be empty: millions of them
cost a client little and the Judge seconds.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from wakewright.apps.judge.refusal import Refusal
from wakewright.apps.judge.transport import Bounded, Note

FRAMES_PER_SECOND, FRAMES_AT_ONCE = 1000, 5000
"""Twenty times what a microphone's blocks of 20 ms are, and what may have gathered in a network that stood still."""
MOST_PIECES = 64
"""Frames of one message."""


def bounded_stream(seconds: float, note_of: Note) -> type[WebSocketsSansIOProtocol]:
    """uvicorn's WebSocket with these bounds; what breaks them, or the protocol, is noted as refused."""

    class Stream(Bounded, WebSocketsSansIOProtocol, asyncio.BufferedProtocol):
        note = staticmethod(note_of)

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.seconds = seconds
            self._frames_left, self._counted_at = float(FRAMES_AT_ONCE), self.loop.time()

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.begin(self.transport)

        def connection_lost(self, exc: Exception | None) -> None:
            self.end()
            super().connection_lost(exc)

        def handle_events(self) -> None:
            now = self.loop.time()
            left = min(FRAMES_AT_ONCE, self._frames_left + (now - self._counted_at) * FRAMES_PER_SECOND)
            self._frames_left, self._counted_at = left - len(self.conn.events), now
            if self._frames_left < 0:
                self._break_off("too many messages", "send fewer and larger ones")
            else:
                super().handle_events()

        def handle_cont(self, event: Frame) -> None:
            if self.transport.is_closing():
                return
            if len(self.frames) >= MOST_PIECES:
                self._break_off("a message in too many pieces", "send each message whole")
            else:
                super().handle_cont(event)

        def handle_parser_exception(self) -> None:
            """What is no WebSocket, or too large for one message."""
            told = self.conn.close_sent
            what = "this cannot be read as a stream" if told is None else f"this stream broke off: {told.code}"
            self._noted(what, "what breaks the protocol")
            super().handle_parser_exception()

        async def send(self, message: ASGISendEvent) -> None:
            await super().send(message)
            if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
                self.handshake_complete = True  # in a refusal, which uvicorn would report as a failure

        def keepalive_timeout(self) -> None:
            self.note(Refusal(408, "this stream answers no ping", got="nothing", do="answer them"), self.address())
            super().keepalive_timeout()

        def _break_off(self, what: str, do: str) -> None:
            self._noted(what, do)
            self.conn.fail(CloseCode.POLICY_VIOLATION, what)
            super().handle_parser_exception()

        def _noted(self, what: str, do: str) -> None:
            if not self.close_sent:  # else it was refused before, and is counted
                self.note(Refusal(400, what, got="a stream", do=do), self.address())

    return Stream
