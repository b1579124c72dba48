"""How long `wakewright budget` takes, and how near its computed arenas are to those that TFLite-Micro asks for.

    python benchmarks/budget.py [--repeats 7] [--arenas]

Every call is a process of its own. Of each preset for a device, seconds by the clock and of CPU (the processes it
begins among them), median and range: with a cache that knows no shape, and with one that knows this one. What it says
is printed too. --arenas computes and measures the arena of files of every architecture, and of ESPHome's own models.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from wakewright.core.recipe import ModelName
from wakewright.export import arena, tflite
from wakewright.models import quantised, registry

PRESETS = ("esp32-s3", "esp32", "rp2040")
SHAPES: tuple[tuple[ModelName, float], ...] = (
    ("mixednet", 0.25),
    ("mixednet", 0.375),
    ("mixednet", 1),
    ("tc_resnet", 0.5),
    ("tc_resnet", 1),
    ("tc_resnet14", 1),
    ("bc_resnet", 1),
    ("ds_cnn", 0.5),
    ("ds_cnn", 1),
    ("tiny_conv", 1),
    ("tiny_depthwise", 1),
    ("mobilenet_v3", 0.5),
)
"""Architectures and widths whose arenas are computed and measured."""


def called(preset: str, cache: Path) -> tuple[float, float, str]:
    """Seconds by the clock, seconds of CPU, and what the command said."""
    words = [sys.executable, "-m", "wakewright", "budget", "hey katya", "--for", preset]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"WAKEWRIGHT_CACHE": str(cache)}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    clock, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def told(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def times(preset: str, repeats: int) -> None:
    """Print how long a preset takes, and what is said of it."""
    for name in ("new", "known"):
        clocks, cpus = [], []
        with tempfile.TemporaryDirectory() as place:
            if name == "known":
                called(preset, Path(place))
            for number in range(repeats):
                clock, cpu, said = called(preset, Path(place) / (str(number) if name == "new" else ""))
                clocks.append(clock)
                cpus.append(cpu)
        print(f"| {preset} | {name} | {told(clocks)} | {told(cpus)} |", flush=True)
    print(said)


def files() -> Iterator[tuple[str, bytes]]:
    """Files by name: each shape, streaming and over a window, and ESPHome's."""
    forms: tuple[tflite.Form, ...] = ("streaming", "windowed")
    for name, width in SHAPES:
        model = registry.create(registry.Dimensions(name, width)).eval()
        quantised.prepare(model)
        with torch.no_grad():
            model(torch.rand(1, model.receptive_field, model.channels))
        for form in forms:
            yield f"{name}, width {width:g}, {form}", tflite.convert(model, form)
    import pymicro_wakeword

    for path in sorted((Path(pymicro_wakeword.__file__).parent / "models").glob("*.tflite")):
        yield f"ESPHome {path.stem}", path.read_bytes()


def arenas() -> None:
    """Print measured and computed arenas."""
    off = []
    for name, file in files():
        measured, computed = arena.measured(file), arena.computed(file)
        off.append(abs(computed / measured - 1))
        print(f"| {name} | {measured:,} | {computed:,} | {100 * (computed / measured - 1):+.1f} % |", flush=True)
    print(
        f"{len(off)} files, off by {100 * max(off):.1f} % at most and {100 * statistics.mean(off):.1f} % in the mean"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--arenas", action="store_true", help="compare computed and measured arenas instead")
    asked = parser.parse_args()
    if asked.arenas:
        arenas()
        return
    print("| preset | shape | seconds by the clock | of CPU |\n|---|---|---|---|")
    for preset in PRESETS:
        times(preset, asked.repeats)


if __name__ == "__main__":
    main()
