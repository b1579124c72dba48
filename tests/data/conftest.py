"""A server on this machine that misbehaves in the ways servers and networks do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Server(ThreadingHTTPServer):
    """Serves `files` by path; what it does wrong is set by the test."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        """Path and Range of every request."""
        self.conditions: list[str] = []
        """If-Range of every request that had a Range."""
        self.statuses: list[int] = []
        """Answered first, one a request, before anything is served."""
        self.retry_after: str | None = None
        self.redirects: dict[str, str] = {}
        self.etag: str | None = '"one"'
        self.modified: str | None = None
        self.changes_to: tuple[str, bytes] | None = None
        """ETag and bytes that every file has from the second request on."""
        self.honours_range = True
        self.shifts_range = 0
        """Bytes by which an answer begins elsewhere than asked."""
        self.honours_condition = True
        self.drops_after: int | None = None
        self.always_drops = False
        self.drops_at: list[int] = []
        """Bytes after which the next answers drop, in turn and over again."""
        self.tells_length = True
        self.adds_to_length = 0
        self.content_type = "application/octet-stream"
        self.stalls_after: int | None = None
        self.stall = threading.Event()
        """A stalled answer goes on once this is set."""
        self.bytes_per_second: int | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server, path = self.server, self.path.lstrip("/")
        wanted = self.headers.get("Range", "")
        server.asked.append((path, wanted))
        if wanted:
            server.conditions.append(self.headers.get("If-Range", ""))
        self.close_connection = True
        if server.statuses:
            self.refuse(server.statuses.pop(0))
        elif path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path not in server.files:
            self.refuse(404)
        else:
            self.serve(path, wanted)

    def refuse(self, status: int) -> None:
        self.send_response(status)
        if self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def serve(self, path: str, wanted: str) -> None:
        server = self.server
        etag, data = server.etag, server.files[path]
        if server.changes_to and len(server.asked) > 1:
            etag, data = server.changes_to
        start = int(wanted[len("bytes=") : -1]) if wanted and server.honours_range else 0
        condition = self.headers.get("If-Range")
        if condition and server.honours_condition and condition not in (etag, server.modified):
            start = 0
        if start and start >= len(data):
            self.refuse(416)
            return
        start = start and start + server.shifts_range
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", server.content_type)
        if etag:
            self.send_header("ETag", etag)
        if server.modified:
            self.send_header("Last-Modified", server.modified)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if server.tells_length:
            self.send_header("Content-Length", str(len(data) - start + server.adds_to_length))
        self.end_headers()
        self.pour(data[start:])

    def pour(self, data: bytes) -> None:
        server = self.server
        if server.drops_after is not None and len(data) > server.drops_after:
            data = data[: server.drops_after]
            if not server.always_drops:
                server.drops_after = None
        if server.drops_at:
            data = data[: server.drops_at[0]]
            server.drops_at = [*server.drops_at[1:], server.drops_at[0]]
        step = 1 << 16
        try:
            for at in range(0, len(data), step):
                if server.stalls_after is not None and at >= server.stalls_after:
                    server.stall.wait(20)
                self.wfile.write(data[at : at + step])
                if server.bytes_per_second:
                    time.sleep(step / server.bytes_per_second)
            self.wfile.flush()
        except OSError:
            pass  # the reader was killed, which is what some tests do


@pytest.fixture
def web() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield found
        found.stall.set()
        found.shutdown()
        thread.join()
