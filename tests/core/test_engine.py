"""Work over processes: in order, the same for any number, and no process left behind."""

from __future__ import annotations

import functools
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from wakewright.core import engine
from wakewright.core.engine import cores, map_processes
from wakewright.core.errors import AudioError, EnvironmentProblem


def draw(seed: int) -> float:
    return float(np.random.default_rng(seed).normal())


def threads(_: int) -> str:
    return os.environ["OMP_NUM_THREADS"]


def refuse(item: int) -> int:
    if item == 3:
        raise AudioError("clip 3 is empty", got="0 samples", do="remove it")
    return item


class Awkward(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def awkward(item: int) -> int:
    raise Awkward(item, item)


def end_myself(item: int) -> int:
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


class Count:
    done = 0

    def advance(self, units: int = 1) -> None:
        self.done += units


def test_results_come_in_order_and_are_the_same_for_any_number_of_workers() -> None:
    alone, bar = list(map_processes(draw, range(20), workers=1)), Count()
    assert list(map_processes(draw, iter(range(20)), workers=3, chunk=3, progress_bar=bar)) == alone
    assert bar.done == 20
    assert list(map_processes(draw, [], workers=2)) == []


def test_workers_compute_with_one_thread_and_the_parent_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert list(map_processes(threads, [1], workers=2)) == ["1"]
    assert os.environ["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_comes_back_as_it_is_with_its_item(workers: int) -> None:
    with pytest.raises(AudioError, match="clip 3 is empty\n  got: 0 samples") as caught:
        list(map_processes(refuse, range(8), workers=workers, chunk=2))
    assert caught.value.do == "remove it"
    assert caught.value.__notes__ == ["while working on 3"]
    assert not multiprocessing.active_children()


def test_an_exception_that_cannot_travel_comes_back_as_text() -> None:
    with pytest.raises(RuntimeError, match="Awkward: 0 and 0\nwhile working on 0"):
        list(map_processes(awkward, range(2), workers=2))


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_killed_worker_is_reported_and_nothing_hangs() -> None:
    with pytest.raises(EnvironmentProblem, match=r"got: signal 9 \(SIGKILL\)\n  do:  most often memory ran out"):
        list(map_processes(end_myself, range(40), workers=2))
    assert not multiprocessing.active_children()


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_the_signal_is_known_although_the_pool_collects_its_dead_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    def collect_slowly(pid: int, options: int) -> tuple[int, int]:
        ours = threading.current_thread() is threading.main_thread()
        time.sleep(0.2 if ours else 0.0)  # let the pool's thread ask first
        found = waitpid(pid, options)
        time.sleep(0.0 if ours else 2.0)  # the child is gone, and what it ended with not written down yet
        return found

    waitpid = os.waitpid
    monkeypatch.setattr(os, "waitpid", collect_slowly)
    with pytest.raises(EnvironmentProblem, match=r"got: signal 9 \(SIGKILL\)"):
        list(map_processes(end_myself, range(40), workers=2))


def test_a_reader_that_stops_early_leaves_no_process() -> None:
    results = map_processes(math.sqrt, range(1000), workers=2)
    assert next(results) == 0.0
    results.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


SCRIPT = """
import signal, time
from wakewright.core.engine import map_processes
if __name__ == "__main__":
    # a test run started in the background inherits an ignored Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("go", flush=True)
    list(map_processes(time.sleep, [30] * 8, workers=2))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's list of children")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_and_a_killed_parent_end_every_worker(how: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "spread.py"
    script.write_text(SCRIPT)
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    with parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        deadline = time.monotonic() + 20
        family: set[int] = set()
        while len(family) < 3 and time.monotonic() < deadline:  # two workers and multiprocessing's resource tracker
            time.sleep(0.3)
            family = {int(p) for p in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()}
        time.sleep(2.0)  # on a busy machine the workers are slow to come to their task
        if how is signal.SIGINT:
            os.killpg(parent.pid, how)  # as a terminal does
        else:
            parent.send_signal(how)
        parent.wait(timeout=25)  # well before the tasks would end by themselves
    assert len(family) >= 3
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{p}").exists() for p in family) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [p for p in family if Path(f"/proc/{p}").exists()] == []


def test_cores_are_at_least_one_and_obey_affinity() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no affinity")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_workers_zero_takes_one_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "cores", lambda: 1)
    assert list(map_processes(lambda item: os.getpid() + item, [0])) == [os.getpid()]
    assert list(map_processes(functools.partial(pow, 2), range(3), workers=1)) == [1, 2, 4]
