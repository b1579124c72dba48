"""A connection: how long it may take to ask, how many may be open, and its refusals.

What uvicorn would refuse in plain text, or without a word, is refused in JSON like everything else, and noted.
"""

from __future__ import annotations

import asyncio
import http
import json
import socket
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from websockets.http11 import Request
from websockets.server import ServerProtocol

from wakewright.apps.judge.fair import gives_way
from wakewright.apps.judge.log import escaped
from wakewright.apps.judge.refusal import Refusal
from wakewright.apps.judge.transport import Bounded, Note, peer_of

MOST_CONNECTIONS = 512
"""Open at once; beyond them one is refused, or takes the place of one that asks nothing: see `_spare`."""
SEE_DOCS = "see /docs for what there is"
SEE_WEBSOCKET = "ask for /stream with a client of WebSocket, version 13"


def impatient(patience_s: float, note_of: Note) -> type[H11Protocol]:
    """uvicorn's HTTP/1.1 that refuses in JSON what is no request, or has not become one in time."""

    class Impatient(Bounded, H11Protocol, asyncio.BufferedProtocol):
        note, seconds = staticmethod(note_of), patience_s
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.begin(transport)
            # asyncio does so for sockets that it has made itself; without it each answer waits 40 ms for a receipt
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._wait()
            if len(self.connections) > MOST_CONNECTIONS:
                spare = _spare(self, self.connections)
                if spare is None:
                    self._refuse(_crowded(len(self.connections)))
                else:
                    spare.give_up_place()

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if self._timer is None and self.is_idle():
                self._wait()
            super().data_received(data)
            if not self.is_idle():
                self._done_waiting()

        def eof_received(self) -> None:
            """What ends in the middle of a request is told so: the other direction is still open."""
            unread = not self.is_idle() and self.cycle.more_body and not self.cycle.response_started
            if unread or self._begun():
                self._refuse(_no_http("the connection ended before the request"))

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            """A stream has its own limits: silence, pings, and its end."""
            self._done_waiting()
            if (refusal := _no_stream(event)) is not None:
                self._refuse(refusal)
            else:
                self.end()
                super().handle_websocket_upgrade(event)

        def connection_lost(self, exc: Exception | None) -> None:
            self._done_waiting()
            self.end()
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
            error = sys.exception()
            if isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431:
                got, do = "a head, or what stands between two pieces, of more than 64 kB", "send less of it"
                self._refuse(Refusal(431, "the head of this request is too large", got=got, do=do))
            else:
                self._refuse(_no_http(msg if error is None else str(error).partition(": bytearray(")[0]))

        def give_up_place(self) -> None:
            """For another address that holds fewer; on a connection on which nothing is at work."""
            what = "this address has more than its share of the connections"
            self._refuse(Refusal.share(what, got="another address that has fewer"), silent=not self._begun())

        def is_idle(self) -> bool:
            """Nothing is asked, or not whole yet, on this connection."""
            return self.cycle is None or self.cycle.response_complete

        def _refuse(self, refusal: Refusal, *, silent: bool = False) -> None:
            """Written as it is, since there is no request to answer; then the connection ends."""
            self._done_waiting()
            if self.is_idle():  # else the request that is at work is told of its end, and noted
                self.note(refusal, self.address())
            if not silent:
                self.transport.write(_as_written(refusal))
            self.transport.close()

        def _begun(self) -> int:
            """Bytes of a request whose head has not ended yet."""
            return len(self.conn.trailing_data[0]) if self.conn.our_state is h11.IDLE else 0

        def _wait(self) -> None:
            self._timer = self.loop.call_later(patience_s, self._give_up)

        def _done_waiting(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _give_up(self) -> None:
            self._timer = None
            if not self.is_idle() or self.transport.is_closing():
                return
            if begun := self._begun():
                self._refuse(_late(begun, patience_s))
            else:
                self.transport.close()

    return Impatient


def _spare(newcomer: Any, connections: Iterable[Any]) -> Any | None:
    """A connection that makes room for the newcomer, of the address that holds most; None where there is none.

    While all are one address's, as on loopback, none is taken from it. What is at work stays.
    """
    others = [one for one in connections if one is not newcomer]
    most = gives_way(Counter(map(peer_of, others)), peer_of(newcomer), 1)
    if most is None:
        return None
    idle = (one for one in others if peer_of(one) == most and hasattr(one, "is_idle") and one.is_idle())
    return next((one for one in idle if not one.transport.is_closing()), None)


def _as_written(refusal: Refusal) -> bytes:
    """The whole answer."""
    content = json.dumps(refusal.content()).encode()
    about = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close"}
    head = [f"HTTP/1.1 {refusal.status} {http.HTTPStatus(refusal.status).phrase}"]
    head += [f"{name}: {value}" for name, value in (about | refusal.headers).items()]
    return "\r\n".join([*head, "", ""]).encode() + content


def _no_http(got: str) -> Refusal:
    return Refusal(400, "this is no request of HTTP/1.1", got=escaped(got[:200]), do=SEE_DOCS)


def _late(begun: int, seconds: float) -> Refusal:
    got = f"{begun} bytes of a head in {seconds:g} s"
    return Refusal(408, "the request did not come whole", got=got, do="send it faster")


def _crowded(connections: int) -> Refusal:
    what, do = "too many connections are open", "and close those that are not used"
    return Refusal.busy(what, got=str(connections), do=do, reason="connections")


def _no_stream(event: h11.Request) -> Refusal | None:
    """Why a request cannot become a stream, as the package websockets sees it; None where it can."""
    asked = ServerProtocol()
    head = [b"%s %s HTTP/1.1" % (event.method, event.target), *(b"%s: %s" % pair for pair in event.headers)]
    asked.receive_data(b"\r\n".join([*head, b"", b""]))
    requests = asked.events_received()
    if not requests:  # too many headers, too long ones, or a body
        got = str(asked.handshake_exc or asked.parser_exc or "half a handshake")
        return _no_handshake(400, got)
    (request,) = requests
    assert isinstance(request, Request)
    answer = asked.accept(request)
    if answer.status_code == 101:
        return None
    told = bytes(answer.body or b"").decode().splitlines()
    headers = {name: answer.headers[name] for name in ("Allow", "Upgrade") if name in answer.headers}
    got = told[0].rpartition(": ")[2] if told else str(answer.status_code)
    return _no_handshake(answer.status_code, got, headers)


def _no_handshake(status: int, got: str, headers: dict[str, str] | None = None) -> Refusal:
    what, got = "this handshake cannot become a stream", escaped(got[:200])
    return Refusal(status, what, got=got, do=SEE_WEBSOCKET, headers=headers, reason="handshake")
