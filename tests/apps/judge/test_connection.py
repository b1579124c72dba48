"""Connections to a Judge that do not become requests: each is told why, in JSON, before it ends."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.apps.judge.dialling import HEAD, KEY, UPGRADE, Judge, answer_from, refusal_in, wait_for
from wakewright.apps.judge import connection
from wakewright.apps.judge.intake import Intake
from wakewright.apps.judge.limits import Limits
from wakewright.apps.judge.refusal import Refusal
from wakewright.apps.judge.server import Court
from wakewright.core.audio import Samples


@pytest.fixture
def small(exported: dict[str, Path]) -> Iterator[Judge]:
    """One that holds little."""
    limits = Limits(per_second=0, patience_s=60.0, received_bytes=100_000)
    with Judge(Court((exported["speech_embedding"],), limits, threads=1)).running() as one:
        yield one


@pytest.mark.parametrize("begun", [b"P", b"GET /health HTTP/1.1\r\nHos", HEAD, UPGRADE + KEY])
def test_half_a_head_is_told_that_it_is_late(judge: Judge, begun: bytes) -> None:
    error = refusal_in(judge.told(begun), 408)
    assert error["got"] == f"{len(begun)} bytes of a head in 1 s"


def test_half_a_head_behind_a_request_is_told_so_too(judge: Judge) -> None:
    first, second = judge.told(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /he").split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200")
    refusal_in(b"HTTP/1.1 " + second, 408)


def test_a_connection_that_says_nothing_is_closed_without_a_word(judge: Judge) -> None:
    assert judge.told(b"") == b""
    answer = judge.told(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("begun", [HEAD, HEAD + b"Content-Length: 10\r\n\r\nabc", UPGRADE])
def test_half_a_request_that_ends_is_told_so(judge: Judge, begun: bytes) -> None:
    error = refusal_in(judge.told(begun, ends=True), 400)
    assert error["got"] == "the connection ended before the request"


def test_a_whole_request_that_ends_is_no_half(judge: Judge) -> None:
    assert b"HTTP/1.1 400" not in judge.told(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", ends=True)


def test_one_connection_too_many_is_told_so(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 2)
    with judge.dial(), judge.dial():
        answer = judge.told(b"")
        error = refusal_in(answer, 503)
        assert error["what"] == "too many connections are open"
        assert b"Retry-After: 1" in answer
    assert judge.told(HEAD).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("handshake", "status", "got"),
    [
        (UPGRADE, 400, "Sec-WebSocket-Key"),
        (UPGRADE + KEY, 400, "Sec-WebSocket-Version"),
        (UPGRADE + KEY + b"Sec-WebSocket-Version: 12\r\n", 400, "12"),
        (UPGRADE.replace(b"GET", b"PUT") + KEY + b"Sec-WebSocket-Version: 13\r\n", 405, "PUT"),
        (UPGRADE.replace(b"/stream", b"/else") + KEY + b"Sec-WebSocket-Version: 13\r\n", 404, "GET /else"),
    ],
)
def test_a_handshake_that_fails_is_refused(judge: Judge, handshake: bytes, status: int, got: str) -> None:
    assert got in refusal_in(judge.told(handshake + b"\r\n"), status)["got"]


def test_a_client_of_websocket_reads_why(judge: Judge) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://{judge.address}/elsewhere"):
        pass
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body or b"")["error"]["got"] == "GET /elsewhere"


def test_bodies_over_what_may_be_held_together_are_refused(small: Judge, noise: Samples) -> None:
    whole = (noise * 32767).astype("<i2").tobytes()  # 64 kB
    head = HEAD + b"Content-Length: %d\r\n\r\n" % len(whole)
    with small.dial() as first, small.dial() as second:
        first.sendall(head + whole[:60_000])
        wait_for(lambda: small.court.intake.held == 60_000)
        second.sendall(head + whole)
        refused = answer_from(second)
        assert refusal_in(refused, 503)["what"] == "the Judge receives more than it can hold"
        assert b"retry-after: 1" in refused
        first.sendall(whole[60_000:])
        assert answer_from(first).startswith(b"HTTP/1.1 200")
        assert small.court.intake.held == 0
        second.sendall(head + whole)  # its connection is still good
        assert answer_from(second).startswith(b"HTTP/1.1 200")


def test_what_was_held_is_let_go_however_it_ends(judge: Judge) -> None:
    head = HEAD + b"Content-Length: 64000\r\n\r\n"
    assert judge.told(head + bytes(1000)).startswith(b"HTTP/1.1 408")
    assert judge.court.intake.held == 0
    with judge.dial() as there:
        there.sendall(head + bytes(1000))
        wait_for(lambda: judge.court.intake.held == 1000)
    wait_for(lambda: judge.court.intake.held == 0)


def test_a_body_makes_room_when_it_is_refused() -> None:
    intake = Intake(100)
    with intake.body() as first:
        first.add(bytes(60))
        with intake.body() as second:
            second.add(bytes(40))
            with pytest.raises(Refusal, match="receives more than it can hold"):
                second.add(b"x")
        assert intake.held == 60
        first.add(bytes(40))
        assert len(first.whole()) == intake.held == 100
    assert intake.held == 0


def test_answers_are_sent_at_once(judge: Judge) -> None:
    """Without TCP_NODELAY the body of each answer would wait for the receipt of its head: 40 ms on Linux."""
    with judge.dial() as there:
        there.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert there.recv(100).startswith(b"HTTP/1.1 200")
        (protocol,) = judge.server.server_state.connections
        theirs: Any = protocol.transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
