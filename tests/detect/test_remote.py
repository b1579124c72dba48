"""Asking a Judge over HTTP, against servers that misbehave as real ones do."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from wakewright.core.errors import InputError
from wakewright.detect import remote
from wakewright.detect.judge import JudgeAway
from wakewright.detect.remote import Breaker, RemoteJudge

SOUND = np.zeros(16000, np.float32)
GOOD = (
    200,
    b'{"phrase": "hey katya", "prediction": 1, "confidence": 0.9, "threshold": 0.5, "end_s": 0.4, "label": "x"}',
)


class Server:
    """Answers each request with what `plan` says next: (status, body), or a function of the request's handler."""

    def __init__(self) -> None:
        self.plan: list[Any] = []
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                owner.seen.append((self.path, dict(self.headers.items()), content))
                step = owner.plan.pop(0) if owner.plan else GOOD
                if callable(step):
                    step(self)
                    return
                status, body = step
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.headers["Content-Length"] = "0"
                self.do_POST()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


@pytest.fixture
def judge(server: Server) -> Iterator[RemoteJudge]:
    one = RemoteJudge(server.url + "/", "hey katya", key="secret", timeout_s=0.5)
    yield one
    one.close()


def hang_up(handler: Any) -> None:
    handler.close_connection = True
    handler.connection.close()


def too_slow(handler: Any) -> None:
    threading.Event().wait(1.5)
    hang_up(handler)


def test_it_sends_samples_and_reads_the_verdict(server: Server, judge: RemoteJudge) -> None:
    verdict = judge.verify(np.linspace(-1, 1, 16000).astype(np.float32))
    assert (verdict.prediction, verdict.confidence, verdict.threshold, verdict.end_s) == (True, 0.9, 0.5, 0.4)
    path, headers, content = server.seen[0]
    assert path == "/verify?phrase=hey+katya"
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Content-Type"] == "audio/L16;rate=16000"
    assert np.frombuffer(content, "<i2")[[0, -1]].tolist() == [-32768, 32767]


def test_a_connection_that_died_is_tried_once_more(server: Server, judge: RemoteJudge) -> None:
    server.plan = [GOOD, hang_up, GOOD, hang_up, hang_up]
    assert judge.verify(SOUND).prediction
    assert judge.verify(SOUND).prediction
    with pytest.raises(JudgeAway, match="does not answer"):
        judge.verify(SOUND)
    assert len(server.seen) == 5


@pytest.mark.parametrize(
    ("step", "got"),
    [((503, b"{}"), "status 503"), ((429, b"{}"), "status 429"), (too_slow, "timed out")],
    ids=["503", "429", "too slow"],
)
def test_one_that_cannot_answer_is_away(server: Server, judge: RemoteJudge, step: Any, got: str) -> None:
    server.plan = [step]
    with pytest.raises(JudgeAway, match=got):
        judge.verify(SOUND)


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ((401, b'{"error": {"what": "needs a key", "got": "none", "do": "send one"}}'), "refuses: needs a key"),
        ((404, b"<html>"), "is no Judge"),
        ((200, b'{"prediction": 1}'), "is no Judge"),
        ((200, b"[]"), "is no Judge"),
        ((200, b"[" * 200_000), "is no Judge"),
        ((200, GOOD[1].replace(b"0.9", b"NaN")), "is no Judge"),
        ((200, GOOD[1].replace(b"0.9", b"7")), "is no Judge"),
        ((200, GOOD[1].replace(b"0.9", b"1" + b"0" * 400)), "is no Judge"),
        ((200, GOOD[1].replace(b"0.5", b"NaN")), "is no Judge"),
        ((200, GOOD[1].replace(b"hey katya", b"jarvis")), "is no Judge"),
    ],
    ids=range(10),
)
def test_a_refusal_is_no_absence(server: Server, judge: RemoteJudge, step: Any, what: str) -> None:
    server.plan = [step] * 5
    for _ in range(5):
        with pytest.raises(InputError, match=what):
            judge.verify(SOUND)
    assert len(server.seen) == 5


def without_end(handler: Any) -> None:
    """A header, and then a space ten times a second."""
    handler.send_response(200)
    handler.send_header("Content-Length", "200")
    handler.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(200):
            handler.wfile.write(b" ")
            threading.Event().wait(0.1)


def without_bound(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 40))
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(bytes(1 << 16))


@pytest.mark.parametrize(("step", "got"), [(without_end, "not whole after"), (without_bound, "more than")])
def test_an_answer_is_waited_for_so_long_and_no_more_of_it_kept(
    server: Server, judge: RemoteJudge, step: Any, got: str
) -> None:
    server.plan, began = [step], time.monotonic()
    with pytest.raises(JudgeAway, match=got):
        judge.verify(SOUND)
    assert time.monotonic() - began < 3
    assert judge.verify(SOUND).prediction


@pytest.mark.parametrize("key", ["schl\u00fcssel", "a\nb"])
def test_a_key_that_cannot_be_sent_is_said(key: str) -> None:
    with pytest.raises(InputError, match="the key of the Judge") as refused:
        RemoteJudge("http://127.0.0.1:9", "x", key=key, timeout_s=0.5)
    assert key not in str(refused.value)


def test_a_key_may_come_with_the_end_of_its_line_and_none_is_none(server: Server) -> None:
    for key in ("secret\n", " "):
        with contextlib.closing(RemoteJudge(server.url, "hey katya", key=key, timeout_s=0.5)) as judge:
            assert judge.verify(SOUND).prediction
    assert [headers.get("Authorization") for _, headers, _ in server.seen] == ["Bearer secret", None]


def test_after_three_failures_it_is_left_alone_and_tried_again(
    server: Server, judge: RemoteJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(judge, "_breaker", Breaker(lambda: now[0]))
    server.plan = [(503, b"{}")] * 4
    for _ in range(6):
        with pytest.raises(JudgeAway):
            judge.verify(SOUND)
    assert len(server.seen) == remote.FAILURES
    now[0] = remote.REST_S
    with pytest.raises(JudgeAway, match="status 503"):
        judge.verify(SOUND)
    with pytest.raises(JudgeAway, match="left alone"):  # one failure is enough now
        judge.verify(SOUND)
    now[0] = 2 * remote.REST_S
    assert judge.verify(SOUND).prediction
    assert judge.verify(SOUND).prediction


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ((401, b"{}"), "asks for a key"),
        ((200, b'[{"phrase": "jarvis"}]'), "does not know 'hey katya'"),
        ((404, b"<html>"), "is no Judge"),
        ((200, b"<html>"), "is no Judge"),
        ((200, b'{"a": 1}'), "is no Judge"),
        ((200, b'["hey katya"]'), "is no Judge"),
        ((200, b"null"), "is no Judge"),
        ((200, b"\xff"), "is no Judge"),
        ((404, b'{"error": {"what": "nothing here", "got": "GET", "do": "look"}}'), "refuses: nothing here"),
    ],
)
def test_a_judge_that_would_refuse_is_found_out_at_once(
    server: Server, judge: RemoteJudge, step: Any, what: str
) -> None:
    server.plan = [step, (200, b'[{"phrase": "hey katya"}]')]
    with pytest.raises(InputError, match=what):
        judge.check()
    judge.check()
    server.plan = [hang_up]
    with pytest.raises(JudgeAway):
        judge.check()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_judge_that_cannot_answer_at_the_start_is_away(server: Server, judge: RemoteJudge, status: int) -> None:
    server.plan = [(status, b"<html>Bad Gateway</html>")]
    with pytest.raises(JudgeAway, match=f"status {status}"):
        judge.check()


def test_no_server_at_all_is_away() -> None:
    closed = RemoteJudge("http://127.0.0.1:9", "x", key=None, timeout_s=0.5)
    with pytest.raises(JudgeAway):
        closed.verify(SOUND)
    closed.close()
    nameless = RemoteJudge("http://.", "x", key=None, timeout_s=0.5)
    for ask in (nameless.check, lambda: nameless.verify(SOUND)):
        with pytest.raises(JudgeAway):
            ask()
    nameless.close()
