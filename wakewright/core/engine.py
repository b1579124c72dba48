"""Many workers, one result: work is spread over processes, here or on a cluster, and comes back in order."""

from __future__ import annotations

import contextlib
import itertools
import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol, TypeVar

from wakewright.core.errors import EnvironmentProblem

Item = TypeVar("Item")
Result = TypeVar("Result")

ONE_THREAD = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""Variables that numerical libraries read when they are loaded."""


class Advances(Protocol):
    """What `map_processes` needs of a progress bar."""

    def advance(self, units: int = 1) -> None:
        """Count `units` more as done."""
        ...


def cores() -> int:
    """Cores this process may use: those of the machine, less what affinity or a container's quota takes away."""
    if sys.version_info >= (3, 13):
        count = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return count
    return count if quota == "max" else max(1, min(count, math.ceil(int(quota) / int(period))))


Probe = Callable[[], dict[str, str]]
"""Something two machines must agree on: names and what is found under them. A top-level function, or a partial."""


class Team(Protocol):
    """Workers elsewhere; `core.cluster.Cluster` is one."""

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        chunk: int = 1,
        progress_bar: Advances | None = None,
    ) -> Iterator[Result]:
        """As `map_processes`, by the team. Raises EnvironmentProblem also for a member that disagrees."""
        ...

    def agreeing(self, probe: Probe) -> Team:
        """This team, less the right to work for a member where `probe` finds another thing than here."""
        ...


Workers = int | Team
"""Who does the work: so many processes here, 0 meaning one per core, or a team elsewhere."""


def map_work(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: Workers = 0,
    chunk: int = 1,
    progress_bar: Advances | None = None,
) -> Iterator[Result]:
    """`function(item)` for every item, in the order of the items, whoever the workers are: see `map_processes`."""
    if isinstance(workers, int):
        return map_processes(function, items, workers, chunk, progress_bar)
    return workers.map(function, items, chunk, progress_bar)


def agreeing(workers: Workers, probe: Probe) -> Workers:
    """The workers, where `probe` must find elsewhere what it finds here; processes of this machine always do."""
    return workers if isinstance(workers, int) else workers.agreeing(probe)


def map_processes(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int = 0,
    chunk: int = 1,
    progress_bar: Advances | None = None,
) -> Iterator[Result]:
    """`function(item)` for every item, in the order of the items.

    Parameters
    ----------
    function: a top-level function, or a partial of one; it and the items travel by pickle. Chance must come from the
        item, so that the result does not depend on which process does it.
    workers: processes; 0 takes one per core, 1 works in this process. Each process computes with one thread.
    chunk: items handed over at once; raise it when one item takes less than a few milliseconds.
    progress_bar: told about every finished item.

    At most three chunks per worker are ahead of the reader, so memory stays bounded. An exception in a worker is
    raised here, with a note that names the item; the others are then ended, as they are on Ctrl-C. Raises
    EnvironmentProblem when a process was killed, most often because memory ran out.

    Fresh interpreters are started (spawn): a fork would copy the threads' locks of numerical libraries, and with them
    the chance of a deadlock. A script that calls this needs the usual `if __name__ == "__main__":`.
    """
    workers = workers or cores()
    if workers == 1:
        for item in items:
            yield _apply(function, item)
            if progress_bar is not None:
                progress_bar.advance(1)
        return
    for results in _over_processes(function, chunks(items, chunk), workers):
        if progress_bar is not None:
            progress_bar.advance(len(results))
        yield from results


def _over_processes(
    function: Callable[[Item], Result], pieces: Iterator[list[Item]], workers: int
) -> Iterator[list[Result]]:
    """The results chunk by chunk; no process is left behind, however this ends."""
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_prepare_worker)
    waiting: deque[Future[list[Result]]] = deque()
    team: set[BaseProcess] = set()
    finished = False

    def hand_out(count: int) -> None:
        for piece in itertools.islice(pieces, count):
            with _one_thread_each():
                waiting.append(pool.submit(work_on, function, piece))
            # after every piece: one that has died meanwhile is no longer among the children, and its signal is lost
            team.update(set(multiprocessing.active_children()) - others)

    try:
        hand_out(3 * workers)
        while waiting:
            results = waiting.popleft().result()
            hand_out(1)
            yield results
        finished = True
    except BrokenProcessPool as error:
        # The pool's own thread collects the dead, and of two threads that ask for an exit code only one is told: wait
        # until it has ended before asking.
        pool.shutdown(wait=True, cancel_futures=True)
        raise _killed(team) from error
    finally:
        if not finished:
            for process in team:
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`; the last may be shorter."""
    iterator = iter(items)
    while piece := list(itertools.islice(iterator, max(1, size))):
        yield piece


def work_on(function: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    """In the worker: a chunk. Raises what the function raises, in a form that survives the way back."""
    try:
        return [_apply(function, item) for item in items]
    except Exception as error:
        if _travels(error):
            raise
        raise RuntimeError("".join(traceback.format_exception(error))) from None


def _apply(function: Callable[[Item], Result], item: Item) -> Result:
    try:
        return function(item)
    except Exception as error:
        error.add_note(f"while working on {named(item)}")
        raise


def named(item: object) -> str:
    """The item in at most 200 characters."""
    text = repr(item)
    return text if len(text) <= 200 else text[:197] + "..."


def _travels(error: Exception) -> bool:
    """Whether the exception can be pickled and made again; one that cannot would break the whole pool."""
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:  # whatever its own code raises here, it would raise in the pool's reading thread too
        return False


def _prepare_worker() -> None:
    """In the worker: leave Ctrl-C to the parent, and go when the parent goes, kill -9 included."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes started in the block compute with one thread: numpy's libraries ask when they are loaded."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _killed(team: set[BaseProcess]) -> EnvironmentProblem:
    """The error for a worker that ended without an answer. The pool ends the rest with SIGTERM, which is no cause."""
    codes = [p.exitcode for p in team if p.exitcode]
    code = next((c for c in codes if c != -signal.SIGTERM), codes[0] if codes else None)
    how = "no reason given"
    if code is not None:
        how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit status {code}"
    return EnvironmentProblem(
        "a worker process was ended from outside",
        got=how,
        do="most often memory ran out: close other programs, or take fewer processes with engine.workers=1",
    )
