"""The Judge as a process of its own: clients that misbehave, an end in order, and what it refuses to do at all."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import random
import select
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from wakewright.apps.cli import main
from wakewright.apps.judge import keys as ring
from wakewright.apps.judge.serve import is_loopback
from wakewright.core.audio import Samples
from wakewright.core.recipe import Cascade as Settings
from wakewright.detect import remote
from wakewright.detect.cascade import Cascade, Event
from wakewright.detect.listener import Listener
from wakewright.detect.remote import RemoteJudge

SECONDS = ("--rate", "0", "--threads", "2")


def post(address: str, content: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    request = urllib.request.Request(f"{address}/verify", content, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def raw(samples: Samples) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def talk(address: str, content: bytes, wait: float = 5.0) -> bytes:
    """Send bytes as they are, and read until the other side closes, or has answered, or the wait is over."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=wait) as connection:
        connection.sendall(content)
        got = b""
        try:
            while piece := connection.recv(65536):
                got += piece
                if b"\r\n\r\n" in got and got.endswith(b"}"):
                    break
        except (TimeoutError, ConnectionError):
            pass
        return got


def rss_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def test_loopback_is_known() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.3.2.1", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.168.1.2", "::", "judge.local", "")))


def test_it_refuses_to_start_where_others_could_reach_it_without_a_key(
    exported: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["judge", "serve", str(exported["speech_embedding"]), "--host", "0.0.0.0", "--port", "0"]
    assert main(words) == 2
    assert "make one: wakewright judge key add NAME" in capsys.readouterr().err
    assert main([*words, "--keys", str(tmp_path / "none.json")]) == 2


def test_a_port_in_use_is_said(exported: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["judge", "serve", str(exported["speech_embedding"]), "--port", port]) == 3
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


def test_an_address_of_ipv6_is_a_url(started: Any) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with started(*SECONDS, "--host", "::1") as judge:
        assert judge.address.startswith("http://[::1]:")
        assert urllib.request.urlopen(f"{judge.address}/health", timeout=20).status == 200


def test_another_name_for_each_request_does_not_outrun_the_rate(started: Any) -> None:
    with started("--rate", "0.01", "--threads", "1") as judge:  # one at once, and another in 100 seconds
        heads = [{"Content-Type": "audio/L16", "X-Forwarded-For": f"10.0.0.{n}"} for n in range(3)]
        assert [post(judge.address, b"", head)[0] for head in heads] == [400, 429, 429]
        clients = [json.loads(line)["client"] for line in judge.log.read_text().splitlines()[1:]]
    assert set(clients) == {"127.0.0.1"}


def test_keys_are_made_listed_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "keys.json")
    assert main(["judge", "key", "add", "kitchen", "--keys", file, "--days", "30"]) == 0
    key = capsys.readouterr().out.strip()
    assert ring.KeyRing(Path(file)).holder(key) == "kitchen"
    assert main(["judge", "key", "list", "--keys", file]) == 0
    out = capsys.readouterr().out
    assert out.startswith("kitchen: made")
    assert key not in out
    stored = json.loads(Path(file).read_text())
    stored["keys"].append({"name": "hall", "sha256": ring.digest("x"), "expires": None})
    Path(file).write_text(json.dumps(stored))
    assert main(["judge", "key", "list", "--keys", file]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "hall: made by hand, never expires"
    assert main(["judge", "key", "remove", "kitchen", "--keys", file]) == 0
    assert ring.KeyRing(Path(file)).holder(key) is None


def test_a_stop_finishes_what_was_accepted(started: Any, noise: Samples) -> None:
    with started(*SECONDS) as judge, concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(post, judge.address, raw(noise), {"Content-Type": "audio/L16"}) for _ in range(12)]
        while not sum(answer.done() for answer in answers):
            time.sleep(0.005)
        judge.process.send_signal(signal.SIGTERM)
        judge.process.wait(20)
        ended = []
        for answer in answers:
            try:
                ended.append(answer.result()[0])
            except (urllib.error.URLError, ConnectionError):
                ended.append(0)  # not accepted any more
    assert judge.process.returncode in (0, -signal.SIGTERM)  # ended in order, then by the signal it was sent
    assert set(ended) <= {200, 0}
    assert ended.count(200) >= 4  # the one that was answered, and those at work


def test_more_than_it_can_do_is_sent_away(started: Any, noise: Samples) -> None:
    with (
        started("--rate", "0", "--threads", "1", "--waiting", "2") as judge,
        concurrent.futures.ThreadPoolExecutor(16) as pool,
    ):
        content = raw(noise) * 4
        answers = list(pool.map(lambda _: post(judge.address, content, {"Content-Type": "audio/L16"}), range(40)))
        statuses = [status for status, _ in answers]
        assert set(statuses) == {200, 503}
        assert all(body["error"]["do"] for status, body in answers if status == 503)
        assert post(judge.address, content, {"Content-Type": "audio/L16"})[0] == 200


def test_the_log_tells_what_was_asked_and_nothing_that_was_heard(started: Any, noise: Samples) -> None:
    with started(*SECONDS) as judge:
        post(judge.address, raw(noise), {"Content-Type": "audio/L16"})
        line = json.loads(judge.log.read_text().splitlines()[1])
    assert " ".join(line) == "event method path status ms client phrase prediction confidence"


HEAD = b"POST /verify HTTP/1.1\r\nHost: x\r\n"


def malformed(rng: random.Random, good: bytes) -> bytes:
    """A request that is wrong in one of many ways."""
    size = str(len(good)).encode()
    multipart = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + good + b"\r\n--b--\r\n"
    form = b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: " + str(len(multipart)).encode()
    cut = rng.randrange(len(good))
    noise = rng.randbytes(rng.randrange(1, 400))
    letters = noise[:40].hex().encode()
    kinds = [
        lambda: noise,
        lambda: noise + b"\r\n\r\n",
        lambda: HEAD + noise + b"\r\n\r\n",
        lambda: HEAD + b"Content-Type: audio/wav\r\nContent-Length: 1073741824\r\n\r\n" + good,
        lambda: HEAD + b"Content-Type: audio/wav\r\nContent-Length: -5\r\n\r\n" + good,
        lambda: HEAD + b"Content-Type: audio/wav\r\nContent-Length: 9" + b"9" * 40 + b"\r\n\r\n" + good,
        lambda: HEAD + b"Content-Type: audio/wav\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        lambda: HEAD + b"Content-Type: audio/wav\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        lambda: HEAD + b"Content-Type: audio/wav\r\nContent-Length: " + size + b"\r\n\r\n" + rng.randbytes(len(good)),
        lambda: (
            HEAD
            + b"Content-Type: audio/wav\r\nContent-Length: "
            + size
            + b"\r\n\r\n"
            + good[:cut]
            + rng.randbytes(min(8, len(good) - cut))
            + good[cut + min(8, len(good) - cut) :]
        ),
        lambda: HEAD + b"Content-Type: audio/L16;rate=" + letters + b"\r\nContent-Length: 4\r\n\r\nabcd",
        lambda: HEAD + b"Content-Type: application/json\r\nContent-Length: 4\r\n\r\n{{{{",
        lambda: HEAD + form + b"\r\n\r\n" + multipart.replace(b"name=", rng.choice([b"nam=", b"name=\x00", b""])),
        lambda: HEAD + form + b"\r\n\r\n" + multipart.replace(b'"x"', b'"' + b"../" * rng.randrange(400) + b'"'),
        lambda: HEAD + form + b"\r\n\r\n" + multipart.replace(b"--b", b"--c"),
        lambda: b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        lambda: b"GET /%2e%2e/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        lambda: b"POST /verify?phrase=" + letters + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        lambda: b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        lambda: b"GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ]
    return rng.choice(kinds)()


@pytest.mark.parametrize("count", [400, pytest.param(2000, marks=pytest.mark.slow)])
def test_malformed_requests_are_refused_without_harm(started: Any, noise: Samples, count: int) -> None:
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, noise[:8000], 16000, format="WAV")
    rng = random.Random(3)
    with started(*SECONDS) as judge, concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(60):
            talk(judge.address, malformed(rng, file.getvalue()), 0.3)
        before = rss_kb(judge.process.pid)
        requests = [malformed(rng, file.getvalue()) for _ in range(count)]
        answers = list(pool.map(lambda content: talk(judge.address, content, 0.3), requests))
        after = rss_kb(judge.process.pid)
        assert judge.process.poll() is None
        assert post(judge.address, raw(noise), {"Content-Type": "audio/L16"})[0] == 200
    for request, given in zip(requests, answers, strict=True):
        if given and not given.startswith(b"HTTP/1.1 200") and b"Upgrade" not in request:
            head, _, body = given.partition(b"\r\n\r\n")
            status = int(head.split()[1])
            assert 400 <= status < 500, (request[:200], given[:200])
            first, _ = json.JSONDecoder().raw_decode(body.decode())  # what was left over is answered too
            assert first["error"].keys() == {"what", "got", "do"}, given[:300]
    assert after < before * 1.15 + 4000


def test_a_client_that_takes_its_time_is_cut_off(started: Any) -> None:
    """Slow-loris: a header that never ends, and a body that trickles; others are served meanwhile."""
    with started(*SECONDS, "--patience", "1") as judge:
        host, port = judge.address.removeprefix("http://").split(":")
        slow = [socket.create_connection((host, int(port)), timeout=20) for _ in range(20)]
        for number, connection in enumerate(slow):
            head = b"POST /verify HTTP/1.1\r\nHost: x\r\n"
            whole = head + b"Content-Type: audio/wav\r\nContent-Length: 1000\r\n\r\nab"
            connection.sendall(head if number % 2 else whole)
        assert urllib.request.urlopen(f"{judge.address}/health", timeout=5).status == 200
        ends = []
        for connection in slow:
            with connection:
                got = b""
                while piece := connection.recv(4096):
                    got += piece
                ends.append(got)
    assert all(b"408" in got.split(b"\r\n")[0] for got in ends)
    assert all(b"the request did not come whole" in got for got in ends)


def test_half_sent_bodies_do_not_fill_the_memory(started: Any, noise: Samples) -> None:
    """Sixty of them, 84 MB together; what is too much is refused as it comes, and what is whole is answered."""
    half = HEAD + b"Content-Type: audio/wav\r\nContent-Length: 2800000\r\n\r\n" + bytes(1_400_000)
    with (
        started(*SECONDS, "--receive-mb", "8", "--patience", "120") as judge,
        concurrent.futures.ThreadPoolExecutor(60) as pool,
        contextlib.ExitStack() as open_until_the_end,
    ):
        assert post(judge.address, raw(noise), {"Content-Type": "audio/L16"})[0] == 200
        before = rss_kb(judge.process.pid)
        host, port = judge.address.removeprefix("http://").split(":")
        halves = [socket.create_connection((host, int(port)), timeout=60) for _ in range(60)]
        for connection in halves:
            open_until_the_end.enter_context(connection)
        list(pool.map(lambda connection: connection.sendall(half), halves))
        until, told = time.monotonic() + 60, list[socket.socket]()
        while len(told) < 55 and time.monotonic() < until:
            told = select.select(halves, [], [], 0.1)[0]
        assert 55 <= len(told) < 60  # five times 1.4 MB may be held, and may still come whole
        after = rss_kb(judge.process.pid)
        for connection in told:
            answer = connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"retry-after: 1" in answer
        assert after - before < 40_000
        assert post(judge.address, raw(noise), {"Content-Type": "audio/L16"})[0] == 200


def test_a_stream_outlasts_the_patience_with_requests(started: Any, noise: Samples) -> None:
    with (
        started(*SECONDS, "--patience", "1") as judge,
        connect(judge.address.replace("http", "ws") + "/stream") as ws,
    ):
        assert json.loads(ws.recv(20))["event"] == "ready"
        for _ in range(2):  # two seconds, as fast as they are spoken
            for at in range(0, 16000, 1600):
                ws.send(raw(noise[at : at + 1600]))
                time.sleep(0.1)
        ws.send("and no more")
        last = next(told for told in map(json.loads, ws) if "error" in told)
        assert "binary messages" in last["error"]["what"]
    assert ws.close_code == 1003


@pytest.mark.parametrize("on_timeout", ["accept", "reject"])
def test_a_sentry_that_stays_awake_while_its_judge_is_killed_has_each_wake_answered_once(
    started: Any, exported: dict[str, Path], sound: Samples, monkeypatch: pytest.MonkeyPatch, on_timeout: str
) -> None:
    monkeypatch.setattr(remote, "REST_S", 0.2)
    said: list[str] = []
    settings = Settings(timeout_ms=2000, confirm=1.0, on_timeout=on_timeout)
    listener = Listener.load([exported["mixednet"]], threshold=0.0)  # its score is never below
    with started(*SECONDS) as there:
        judge = RemoteJudge(there.address, "hey katya", key=None, timeout_s=2.0)
        cascade = Cascade(listener, {"hey katya": judge}, settings, say=said.append, live=False)
        expected = [one.sample for one in listener.stream(sound)]
        cascade.reset()
        events: list[Event] = []
        for at in range(0, len(sound), 1280):
            if at == 1280 * 75:  # six seconds
                there.process.kill()
                there.process.wait()
            events += cascade.push(sound[at : at + 1280])
        events += cascade.end()
    cascade.close()
    judge.close()
    wakes = [event for event in events if event.kind == "wake"]
    answers = {event.number: event for event in events if event.kind != "wake"}
    assert len(answers) == len(events) - len(wakes)
    assert sorted(answers) == [wake.number for wake in wakes] == list(range(len(wakes)))
    told = [(answers[n].kind, answers[n].reason) for n in range(len(wakes))]
    denied = told.count(("cancelled", "judge"))
    assert denied >= 2
    # who takes a wake for the word where no Judge answers is not told of it again while the score stays up
    without = (
        [("confirmed", "away")] if on_timeout == "accept" else [("cancelled", "away")] * (len(expected) - denied)
    )
    assert told[denied:] == without
    assert [wake.detection.sample for wake in wakes] == expected[: len(wakes)]
    assert len(expected) > denied + 2
    assert len(said) == 1


def test_a_judge_killed_in_the_middle_of_a_cascade_is_missed_once_and_welcomed_back(
    started: Any, exported: dict[str, Path], sound: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listener goes on, says so once each way, and no wake is lost or answered twice."""
    monkeypatch.setattr(remote, "REST_S", 0.2)
    listener = Listener.load([exported["speech_embedding"]], threshold=0.7)
    listener.detectors[0]._state.release = 0.69  # weights are random and scores hover
    said: list[str] = []
    settings = Settings(timeout_ms=2000)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    judge = RemoteJudge(f"http://127.0.0.1:{port}", "hey katya", key=None, timeout_s=2.0)
    cascade = Cascade(listener, {"hey katya": judge}, settings, say=said.append, live=False)
    pieces = [sound[at : at + 1280] for at in range(0, len(sound), 1280)]
    events: list[Event] = []

    def hear() -> set[str]:
        before = len(events)
        for piece in pieces:
            events.extend(cascade.push(piece))
        events.extend(cascade.end())
        return {event.reason for event in events[before:] if event.kind != "wake"}

    with started(*SECONDS, "--port", port) as there:
        assert hear() == {"judge"}
        there.process.kill()
        there.process.wait()
        assert hear() == {"away"}
    with started(*SECONDS, "--port", port):
        time.sleep(remote.REST_S)
        assert "judge" in hear()
    cascade.close()
    judge.close()
    wakes = [event.number for event in events if event.kind == "wake"]
    assert len(wakes) >= 6
    assert sorted(event.number for event in events if event.kind != "wake") == wakes
    assert len(said) == 2
    assert "until it does, each wake is confirmed without it" in said[0]
    assert "answers again" in said[1]
