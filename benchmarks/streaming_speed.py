"""How fast continuous audio goes through the detector, on one core.

    python benchmarks/streaming_speed.py RUN... [--minutes 60] [--repeats 3] [--peers alexa]

Prints, per detector, audio seconds per second (median and range of the repeats) and CPU milliseconds per second of
audio, for long pieces as an evaluation feeds them and for the 80 ms pieces of a live microphone. The audio is noise
of changing level: none of the arithmetic depends on what is said. Pin it to a core: taskset -c 0 python ...
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import peers

from wakewright.apps.bench import sound
from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.detect.detector import Detector

PEERS = {
    "pymicro-wakeword": "pymicro-wakeword's model and loop, 5 min",
    "pyopen-wakeword": "pyopen-wakeword's head on this project's front end, 5 min",
}
LIVE = 1280
"""Samples in a piece of a live stream: 80 ms."""


def measure(name: str, run: Callable[[], object], seconds: float, repeats: int) -> None:
    """Time `run` and print a row."""
    run()
    wall, cpu = [], []
    for _ in range(repeats):
        started, busy = time.perf_counter(), time.process_time()
        run()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - busy)
    times = [seconds / w for w in wall]
    print(
        f"| {name} | {statistics.median(times):,.0f} ({min(times):,.0f} to {max(times):,.0f}) "
        f"| {1000 * statistics.median(cpu) / seconds:.2f} |",
        flush=True,
    )


def live(detector: Detector, samples: Samples) -> None:
    """Feed the detector as a microphone would."""
    detector.reset()
    for start in range(0, len(samples), LIVE):
        detector.push(samples[start : start + LIVE])


def whole(detector: Detector, samples: Samples) -> None:
    """Feed the detector as an evaluation does."""
    detector.reset()
    detector.score(samples)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", default="alexa", metavar="WORD")
    asked = parser.parse_args()
    long, short = sound(60 * asked.minutes), sound(60 * min(5.0, asked.minutes))
    print("| detector, audio | times real time: median (range) | CPU ms per s |\n|---|---|---|")
    for folder in asked.runs:
        detector = Detector.load(folder)
        name = detector.phrase + ", " + folder.resolve().parent.parent.name
        measure(
            f"{name}, {asked.minutes:g} min whole",
            lambda d=detector: whole(d, long),
            60 * asked.minutes,
            asked.repeats,
        )
        measure(f"{name}, 80 ms pieces", lambda d=detector: live(d, short), len(short) / SAMPLE_RATE, asked.repeats)
    for package in peers.PACKAGES if asked.peers else ():
        ear = peers.ear(package, asked.peers)
        measure(PEERS[package], lambda e=ear: e.hear(short), len(short) / SAMPLE_RATE, asked.repeats)


if __name__ == "__main__":
    main()
