"""Threads that work for clients in turn, behind lines that do not grow."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, cast

from wakewright.apps.judge.fair import Lines, gives_way, takes_most
from wakewright.apps.judge.refusal import Refusal

T = TypeVar("T")
R = TypeVar("R")


@dataclasses.dataclass(eq=False)
class _Job(Generic[T]):
    client: str
    work: Callable[[T], Any]
    done: Future[Any] = dataclasses.field(default_factory=Future)
    left: bool = False


class Bench(Generic[T]):
    """Each thread has what it needs for itself, and takes the next job of the client whose turn it is.

    Where no more may wait, `fair` says who gives way.
    """

    def __init__(self, tools: Sequence[T], waiting: int, name: str = "judge") -> None:
        """A thread for each tool; so many jobs more may wait."""
        self.threads = len(tools)
        self._tools: SimpleQueue[T] = SimpleQueue()
        for tool in tools:
            self._tools.put(tool)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix=name)
        self._room = self.threads + waiting
        self._held: Counter[str] = Counter()
        self._lines: Lines[_Job[T]] = Lines()
        self._lock = threading.Lock()
        """Held for the lines, which the threads take from."""

    @property
    def busy(self) -> int:
        """Jobs at work, or waiting to be."""
        return self._held.total()

    async def run(self, client: str, work: Callable[[T], R]) -> R:
        """Do `work` with a tool that nobody else uses meanwhile.

        Raises Refusal: 503 when too many wait already, 429 when most of those are this client's, and others wait too.
        """
        if self.busy >= self._room:
            self._make_room(client)
        job = _Job(client, work)
        self._held[client] += 1
        with self._lock:
            self._lines.add(client, job)
        self._pool.submit(self._next)  # which job that is, is decided when a thread is free
        try:
            return cast(R, await asyncio.wrap_future(job.done))
        finally:
            self._leave(job)

    def _leave(self, job: _Job[T]) -> None:
        if job.left:
            return
        job.left = True
        with self._lock:
            self._lines.drop(job.client, job)
        self._held[job.client] -= 1
        if not self._held[job.client]:
            del self._held[job.client]

    def _make_room(self, client: str) -> None:
        """Send away who gives way. Raises Refusal where nobody does."""
        other = gives_way(self._held, client, 1)
        with self._lock:
            job = None if other is None else self._lines.take_newest(other)
        if job is not None:
            self._leave(job)  # at once, and not when it is told: another may ask before
            job.done.set_exception(Refusal.share("this client has its share of what waits", got="others wait too"))
        elif takes_most(self._held, client):
            raise Refusal.share("this client has its share of what waits", got=f"{self._held[client]} requests")
        else:
            raise Refusal.busy(
                "the Judge has more to do than it can",
                got=f"{self.busy} requests at work or waiting",
                do="or start a Judge on more cores",
            )

    def _next(self) -> None:
        with self._lock:
            job = self._lines.take()
        if job is None or not job.done.set_running_or_notify_cancel():
            return  # sent away, or given up by who asked
        tool = self._tools.get()
        try:
            result = job.work(tool)
        except BaseException as error:
            job.done.set_exception(error)
        else:
            job.done.set_result(result)
        finally:
            self._tools.put(tool)

    def close(self) -> None:
        """Finish what was accepted."""
        self._pool.shutdown()
