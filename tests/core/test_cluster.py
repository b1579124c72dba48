"""Work over a Ray cluster of two nodes: the same as here, whatever is killed, and refused where it would not be."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from wakewright.apps.cli import main
from wakewright.core import flow
from wakewright.core.audio import load, write_wav
from wakewright.core.cluster import Cluster, disconnect
from wakewright.core.engine import map_work
from wakewright.core.errors import AudioError, EnvironmentProblem
from wakewright.core.files import cache_dir
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Augment, Recipe, Voices
from wakewright.core.where import Engine
from wakewright.data import spoken, store, streams

pytest.importorskip("ray", reason="no package ray: pip install wakewright[cluster]")

ROOT = Path(__file__).parents[2]
MEMORY = 80 << 20
"""Bytes that a node keeps for objects; Ray takes no less than 75 MB."""


def patiently(start: Callable[[], Any]) -> Any:
    """What `start` gives: Ray takes a node that needs more than 30 s to start for dead, as on a busy machine."""
    for _ in range(3):
        try:
            return start()
        except Exception as error:
            if "timed out" not in str(error):
                raise
    return start()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster of two nodes with one CPU each, of processes of this machine; the cache is one of its own."""
    from ray.cluster_utils import Cluster as Nodes

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("WAKEWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        about = {"num_cpus": 1, "object_store_memory": MEMORY, "include_dashboard": False}
        made = patiently(lambda: Nodes(initialize_head=True, head_node_args=about))
        try:
            patiently(lambda: made.add_node(num_cpus=1, object_store_memory=MEMORY))
            yield made
        finally:
            disconnect()
            made.shutdown()


@pytest.fixture
def team(nodes: Any) -> Cluster:
    return Cluster(nodes.address)


def draw(seed: int) -> float:
    return float(np.random.default_rng(seed).normal())


def about_me(_: int) -> tuple[int, str, str, str]:
    time.sleep(0.3)  # so that no node does all of it
    return os.getppid(), os.environ["OPENBLAS_NUM_THREADS"], str(cache_dir()), str(Path.cwd())


def spread(item: int) -> np.ndarray[Any, Any]:
    return np.full(100_000, item, np.float32)


def refuse(item: int) -> int:
    if item == 3:
        raise AudioError("clip 3 is empty", got="0 samples", do="remove it")
    return item


def note(item: int, folder: Path) -> None:
    (folder / f"{item}-{time.monotonic_ns()}").touch()


def die_once(item: int, *, folder: Path) -> int:
    note(item, folder)
    if item == 5 and len(list(folder.glob("5-*"))) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def die_always(item: int, *, folder: Path) -> int:
    note(item, folder)
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


class Count:
    done = 0

    def advance(self, units: int = 1) -> None:
        self.done += units


def test_where_no_cluster_answers_the_way_to_one_is_told() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers, and nobody else can begin to
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            EnvironmentProblem, match=f"no Ray cluster answers at {address}\n  got: .*refused"
        ) as caught:
            list(map_work(draw, range(2), Cluster(address)))
    assert "ray start --head --port=" in caught.value.do
    assert f"ray start --address={address}" in caught.value.do


def test_results_are_those_of_a_local_process_in_order(team: Cluster) -> None:
    alone, bar = list(map_work(draw, range(40), 1)), Count()
    assert list(map_work(draw, iter(range(40)), team, chunk=3, progress_bar=bar)) == alone
    assert bar.done == 40
    assert list(map_work(draw, [], Cluster("127.0.0.1:1"))) == []  # nothing to do needs nobody
    first = next(iter(map_work(spread, range(3), team)))
    first += 1  # not a window into memory that others read
    assert first.sum() == 100_000


def test_both_nodes_work_with_one_thread_each_in_the_folders_of_the_driver(team: Cluster) -> None:
    told = list(map_work(about_me, range(8), team))
    assert len({of for of, *_ in told}) == 2
    assert {(threads, cache, folder) for _, threads, cache, folder in told} == {
        ("1", str(cache_dir()), str(Path.cwd()))
    }
    began = time.monotonic()
    list(map_work(about_me, range(4), Cluster(team.address, most=1)))
    assert time.monotonic() - began >= 4 * 0.3


def test_an_exception_comes_back_as_it_is_after_what_came_before_it(team: Cluster) -> None:
    results = map_work(refuse, range(8), team)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(AudioError, match="clip 3 is empty\n  got: 0 samples") as caught:
        next(results)
    assert caught.value.__notes__ == ["while working on 3"]


def test_what_a_worker_took_with_it_is_done_again_and_nothing_else(team: Cluster, tmp_path: Path) -> None:
    work = functools.partial(die_once, folder=tmp_path)
    assert list(map_work(work, range(12), team, chunk=2)) == list(range(12))
    tried = [int(path.name.split("-")[0]) for path in tmp_path.iterdir()]
    assert sorted(tried) == sorted([*range(12), 4, 5])  # its chunk was 4 and 5


@pytest.mark.slow
def test_an_item_that_ends_every_worker_is_named(
    team: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "ATTEMPTS", 2)
    work = functools.partial(die_always, folder=tmp_path)
    with pytest.raises(EnvironmentProblem, match=r"2 processes ended with what was worked on: 5\n  got: the last"):
        list(map_work(work, range(12), team, chunk=2))
    assert len(list(tmp_path.glob("5-*"))) == 1 + 2  # once with 4, then by itself


def workers_at_work(*nodes: Any) -> list[int]:
    """Processes of these nodes, or of all nodes of these clusters, that have a chunk in hand."""
    every = [
        node for some in nodes for node in (some.list_all_nodes() if hasattr(some, "list_all_nodes") else [some])
    ]
    raylets = {node.all_processes["raylet"][0].process.pid for node in every}
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in raylets and (entry / "cmdline").read_bytes().startswith(b"ray::_task"):
                found.append(int(entry.name))
    return found


class KillsOne(threading.Thread):
    """Kills the first worker that is seen at work."""

    def __init__(self, nodes: Any) -> None:
        super().__init__(daemon=True)
        self._nodes, self.killed = nodes, 0

    def run(self) -> None:
        deadline = time.monotonic() + 60
        while not self.killed and time.monotonic() < deadline:
            for pid in workers_at_work(self._nodes)[:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.killed = pid
            time.sleep(0.01)


def clips_of(manifest: Manifest, cache: Path) -> list[tuple[Clip, bytes]]:
    """The clips, with where they lie in the cache and their sound."""
    return [
        (dataclasses.replace(clip, path=str(Path(clip.path).relative_to(cache))), Path(clip.path).read_bytes())
        for clip in manifest
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return Recipe(phrase="hey katya", voices=Voices(engines=("espeak",), positives=120, near_misses=12, sentences=40))


@pytest.fixture(scope="module")
def said(nodes: Any, recipe: Recipe) -> Manifest:
    """Everything that the recipe asks for, spoken by the cluster, of which a worker is killed at its work."""
    killer = KillsOne(nodes)
    killer.start()
    there = recipe.model_copy(update={"engine": Engine(kind="ray", address=nodes.address)})
    made = spoken.speak(there, Progress(quiet=True))
    assert killer.killed
    return made


def test_speaking_with_a_worker_killed_gives_the_manifest_and_the_sounds_of_a_local_run(
    said: Manifest, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = clips_of(said, cache_dir())
    names = [path.name for path in (cache_dir() / "speech").rglob("*") if path.is_file()]
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path))
    here = recipe.model_copy(update={"engine": Engine(workers=1)})
    assert clips_of(spoken.speak(here, Progress(quiet=True)), tmp_path) == there
    whole = [path.name for path in (tmp_path / "speech").rglob("*") if path.is_file()]
    left = [name for name in names if name.startswith(".")]  # what a killed process was just writing
    assert sorted(set(names) - set(left)) == sorted(whole)
    assert len(left) <= 1


@pytest.mark.slow
def test_a_store_is_the_same_to_the_byte_with_a_node_removed_on_the_way(
    nodes: Any, team: Cluster, said: Manifest, tmp_path: Path
) -> None:
    around = streams.Surroundings(Augment(rooms=2), 5, (), ())
    copies = {("positive", False): 1, ("near_miss", False): 1, ("speech", False): 1}
    plans = streams.plan(said, copies, around, np.random.default_rng(1))
    gone = nodes.list_all_nodes()[1]

    class Removes:
        done = 0
        at_work: tuple[int, ...] = ()

        def advance(self, units: int = 1) -> None:
            if not self.done:
                self.at_work = tuple(workers_at_work(gone))
                nodes.remove_node(gone, allow_graceful=False)
            self.done += units

    bar, fronts = Removes(), ("micro", "speech_embedding")
    store.build(tmp_path / "ray", plans, around, fronts, workers=team, bar=cast("Any", bar))
    store.build(tmp_path / "here", plans, around, fronts, workers=1)
    assert bar.at_work  # so there was something to lose
    assert bar.done == len(plans)
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")


def test_mining_finds_on_a_cluster_what_it_finds_here(
    team: Cluster, said: Manifest, exported: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [load(clip.path) for clip in said.of("speech")]
    for name, some in (("one", clips[:10]), ("two", clips[10:20])):
        write_wav(tmp_path / "audio" / f"{name}.wav", np.concatenate(some))
    for name, who in (("here", ["--workers", "1"]), ("ray", ["--address", team.address or ""])):
        words = ["mine", str(exported["mixednet"]), str(tmp_path / "audio"), "--out", str(tmp_path / name), *who]
        assert main([*words, "--near", "0.01"]) == 0
    found = {name: contents(tmp_path / name) for name in ("here", "ray")}
    for files in found.values():
        del files[".lock"]
    assert found["here"] == found["ray"]
    assert len(found["ray"]) > 3
    said_here, said_there = (line for line in capsys.readouterr().out.splitlines() if "searched" in line)
    assert said_here == said_there


SCRIPT = """
import signal, sys, time
from wakewright.core.cluster import Cluster
# a test run started in the background inherits an ignored Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)
list(Cluster(sys.argv[1]).map(time.sleep, [60] * 8))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_ctrl_c_and_a_killed_driver_end_the_work(
    nodes: Any, team: Cluster, tmp_path: Path, how: signal.Signals
) -> None:
    script = tmp_path / "spread.py"
    script.write_text(SCRIPT)
    words = [sys.executable, str(script), team.address or ""]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as driver:
        deadline = time.monotonic() + 120
        while not (pids := workers_at_work(nodes)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        driver.send_signal(how)
        _, said = driver.communicate(timeout=50)
    assert ("KeyboardInterrupt" in said.decode()) == (how is signal.SIGINT)
    deadline = time.monotonic() + 50  # before the tasks would end by themselves
    while (left := [pid for pid in pids if pid in workers_at_work(nodes)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def another_node(nodes: Any, hidden: Path, changed: Path) -> subprocess.Popen[bytes]:
    """A node that does not see the folder `hidden`, and sees the file `changed` for wakewright's first."""
    words = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={nodes.address}", "--block"]
    words += ["--num-cpus=1", f"--object-store-memory={MEMORY}"]
    script = f"mount -t tmpfs tmpfs {hidden} && mount --bind {changed} {ROOT}/wakewright/__init__.py"
    return subprocess.Popen(
        ["unshare", "-m", "sh", "-c", f"{script} && exec {' '.join(words)}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_a_node_that_differs_is_refused_by_name(nodes: Any, team: Cluster, tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("hiding a folder from a process needs root on Linux")
    import ray

    changed = tmp_path / "changed.py"
    changed.write_text((ROOT / "wakewright" / "__init__.py").read_text() + "# changed\n")
    assert list(map_work(draw, range(2), team)) == [draw(0), draw(1)]
    before = sum(bool(node["Alive"]) for node in ray.nodes())
    stranger = another_node(nodes, cache_dir(), changed)
    try:
        deadline = time.monotonic() + 120
        while sum(bool(node["Alive"]) for node in ray.nodes()) == before:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        with pytest.raises(EnvironmentProblem) as caught:
            list(map_work(draw, range(2), team))
    finally:
        stranger.terminate()
        stranger.wait(timeout=60)
    problem = caught.value
    assert problem.what == "a node of the cluster cannot take part"
    assert f"the folder {cache_dir()}: what others write there is not seen, here shared" in problem.got
    assert re.search(r"wakewright: [0-9.a-z]+ \(source [0-9a-f]{8}\), here [0-9.a-z]+ \(source ", problem.got)
    assert re.search(r"\A\S+ \([0-9.]+, [0-9a-f]{8}\): ", problem.got)
    assert problem.do == (
        "share the folders, and mount them there under the same paths; install the same there as here; "
        "or take it out of the cluster: ray stop"
    )


@pytest.mark.slow
def test_a_cluster_that_loses_its_nodes(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.cluster_utils import Cluster as Nodes

    def remove_at_work() -> None:
        deadline = time.monotonic() + 120
        while not workers_at_work(lonely) and time.monotonic() < deadline:
            time.sleep(0.1)
        lonely.remove_node(lonely.list_all_nodes()[-1], allow_graceful=False)

    def lose() -> None:
        """Give a node a long task, and remove the node under it."""
        patiently(lambda: lonely.add_node(num_cpus=1, object_store_memory=MEMORY))
        thread = threading.Thread(target=remove_at_work, daemon=True)
        thread.start()
        list(map_work(time.sleep, [300], Cluster(lonely.address)))

    about = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False}
    lonely = patiently(lambda: Nodes(initialize_head=True, head_node_args=about))
    try:
        with pytest.raises(EnvironmentProblem, match=r"has nobody to work\n  got: 1 nodes, no CPU\n  do:  start Ray"):
            list(map_work(draw, range(2), Cluster(lonely.address)))
        monkeypatch.setattr(flow, "LOSSES", 1)
        with pytest.raises(EnvironmentProblem, match="1 nodes were lost under what was worked on: 300"):
            lose()
        monkeypatch.undo()
        monkeypatch.setattr(flow, "NOBODY_S", 1.0)
        with pytest.raises(EnvironmentProblem, match="has nobody to work"):
            lose()
    finally:
        disconnect()
        lonely.shutdown()
