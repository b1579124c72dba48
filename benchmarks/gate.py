"""What a voice gate saves and what it costs: CPU and detections with it and without, on recordings of people.

    taskset -c 0 python benchmarks/gate.py RUN --speech DIR [--gates energy=-60 energy=-50 energy=-40 silero=0.3]

Words as recorded and in noise, other speech, noise and music from DIR/manifest.csv (see real_voices), each as
continuous streams in pieces of 80 ms, at the run's own threshold; each stream with every gate before the next one, so
that what else the machine does bears on all alike. "open" is the share of time in which it computes.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from wakewright.apps.confirm import gate_of
from wakewright.core.audio import SAMPLE_RATE, load
from wakewright.core.run import Run
from wakewright.data.scene import word_bounds
from wakewright.detect.listener import Listener
from wakewright.evaluate import real
from wakewright.evaluate.metrics import GRACE_S

PIECE = 1280


def hear(
    listener: Listener, stretch: real.Stretch
) -> tuple[list[tuple[float, float]], list[float], float, float, float]:
    """(start, end) of each recording's sound, moments of detection, seconds: of CPU, of sound, and open."""
    samples, places = real.assemble(stretch)
    words = [(start, word_bounds(load(r.path))) for r, (start, _) in zip(stretch.recordings, places, strict=True)]
    bounds = [((start + a) / SAMPLE_RATE, (start + b) / SAMPLE_RATE) for start, (a, b) in words]
    listener.reset()
    fires, opened, began = [], 0, time.process_time()
    for at in range(0, len(samples), PIECE):
        fires += [fire.end_s for fire in listener.push(samples[at : at + PIECE])]
        opened += listener.gate is None or listener.gate.open
    spent = time.process_time() - began
    return bounds, fires, spent, len(samples) / SAMPLE_RATE, opened * PIECE / SAMPLE_RATE


def counted(name: str, heard: tuple[list[tuple[float, float]], list[float], float, float, float]) -> np.ndarray:
    """(6,) of a stream: words caught, words, detections elsewhere, hours, seconds of CPU, hours open."""
    bounds, fires, spent, seconds, opened = heard
    words = bounds if name.startswith("words/") else []
    caught = [any(low <= fire <= high + GRACE_S for fire in fires) for low, high in words]
    inside = [any(low <= fire <= high + GRACE_S for low, high in words) for fire in fires]
    return np.array([sum(caught), len(words), len(fires) - sum(inside), seconds / 3600, spent, opened / 3600])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--gates", nargs="*", default=["energy=-60", "energy=-50", "energy=-40", "silero=0.3"])
    asked = parser.parse_args()
    material = real.read_material(asked.speech, Run.open(asked.run).recipe.phrase, apart=("saa_accents",))
    jobs = real.jobs(material, (None, 10.0))
    print("| gate | sound | heard | of words | detections elsewhere | hours | CPU ms per s | open |")
    print("|---|---|---|---|---|---|---|---|")
    listeners = {word or "none": Listener.load([asked.run], gate=gate_of(word)) for word in [None, *asked.gates]}
    rows: dict[tuple[str, str], np.ndarray] = defaultdict(lambda: np.zeros(6))
    for name, stretch in jobs:
        for word, listener in listeners.items():
            rows[word, name.split("/", 1)[1]] += counted(name, hear(listener, stretch))
    for (word, name), (caught, words, elsewhere, hours, cpu, opened) in sorted(rows.items()):
        print(
            f"| {word} | {name} | {caught:.0f} | {words:.0f} | {elsewhere:.0f} | {hours:.2f} | "
            f"{cpu / hours / 3.6:.2f} | {opened / hours:.0%} |"
        )


if __name__ == "__main__":
    main()
