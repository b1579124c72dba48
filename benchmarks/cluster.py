"""What a Ray cluster costs beside local processes: seconds and CPU seconds per item, two workers each.

    python benchmarks/cluster.py [--positives 400] [--rounds 2] [--address HOST:PORT]

Speaks a phrase and sentences by espeak-ng into a fresh cache, and stores the features of their streams, once by two
local processes and once by two tasks of a cluster, in turns. Without --address a cluster of two nodes with one CPU
each is started on this machine. CPU time is that of this process and of all its descendants (Linux), which holds
Ray's own processes where the cluster was started here; starting it is told apart. The results are compared byte by
byte.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wakewright.core.cluster import Cluster, disconnect
from wakewright.core.engine import Workers, map_work
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress, _family
from wakewright.core.recipe import Recipe, Voices
from wakewright.core.where import Engine
from wakewright.data import parts as scenes
from wakewright.data import spoken, store

TICK = os.sysconf("SC_CLK_TCK")
FRONTS = ("micro", "speech_embedding")


class Spent:
    """CPU seconds of this process and of every descendant that was ever looked at, those that have ended too.

    Some end without their parent waiting for them, so each is looked at ten times a second: of one that ends, at
    most its last tenth of a second is missed.
    """

    def __init__(self) -> None:
        self._ticks: dict[tuple[int, str], int] = {}
        self._over = threading.Event()

    def __enter__(self) -> Spent:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self.seconds()

    def seconds(self) -> float:
        """Until now."""
        for pid in _family(os.getpid()):
            with contextlib.suppress(OSError):
                told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                self._ticks[pid, told[19]] = int(told[11]) + int(told[12])  # by its start too: numbers are used again
        return sum(list(self._ticks.values())) / TICK


def timed(work: Callable[[], Any], spent: Spent) -> tuple[Any, float, float]:
    """(what it gives, seconds, CPU seconds)."""
    began, before = time.monotonic(), spent.seconds()
    made = work()
    return made, time.monotonic() - began, spent.seconds() - before


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[str]:
    """The address of the cluster, or of one that is made for the block."""
    if address is not None:
        yield address
        return
    from ray.cluster_utils import Cluster as Nodes

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    about = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    made = Nodes(initialize_head=True, head_node_args=about)
    try:
        made.add_node(num_cpus=1, object_store_memory=80 << 20)
        yield made.address
    finally:
        disconnect()
        made.shutdown()


def sounds(manifest: Manifest) -> list[bytes]:
    """The bytes of every clip, in order."""
    return [Path(clip.path).read_bytes() for clip in manifest]


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of every file of features; the key beside them is of the paths of the sounds."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.npy"))}


def round_of(
    recipe: Recipe, engine: Engine, place: Path, spent: Spent
) -> tuple[dict[str, Any], list[bytes], dict[str, bytes]]:
    """Speak and hear everything once; figures, sounds, the store."""
    os.environ["WAKEWRIGHT_CACHE"] = str(place / "cache")
    recipe = recipe.model_copy(update={"engine": engine})
    workers: Workers = Cluster(engine.address, 2) if engine.kind == "ray" else 2
    # processes start anew each time
    _, ready_s, ready_cpu_s = timed(lambda: list(map_work(abs, range(8), workers)), spent)
    said, speak_s, speak_cpu_s = timed(lambda: spoken.speak(recipe, Progress(quiet=True)), spent)
    what = scenes.training_scene({"train": said}, recipe)
    _, hear_s, hear_cpu_s = timed(
        lambda: store.build(place / "store", what.plans, what.surroundings, FRONTS, workers=workers), spent
    )
    figures = {
        "clips": len(said),
        "streams": len(what.plans),
        "start_s": ready_s,
        "start_cpu_s": ready_cpu_s,
        "speak_ms_per_clip": 1000 * speak_s / len(said),
        "speak_cpu_ms_per_clip": 1000 * speak_cpu_s / len(said),
        "hear_ms_per_stream": 1000 * hear_s / len(what.plans),
        "hear_cpu_ms_per_stream": 1000 * hear_cpu_s / len(what.plans),
    }
    return figures, sounds(said), contents(place / "store")


def main() -> None:
    """Print the figures of every round and the ratio of the medians, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positives", type=int, default=400, help="clips of the phrase; half as many sentences")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--address", help="of a cluster that is there")
    words = parser.parse_args()
    voices = Voices(engines=("espeak",), positives=words.positives, near_misses=0, sentences=words.positives // 2)
    recipe = Recipe(phrase="hey katya", voices=voices)
    recipe = recipe.model_copy(update={"augment": recipe.augment.model_copy(update={"copies": 1, "rooms": 4})})
    rows: dict[str, list[dict[str, Any]]] = {"local": [], "ray": []}
    made = []
    load_before = os.getloadavg()
    with cluster(words.address) as address, tempfile.TemporaryDirectory() as folder, Spent() as spent:
        engines = {"local": Engine(workers=2), "ray": Engine(kind="ray", address=address, workers=2)}
        for number in range(words.rounds):
            for name, engine in engines.items():
                figures, *results = round_of(recipe, engine, Path(folder) / f"{name}-{number}", spent)
                rows[name].append(figures)
                made.append(results)
                print(name, json.dumps({key: round(value, 2) for key, value in figures.items()}), flush=True)
    middle = {n: {key: float(np.median([row[key] for row in of])) for key in of[0]} for n, of in rows.items()}
    ratios = {key: round(middle["ray"][key] / middle["local"][key], 2) for key in middle["local"] if "per" in key}
    same = all(one == made[0] for one in made)
    told = {
        "ratios": ratios,
        "the same bytes": same,
        "load": [round(load_before[0], 1), round(os.getloadavg()[0], 1)],
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
