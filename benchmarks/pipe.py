"""`listen` over a long pipe: no lost sample, no drift, flat memory, and its CPU.

    python benchmarks/pipe.py RUN [--minutes 60]

Sends the run's own samples of the phrase over faint noise, minute after minute, as raw samples through a pipe into
`wakewright listen RUN --wav - --json`, and compares each detection with those of a detector in this process: a sample
lost or doubled anywhere would move all that follow. Memory is read ten times along the way.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from wakewright.apps.bench import memory_mb
from wakewright.core.audio import SAMPLE_RATE, load, to_int16
from wakewright.detect.detector import Detector


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=int, default=60)
    asked = parser.parse_args()
    minute = np.random.default_rng(0).normal(0, 1e-3, 60 * SAMPLE_RATE).astype(np.float32)
    for i, path in enumerate(sorted((asked.run / "samples" / "positive").glob("*.wav"))):
        clip, at = load(path), (3 + 7 * i) * SAMPLE_RATE
        minute[at : at + len(clip)] += clip[: len(minute) - at]
    here = Detector.load(asked.run)
    expected: list[int] = []
    command = [sys.executable, "-m", "wakewright", "listen", str(asked.run), "--wav", "-", "--json"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    raw = to_int16(minute).astype("<i2").tobytes()
    heard = np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32768)
    memory = []
    for number in range(asked.minutes):
        process.stdin.write(raw)
        process.stdin.flush()
        expected += [fire.sample for fire in here.push(heard)]
        if number % max(1, asked.minutes // 10) == max(1, asked.minutes // 10) - 1:
            memory.append(memory_mb(process.pid))
    process.stdin.close()
    found = [round(json.loads(line)["end_s"] * SAMPLE_RATE) for line in process.stdout]
    process.wait()
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN)
    off = max((abs(a - b) for a, b in zip(found, expected, strict=True)), default=0)
    print(f"{asked.minutes} min through a pipe: {len(found)} detections, the same as in this process: {off <= 8}")
    print(f"last of them at {found[-1] / SAMPLE_RATE if found else 0:.1f} s, largest difference {off} samples")
    print("memory along the way, MB: " + " ".join(f"{m:.1f}" for m in memory))
    cpu = seconds.ru_utime + seconds.ru_stime
    print(f"CPU {1000 * cpu / (60 * asked.minutes):.2f} ms per second of audio, start-up included")


if __name__ == "__main__":
    main()
