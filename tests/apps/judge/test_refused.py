"""What a Judge refuses is counted and logged, once each, wherever it was refused, and no flood of it fills a disk."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.apps.judge.dialling import HANDSHAKE, HEAD, KEY, UPGRADE, Judge, wait_for
from wakewright.apps.judge import connection, log, serve
from wakewright.apps.judge import keys as ring
from wakewright.apps.judge.keys import KeyRing
from wakewright.apps.judge.limits import Limits
from wakewright.apps.judge.log import Log, escaped
from wakewright.apps.judge.refusal import REASONS, Refusal
from wakewright.apps.judge.server import Court, create_app

GET = b"GET /health HTTP/1.1\r\nHost: x\r\n"


class Lines(logging.Handler):
    """What the log says."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append(json.loads(record.getMessage()))


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged in this test."""
    told, ours = Lines(), logging.getLogger("wakewright.judge")
    before, level = ours.handlers, ours.level
    ours.handlers = [told]
    ours.setLevel(logging.INFO)
    yield told
    ours.handlers = before
    ours.setLevel(level)


@pytest.mark.parametrize(
    ("sent", "ends", "reason"),
    [
        (b"no http\r\n\r\n", False, "malformed"),
        (GET + b"Content-Length: x\r\n\r\n", False, "malformed"),
        (GET + b"X: " + b"y" * 70_000, False, "large"),
        (b"GET /hea", False, "late"),
        (b"GET /hea", True, "malformed"),
        (HEAD + b"Content-Length: 10\r\n\r\nabc", False, "late"),
        (HEAD + b"Content-Length: 10\r\n\r\nabc", True, "malformed"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc", False, "malformed"),
        (UPGRADE + b"\r\n", False, "handshake"),
        (UPGRADE + KEY + b"Sec-WebSocket-Version: 12\r\n\r\n", False, "handshake"),
        (HANDSHAKE.replace(b"/stream", b"/else") + b"\r\n", False, "unknown"),
        (GET.replace(b"/health", b"/nothing") + b"Connection: close\r\n\r\n", False, "unknown"),
        (HEAD + b"Content-Length: 99999999\r\n\r\n", False, "large"),
        (HANDSHAKE.replace(b"/stream", b"/stream?rate=1") + b"\r\n\x88\x80\0\0\0\0", True, "unheard"),
    ],
)
def test_each_refusal_is_counted_and_logged_once(
    judge: Judge, lines: Lines, sent: bytes, ends: bool, reason: str
) -> None:
    judge.told(sent, ends=ends)
    wait_for(lambda: bool(judge.refused()))
    assert judge.refused() == {reason: 1}
    (line,) = lines.all
    assert line["reason"] == reason
    assert line["client"] == "127.0.0.1"
    assert line["event"] in ("refused", "request", "stream")


def test_one_connection_too_many_is_counted(judge: Judge, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 1)
    with judge.dial():
        judge.told(b"")
    assert judge.refused() == {"connections": 1}
    (line,) = lines.all
    assert (line["event"], line["status"], line["reason"]) == ("refused", 503, "connections")


def test_what_asks_nothing_is_no_refusal(judge: Judge, lines: Lines) -> None:
    assert judge.told(b"") == b""
    assert judge.refused() == {}
    assert lines.all == []


def test_reasons_are_few_and_all_of_them_are_told_from_the_start(client: TestClient) -> None:
    text = client.get("/metrics").text
    assert len(REASONS) < 20
    for reason in REASONS:
        assert f'wakewright_judge_refused_total{{reason="{reason}"}} 0.0' in text


def test_refusals_of_requests_are_counted_beside_the_others(exported: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    bearer = {"Authorization": f"Bearer {ring.add(file, 'hall')}"}
    limits = Limits(per_second=0.01, burst=2)
    client = TestClient(create_app(Court((exported["speech_embedding"],), limits, KeyRing(file), threads=1)))
    assert client.get("/models").status_code == 401
    assert client.post("/models", headers=bearer).status_code == 405
    text = client.get("/metrics", headers=bearer).text
    assert client.get("/models", headers=bearer).status_code == 429
    assert 'refused_total{reason="key"} 1.0' in text
    assert 'refused_total{reason="unknown"} 1.0' in text
    assert 'unauthorised_total{reason="missing"} 1.0' in text


def test_no_key_is_logged(exported: dict[str, Path], tmp_path: Path, lines: Lines) -> None:
    file = tmp_path / "keys.json"
    key = ring.add(file, "hall")
    court = Court((exported["speech_embedding"],), Limits(per_second=0), KeyRing(file))
    with Judge(court).running() as judge:
        for line in (b"Authorization : Bearer ", b"Authorization: Basic ", b"Authorization:\x00"):
            told = judge.told(
                GET.replace(b"health", b"models") + line + key.encode() + b"\r\nConnection: close\r\n\r\n"
            )
            assert key.encode() not in told
    assert len(lines.all) == 3
    assert key not in json.dumps(lines.all)


def test_a_flood_leaves_few_lines_and_says_how_many_it_left_out(lines: Lines) -> None:
    now = [0.0]
    one = Log(lambda: now[0])
    for _ in range(5000):
        one.limited("key", {"event": "refused"})
        now[0] += 0.001
    assert len(lines.all) == log.BURST + 4  # and one a second
    one.limited("late", {"event": "another kind"})
    assert lines.all[-1] == {"event": "another kind"}
    now[0] += log.TELL_S
    one.line({"event": "request"})
    assert lines.all[-2:] == [{"event": "left out", "lines": {"key": 5000 - log.BURST - 4}}, {"event": "request"}]
    one.tell_left_out(at_once=True)
    assert lines.all[-1] == {"event": "request"}  # nothing more


def test_a_flood_of_a_judge_is_told_at_its_end_and_counted_whole(exported: dict[str, Path], lines: Lines) -> None:
    court = Court((exported["speech_embedding"],), Limits(per_second=0), threads=1)
    with TestClient(create_app(court)) as client:
        for _ in range(log.BURST + 50):
            client.get("/nothing")
        for _ in range(log.BURST + 20):
            client.get("/health")
        text = client.get("/metrics").text
    assert f'refused_total{{reason="unknown"}} {log.BURST + 50}.0' in text
    written = [line["event"] for line in lines.all if line["event"] != "left out"]
    left_out = [line["lines"] for line in lines.all if line["event"] == "left out"]
    assert len(written) < 2 * log.BURST + 30
    assert len(written) + sum(sum(one.values()) for one in left_out) == 2 * log.BURST + 71


def test_what_a_client_names_cannot_write_in_the_log(client: TestClient, lines: Lines) -> None:
    assert escaped("/kätchen \x1b[31m\u2028\u202e\n\x9b") == "/kätchen \\x1b[31m\\u2028\\u202e\\n\\x9b"
    client.get("/%1B%5B31m%C2%9B%E2%80%A8%E2%80%AEx")
    client.request("M" * 5000, "/nothing")
    assert lines.all[0]["path"] == "/\\x1b[31m\\x9b\\u2028\\u202ex"
    assert lines.all[1]["method"] == "M" * 20


def test_what_lies_beneath_is_logged_as_lines_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("wakewright.judge", "uvicorn", "asyncio")
    before = {name: (logging.getLogger(name).handlers, logging.getLogger(name).level) for name in names}
    propagate = {name: logging.getLogger(name).propagate for name in names}
    try:
        serve.log_to_stderr(Log())
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")  # is told as a refusal
        logging.getLogger("asyncio").warning("socket.send()\x1b raised exception.")
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\n")
        told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        for name in names:
            logging.getLogger(name).handlers, level = before[name]
            logging.getLogger(name).setLevel(level)
            logging.getLogger(name).propagate = propagate[name]
    assert told == [
        {"event": "server", "of": "asyncio", "what": "socket.send()\\x1b raised exception."},
        {"event": "server", "of": "uvicorn.error", "what": "Exception in ASGI application"},
    ]


def test_a_refusal_can_always_be_written() -> None:
    assert Refusal(400, "x", got="\ud800", do="y").response().status_code == 400
