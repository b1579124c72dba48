"""Work over a Ray cluster: the same results, in the same order, as by processes of this machine.

The machine that starts a command is a node of the cluster; all its nodes see one folder to work in, one cache and
whatever the recipe names, under the same paths. Every process of the cluster compares that, and the versions of
what decides a result, with the machine that asks, before it does anything (`core/ground.py`).

Tasks carry chunks of the items. One that is lost with its process or its node is sent again: results are named by
what they are made of and written whole, so nothing is doubled. A chunk that ended its process is sent again item by
item, and an item that does so again and again ends the work, by name.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import itertools
import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from wakewright.core import ground
from wakewright.core.engine import ONE_THREAD, Advances, Item, Probe, Result, Workers, chunks, work_on
from wakewright.core.errors import EnvironmentProblem, InputError, MissingPackage
from wakewright.core.files import cache_dir, disk_errors, fingerprint
from wakewright.core.flow import Flow, nobody
from wakewright.core.recipe import Recipe
from wakewright.core.where import address_problem

CONNECT_S = 5.0
"""Time in which the address must answer."""
CHECK_S = 120.0
"""Time a node may take to answer what it sees; its first process has to start."""


def workers_of(recipe: Recipe, *reads: Path | str) -> Workers:
    """Who does a recipe's work; a cluster must find the recipe's files, and `reads` besides, as they are here."""
    engine = recipe.engine
    if engine.kind == "local":
        return engine.workers
    around = recipe.background
    own = recipe.recordings.paths if recipe.recordings else ()
    mistakes = recipe.mined.paths if recipe.mined else ()
    brought = recipe.dataset.manifests if recipe.dataset else ()
    voices = (recipe.voices.piper_dir,) if recipe.voices.piper_dir else ()
    named_files = (*own, *mistakes, *brought, *voices, *around.speech, *around.noise, *around.music, *around.rirs)
    files = functools.partial(ground.files, tuple(map(str, (*named_files, *reads))))
    return Cluster(engine.address, engine.workers).agreeing(files)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a Ray cluster."""

    address: str | None = None
    """HOST:PORT of the cluster's head; None: the cluster that this machine is a node of."""
    most: int = 0
    """Tasks at once; 0 is one for every CPU of the cluster."""
    probes: tuple[Probe, ...] = ()
    """What must be found on every node as it is here, besides versions, cache and folder."""

    def __post_init__(self) -> None:
        """Raises InputError for what is no address."""
        if self.address is not None and (problem := address_problem(self.address)):
            raise InputError(f"no address of a Ray cluster: {problem}", got=self.address, do="name HOST:PORT")

    def agreeing(self, probe: Probe) -> Cluster:
        """The same cluster, where `probe` must also find what it finds here."""
        return dataclasses.replace(self, probes=(*self.probes, probe))

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        chunk: int = 1,
        progress_bar: Advances | None = None,
    ) -> Iterator[Result]:
        """`function(item)` for every item, in the order of the items: see engine.map_processes.

        Raises MissingPackage without Ray; EnvironmentProblem where no cluster answers, for a node that is not as
        this machine, for an item that keeps ending its process, and when every node is gone.
        """
        pieces = chunks(items, chunk)
        first = next(pieces, None)
        if first is None:
            return
        ray = _connected(self.address)
        terms = _Terms.of((ground.versions, functools.partial(ground.marker, _marker()), *self.probes))
        _refuse_unfit(ray, terms)
        job = ray.put(ray.cloudpickle.dumps((terms, function)))
        task = _remote(ray, _task)
        flow = Flow[Item, Result](ray, lambda piece: task.remote(job, ray.cloudpickle.dumps(piece)), self.most)
        with contextlib.closing(flow):
            for results in flow.results(itertools.chain([first], pieces)):
                if progress_bar is not None:
                    progress_bar.advance(len(results))
                yield from results


# In the cluster.


@dataclasses.dataclass(frozen=True)
class _Terms:
    """What a process of the cluster must find before it may work."""

    key: str
    folder: str
    """Where relative paths begin."""
    probes: tuple[Probe, ...]
    facts: dict[str, str]
    """What they find on the machine that asks."""

    @classmethod
    def of(cls, probes: tuple[Probe, ...]) -> _Terms:
        facts = {name: value for probe in probes for name, value in probe().items()}
        folder = str(Path.cwd())
        return cls(fingerprint(facts, folder), folder, probes, facts)

    def differences(self) -> list[tuple[str, str]]:
        """(name, what is found here instead) for each that is not as it should be."""
        try:
            os.chdir(self.folder)
        except OSError:
            return [(f"the path {self.folder}", ground.ABSENT)]
        here = {name: value for probe in self.probes for name, value in probe().items()}
        return [(name, here.get(name, "nothing")) for name in self.facts if here.get(name) != self.facts[name]]


_agreed: set[str] = set()
"""Terms that this process has found met."""


def _look(terms: bytes) -> bytes:
    return pickle.dumps(pickle.loads(terms).differences())


def _task(job: bytes, items: bytes) -> bytes:
    """One chunk. What goes and comes is pickled here, so that results are as a local process gives them."""
    terms, function = pickle.loads(job)
    if terms.key not in _agreed:
        if found := terms.differences():  # a node that has joined since the others were asked
            return pickle.dumps((None, _unfit([(socket.gethostname(), found)], terms.facts)))
        _agreed.add(terms.key)
    try:
        return pickle.dumps((work_on(function, pickle.loads(items)), None))
    except Exception as error:
        return pickle.dumps((None, error))


# On the machine that asks.

_connection: dict[str, Any] = {}
"""Of this process: the cluster's address, and the marker laid into the cache. Ray keeps one for a process too."""


def _connected(address: str | None) -> Any:
    """The package ray, connected to the cluster at `address`, or as whoever called us has connected it."""
    try:
        import ray
    except ImportError as error:
        raise MissingPackage(
            "a Ray cluster cannot be used", got="no package ray", do="pip install wakewright[cluster]"
        ) from error
    if ray.is_initialized():
        if _connection.get("address", address) == address:
            return ray
        disconnect()
    if address is not None:
        _reach(address)
    try:
        ray.init(
            address=address or "auto", log_to_driver=False, logging_level=logging.ERROR, runtime_env=_surroundings()
        )
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        here = f"make this machine a node of it: ray start --address={address}"
        raise EnvironmentProblem(
            f"no Ray cluster can be used at {address}" if address else "this machine is no node of a Ray cluster",
            got=str(error).strip().splitlines()[0],
            do=here if address else "name the cluster's address, or start one: ray start --head",
        ) from error
    _connection["address"] = address
    return ray


def disconnect() -> None:
    """Leave the cluster; the next work connects anew."""
    _remove_marker()
    if "address" in _connection:
        import ray

        del _connection["address"]
        ray.shutdown()


def _reach(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except OSError as error:
        raise EnvironmentProblem(
            f"no Ray cluster answers at {address}",
            got=error.strerror or str(error),
            do=f"start one there: ray start --head --port={port}, and on every other machine: "
            f"ray start --address={address}",
        ) from error


def _surroundings() -> dict[str, Any]:
    """What each process of the cluster is started with."""
    return {"env_vars": {**dict.fromkeys(ONE_THREAD, "1"), "WAKEWRIGHT_CACHE": str(cache_dir().resolve())}}


def _remote(ray: Any, function: Callable[..., bytes], **options: Any) -> Any:
    """The function as a task. Ray's own retries are off: `Flow` counts, and knows which item it was."""
    return ray.remote(**{"num_cpus": 1, "max_retries": 0, "runtime_env": _surroundings(), **options})(function)


def _marker() -> str:
    """A file in the cache that this process has just written: who sees it shares the folder."""
    place = cache_dir().resolve() / "cluster" / f"{socket.gethostname()}-{os.getpid()}"
    if _connection.get("marker") != place:
        _remove_marker()
        with disk_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        _connection["marker"] = place
        atexit.register(_remove_marker)
    return str(place)


def _remove_marker() -> None:
    if "marker" in _connection:
        _connection.pop("marker").unlink(missing_ok=True)


def _refuse_unfit(ray: Any, terms: _Terms) -> None:
    """Ask every node that has CPUs what it finds. Raises EnvironmentProblem that names all that differ."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if not nodes:
        raise nobody(ray)
    packed, look, asked = ray.cloudpickle.dumps(terms), _remote(ray, _look, num_cpus=0), {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {node['NodeID'][:8]})"
        asked[name] = look.options(scheduling_strategy=there).remote(packed)
    unfit = []
    for name, answer in asked.items():
        try:
            found = pickle.loads(ray.get(answer, timeout=CHECK_S))
        except (ray.exceptions.NodeDiedError, ray.exceptions.TaskUnschedulableError):
            continue  # it is no node any more
        except ray.exceptions.GetTimeoutError:
            found = [("an answer", f"none within {CHECK_S:g} s")]
        except ray.exceptions.RayError as error:  # most often: no wakewright there
            found = [("wakewright", str(error).strip().splitlines()[-1])]
        if found:
            unfit.append((name, found))
    if unfit:
        raise _unfit(unfit, terms.facts)


def _unfit(nodes: list[tuple[str, list[tuple[str, str]]]], facts: dict[str, str]) -> EnvironmentProblem:
    lines = [
        f"{node}: {name}: {there}" + (f", here {facts[name]}" if name in facts else "")
        for node, found in nodes
        for name, there in found
    ]
    names = {name for _, found in nodes for name, _ in found}
    folders = [name for name in names if name.startswith(("the folder ", "the path "))]
    advice = ["share the folders, and mount them there under the same paths"] if folders else []
    if len(folders) < len(names):
        advice.append("install the same there as here")
    return EnvironmentProblem(
        f"{'a node' if len(nodes) == 1 else f'{len(nodes)} nodes'} of the cluster cannot take part",
        got="\n       ".join(lines),
        do="; ".join([*advice, "or take it out of the cluster: ray stop"]),
    )
