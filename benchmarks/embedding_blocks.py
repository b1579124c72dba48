"""What one call of the speech embedding, or of its mel model, over a long sound saves against many short ones.

    python benchmarks/embedding_blocks.py [--windows 125] [--repeats 5]

Prints the median milliseconds of both ways and the largest difference between their values, for each.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from wakewright.dsp.embedding import CHANNELS, MEL_WINDOW, model_folder
from wakewright.dsp.frontend import Frames
from wakewright.dsp.litert import Net
from wakewright.dsp.mel import BANDS as MEL_BANDS
from wakewright.dsp.mel import CHUNK, HOP, MelSpectrogram
from wakewright.dsp.mel import FRAMES as MEL_PER_HOP


def timed(run: Callable[[], Frames], repeats: int) -> tuple[Frames, float]:
    """The result, and the median milliseconds after one warm-up."""
    result, times = run(), []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
    return result, statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=125)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    model, length = (
        (model_folder() / "embedding_model.tflite").read_bytes(),
        MEL_WINDOW + MEL_PER_HOP * (asked.windows - 1),
    )
    mels = np.random.default_rng(0).normal(size=(1, length, MEL_BANDS, 1)).astype(np.float32)
    one, many = Net(model, (1, MEL_WINDOW, MEL_BANDS, 1)), Net(model, mels.shape)
    starts = range(0, length - MEL_WINDOW + 1, MEL_PER_HOP)
    apart, slow = timed(
        lambda: np.concatenate([one(mels[:, s : s + MEL_WINDOW]).reshape(1, CHANNELS) for s in starts]), asked.repeats
    )
    together, fast = timed(lambda: many(mels).reshape(-1, CHANNELS), asked.repeats)
    print(f"{asked.windows} windows: {slow:.1f} ms one by one, {fast:.1f} ms at once, {slow / fast:.1f} times")
    print(f"largest difference {np.abs(apart - together).max():g}")
    blocks = MelSpectrogram(model_folder() / "melspectrogram.tflite")
    sound = np.random.default_rng(1).normal(0, 3000, (asked.windows - 1) * HOP + CHUNK).astype(np.float32)
    pieces = [sound[k * HOP : k * HOP + CHUNK] for k in range(asked.windows)]
    apart, slow = timed(lambda: np.concatenate([blocks(piece) for piece in pieces]), asked.repeats)
    together, fast = timed(lambda: blocks(sound), asked.repeats)
    print(
        f"mel of {asked.windows} chunks: {slow:.1f} ms one by one, {fast:.1f} ms in blocks, {slow / fast:.1f} times"
    )
    print(f"largest difference {np.abs(apart - together).max():g}")


if __name__ == "__main__":
    main()
