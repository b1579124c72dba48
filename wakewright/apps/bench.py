"""What listening costs on this machine: latency, CPU, memory and load time of every way to run a detector."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.recipe import Cascade as Settings
from wakewright.detect.cascade import Cascade
from wakewright.detect.detector import Detector
from wakewright.detect.judge import Judge, Verdict
from wakewright.detect.listener import Listener

CLIP_S = 2.0
"""Length of the clips that a Judge is asked about."""
LOADS = 5
"""Fresh processes whose load time is measured."""
_LOAD = """
import sys, time
began = time.perf_counter()
from wakewright.detect.detector import Detector
detector = Detector.load(sys.argv[1])
loaded = time.perf_counter() - began
import numpy
detector.push(numpy.zeros(32000, numpy.float32))
print(loaded, time.perf_counter() - began, "torch" in sys.modules)
"""


@dataclasses.dataclass(frozen=True)
class Row:
    """One way to run it."""

    what: str
    unit: str
    """What is timed: a step, or a clip of CLIP_S."""
    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms_per_s: float | None
    """CPU milliseconds per second of audio; None where another process does the work."""


def sound(seconds: float) -> Samples:
    """(n,) noise whose level wanders: none of the arithmetic depends on what is said."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(round(seconds * SAMPLE_RATE), np.float32)
    level = np.repeat(10 ** rng.uniform(-3.0, -1.0, round(seconds) + 1), SAMPLE_RATE)[: len(noise)]
    return np.asarray(noise * level, np.float32)


def _row(what: str, unit: str, wall: Sequence[float], cpu_s: float | None, heard_s: float) -> Row:
    p50, p95, p99 = (1000 * float(np.quantile(wall, q)) for q in (0.5, 0.95, 0.99))
    return Row(what, unit, len(wall), p50, p95, p99, None if cpu_s is None else 1000 * cpu_s / heard_s)


def steps(detector: Detector, seconds: float) -> Row:
    """A live stream, step by step."""
    hop = round(detector.hop_s * SAMPLE_RATE)
    noise = sound(seconds)
    pieces = [noise[at : at + hop] for at in range(0, len(noise) - hop + 1, hop)]
    for piece in pieces[:50]:
        detector.push(piece)
    wall, began = [], time.process_time()
    for piece in pieces:
        at = time.perf_counter()
        detector.push(piece)
        wall.append(time.perf_counter() - at)
    cpu = time.process_time() - began
    return _row(f"Sentry, {detector.model}", f"step of {1000 * detector.hop_s:.0f} ms", wall, cpu, seconds)


def verdicts(what: str, verify: Callable[[Samples], Verdict], count: int, *, here: bool) -> Row:
    """A Judge asked about clips, one after another; `here` where this process does the work."""
    noise = sound(CLIP_S * 8)
    clips = np.split(noise, 8)
    for clip in clips[:3]:
        verify(clip)
    wall, began = [], time.process_time()
    for i in range(count):
        at = time.perf_counter()
        verify(clips[i % len(clips)])
        wall.append(time.perf_counter() - at)
    cpu = time.process_time() - began
    return _row(what, f"clip of {CLIP_S:g} s", wall, cpu if here else None, count * CLIP_S)


def wakes(folder: Path, judge: Judge, count: int) -> Row:
    """A cascade: from a wake to its answer, by a Judge in this process; nothing waits for sound after the wake."""
    listener = Listener.load([folder], threshold=0.0)  # wakes at once when its warm-up is over
    cascade = Cascade(
        listener, {listener.detectors[0].phrase: judge}, Settings(after_ms=0, timeout_ms=60_000), say=lambda _: None
    )
    noise, wall = sound(4.0), []
    for _ in range(count):
        cascade.reset()
        pieces = iter(np.split(noise, 50))
        while not any(event.kind == "wake" for event in cascade.push(next(pieces))):
            pass
        at = time.perf_counter()
        list(cascade.end())
        wall.append(time.perf_counter() - at)
    cascade.close()
    return _row("cascade, wake to answer", "wake", wall, None, 1.0)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A Judge in a process of its own on a free port of this machine."""
    command = [sys.executable, "-m", "wakewright", "judge", "serve", str(folder), "--port", "0", "--rate", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            yield json.loads(process.stderr.readline())["address"], process
        finally:
            process.terminate()


def over_http(folder: Path, phrase: str, count: int) -> Row:
    """A Judge in another process on this machine."""
    from wakewright.detect.remote import RemoteJudge

    with served(folder) as (address, process), drained(process):
        remote = RemoteJudge(address, phrase, key=None, timeout_s=10.0)
        row = verdicts("Judge over HTTP", remote.verify, count, here=False)
        remote.close()
    return row


@contextlib.contextmanager
def drained(process: subprocess.Popen[str]) -> Iterator[None]:
    """Read a process's log away, lest its pipe fill up."""
    import threading

    assert process.stderr is not None
    reader = threading.Thread(target=process.stderr.read, daemon=True)
    reader.start()
    yield
    process.terminate()
    reader.join(10)


def load_times(folder: Path) -> dict[str, Any]:
    """Seconds of import and load, and to the first answer, in fresh processes, and whether torch came along."""
    loaded, answered, torch = [], [], False
    for _ in range(LOADS):
        done = subprocess.run([sys.executable, "-c", _LOAD, str(folder)], capture_output=True, text=True, check=True)
        load, answer, came = done.stdout.split()
        loaded.append(float(load))
        answered.append(float(answer))
        torch = torch or came == "True"
    middle = statistics.median
    return {"median": middle(loaded), "values": loaded, "answer_median": middle(answered), "torch": torch}


def memory_mb(process: int | None = None) -> float:
    """What a process holds, this one unless another is named, in MB; NaN where the system does not tell."""
    status = Path("/proc") / ("self" if process is None else str(process)) / "status"
    if not status.is_file():
        return float("nan")
    line = next(text for text in status.read_text(encoding="utf-8").splitlines() if text.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


def machine() -> dict[str, Any]:
    """Where it was measured."""
    about = {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
    facts = Path("/proc/cpuinfo")
    names = [
        line.split(":", 1)[1].strip()
        for line in (facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else [])
        if line.startswith(("model name", "Model"))
    ]
    return about | {"processor": names[0] if names else platform.processor()}


def measure(folder: Path, judge: Path | None, seconds: float, count: int) -> dict[str, Any]:
    """Everything about a detector, and about a Judge where one is given."""
    Detector.load(folder)  # what cannot be loaded is said before anything is measured
    loads = load_times(folder)
    before = memory_mb()
    detector = Detector.load(folder)
    rows = [steps(detector, seconds)]
    held = memory_mb() - before
    if judge is not None:
        here = Judge.load(judge)
        rows += [verdicts("Judge in this process", here.verify, count, here=True)]
        rows += [over_http(judge, here.phrase, count)]
        if here.phrase == detector.phrase:
            rows += [wakes(folder, here, count)]
    return {
        "machine": machine(),
        "phrase": detector.phrase,
        "load_s": loads,
        "memory_mb": held,
        "rows": [dataclasses.asdict(row) for row in rows],
    }


def table(found: dict[str, Any]) -> Iterator[str]:
    """As people read it."""
    about = found["machine"]
    yield f"{about['processor']}, {about['cores']} cores, Python {about['python']}"
    loads = found["load_s"]
    yield (
        f"import and load {loads['median']:.2f} s, to the first answer {loads['answer_median']:.2f} s "
        f"(medians of {len(loads['values'])} processes)"
    )
    yield f"memory of the detector {found['memory_mb']:.0f} MB"
    yield f"{'what':30} {'timed':18} {'count':>6} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'CPU ms/s':>9}"
    for row in found["rows"]:
        cpu = "-" if row["cpu_ms_per_s"] is None else f"{row['cpu_ms_per_s']:.2f}"
        yield (
            f"{row['what']:30} {row['unit']:18} {row['count']:6d} {row['p50_ms']:8.2f} {row['p95_ms']:8.2f} "
            f"{row['p99_ms']:8.2f} {cpu:>9}"
        )
