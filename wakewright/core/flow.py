"""Chunks of work on their way through a Ray cluster and back, in order, sent again when they are lost."""

from __future__ import annotations

import dataclasses
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic

from wakewright.core.engine import Item, Result, named
from wakewright.core.errors import EnvironmentProblem

ATTEMPTS = 3
"""Times that one item may end the process that works on it."""
LOSSES = 10
"""Nodes that may be lost under one item: they come and go, but an item can also take a machine down with it."""
AHEAD = 3
"""Chunks per CPU that may be ahead of the reader."""
COUNT_S = 5.0
"""Between two counts of the CPUs, since nodes may join and leave."""
NOBODY_S = 120.0
"""Time without a CPU in the cluster after which it is given up."""


def nobody(ray: Any) -> EnvironmentProblem:
    """The error for a cluster without a CPU."""
    return EnvironmentProblem(
        "the Ray cluster has nobody to work",
        got=f"{sum(bool(node['Alive']) for node in ray.nodes())} nodes, no CPU",
        do="start Ray on the other machines: ray start --address=HOST:PORT; then the same command again, or --resume",
    )


@dataclasses.dataclass(eq=False)
class Piece(Generic[Item, Result]):
    """Items that travel together, and what came of them."""

    items: list[Item]
    results: list[Result] | None = None
    error: Exception | None = None
    """What the work itself raised."""
    ended: int = 0
    """Processes that ended while they worked on it."""
    lost: int = 0
    """Times that it was lost with its node."""

    @property
    def done(self) -> bool:
        """Whether it is back."""
        return self.results is not None or self.error is not None


class Flow(Generic[Item, Result]):
    """Pieces on their way through the cluster and back, in order."""

    def __init__(self, ray: Any, send: Callable[[list[Item]], Any], most: int) -> None:
        self._ray, self._send, self._most = ray, send, most
        self._waiting: list[Piece[Item, Result]] = []
        self._running: dict[Any, Piece[Item, Result]] = {}
        self._cpus, self._counted, self._somebody = 0, -COUNT_S, time.monotonic()

    def results(self, pieces: Iterator[list[Item]]) -> Iterator[list[Result]]:
        """The results of the pieces."""
        self._hand_out(pieces)
        while self._waiting:
            if not self._waiting[0].done:
                for answer in self._ray.wait(list(self._running), num_returns=1, timeout=COUNT_S)[0]:
                    self._settle(answer)
            self._hand_out(pieces)
            if self._waiting[0].done:
                piece = self._waiting.pop(0)
                if piece.error is not None:
                    raise piece.error
                yield piece.results or []

    def close(self) -> None:
        """End what still runs."""
        for answer in self._running:
            self._ray.cancel(answer, force=True)
        self._running.clear()

    def _hand_out(self, pieces: Iterator[list[Item]]) -> None:
        cpus = max(1, self._count())  # where there is none now, one piece waits in the cluster for it
        while len(self._waiting) < AHEAD * cpus and len(self._running) < (self._most or 2 * cpus):
            items = next(pieces, None)
            if items is None:
                return
            self._waiting.append(Piece(items))
            self._start(self._waiting[-1])

    def _count(self) -> int:
        """CPUs, or as many of them as are wanted. Raises EnvironmentProblem when there has been none for long."""
        now = time.monotonic()
        if now - self._counted >= COUNT_S:
            self._counted = now
            self._cpus = int(self._ray.cluster_resources().get("CPU", 0))
        if self._cpus:
            self._somebody = now
        elif now - self._somebody > NOBODY_S:
            raise nobody(self._ray)
        return min(self._cpus, self._most or self._cpus)

    def _start(self, piece: Piece[Item, Result]) -> None:
        self._running[self._send(piece.items)] = piece

    def _settle(self, answer: Any) -> None:
        """Take what a task has answered, or send its piece again."""
        problems, piece = self._ray.exceptions, self._running.pop(answer)
        try:
            piece.results, piece.error = pickle.loads(self._ray.get(answer))
        except (problems.NodeDiedError, problems.LocalRayletDiedError, problems.ObjectLostError) as error:
            piece.lost += 1
            if piece.lost >= LOSSES:
                raise _too_often(f"{piece.lost} nodes were lost under", piece, error) from error
            self._start(piece)
        except (problems.WorkerCrashedError, problems.OutOfMemoryError) as error:
            piece.ended += 1
            if len(piece.items) == 1 and piece.ended >= ATTEMPTS:
                raise _too_often(f"{piece.ended} processes ended with", piece, error) from error
            self._singly(piece)

    def _singly(self, piece: Piece[Item, Result]) -> None:
        """Send the items of a piece again, each by itself: one of them may be what ended the process."""
        singles: list[Piece[Item, Result]] = [Piece([item]) for item in piece.items]
        if len(singles) == 1:
            singles = [piece]
        at = self._waiting.index(piece)
        self._waiting[at : at + 1] = singles
        for single in singles:
            self._start(single)


def _too_often(what: str, piece: Piece[Item, Result], error: Exception) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{what} what was worked on: {named(piece.items[0] if len(piece.items) == 1 else piece.items)}",
        got=f"the last time: {str(error).strip().splitlines()[0]}",
        do="most often memory ran out there: see Ray's logs on that node; engine.kind=local tries it on this machine",
    )
