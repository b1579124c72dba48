"""One client floods a Judge, and another has a question: that one gets in, and who is alone loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NoReturn, cast

import pytest
from starlette.websockets import WebSocket

from tests.apps.judge.dialling import HANDSHAKE, HEAD, Judge, answer_from, read, refusal_in, wait_for
from wakewright.apps.judge import connection
from wakewright.apps.judge.bench import Bench
from wakewright.apps.judge.fair import Lines, Place, Places, gives_way
from wakewright.apps.judge.intake import Intake
from wakewright.apps.judge.limits import Limits
from wakewright.apps.judge.refusal import Refusal
from wakewright.apps.judge.server import Court
from wakewright.apps.judge.stream import _messages


def test_who_holds_most_gives_way_to_who_would_hold_less() -> None:
    assert gives_way({}, "a", 1) is None
    assert gives_way({"a": 9}, "a", 1) is None
    assert gives_way({"a": 9}, "b", 1) == "a"
    assert gives_way({"a": 9, "b": 8}, "b", 1) is None  # they would only change places
    assert gives_way({"a": 1, "b": 1}, "c", 1) is None


def test_clients_take_turns() -> None:
    lines: Lines[int] = Lines()
    for number in range(4):
        lines.add("flood", number)
    lines.add("quiet", 10)
    lines.add("other", 20)
    assert lines.take_newest("flood") == 3
    lines.drop("other", 20)
    lines.drop("other", 20)
    assert [lines.take() for _ in range(5)] == [0, 10, 1, 2, None]


class Work:
    """Jobs of a bench with one thread, which stands until told to go on."""

    def __init__(self, bench: Bench[None]) -> None:
        self.bench, self.done = bench, list[str]()
        self.go = threading.Event()

    def _job(self, client: str) -> Callable[[None], str]:
        def work(_: None) -> str:
            assert self.go.wait(20)
            self.done.append(client)
            return client

        return work

    def ask(self, client: str) -> asyncio.Task[str]:
        return asyncio.ensure_future(self.bench.run(client, self._job(client)))


async def outcomes(asked: list[Awaitable[str]]) -> list[str | int]:
    """What each was answered, or the status with which it was refused."""
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(one, str | Refusal) for one in found), found
    return [one.status if isinstance(one, Refusal) else str(one) for one in found]


def test_a_flood_gives_up_its_newest_for_another() -> None:
    async def story() -> None:
        work = Work(Bench([None], waiting=4))
        flood = [work.ask("flood") for _ in range(6)]
        await asyncio.sleep(0.05)  # one at work, four wait, and the sixth was one too many of its own
        assert work.bench.busy == 5
        quiet = [work.ask("quiet") for _ in range(3)]
        await asyncio.sleep(0.05)
        work.go.set()
        assert await outcomes([*flood]) == ["flood"] * 3 + [429, 429, 503]
        assert await outcomes([*quiet]) == ["quiet", "quiet", 503]  # no more than the flood has left
        assert work.done == ["flood", "flood", "quiet", "flood", "quiet"]
        assert work.bench.busy == 0
        work.bench.close()

    asyncio.run(story())


def test_who_is_alone_may_have_it_all_and_is_told_that_the_judge_is_busy() -> None:
    async def story() -> None:
        work = Work(Bench([None], waiting=64))
        asked = [work.ask("only") for _ in range(66)]
        await asyncio.sleep(0.05)
        work.go.set()
        assert await outcomes([*asked]) == ["only"] * 65 + [503]
        work.bench.close()

    asyncio.run(story())


def test_one_question_of_each_of_many_is_a_full_judge_and_nobody_s_flood() -> None:
    async def story() -> None:
        work = Work(Bench([None], waiting=2))
        asked = [work.ask(name) for name in "abcd"]
        await asyncio.sleep(0.05)
        work.go.set()
        assert await outcomes([*asked]) == ["a", "b", "c", 503]
        work.bench.close()

    asyncio.run(story())


def test_who_gives_up_waiting_leaves_the_line() -> None:
    async def story() -> None:
        work = Work(Bench([None], waiting=2))
        first, second = work.ask("a"), work.ask("a")
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.sleep(0.05)
        assert work.bench.busy == 1
        third = work.ask("a")
        work.go.set()
        assert await outcomes([first, third]) == ["a", "a"]
        work.bench.close()

    asyncio.run(story())


def test_a_failure_at_the_bench_is_told_to_who_asked() -> None:
    async def story() -> None:
        bench = Bench([0], waiting=1)
        with pytest.raises(ZeroDivisionError):
            await bench.run("a", lambda zero: 1 // zero)
        assert bench.busy == 0
        assert await bench.run("a", lambda zero: zero) == 0
        bench.close()

    asyncio.run(story())


def test_bodies_of_a_flood_make_room_for_another_s() -> None:
    intake = Intake(100)
    with intake.body("flood") as old, intake.body("flood") as new, intake.body("quiet") as quiet:
        old.add(bytes(50))
        new.add(bytes(50))
        quiet.add(bytes(30))
        assert (old.length, new.length, intake.held) == (50, 0, 80)
        with pytest.raises(Refusal) as refused:
            new.add(b"x")
        assert (refused.value.status, refused.value.reason) == (429, "share")
        assert refused.value.headers["Retry-After"] == "1"
        with pytest.raises(Refusal) as full, intake.body("flood") as third:
            third.add(bytes(21))
        assert full.value.status == 429
    assert intake.held == 0


def test_nobody_gives_up_the_only_body() -> None:
    intake = Intake(100)
    with intake.body("a") as a, intake.body("b") as b, intake.body("c") as c:
        a.add(bytes(60))
        b.add(bytes(40))
        with pytest.raises(Refusal) as full:
            c.add(b"x")
        assert (full.value.status, full.value.reason, full.value.headers["Retry-After"]) == (503, "receiving", "1")
        assert (a.length, b.length) == (60, 40)


def test_what_a_thread_unpacks_is_not_sent_away() -> None:
    intake = Intake(100)
    with intake.body("flood") as first, intake.body("flood") as second, intake.body("quiet") as quiet:
        first.add(bytes(50))
        second.add(bytes(50))
        first.at_work = second.at_work = True
        with pytest.raises(Refusal):
            quiet.add(bytes(10))
        assert intake.held == 100


class Silent:
    """A stream that nothing comes from."""

    async def receive(self) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


async def at_once_with_the_end_of(wait: Awaitable[object], asks: Callable[[], object]) -> tuple[object, object]:
    """What becomes of one that waits 10 ms and one that asks in the very turn of the loop in which these are over."""
    waiting = asyncio.ensure_future(wait)
    await asyncio.sleep(0)
    asked: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def ask() -> None:
        try:
            asked.set_result(asks())
        except BaseException as error:
            asked.set_exception(error)

    asyncio.get_running_loop().call_later(0.02, ask)
    time.sleep(0.05)
    return await asyncio.gather(waiting, asked, return_exceptions=True)


def test_a_body_whose_time_is_up_makes_room_as_any_other() -> None:
    async def story() -> None:
        intake = Intake(100)
        with intake.body("flood") as old, intake.body("flood") as new, intake.body("quiet") as quiet:
            old.add(bytes(50))

            async def late() -> None:
                async with new.patience(0.01):
                    new.add(bytes(50))
                    await asyncio.Event().wait()

            slow, asked = await at_once_with_the_end_of(late(), lambda: quiet.add(bytes(30)))
            assert isinstance(slow, Refusal)
            assert slow.status == 429
            assert asked is None
            assert intake.held == 80

    asyncio.run(story())


def test_a_stream_whose_time_is_up_gives_its_place_as_any_other() -> None:
    async def story() -> None:
        places = Places(2)
        with places.place("flood"), places.place("flood") as newest, contextlib.ExitStack() as stack:

            async def silent() -> None:
                async for _ in _messages(cast(WebSocket, Silent()), 0.01, newest):
                    raise AssertionError("it is silent")

            slow, asked = await at_once_with_the_end_of(silent(), lambda: stack.enter_context(places.place("quiet")))
            assert isinstance(slow, Refusal)
            assert slow.status == 429
            assert isinstance(asked, Place)
            assert len(places) == 2

    asyncio.run(story())


def test_places_for_streams_are_shared() -> None:
    places = Places(3)
    with places.place("flood") as first, places.place("flood"), places.place("flood") as newest:
        with pytest.raises(Refusal) as full, places.place("flood"):
            pass
        assert (full.value.status, full.value.reason) == (503, "streams")
        with places.place("quiet"):
            assert newest.is_lost()
            assert not first.is_lost()
            assert len(places) == 3
            with pytest.raises(Refusal) as share, places.place("flood"):
                pass
            assert share.value.status == 429
    assert len(places) == 0


@pytest.fixture
def other() -> str:
    """A second address of this machine."""
    try:
        with socket.socket() as there:
            there.bind(("127.0.0.2", 0))
    except OSError:
        pytest.skip("this machine has one address of loopback")
    return "127.0.0.2"


@pytest.fixture
def narrow(exported: dict[str, Path]) -> Iterator[Judge]:
    """One with little room, and patience."""
    limits = Limits(per_second=0, patience_s=60.0, received_bytes=100_000, streams=2)
    with Judge(Court((exported["speech_embedding"],), limits, threads=1)).running() as one:
        yield one


def test_half_sent_bodies_of_one_address_let_another_s_in(narrow: Judge, other: str) -> None:
    head = HEAD + b"Content-Length: 64000\r\n\r\n"
    with narrow.dial() as first, narrow.dial() as second, narrow.dial(other) as third:
        first.sendall(head + bytes(50_000))
        wait_for(lambda: narrow.court.intake.held == 50_000)
        second.sendall(head + bytes(50_000))
        wait_for(lambda: narrow.court.intake.held == 100_000)
        third.sendall(head.replace(b"64000", b"48000") + bytes(48_000))
        assert answer_from(third).startswith(b"HTTP/1.1 200")
        refused = read(second)  # and its connection ends, since what is still to come is not read
        assert "share" in refusal_in(refused, 429)["what"]
        assert b"retry-after: 1" in refused
        first.sendall(bytes(14_000))
        assert answer_from(first).startswith(b"HTTP/1.1 200")
    assert narrow.refused() == {"share": 1}


def test_idle_connections_of_one_address_let_another_s_in(
    narrow: Judge, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 3)
    with narrow.dial() as first, narrow.dial() as second, narrow.dial() as third:
        wait_for(lambda: len(narrow.server.server_state.connections) == 3)
        assert "too many connections" in refusal_in(narrow.told(b""), 503)["what"]
        with narrow.dial(other) as there:
            there.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer_from(there).startswith(b"HTTP/1.1 200")
            wait_for(lambda: len(narrow.server.server_state.connections) == 3)
        closed = []
        for one in (first, second, third):
            one.settimeout(0.2)
            try:
                closed.append(one.recv(100) == b"")
            except TimeoutError:
                closed.append(False)
        assert closed.count(True) == 1
    assert narrow.refused() == {"connections": 1, "share": 1}


def test_streams_of_one_address_let_another_s_in(narrow: Judge, other: str) -> None:
    with narrow.dial() as first, narrow.dial() as second, narrow.dial(other) as third:
        for there in (first, second, third):
            there.sendall(HANDSHAKE + b"\r\n")
            got = b""
            while b'"ready"' not in got:
                got += there.recv(4096)
        told = b""
        while b"share of the streams" not in told:
            told += second.recv(4096)
        assert len(narrow.court.streams) == 2
    wait_for(lambda: len(narrow.court.streams) == 0)
    assert narrow.refused() == {"share": 1}
