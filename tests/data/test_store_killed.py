"""A store whose making is cut off anywhere: the next start goes on, and ends at the same bytes."""

from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wakewright.core.errors import DiskFull
from wakewright.core.progress import Progress
from wakewright.core.recipe import Augment
from wakewright.data import growing, store, streams
from wakewright.data.store import Store, build, key_of
from wakewright.data.streams import StreamPlan, Surroundings

MEL = "mel-30ms-10ms-40bands-125to7500hz"
BOTH = ("micro", MEL)
AROUND = Surroundings(Augment(rooms=2), 5, (), ())
NOTHING: Any = None
PLANS = [StreamPlan(float(number), (), NOTHING, number) for number in range(6)]
STORED: dict[str, Any] = {"micro": np.int8, MEL: np.float16}


def heard_of(plan: StreamPlan, fronts: tuple[str, ...]) -> tuple[dict[str, Any], Any, int]:
    """What `_work` gives, without any sound: frames and events that only the plan decides."""

    def chance(name: str) -> np.random.Generator:
        return np.random.default_rng([int(plan.lead_s), len(name)])

    frames = {name: chance(name).normal(0, 10, (int(plan.lead_s) + 3, 40)).astype(STORED[name]) for name in fronts}
    events = np.zeros(2, streams.EVENT)
    events["start"] = chance("events").integers(0, 1000, 2)
    return frames, events, 1000 + int(plan.lead_s)


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The streams that were heard, by their lead."""
    found: list[float] = []

    def work(plan: StreamPlan, *, surroundings: Surroundings, fronts: tuple[str, ...]) -> Any:
        found.append(plan.lead_s)
        return heard_of(plan, fronts)

    monkeypatch.setattr(store, "_work", work)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in sorted(folder.iterdir())}


def make(folder: Path, fronts: tuple[str, ...] = BOTH) -> Store:
    return build(folder, PLANS, AROUND, fronts, workers=1)


class Cut(Exception):
    """The work ends here."""


def cut_off(folder: Path, monkeypatch: pytest.MonkeyPatch, after: int, fronts: tuple[str, ...] = BOTH) -> None:
    """Begin a store and end the work at a stream."""
    with monkeypatch.context() as patch:
        work, left = store._work, [after]

        def until(plan: StreamPlan, **how: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Cut
            return work(plan, **how)

        patch.setattr(store, "_work", until)
        with pytest.raises(Cut):
            make(folder, fronts)


# Makes a store in sys.argv[1] once for every touch of a file in it, each time in a process that is killed
# at that touch, and then goes on in another; says what both of them heard.
KILLED = """
import json, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import test_store_killed as t
from wakewright.data import growing, store
t.store._front("micro"), t.store._front(t.MEL)
TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "heard", "synced", "put"}
growing.SYNC_S = 0.0

def in_child(folder, fronts, kill_at, tally):
    pid = os.fork()
    if pid == 0:
        touches = [0]
        def touch(event, arguments):
            if event in TOUCHES and (event in ("heard", "synced", "put") or str(folder) in str(arguments[0])):
                touches[0] += 1
                if touches[0] == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
        def work(plan, *, surroundings, fronts):
            with tally.open("a") as file:
                file.write(f"{int(plan.lead_s)} ")
            touch("heard", None)
            return t.heard_of(plan, fronts)
        def put(file, data, put=growing._put):
            touch("put", None)
            put(file, data[: len(data) // 2])
            touch("put", None)
            put(file, data[len(data) // 2 :])
        def fsync(handle, fsync=os.fsync):
            fsync(handle)
            touch("synced", None)
        store._work, growing._put, os.fsync = work, put, fsync
        sys.addaudithook(touch)
        try:
            t.make(folder, fronts)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(3)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

base, fronts = Path(sys.argv[1]), tuple(sys.argv[2].split(","))
for kill_at in range(1, 1000):
    folder, tally = base / f"s{kill_at}", base / f"t{kill_at}"
    if sys.argv[4] == "add":
        in_child(folder, ("micro",), 0, base / "unused")
    first = in_child(folder, fronts, kill_at, tally)
    begun = len(tally.read_text().split()) if tally.exists() else 0
    second = in_child(folder, fronts, 0, tally)
    print(json.dumps([kill_at, first, second, begun, tally.read_text()]), flush=True)
    if first == 0:
        break
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize("how", ["anew", "add"])
def test_killed_at_any_touch_of_a_file_the_next_start_goes_on(tmp_path: Path, how: str, heard: list[float]) -> None:
    (tmp_path / "script.py").write_text(KILLED)
    command = [sys.executable, "script.py", str(tmp_path), ",".join(BOTH), str(Path(__file__).parent), how]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    make(tmp_path / "wanted")
    wanted = contents(tmp_path / "wanted")
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(kills) > 50, done.stderr
    for number, first, second, begun, streams_heard in kills:
        assert first in (-9, 0), done.stderr
        assert second == 0, done.stderr
        assert contents(tmp_path / f"s{number}") == wanted, number
        told = streams_heard.split()
        assert sorted(set(told)) == [str(n) for n in range(6)]
        assert len(told) <= 7, f"one at most is heard twice: killed at {number}"
        assert begun <= 6
    assert {begun for _, _, _, begun, _ in kills} == set(range(7))


CHILD = """
import os, pickle, signal, sys
from pathlib import Path
from wakewright.data import store
work, left = store._work, [int(sys.argv[3])]
def until(plan, **how):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(plan, **how)
if __name__ == "__main__":
    store._work = until
    plans, around = pickle.loads(Path(sys.argv[1]).read_bytes())
    store.build(Path(sys.argv[2]), plans, around, ("micro",), workers=1)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_of_real_sound_only_the_missing_streams_are_heard_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    plans = [StreamPlan(0.5 + number / 10, (), AROUND.chain().draw(rng)) for number in range(5)]
    (tmp_path / "build.py").write_text(CHILD)
    (tmp_path / "plan").write_bytes(pickle.dumps((plans, AROUND)))
    killed = subprocess.run([sys.executable, "build.py", "plan", "s", "3"], cwd=tmp_path, check=False)
    assert killed.returncode == -9
    assert Store.open(tmp_path / "s", key_of(plans, AROUND)) is None
    work, again = store._work, []
    monkeypatch.setattr(store, "_work", lambda plan, **how: again.append(plan) or work(plan, **how))
    build(tmp_path / "s", plans, AROUND, ("micro",), workers=1)
    assert again == plans[3:]
    build(tmp_path / "t", plans, AROUND, ("micro",), workers=1)
    assert contents(tmp_path / "s") == contents(tmp_path / "t")


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 90)


def blank(path: Path) -> None:
    """As a file system may leave what had not reached the disk: as long as it was, without its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[:-90] + bytes(90))


@pytest.mark.parametrize("lost", [shorten, blank])
@pytest.mark.parametrize("name", ["micro.part", f"{MEL}.part", "events.part", growing.JOURNAL])
def test_what_did_not_reach_the_disk_is_heard_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: list[float], lost: Any, name: str
) -> None:
    make(tmp_path / "wanted")
    cut_off(tmp_path / "s", monkeypatch, 4)
    lost(tmp_path / "s" / name)
    heard.clear()
    make(tmp_path / "s")
    assert heard[-2:] == [4, 5]
    assert heard[0] in (2, 3), "the last is lost, with its lines the one before perhaps; the first are not"
    assert contents(tmp_path / "s") == contents(tmp_path / "wanted")


def test_a_journal_that_says_nothing_sound_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: list[float]
) -> None:
    make(tmp_path / "wanted")
    for number, damage in enumerate((b"", b"nonsense\n", b'{"key": 1}\n', b"\0" * 900)):
        folder = tmp_path / f"s{number}"
        cut_off(folder, monkeypatch, 2)
        (folder / growing.JOURNAL).write_bytes(damage)
        heard.clear()
        make(folder)
        assert heard == [0, 1, 2, 3, 4, 5]
        assert contents(folder) == contents(tmp_path / "wanted")


def test_what_was_begun_for_other_front_ends_or_streams_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: list[float]
) -> None:
    make(tmp_path / "wanted")
    cut_off(tmp_path / "s", monkeypatch, 2, ("micro",))
    cut_off(tmp_path / "s", monkeypatch, 0, BOTH)
    assert not Store.open(tmp_path / "s", key_of(PLANS, AROUND))
    build(tmp_path / "s", PLANS[::-1], AROUND, BOTH, workers=1)
    heard.clear()
    make(tmp_path / "s")
    assert heard == [0, 1, 2, 3, 4, 5]
    assert contents(tmp_path / "s") == contents(tmp_path / "wanted")


def test_an_addition_that_was_cut_off_outlasts_a_start_that_does_not_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: list[float]
) -> None:
    make(tmp_path / "s", ("micro",))
    cut_off(tmp_path / "s", monkeypatch, 4)
    make(tmp_path / "s", ("micro",))
    heard.clear()
    make(tmp_path / "s")
    assert heard == [4, 5]


def test_a_full_disk_keeps_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: list[float]
) -> None:
    make(tmp_path / "wanted")
    put, room = growing._put, [3000]

    def until_full(file: Any, data: bytes) -> None:
        taken = data[: max(0, room[0])]
        room[0] -= len(data)
        put(file, taken)
        if len(taken) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(growing, "_put", until_full)
        with pytest.raises(DiskFull, match=r"no room to write .*s\n  got: No space left"):
            make(tmp_path / "s")
    stopped = heard[-1]
    assert 6 < len(heard) < 12
    heard.clear()
    make(tmp_path / "s")
    assert heard == [float(n) for n in range(int(stopped), 6)]
    assert contents(tmp_path / "s") == contents(tmp_path / "wanted")


def test_progress_tells_where_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: list[float]) -> None:
    cut_off(tmp_path / "s", monkeypatch, 4)
    heard.clear()
    with Progress(quiet=True).stage("hear", len(PLANS), "streams") as bar:
        build(tmp_path / "s", PLANS, AROUND, BOTH, workers=1, bar=bar)
    assert heard == [4, 5]
    assert bar.done == 6


def test_memory_does_not_grow_with_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.zeros((25_000, 40), np.int8)
    nothing = np.zeros(0, streams.EVENT)
    monkeypatch.setattr(store, "_work", lambda plan, **how: ({"micro": frames.copy()}, nothing, 1000))
    store._front("micro")
    tracemalloc.start()
    try:
        whole = build(tmp_path / "s", PLANS * 10, AROUND, ("micro",), workers=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert whole.tracks["micro"].frames.nbytes == 60_000_000
    assert peak < 15_000_000
