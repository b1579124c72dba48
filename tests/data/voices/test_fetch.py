"""Fetching voices from a server on this machine that misbehaves in every way connections do."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from wakewright.core.errors import EnvironmentProblem, InputError
from wakewright.core.files import cache_dir
from wakewright.data import download
from wakewright.data.voices.fetch import get_voices

NAME = "en_US-test-medium"
MODEL = np.random.default_rng(1).bytes(300_000)
FILES = {
    f"en/en_US/test/medium/{NAME}.onnx": MODEL,
    f"en/en_US/test/medium/{NAME}.onnx.json": b'{"num_speakers": 1}',
    "en/en_US/test/medium/MODEL_CARD": b"# test\n* License: CC0\n",
}
LISTED = {
    NAME: {
        "files": {
            path: {"size_bytes": len(data), "md5_digest": hashlib.md5(data).hexdigest()}
            for path, data in FILES.items()
        }
    }
}


class Server(ThreadingHTTPServer):
    """Serves FILES; what it does wrong is set by the test."""

    drops_after: int | None = None
    announces_extra = 0
    honours_range = True
    always_drops = False
    corrupts = False
    missing = False
    ends_early: int | None = None
    listing: bytes = json.dumps(LISTED).encode()

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []

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
        self.close_connection = True
        if path == "voices.json":
            self.answer(200, server.listing)
            return
        if server.missing or path not in FILES:
            self.send_error(404)
            return
        data = FILES[path][: server.ends_early]
        if server.corrupts:
            data = bytes(len(data))
        start = int(wanted[len("bytes=") : -1]) if wanted and server.honours_range else 0
        if start >= len(data):
            self.send_error(416)
            return
        extra = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        self.answer(206 if start else 200, data[start:], extra)

    def answer(self, status: int, data: bytes, extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header(
            "Content-Length", str(len(data) + self.server.announces_extra * (self.path != "/voices.json"))
        )
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.server.drops_after is not None and len(data) > self.server.drops_after:
            data = data[: self.server.drops_after]
            if not self.server.always_drops:
                self.server.drops_after = None
        self.wfile.write(data)
        self.wfile.flush()


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE_S", 0.001)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def get(server: Server) -> list[Path]:
    return get_voices([NAME], collection=server.address)


def parts() -> list[Path]:
    return list((cache_dir() / "piper").glob("*.part"))


def test_a_voice_arrives_whole_where_the_engine_looks(server: Server) -> None:
    said: list[str] = []
    (model,) = get_voices([NAME], collection=server.address, say=said.append)
    assert model == cache_dir() / "piper" / f"{NAME}.onnx"
    assert model.read_bytes() == MODEL
    assert sorted(p.name for p in model.parent.iterdir()) == [
        f"{NAME}.MODEL_CARD",
        f"{NAME}.onnx",
        f"{NAME}.onnx.json",
    ]
    assert said == [f"{NAME}: 0.3 MB from {server.address}"]


def test_what_is_there_is_not_fetched_again(server: Server) -> None:
    get(server)
    server.asked.clear()
    said: list[str] = []
    get_voices([NAME], collection=server.address, say=said.append)
    assert server.asked == [("voices.json", "")]
    assert "already here" in said[0]


def test_it_goes_on_where_the_connection_dropped(server: Server) -> None:
    server.drops_after = 100_000
    assert get(server)[0].read_bytes() == MODEL
    assert [asked for path, asked in server.asked if path.endswith(".onnx")] == ["", "bytes=100000-"]
    assert parts() == []


def test_a_connection_that_drops_again_and_again_gets_there(server: Server) -> None:
    server.drops_after, server.always_drops = 70_000, True
    assert get(server)[0].read_bytes() == MODEL


def test_a_later_run_goes_on_where_an_earlier_one_was_killed(server: Server) -> None:
    part = cache_dir() / "piper" / f"{NAME}.onnx.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(MODEL[:200_000])
    assert get(server)[0].read_bytes() == MODEL
    assert (f"en/en_US/test/medium/{NAME}.onnx", "bytes=200000-") in server.asked


def test_a_server_without_ranges_starts_anew(server: Server) -> None:
    server.drops_after, server.honours_range = 100_000, False
    assert get(server)[0].read_bytes() == MODEL


def test_a_server_without_ranges_that_always_drops_is_given_up(server: Server) -> None:
    server.drops_after, server.honours_range, server.always_drops = 100_000, False, True
    with pytest.raises(EnvironmentProblem, match=r"(?s)cannot be reached.*goes on where it stopped"):
        get(server)
    assert not (cache_dir() / "piper" / f"{NAME}.onnx").exists()


def test_a_server_that_announces_more_than_it_sends(server: Server) -> None:
    server.announces_extra = 50
    assert get(server)[0].read_bytes() == MODEL


def test_a_file_shorter_than_listed(server: Server) -> None:
    server.ends_early = 10
    with pytest.raises(EnvironmentProblem, match=r"(?s)something else than the collection lists.*got: 10 bytes"):
        get(server)
    assert parts() == []


def test_other_bytes_than_listed(server: Server) -> None:
    server.corrupts = True
    with pytest.raises(EnvironmentProblem, match=r"(?s)something else.*MD5 .*by hand"):
        get(server)
    assert parts() == []
    server.corrupts = False
    assert get(server)[0].read_bytes() == MODEL


def test_a_spoilt_part_from_before_is_found_out(server: Server) -> None:
    part = cache_dir() / "piper" / f"{NAME}.onnx.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(200_000))
    with pytest.raises(EnvironmentProblem, match="something else"):
        get(server)
    assert get(server)[0].read_bytes() == MODEL


def test_a_file_that_is_gone(server: Server) -> None:
    server.missing = True
    with pytest.raises(EnvironmentProblem, match=r"(?s)was refused.*HTTP 404.*may have moved"):
        get(server)


def test_an_unknown_voice_gets_the_nearest_names(server: Server) -> None:
    with pytest.raises(InputError, match=r"(?s)no such Piper voice.*'en_US-tests-medum'.*en_US-test-medium"):
        get_voices(["en_US-tests-medum"], collection=server.address)


def test_a_list_that_is_none(server: Server) -> None:
    server.listing = b"<html>log in first</html>"
    with pytest.raises(EnvironmentProblem, match="is not the list of voices"):
        get(server)


def test_offline() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(EnvironmentProblem, match=r"(?s)cannot be reached.*refused.*voices\.piper_dir"):
        get_voices([NAME], collection=address)
