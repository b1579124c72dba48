"""What an int8 ONNX file of whole numbers costs and gives, beside the same with its rounded weights stored as floats.

    python benchmarks/onnx_int8.py RUN... [--seconds 600] [--repeats 9]

Each form of each RUN (a tiny one that learnt for int8) is written and then run as a detector runs it, a step a call:
CPU per step over 20 s of the run's own clips, in turn within each repeat, median and range. Then all forms hear
--seconds of the run's validation clips in one stream: the largest and the mean difference in a score from the rounded
floats, and from the int8 TFLite file by reference kernels. `float` is the model without roundings, as the
export's model_float.onnx.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from wakewright.core.audio import Samples, load
from wakewright.core.manifest import Manifest
from wakewright.core.run import Run
from wakewright.detect.networks import LEVELS, OnnxNetwork
from wakewright.dsp.frontend import Frames
from wakewright.dsp.micro import MicroFrontend, requantise
from wakewright.export import onnx, parity, qdq, tflite
from wakewright.export.folder import _golden
from wakewright.models import quantised, registry


def networks(model: Any, folder: Path) -> dict[str, tuple[int, OnnxNetwork]]:
    """Bytes and network of each form."""
    plain = copy.deepcopy(model)
    quantised.set_rounding(plain, rounds=False, watches=False)
    with mock.patch.object(qdq, "store"):
        onnx.write(model, folder / "rounded floats.onnx")
    onnx.write(model, folder / "int8.onnx")
    onnx.write(plain, folder / "float.onnx")
    return {
        path.stem: (path.stat().st_size, OnnxNetwork(path, model.stride, model.channels, model.frontend))
        for path in sorted(folder.iterdir(), reverse=True)
    }


def us_per_step(network: OnnxNetwork, frames: Frames, stride: int) -> float:
    """CPU microseconds of a call with one step."""
    started = time.process_time()
    for at in range(0, len(frames), stride):
        network(frames[at : at + stride])
    return 1e6 * (time.process_time() - started) / (len(frames) // stride)


def validation_sound(run: Run, seconds: float) -> Samples:
    """Clips of every kind in turn, as they lie in the manifest."""
    clips = list(Manifest.read(run.require("manifest-validation.jsonl")))
    parts: list[Samples] = []
    for clip in clips[:: max(1, len(clips) // 300)]:
        parts.append(load(clip.path)[: 16000 * 10])
    return np.concatenate(parts)[: int(seconds * 16000)]


def report(run: Run, seconds: float, repeats: int) -> None:
    """Print a line for each form."""
    model = registry.of_run(run)
    stride, front = model.stride, MicroFrontend()
    frames = front.push(_golden(run))
    frames = frames[: len(frames) // stride * stride]
    heard = MicroFrontend().push(validation_sound(run, seconds))
    heard = heard[: len(heard) // stride * stride]
    device = parity.streamed(tflite.convert(model), requantise(heard), stride).astype(np.float32) / LEVELS
    with tempfile.TemporaryDirectory() as place:
        forms = networks(model, Path(place))
        times: dict[str, list[float]] = {name: [] for name in forms}
        for _ in range(repeats):
            for name, (_, network) in forms.items():
                times[name].append(us_per_step(network, frames, stride))
        scores = {}
        for name, (_, network) in forms.items():
            network.reset()
            scores[name] = network(heard)
    print(f"{run.folder}, {len(device):,} steps of validation audio")
    for name, (size, _) in forms.items():
        off, far = np.abs(scores[name] - scores["rounded floats"]), np.abs(scores[name] - device)
        print(
            f"  {name:14s} {size:9,} bytes  {statistics.median(times[name]):6.1f} us a step "
            f"({min(times[name]):.1f} to {max(times[name]):.1f})  from rounded floats {off.max():.4f}, mean "
            f"{off.mean():.5f}  from the TFLite file {far.max():.4f}, mean {far.mean():.5f}"
        )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    for folder in args.runs:
        report(Run.open(folder), args.seconds, args.repeats)


if __name__ == "__main__":
    main()
