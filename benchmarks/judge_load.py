"""The Judge under load, on this machine alone: latency and requests per second, and its memory over many requests.

    python benchmarks/judge_load.py RUN [--clients 8] [--seconds 20] [--requests 10000] [--limit-s 600]

A Judge is started as users start it, on loopback. First so many clients ask at once about clips of two seconds for
some seconds; then so many requests are sent, or as many as fit into --limit-s, and the memory of the process is read
after the first tenth and at the end. Clients run in this process and share the cores with the Judge.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import time
from pathlib import Path

import httpx2
import numpy as np

from wakewright.apps.bench import machine, memory_mb, served, sound
from wakewright.core.audio import SAMPLE_RATE, to_int16

RAW = {"Content-Type": f"audio/L16;rate={SAMPLE_RATE}"}


Answers = list[tuple[float, int]]
"""(seconds, status) of each request."""


def ask(address: str, clips: list[bytes], until: float, most: int) -> Answers:
    """(seconds, status) of each request of one client."""
    answers = []
    with httpx2.Client(base_url=address, timeout=30) as client:
        while time.monotonic() < until and len(answers) < most:
            began = time.perf_counter()
            status = client.post("/verify", content=clips[len(answers) % len(clips)], headers=RAW).status_code
            answers.append((time.perf_counter() - began, status))
    return answers


def load(address: str, clips: list[bytes], clients: int, seconds: float, most: int) -> tuple[Answers, float]:
    """Every answer, and the seconds it all took."""
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        each = [pool.submit(ask, address, clips, began + seconds, -(-most // clients)) for _ in range(clients)]
        answers = [answer for future in each for answer in future.result()]
    return answers, time.monotonic() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--limit-s", type=float, default=600.0)
    asked = parser.parse_args()
    noise = sound(16.0)
    clips = [to_int16(clip).astype("<i2").tobytes() for clip in np.split(noise, 8)]
    with served(asked.run) as (address, process):
        drain = concurrent.futures.ThreadPoolExecutor(1)
        drain.submit(process.stderr.read if process.stderr else str)
        load(address, clips, asked.clients, 3.0, 10**9)
        answers, took = load(address, clips, asked.clients, asked.seconds, 10**9)
        wall = np.array([seconds for seconds, _ in answers])
        p50, p95, p99 = (1000 * np.quantile(wall, q) for q in (0.5, 0.95, 0.99))
        failed = sum(status != 200 for _, status in answers)
        print(f"{machine()['processor']}, {machine()['cores']} cores")
        print("| clients | requests | a second | p50 ms | p95 ms | p99 ms | refused |\n|---|---|---|---|---|---|---|")
        rate = len(answers) / took
        print(f"| {asked.clients} | {len(answers)} | {rate:.1f} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {failed} |")
        tenth, _ = load(address, clips, asked.clients, asked.limit_s / 10, asked.requests // 10)
        before = memory_mb(process.pid)
        rest, _ = load(address, clips, asked.clients, asked.limit_s * 0.9, asked.requests - len(tenth))
        after = memory_mb(process.pid)
        print(
            f"memory {before:.1f} MB after {len(tenth)} requests, {after:.1f} MB after {len(tenth) + len(rest)}: "
            f"{100 * (after / before - 1):+.1f} %"
        )
        process.terminate()
        drain.shutdown()


if __name__ == "__main__":
    main()
