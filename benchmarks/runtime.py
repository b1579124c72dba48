"""What listening costs: CPU per second of audio of an exported int8 wake word, beside the peers as they are packaged.

    taskset -c 0 python benchmarks/runtime.py RUN_OR_EXPORT... [--seconds 60] [--repeats 5]

Every row hears the same noise in pieces of 80 ms, one thread, in turn within each repeat, so that a machine whose
speed drifts is the same for all. Prints the median and range of CPU milliseconds per second of audio, and the ratio
of medians to the first run's; of each run also the front end alone and the model alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from streaming_speed import LIVE

from wakewright.apps.bench import sound
from wakewright.core.audio import SAMPLE_RATE, Samples, to_int16
from wakewright.detect.detector import Detector
from wakewright.dsp import frontend

Listener = Callable[[Samples], None]
"""Hears one piece of a stream."""


def ours(folder: Path) -> dict[str, Listener]:
    """A detector, and its two halves: the model hears the frames that the front end made of noise."""
    detector = Detector.load(folder)
    front = frontend.create(detector.front_end)
    count = LIVE // front.hop // detector.stride * detector.stride
    frames = frontend.create(detector.front_end).push(sound(12.0))[-count:]
    share = LIVE / front.hop / count
    name = f"{detector.model} of {folder.resolve().parent.parent.name}"
    budget = [0.0]

    def model_alone(_: Samples) -> None:
        budget[0] += share  # as many frames as come in the time, in whole steps
        while budget[0] >= 1:
            budget[0] -= 1
            detector.score_frames(frames)

    return {name: detector.push, f"{name}: front end": front.push, f"{name}: model and policy": model_alone}


def micro_wake_word(word: str) -> Listener:
    """pymicro-wakeword as its README runs it."""
    from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

    peer, features = MicroWakeWord.from_builtin(Model(word)), MicroWakeWordFeatures()

    def hear(samples: Samples) -> None:
        for frame in features.process_streaming(to_int16(samples).tobytes()):
            peer.process_streaming(frame)

    return hear


def open_wake_word(word: str) -> Listener:
    """pyopen-wakeword as its README runs it."""
    from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures

    peer, features = OpenWakeWord.from_builtin(Model(word)), OpenWakeWordFeatures.from_builtin()

    def hear(samples: Samples) -> None:
        for embeddings in features.process_streaming(to_int16(samples).tobytes()):
            for _ in peer.process_streaming(embeddings):
                pass

    return hear


def timed(listen: Listener, pieces: Iterable[Samples]) -> float:
    """CPU seconds for all pieces."""
    started = time.process_time()
    for piece in pieces:
        listen(piece)
    return time.process_time() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--word", default="alexa", help="model of the peers")
    asked = parser.parse_args()
    listeners = {name: listener for run in asked.runs for name, listener in ours(run).items()}
    listeners["pymicro-wakeword, as packaged"] = micro_wake_word(asked.word)
    listeners["pyopen-wakeword, as packaged"] = open_wake_word(asked.word)
    noise = sound(asked.seconds)
    pieces = [noise[at : at + LIVE] for at in range(0, len(noise) - LIVE + 1, LIVE)]
    seconds = len(pieces) * LIVE / SAMPLE_RATE
    spent: dict[str, list[float]] = {name: [] for name in listeners}
    for listen in listeners.values():
        timed(listen, pieces[:100])
    for _ in range(asked.repeats):
        for name, listen in listeners.items():
            spent[name].append(1000 * timed(listen, pieces) / seconds)
    first = statistics.median(next(iter(spent.values())))
    print("| what listens | CPU ms per s of audio: median (range) | of the first |\n|---|---|---|")
    for name, values in spent.items():
        median = statistics.median(values)
        print(f"| {name} | {median:.2f} ({min(values):.2f} to {max(values):.2f}) | {median / first:.2f} |")


if __name__ == "__main__":
    main()
