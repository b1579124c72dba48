"""A Judge in this process, over a socket of its own: what is sent to it need be no HTTP."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from wakewright.apps.judge import serve
from wakewright.apps.judge.server import Court

HEAD = b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Type: audio/L16\r\n"
UPGRADE = b"GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
HANDSHAKE = UPGRADE + KEY + b"Sec-WebSocket-Version: 13\r\n"


class Judge:
    """One in this process, and how to connect to it."""

    def __init__(self, court: Court) -> None:
        self.court, self._listening = court, serve._bind("127.0.0.1", 0)
        self.server = uvicorn.Server(serve.configure(court, "127.0.0.1", 0))
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self._listening]})
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"

    @contextmanager
    def running(self) -> Iterator[Judge]:
        self._thread.start()
        try:
            yield self
        finally:
            self.server.should_exit = True
            self._thread.join(20)
        assert not self._thread.is_alive()

    def dial(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(self._listening.getsockname(), timeout=20, source_address=(source, 0))

    def told(self, content: bytes, *, ends: bool = False) -> bytes:
        """What is said to these bytes until the other side closes; `ends` says that no more will come."""
        with self.dial() as there:
            there.sendall(content)
            if ends:
                there.shutdown(socket.SHUT_WR)
            return read(there)

    def refused(self) -> dict[str, float]:
        """How many were refused for which reason; those of which there is one at least."""
        lines = self.court.metrics.text().decode().splitlines()
        counts = [line.split('reason="')[1] for line in lines if line.startswith("wakewright_judge_refused_total")]
        return {name: float(count) for name, count in (line.split('"} ') for line in counts) if float(count)}


def read(there: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while piece := there.recv(65536):
            got += piece
    return got


def refusal_in(answer: bytes, status: int) -> dict[str, str]:
    """The error of an answer that is a refusal."""
    head, _, content = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status, answer
    assert b"content-type: application/json" in head.lower()
    assert int(head.lower().split(b"content-length: ")[1].split()[0]) == len(content)
    error: dict[str, str] = json.loads(content)["error"]
    assert error.keys() == {"what", "got", "do"}
    assert all(error.values())
    return error


def answer_from(there: socket.socket) -> bytes:
    """One answer, whole, of a connection that stays open."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += there.recv(65536) or _ended(got)
    head, _, content = got.partition(b"\r\n\r\n")
    while len(content) < int(head.lower().split(b"content-length: ")[1].split()[0]):
        content += there.recv(65536) or _ended(content)
    return head + b"\r\n\r\n" + content


def _ended(got: bytes) -> bytes:
    raise AssertionError(f"the connection ended after {got!r}")


def wait_for(true: Callable[[], bool]) -> None:
    moment = threading.Event()
    for _ in range(500):
        if true():
            return
        moment.wait(0.01)
    raise AssertionError("it never came true")
