"""What front ends cost; and the micro front end twice: the C code that devices run, and NumPy over many signals.

    python benchmarks/micro_frontends.py [--signals 1 8 64] [--seconds 20] [--repeats 5]

Prints CPU milliseconds per second of audio, the median of the repeats: of every front end over a whole signal, as
training hears, and over pieces of 80 ms, as a detector does, in turn within each repeat; then of the two forms of the
micro front end, and how many of their values differ.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, to_int16
from wakewright.core.recipe import Frontend
from wakewright.dsp import frontend, logmel, micro_numpy
from wakewright.dsp.micro import MicroFrontend


def timed(run: Callable[[], NDArray[np.uint16]], repeats: int) -> tuple[NDArray[np.uint16], float]:
    """The result, and the median CPU seconds after one warm-up."""
    result, times = run(), []
    for _ in range(repeats):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return result, statistics.median(times)


LIVE = SAMPLE_RATE * 80 // 1000
FRONTS = (
    "micro",
    *(logmel.name_of(s) for s in (Frontend(), Frontend(kind="mfcc"), Frontend(n_mels=80, fmin_hz=60, window_ms=64))),
    "speech_embedding",
)


def fronts(seconds: float, repeats: int) -> None:
    """Print what each front end costs, median and range."""
    sound = np.random.default_rng(0).normal(0, 0.1, int(seconds * SAMPLE_RATE)).astype(np.float32)
    pieces = {"whole": [sound], "live": [sound[at : at + LIVE] for at in range(0, len(sound), LIVE)]}
    made = {name: frontend.create(name) for name in FRONTS}
    spent: dict[tuple[str, str], list[float]] = {(name, how): [] for name in FRONTS for how in pieces}
    for repeat in range(repeats + 1):
        for (name, how), times in spent.items():
            made[name].reset()
            started = time.process_time()
            for piece in pieces[how]:
                made[name].push(piece)
            if repeat:  # the first warms up
                times.append(1000 * (time.process_time() - started) / seconds)
    print("| front end | whole, ms/s: median (range) | in pieces of 80 ms, ms/s: median (range) |\n|---|---|---|")
    for name in FRONTS:
        cells = [spent[name, how] for how in pieces]
        told = [f"{statistics.median(cell):.2f} ({min(cell):.2f} to {max(cell):.2f})" for cell in cells]
        print(f"| {name} | {' | '.join(told)} |", flush=True)


def by_c(signals: NDArray[np.float32]) -> NDArray[np.uint16]:
    """(signals, n) -> (signals, frames, 40) by the C code, one after another."""
    front = MicroFrontend()
    frames = []
    for signal in signals:
        front.reset()
        frames.append(front.push_integers(signal))
    return np.stack(frames)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    fronts(asked.seconds, asked.repeats)
    print()
    print("| signals at once | C, ms/s | NumPy, ms/s | NumPy / C | values that differ |")
    print("|---|---|---|---|---|")
    for count in asked.signals:
        rng = np.random.default_rng(count)
        shape = (count, int(asked.seconds * SAMPLE_RATE))
        swell = np.abs(np.sin(np.arange(shape[1]) / 20_000)) ** 3
        signals = np.clip(rng.normal(0, 0.2, shape) * swell, -1, 1).astype(np.float32)
        c, c_s = timed(lambda signals=signals: by_c(signals), asked.repeats)  # type: ignore[misc]
        integers = to_int16(signals.ravel()).reshape(shape)
        ours, ours_s = timed(lambda integers=integers: micro_numpy.features(integers), asked.repeats)  # type: ignore[misc]
        each = 1000 / (count * asked.seconds)
        row = f"| {count} | {c_s * each:.2f} | {ours_s * each:.2f} | {ours_s / c_s:.1f} | {int(np.sum(c != ours))} |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
