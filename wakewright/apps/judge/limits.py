"""What the Judge takes on: how much at once, how often from one client, and how long a client may take."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

from wakewright.apps.judge.refusal import Refusal

T = TypeVar("T")
R = TypeVar("R")

CLIENTS_KEPT = 10_000
"""Clients whose rate is remembered; the one not seen for longest is forgotten first."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """All of them, with the defaults of the command line."""

    body_bytes: int = 4_000_000
    """Largest body of a request."""
    longest_s: float = 10.0
    """Longest sound."""
    received_bytes: int = 32_000_000
    """Bodies of all requests together, whole or half sent, until they are unpacked; more is sent away with 503."""
    waiting: int = 64
    """Requests that may wait for a core; more are sent away with 503."""
    per_second: float = 50.0
    """Requests a second from one key, or one address where there are no keys; 0 allows any number."""
    burst: int = 100
    """Requests that one client may send at once."""
    patience_s: float = 10.0
    """Seconds in which a request must have come whole."""
    streams: int = 16
    """Streams at once."""
    idle_s: float = 60.0
    """A stream that sends nothing for so long is closed."""


class Rates:
    """A bucket of requests for each client that fills up again at a steady rate (token bucket)."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Count one request of this client. Raises Refusal 429 when there were too many."""
        rate = self._limits.per_second
        if not rate:
            return
        now = self._clock()
        left, then = self._buckets.pop(client, (float(self._limits.burst), now))
        left = min(float(self._limits.burst), left + (now - then) * rate)
        self._buckets[client] = (max(0.0, left - 1), now) if left >= 1 else (left, now)
        if len(self._buckets) > CLIENTS_KEPT:
            self._buckets.popitem(last=False)
        if left < 1:
            wait = (1 - left) / rate
            raise Refusal(
                429,
                "too many requests from one client",
                got=f"more than {rate:g} a second",
                do=f"wait {wait:.1f} s, or raise --rate where the Judge is started",
                headers={"Retry-After": str(max(1, round(wait)))},
            )


class Intake:
    """Bytes of bodies that are held at once, over all connections, each from its first byte until it is unpacked."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self.held = 0

    @contextlib.contextmanager
    def body(self) -> Iterator[Body]:
        """A body to add to; what it holds is let go at the end."""
        body = Body(self)
        try:
            yield body
        finally:
            body.let_go()

    def count(self, more: int) -> None:
        """Hold so many bytes more, or fewer.

        Raises Refusal 503 where they would be more than may be held. A body that is refused makes room for the
        others, so that of many that come at once some come whole.
        """
        if self.held + more > self._most:
            raise Refusal.busy(
                "the Judge receives more than it can hold",
                got=f"more than {self._most} bytes of all requests together",
                do="with the one to three seconds around the word",
            )
        self.held += more


class Body:
    """The body of one request, as it comes."""

    def __init__(self, intake: Intake) -> None:
        self._intake, self.length = intake, 0
        # and no growing array: where many grow side by side, half as much again is lost between them
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """What has come. Raises what Intake.count raises."""
        self._intake.count(len(piece))
        self.length += len(piece)
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """All of it, once; it counts as held until it is let go."""
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content

    def let_go(self) -> None:
        """Make room. The pieces go at once, though a refusal's traceback may hold this body for longer."""
        self._intake.count(-self.length)
        self._pieces.clear()
        self.length = 0


class Bench(Generic[T]):
    """Threads that judge, each with what it needs for itself, behind a queue that does not grow."""

    def __init__(self, tools: Sequence[T], waiting: int) -> None:
        """A thread for each tool; so many requests more may wait."""
        self.threads = len(tools)
        self._tools: SimpleQueue[T] = SimpleQueue()
        for tool in tools:
            self._tools.put(tool)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="judge")
        self._room = self.threads + waiting
        self.busy = 0
        """Requests that are judged, or wait to be."""

    async def run(self, work: Callable[[T], R]) -> R:
        """Do `work` with a tool that nobody else uses meanwhile. Raises Refusal 503 when too many wait already."""
        if self.busy >= self._room:
            raise Refusal.busy(
                "the Judge has more to do than it can",
                got=f"{self.busy} requests at work or waiting",
                do="or start a Judge on more cores",
            )
        self.busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._with_tool, work)
        finally:
            self.busy -= 1

    def _with_tool(self, work: Callable[[T], R]) -> R:
        tool = self._tools.get()
        try:
            return work(tool)
        finally:
            self._tools.put(tool)

    def close(self) -> None:
        """Finish what was accepted."""
        self._pool.shutdown()
