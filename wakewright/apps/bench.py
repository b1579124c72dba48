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
"""Fresh processes in which loading is timed and memory is read."""
WAKES_APART_S = 60.0
"""A cascade's stream has a wake so often: as many as `wakewright cascade` lets a Sentry call, unless it is told."""
_BEGIN = """
import sys, time
began = time.perf_counter()
"""
_END = """
print(loaded, answered, "torch" in sys.modules, flush=True)
sys.stdin.read()
"""
_LOAD = {
    "Sentry": """
from wakewright.detect.detector import Detector
detector = Detector.load(sys.argv[1])
loaded = time.perf_counter() - began
import numpy
detector.push(numpy.zeros(32000, numpy.float32))
answered = time.perf_counter() - began
""",
    "Judge": """
from wakewright.detect.judge import Judge
judge = Judge.load(sys.argv[1])
loaded = time.perf_counter() - began
import numpy
judge.verify(numpy.zeros(32000, numpy.float32))
answered = time.perf_counter() - began
""",
    "cascade": """
from wakewright.detect.cascade import Cascade, Settings
from wakewright.detect.judge import Judge
from wakewright.detect.listener import Listener
listener, judge = Listener.load([sys.argv[1]]), Judge.load(sys.argv[2])
cascade = Cascade(listener, {judge.phrase: judge}, Settings(), say=print)
loaded = time.perf_counter() - began
import numpy
cascade.push(numpy.zeros(32000, numpy.float32))
judge.verify(numpy.zeros(32000, numpy.float32))
answered = time.perf_counter() - began
""",
}


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What it takes to have something ready, as medians of fresh processes."""

    load_s: float
    """From before the import until it can be asked."""
    answer_s: float
    """Until it has answered, two seconds of sound included."""
    memory_mb: float
    """What the process holds then, the interpreter of Python and numpy with it."""
    torch: bool
    """Whether torch came along."""
    values: tuple[float, ...]
    """Seconds of loading, one by one."""


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
    """CPU milliseconds of all processes that take part, per second of audio; None where the system does not tell."""
    load_s: float | None = None
    """From nothing until it can be asked; None for a row that is another of the one before."""
    memory_mb: float | None = None
    """What the process that does it holds; likewise."""


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


def verdicts(what: str, verify: Callable[[Samples], Verdict], count: int, *, server: int | None = None) -> Row:
    """A Judge asked about clips, one after another, in this process or by it and that of a `server`."""
    noise = sound(CLIP_S * 8)
    clips = np.split(noise, 8)
    for clip in clips[:3]:
        verify(clip)
    wall, began = [], _cpu_s(server)
    for i in range(count):
        at = time.perf_counter()
        verify(clips[i % len(clips)])
        wall.append(time.perf_counter() - at)
    ended = _cpu_s(server)
    cpu = None if began is None or ended is None else ended - began
    return _row(what, f"clip of {CLIP_S:g} s", wall, cpu, count * CLIP_S)


def _cpu_s(server: int | None) -> float | None:
    """CPU seconds of this process so far and, where it is named, of another; None where the system does not tell."""
    mine = time.process_time()
    if server is None:
        return mine
    stat = Path("/proc") / str(server) / "stat"
    if not stat.is_file():
        return None
    fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()  # the name before it may hold anything
    return mine + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _paired(folder: Path, judge: Judge, settings: Settings) -> Cascade:
    listener = Listener.load([folder], threshold=0.0)  # wakes at once when its warm-up is over
    return Cascade(listener, {listener.detectors[0].phrase: judge}, settings, say=lambda _: None)


def together(folder: Path, judge: Judge, seconds: float) -> Row:
    """A live stream through a cascade, step by step, with a wake each minute that the Judge does not confirm."""
    cascade = _paired(folder, judge, Settings(confirm=1.0, timeout_ms=60_000, rewake_ms=None))
    hop = round(cascade.listener.detectors[0].hop_s * SAMPLE_RATE)
    noise = sound(seconds)
    wall, began, stretch = [], time.process_time(), round(WAKES_APART_S * SAMPLE_RATE)
    for start in range(0, len(noise), stretch):
        cascade.reset()
        for at in range(start, min(start + stretch, len(noise)) - hop + 1, hop):
            since = time.perf_counter()
            cascade.push(noise[at : at + hop])
            wall.append(time.perf_counter() - since)
        list(cascade.end())
    cpu = time.process_time() - began
    cascade.close()
    return _row("cascade, a wake a minute", f"step of {1000 * hop / SAMPLE_RATE:.0f} ms", wall, cpu, seconds)


def wakes(folder: Path, judge: Judge, count: int) -> Row:
    """From a wake to its answer, by a Judge in this process; nothing waits for sound after the wake.

    Its CPU is that of all the sound that was heard: a wake in each two seconds and a bit.
    """
    cascade = _paired(folder, judge, Settings(after_ms=0, timeout_ms=60_000, rewake_ms=None))
    noise, wall, pushed, began = sound(4.0), [], 0, time.process_time()
    for _ in range(count):
        cascade.reset()
        pieces = iter(np.split(noise, 50))
        while True:
            piece = next(pieces)
            pushed += len(piece)
            if any(event.kind == "wake" for event in cascade.push(piece)):
                break
        at = time.perf_counter()
        list(cascade.end())
        wall.append(time.perf_counter() - at)
    cpu = time.process_time() - began
    cascade.close()
    return _row("cascade, wake to answer", "wake", wall, cpu, pushed / SAMPLE_RATE)


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

    began = time.perf_counter()
    with served(folder) as (address, process), drained(process):
        load_s = time.perf_counter() - began
        remote = RemoteJudge(address, phrase, key=None, timeout_s=10.0)
        row = verdicts("Judge over HTTP", remote.verify, count, server=process.pid)
        remote.close()
        return dataclasses.replace(row, load_s=load_s, memory_mb=memory_mb(process.pid))


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


def loading(what: str, *folders: Path) -> Loaded:
    """What it takes to have a Sentry, a Judge or a cascade ready, in fresh processes."""
    command = [sys.executable, "-c", _BEGIN + _LOAD[what] + _END, *map(str, folders)]
    loads, answers, memory, torch = list[float](), list[float](), list[float](), False
    for _ in range(LOADS):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            load, answer, came = process.stdout.readline().split()
            memory.append(memory_mb(process.pid))  # it waits for that until its input ends
        loads.append(float(load))
        answers.append(float(answer))
        torch = torch or came == "True"
    middle = statistics.median
    return Loaded(middle(loads), middle(answers), middle(memory), torch, tuple(loads))


def _with(loaded: Loaded, row: Row) -> Row:
    return dataclasses.replace(row, load_s=loaded.load_s, memory_mb=loaded.memory_mb)


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
    loads = loading("Sentry", folder)
    before = memory_mb()
    detector = Detector.load(folder)
    rows = [_with(loads, steps(detector, seconds))]
    held = memory_mb() - before
    if judge is not None:
        here = Judge.load(judge)
        rows += [_with(loading("Judge", judge), verdicts("Judge in this process", here.verify, count))]
        rows += [over_http(judge, here.phrase, count)]
        if here.phrase == detector.phrase:
            rows += [_with(loading("cascade", folder, judge), together(folder, here, seconds))]
            rows += [wakes(folder, here, count)]
    return {
        "machine": machine(),
        "phrase": detector.phrase,
        "load_s": {
            "median": loads.load_s,
            "values": loads.values,
            "answer_median": loads.answer_s,
            "torch": loads.torch,
        },
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
    yield f"memory of the detector {found['memory_mb']:.0f} MB; below, that of the whole process"
    yield (
        f"{'what':30} {'timed':18} {'count':>6} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'CPU ms/s':>9} "
        f"{'load s':>7} {'MB':>6}"
    )
    for row in found["rows"]:
        cpu, load, memory = (
            "-" if row[name] is None else f"{row[name]:.{digits}f}"
            for name, digits in (("cpu_ms_per_s", 2), ("load_s", 2), ("memory_mb", 0))
        )
        yield (
            f"{row['what']:30} {row['unit']:18} {row['count']:6d} {row['p50_ms']:8.2f} {row['p95_ms']:8.2f} "
            f"{row['p99_ms']:8.2f} {cpu:>9} {load:>7} {memory:>6}"
        )
