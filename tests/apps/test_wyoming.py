"""The Wyoming service, with the real client over TCP and sound as satellites send it."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient, AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.server import AsyncTcpServer
from wyoming.wake import Detect, Detection, NotDetected

from wakewright import Detector
from wakewright.apps.cli import main
from wakewright.apps.satellites import Satellite, Service, decode
from wakewright.core.audio import Samples, load
from wakewright.core.manifest import Manifest
from wakewright.core.recipe import Cascade as Settings
from wakewright.detect import cascade

CHUNK = 1024
"""Samples in a piece of sound, as wyoming-satellite sends them."""


@pytest.fixture(scope="module")
def sound(spoken: Manifest) -> Samples:
    rest = np.random.default_rng(0).normal(0, 0.002, 8000).astype(np.float32)
    return np.concatenate([part for clip in spoken for part in (load(clip.path), rest)])[: 8 * 16000]


@pytest.fixture(scope="module")
def words(exported: dict[str, Path], sound: Samples, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two wake words that fire in the sound."""
    folders = []
    for name, phrase in (("speech_embedding", "hey katya"), ("mixednet", "jarvis")):
        folder = tmp_path_factory.mktemp("wyoming") / name
        shutil.copytree(exported[name], folder)
        threshold = float(np.quantile(Detector.load(folder).score(sound), 0.6))
        about = json.loads((folder / "metadata.json").read_text())
        changed = about | {"threshold": threshold, "original_wake_word": phrase}
        (folder / "metadata.json").write_text(json.dumps(changed))
        folders.append(folder)
    return folders


@contextmanager
def serving(folders: list[Path], *options: str) -> Iterator[tuple[int, Any]]:
    """`wakewright wyoming` on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "wakewright", "wyoming", "--uri", f"tcp://127.0.0.1:{port}", *options]
    with subprocess.Popen([*command, *map(str, folders)], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith("serving "), line + process.stderr.read()
            yield port, process
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def port(words: list[Path]) -> Iterator[int]:
    with serving(words) as (number, _):
        yield number


class JudgeStandIn:
    """A Judge over HTTP that knows "hey katya", and hangs when it is asked about a sound, refuses, or says these."""

    def __init__(self) -> None:
        self.confidences = list[float]()
        self.refuses, self.asked, self.release = False, threading.Event(), threading.Event()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.tell([{"phrase": "hey katya"}])

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                owner.asked.set()
                if owner.confidences:
                    sure = owner.confidences.pop(0)
                    about = {"phrase": "hey katya", "prediction": sure >= 0.5, "confidence": sure}
                    self.tell(about | {"threshold": 0.5, "end_s": 0.0})
                    return
                if not owner.refuses:
                    owner.release.wait(60)
                self.tell({"error": {"what": "a key is needed", "got": "one that is unknown", "do": "send it"}})

            def tell(self, answer: Any) -> None:
                told = owner.refuses or self.command == "GET" or "confidence" in answer
                body = json.dumps(answer if told else {}).encode()
                with contextlib.suppress(OSError):  # who asked has gone
                    self.send_response(401 if owner.refuses else 200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def away_judge() -> Iterator[JudgeStandIn]:
    one = JudgeStandIn()
    yield one
    one.release.set()
    one.server.shutdown()
    one.server.server_close()


async def speak(
    client: AsyncClient, sound: Samples, rate: int = 16000, *, start: bool = True, stop: bool = True
) -> None:
    """Send it as a satellite does, faster than real time."""
    if start:
        await client.write_event(AudioStart(rate=rate, width=2, channels=1, timestamp=5000).event())
    raw = (sound * 32767).astype("<i2").tobytes()
    for at in range(0, len(raw), 2 * CHUNK):
        piece = raw[at : at + 2 * CHUNK]
        await client.write_event(AudioChunk(rate=rate, width=2, channels=1, audio=piece, timestamp=at // 32).event())
    if stop:
        await client.write_event(AudioStop().event())


async def answers(client: AsyncClient, count: int = 1) -> list[Event]:
    found = []
    for _ in range(count):
        event = await asyncio.wait_for(client.read_event(), 20)
        assert event is not None
        found.append(event)
    return found


async def heard(port: int, sound: Samples, count: int, names: list[str] | None = None) -> list[Event]:
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Detect(names=names).event())
        await speak(client, sound)
        return await answers(client, count)


def expected(folder: Path, sound: Samples) -> list[float]:
    raw = (sound * 32767).astype("<i2").astype(np.float32) / np.float32(32768)
    return [fire.end_s for fire in Detector.load(folder).stream(raw)]


def test_it_tells_what_it_knows(port: int) -> None:
    async def ask() -> Info:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Ping(text="x").event())
            (pong,) = await answers(client)
            assert Pong.from_event(pong).text == "x"
            await client.write_event(Describe().event())
            return Info.from_event((await answers(client))[0])

    (program,) = asyncio.run(ask()).wake
    assert program.installed
    assert [(m.name, m.phrase, m.languages) for m in program.models] == [
        ("hey_katya", "hey katya", ["en"]),
        ("jarvis", "jarvis", ["en"]),
    ]


def test_it_tells_what_the_detector_hears_and_when(port: int, words: list[Path], sound: Samples) -> None:
    ends = expected(words[0], sound)
    events = asyncio.run(heard(port, sound, len(ends), ["hey_katya"]))
    assert [Detection.from_event(e).name for e in events] == ["hey_katya"] * len(ends)
    assert [Detection.from_event(e).timestamp for e in events] == [5000 + round(1000 * end) for end in ends]


def test_several_phrases_are_heard_unless_some_are_named(port: int, words: list[Path], sound: Samples) -> None:
    both = sum(len(expected(folder, sound)) for folder in words)
    names = {Detection.from_event(e).name for e in asyncio.run(heard(port, sound, both))}
    assert names == {"hey_katya", "jarvis"}


def test_an_end_without_the_phrase_is_told(port: int, sound: Samples) -> None:
    async def talk() -> None:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Detect(names=["jarvis"]).event())
            for _ in range(2):  # a stream may follow another
                await speak(client, np.zeros(16000, np.float32))
                assert NotDetected.is_type((await answers(client))[0].type)

    asyncio.run(talk())


def test_another_rate_and_no_start_are_understood(port: int, words: list[Path], sound: Samples) -> None:
    async def talk() -> list[Event]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            doubled = np.repeat(sound, 2)
            await client.write_event(Detect(names=["hey_katya"]).event())
            await speak(client, doubled, 32000, start=False)
            return await answers(client)

    assert Detection.from_event(asyncio.run(talk())[0]).name == "hey_katya"


def test_unknown_names_and_bad_sound_are_refused(port: int) -> None:
    async def talk() -> list[Error]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Detect(names=["alexa"]).event())
            bad = AudioChunk(rate=16000, width=3, channels=1, audio=bytes(30))
            await client.write_event(bad.event())
            return [Error.from_event(event) for event in await answers(client, 2)]

    unknown, sound = asyncio.run(talk())

    assert (unknown.code, sound.code) == ("unknown-model", "bad-audio")
    assert "there is hey_katya, jarvis" in unknown.text


def test_who_asks_for_unknown_names_alone_is_told_nothing(port: int, sound: Samples) -> None:
    events = asyncio.run(heard(port, sound, 2, ["alexa"]))
    assert Error.is_type(events[0].type)
    assert NotDetected.is_type(events[1].type)


def test_a_pair_that_cascade_wrote_is_served(
    words: list[Path], sound: Samples, exported: dict[str, Path], tmp_path: Path
) -> None:
    pair = {"sentry": str(words[0]), "judge": str(exported["speech_embedding"]), "confirm": 0.0, "timeout_ms": 20_000}
    (tmp_path / "pair.yaml").write_text(json.dumps({"phrase": "hey katya", "cascade": pair}))
    with serving([tmp_path / "pair.yaml"]) as (port, _):
        (event,) = asyncio.run(heard(port, sound, 1, ["hey katya"]))  # the phrase itself is understood as its name
        assert Detection.from_event(event).timestamp == 5000 + round(1000 * expected(words[0], sound)[0])


def test_what_is_no_wyoming_ends_that_connection_alone(port: int, sound: Samples, words: list[Path]) -> None:
    for content in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"{}\n",
        b'{"type": "audio-chunk", "data": 7}\n',
        b"\xff\xfe\n",
        b'{"type": "audio-chunk", "payload_length": 1000000000}\n' + bytes(100),
        b"x" * 200_000,
    ):
        there = socket.create_connection(("127.0.0.1", port), timeout=10)
        with there as connection, contextlib.suppress(OSError):  # it hangs up while more is sent
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert asyncio.run(heard(port, sound, 1, ["hey_katya"]))


@pytest.mark.parametrize(
    "layout", [(10**30, 2, 1), (1, 2, 1), ("x", 2, 1), (16000.5, 2, 1), (16000, 2, 0), (16000, 3, 1), (16000, 2.0, 1)]
)
def test_a_start_of_sound_that_cannot_be_is_refused_and_stops_no_other(port: int, layout: tuple[Any, ...]) -> None:
    """A resampler of such a rate would never return, or give gigabytes."""

    async def talk() -> tuple[Event, Event | None]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(AudioStart(*layout).event())
            return (await answers(client))[0], await asyncio.wait_for(client.read_event(), 20)

    told, after = asyncio.run(talk())
    assert Error.from_event(told).code == "bad-audio"
    assert after is None
    assert NotDetected.is_type(asyncio.run(heard(port, np.zeros(16000, np.float32), 1, ["jarvis"]))[0].type)


@pytest.mark.parametrize(
    "content",
    [
        b'{"type": "describe", "data": ' + b"[" * 30_000 + b"]" * 30_000 + b"}\n",
        b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1, "timestamp": "x"}}\n',
    ],
)
def test_values_that_cannot_be_read_are_told_as_such(port: int, content: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(content)
        assert b"bad-event" in b"".join(iter(lambda: connection.recv(4096), b""))


def test_a_satellite_that_loses_its_power_is_found_out(words: list[Path]) -> None:
    """It says no goodbye; each such connection would take one of the places for as long as the service lives."""

    async def kept() -> list[int]:
        service, options = Service(tuple(words)), list[int]()

        def made(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Satellite:
            one = Satellite(service, reader, writer)
            options.append(writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
            return one

        server = AsyncTcpServer("127.0.0.1", 0)
        await server.start(made)
        assert server._server is not None
        async with AsyncTcpClient("127.0.0.1", server._server.sockets[0].getsockname()[1]) as client:
            await client.write_event(Ping(text="x").event())
            await answers(client)
        await server.stop()
        return options

    assert asyncio.run(kept()) == [1]


def test_minutes_of_sound_in_one_piece_delay_no_other(words: list[Path], sound: Samples) -> None:
    """Four satellites that each send four minutes in one piece, and one that talks as satellites do."""
    long = AudioChunk(rate=4000, width=1, channels=1, audio=bytes([128]) * (1 << 20)).event()

    async def flood(port: int) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Detect(names=["hey_katya"]).event())
            await client.write_event(long)
            await client.read_event()

    async def talk(port: int) -> float:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Detect(names=["jarvis"]).event())
            await speak(client, sound[:1])  # its detector is loaded
            await answers(client)
            floods = [asyncio.create_task(flood(port)) for _ in range(4)]
            await asyncio.sleep(1)
            began = time.monotonic()
            await speak(client, sound[:CHUNK])
            await answers(client)
            took = time.monotonic() - began
        for one in floods:
            one.cancel()
        return took

    with serving(words) as (port, process):
        assert asyncio.run(talk(port)) < 4
        process.kill()


def test_a_slow_satellite_delays_no_other(port: int, sound: Samples, words: list[Path]) -> None:
    """Nine that hang in the middle of a stream, and ten that talk at once meanwhile."""
    stuck = [socket.create_connection(("127.0.0.1", port)) for _ in range(9)]
    for connection in stuck:
        connection.sendall(b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}, ')

    async def all_of_them() -> list[list[Event]]:
        return await asyncio.gather(*(heard(port, sound, 1, ["hey_katya"]) for _ in range(10)))

    began = time.monotonic()
    events = asyncio.run(all_of_them())
    took = time.monotonic() - began
    assert all(Detection.is_type(event.type) for (event,) in events)
    assert took < 8  # less than the sound itself lasts
    for connection in stuck:
        connection.close()


def test_with_a_judge_only_what_it_confirms_is_told(
    words: list[Path], sound: Samples, exported: dict[str, Path]
) -> None:
    judge = str(exported["speech_embedding"])
    ends = expected(words[0], sound)
    with serving(words[:1], "--judge", judge, "--cascade", "confirm=0.0", "--cascade", "timeout_ms=20000") as (
        port,
        _,
    ):
        events = asyncio.run(heard(port, sound, len(ends)))
        assert all(Detection.is_type(event.type) for event in events)
    with serving(words[:1], "--judge", judge, "--cascade", "confirm=1.0", "--cascade", "timeout_ms=20000") as (
        port,
        _,
    ):
        (event,) = asyncio.run(heard(port, sound, 1))
        assert NotDetected.is_type(event.type)


def test_a_word_after_the_noise_that_woke_the_sentry_is_told_once(
    words: list[Path], sound: Samples, away_judge: JudgeStandIn
) -> None:
    sentry = Detector.load(words[0], threshold=0.0)  # whose score stays up from its first step on
    sentry.rearm(cascade.REARM, Settings().rewake_ms)
    raw = (sound * 32767).astype("<i2").astype(np.float32) / np.float32(32768)
    wakes = [one.end_s for one in sentry.stream(raw)]
    assert len(wakes) >= 4
    away_judge.confidences = [0.1, 0.2] + [0.9] * 20

    async def talk(port: int) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await speak(client, sound)
            (event,) = await answers(client)
            assert Detection.from_event(event).timestamp == 5000 + round(1000 * wakes[2])
            await client.write_event(Ping(text="x").event())
            assert Pong.is_type((await answers(client))[0].type)

    settings = ("--cascade", "asks=1", "--cascade", "timeout_ms=20000")
    with serving(words[:1], "--threshold", "0.0", "--judge", away_judge.url, *settings) as (port, _):
        asyncio.run(talk(port))
    assert len(away_judge.confidences) == 19


def test_a_satellite_that_leaves_while_its_judge_hangs_stops_no_other(
    words: list[Path], sound: Samples, away_judge: JudgeStandIn
) -> None:
    woken = sound[: round(16000 * expected(words[0], sound)[0]) + CHUNK]

    async def talk(port: int) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as leaves:
            await speak(leaves, woken, stop=False)
            assert await asyncio.to_thread(away_judge.asked.wait, 20)
        async with AsyncTcpClient("127.0.0.1", port) as other:
            for _ in range(5):
                await asyncio.sleep(0.1)  # the first is seen to be gone meanwhile
                await other.write_event(Ping(text="x").event())
                assert Pong.is_type((await answers(other))[0].type)  # in 20 s, of the 60 that the Judge may take

    settings = ("--cascade", "after_ms=0", "--cascade", "timeout_ms=60000")
    with serving(words[:1], "--judge", away_judge.url, *settings) as (port, _):
        try:
            asyncio.run(talk(port))
        finally:
            away_judge.release.set()


def test_a_wake_is_answered_though_the_judge_hangs_or_refuses_and_no_sound_comes(
    words: list[Path], sound: Samples, away_judge: JudgeStandIn
) -> None:
    end = expected(words[0], sound)[0]
    woken = sound[: round(16000 * end) + CHUNK]

    async def talk(port: int) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await speak(client, woken, stop=False)
            assert Detection.from_event((await answers(client))[0]).timestamp == 5000 + round(1000 * end)

    settings = ("--cascade", "after_ms=0", "--cascade", "timeout_ms=500")
    with serving(words[:1], "--judge", away_judge.url, *settings) as (port, process):
        asyncio.run(talk(port))
        away_judge.release.set()
        away_judge.refuses = True
        for _ in range(2):  # its key was taken away: on_timeout decides
            asyncio.run(talk(port))
        process.terminate()
        log = process.stderr.read()
    assert log.count("each wake is confirmed without it") == 1
    assert "HTTP Request" not in log
    assert "Traceback" not in log


def test_a_judge_that_refuses_is_said_at_the_start(
    words: list[Path], away_judge: JudgeStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    away_judge.refuses = True
    # the address is none either: what is found first is the Judge
    assert main(["wyoming", str(words[0]), "--uri", "http://x", "--judge", away_judge.url]) == 2
    assert "asks for a key" in capsys.readouterr().err


def test_an_address_that_cannot_be_served_is_said(
    words: list[Path], port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["wyoming", str(words[0]), "--uri", "http://x"]) == 2
    assert "is no address to serve at" in capsys.readouterr().err
    assert main(["wyoming", str(words[0]), "--uri", f"tcp://127.0.0.1:{port}"]) == 3
    assert "cannot be served at" in capsys.readouterr().err


def test_samples_of_any_width_are_decoded() -> None:
    wave = np.array([-1.0, -0.5, 0.0, 0.5], np.float32)
    for width, kind, scale, offset in ((1, "u1", 127, 128), (2, "<i2", 32767, 0), (4, "<i4", 2**31 - 128, 0)):
        raw = (wave * scale + offset).astype(kind).tobytes()
        np.testing.assert_allclose(decode(raw, width, 1)[:, 0], wave, atol=0.02)
        assert decode(raw + b"\x00", width, 2).shape == (2, 2)
