"""A connection: how long it may take to ask, how much of it is read at once, and its refusals.

What uvicorn would refuse in plain text, or without a word, is refused in JSON like everything else.
"""

from __future__ import annotations

import asyncio
import http
import json
import socket

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from websockets.http11 import Request
from websockets.server import ServerProtocol

from wakewright.apps.judge.refusal import Refusal

MOST_CONNECTIONS = 512
"""Open at once; another is refused as it comes."""
READ_BYTES = 16_384
"""Read of a connection at once; asyncio reads sixteen times as much, which many would hold before it is counted."""
SEE_DOCS = "see /docs for what there is"
SEE_WEBSOCKET = "ask for /stream with a client of WebSocket, version 13"


def impatient(seconds: float) -> type[H11Protocol]:
    """uvicorn's HTTP/1.1 that refuses in JSON what is no request, or has not become one in time."""

    class Impatient(H11Protocol, asyncio.BufferedProtocol):
        _timer: asyncio.TimerHandle | None = None

        def get_buffer(self, sizehint: int) -> bytearray:
            """Where to read to."""
            return self._came

        def buffer_updated(self, nbytes: int) -> None:
            """So many bytes were read."""
            self.data_received(bytes(memoryview(self._came)[:nbytes]))

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._came = bytearray(READ_BYTES)
            # asyncio does so for sockets that it has made itself; without it each answer waits 40 ms for a receipt
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if len(self.connections) > MOST_CONNECTIONS:
                self._refuse(_crowded(len(self.connections)))
                return
            self._wait()

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if self._timer is None and self._idle():
                self._wait()
            super().data_received(data)
            if not self._idle():
                self._done_waiting()

        def eof_received(self) -> None:
            """What ends in the middle of a request is told so: the other direction is still open."""
            unread = not self._idle() and self.cycle.more_body and not self.cycle.response_started
            if unread or self._begun():
                self.send_400_response("the connection ended before the request")

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            """A stream has its own limits: silence, pings, and its end."""
            self._done_waiting()
            if (refusal := _no_stream(event)) is not None:
                self._refuse(refusal)
            else:
                super().handle_websocket_upgrade(event)

        def connection_lost(self, exc: Exception | None) -> None:
            self._done_waiting()
            super().connection_lost(exc)

        def on_response_complete(self) -> None:
            self.cycle.body = bytearray()  # of a request that was refused before it was read
            super().on_response_complete()
            if self._begun():  # by what came behind the request that was answered
                self._unset_keepalive_if_required()
                self._done_waiting()
                self._wait()

        def send_400_response(self, msg: str) -> None:
            """What is no HTTP is refused like everything else."""
            self._refuse(Refusal(400, "this is no request of HTTP/1.1", got=msg, do=SEE_DOCS))

        def _refuse(self, refusal: Refusal) -> None:
            """Written as it is, since there is no request to answer; then the connection ends."""
            self._done_waiting()
            self.transport.write(_as_written(refusal))
            self.transport.close()

        def _idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _begun(self) -> int:
            """Bytes of a request whose head has not ended yet."""
            return len(self.conn.trailing_data[0]) if self.conn.our_state is h11.IDLE else 0

        def _wait(self) -> None:
            self._timer = self.loop.call_later(seconds, self._give_up)

        def _done_waiting(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _give_up(self) -> None:
            self._timer = None
            if not self._idle() or self.transport.is_closing():
                return
            if begun := self._begun():
                self._refuse(_late(begun, seconds))
            else:
                self.transport.close()

    return Impatient


def _as_written(refusal: Refusal) -> bytes:
    """The whole answer."""
    content = json.dumps(refusal.content()).encode()
    about = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close"}
    head = [f"HTTP/1.1 {refusal.status} {http.HTTPStatus(refusal.status).phrase}"]
    head += [f"{name}: {value}" for name, value in (about | refusal.headers).items()]
    return "\r\n".join([*head, "", ""]).encode() + content


def _late(begun: int, seconds: float) -> Refusal:
    got = f"{begun} bytes of a head in {seconds:g} s"
    return Refusal(408, "the request did not come whole", got=got, do="send it faster")


def _crowded(connections: int) -> Refusal:
    return Refusal.busy("too many connections are open", got=str(connections), do="and close those that are not used")


def _no_stream(event: h11.Request) -> Refusal | None:
    """Why a request cannot become a stream, as the package websockets sees it; None where it can."""
    asked = ServerProtocol()
    head = [b"%s %s HTTP/1.1" % (event.method, event.target), *(b"%s: %s" % pair for pair in event.headers)]
    asked.receive_data(b"\r\n".join([*head, b"", b""]))
    if asked.parser_exc is not None:
        return Refusal(400, "this handshake cannot become a stream", got=str(asked.parser_exc), do=SEE_WEBSOCKET)
    (request,) = asked.events_received()
    assert isinstance(request, Request)
    answer = asked.accept(request)
    if answer.status_code == 101:
        return None
    told = bytes(answer.body or b"").decode().splitlines()
    headers = {name: answer.headers[name] for name in ("Allow", "Upgrade") if name in answer.headers}
    return Refusal(
        answer.status_code,
        "this handshake cannot become a stream",
        got=told[0].rpartition(": ")[2] if told else str(answer.status_code),
        do=SEE_WEBSOCKET,
        headers=headers,
    )
