"""The proof that one model is the same wherever it runs: the same frames through torch, ONNX, LiteRT, TFLite-Micro.

A streaming int8 file must give, to the bit, what the windowed file gives, what the trained model gives in the whole
numbers of int8 (`whole_numbers`) and, where the interpreter is installed, what TFLite-Micro gives. As it learnt, the
model has the roundings of int8 in float: a value in a thousand is rounded once there where whole numbers are rounded
twice, and later layers spread that. How many steps of the logit come of it is told, with the place, and bounded.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wakewright.core.errors import WakewrightError
from wakewright.core.files import replacing, write_json
from wakewright.detect.networks import LEVELS, OnnxNetwork
from wakewright.detect.policy import Scores
from wakewright.dsp.frontend import Frames
from wakewright.dsp.litert import Net
from wakewright.dsp.micro import dequantise
from wakewright.export import onnx, tflite, whole_numbers
from wakewright.export.micro_interpreter import is_installed, micro_interpreter
from wakewright.models.tiny import LOGIT_LIMIT

Frames8 = NDArray[np.int8]
Bytes = NDArray[np.uint8]
ACCEPTED = 4 * (2 * LOGIT_LIMIT / 255)
"""Difference in logits from the trained model that is accepted: four steps of a logit that uses all of its range."""
GOLDEN = ("golden_features.npy", "golden_scores.npy", "parity.json")
"""What stands beside golden.wav."""
WINDOWS = 200
"""Windows compared with the stream: each costs a whole receptive field of work."""


@dataclasses.dataclass(frozen=True)
class Parity:
    """What was compared, over how many steps."""

    steps: int
    rounded_torch: float
    """Largest difference from the trained model with its roundings, in logits; at most `ACCEPTED` is accepted."""
    rounded_torch_differs: float
    """Share of the steps that differ at all."""
    rounded_torch_at: int
    """The step of the largest difference."""
    windowed: int
    """Windows equal to the stream, of as many."""
    whole_numbers: int
    """Steps equal to the trained model in whole numbers: all of them."""
    tflite_micro: int | None
    """Steps equal in TFLite-Micro; None where it is not installed."""
    fast_kernels: int
    """Largest difference of LiteRT's fast kernels, which evaluate and listen on a computer, in 256ths of a score."""


@dataclasses.dataclass(frozen=True)
class OnnxParity:
    """An ONNX file against the trained model, in probability."""

    frames: Frames
    """(time, channels) of the front end, whole steps."""
    scores: Scores
    """(steps,) what the file gives from silence on."""
    difference: float
    """Largest difference from the trained model; at most `onnx.tolerance_of` it is accepted."""
    at: int
    """The step of it."""


def streamed(model: bytes, frames: Frames8, stride: int, *, reference: bool = True) -> Bytes:
    """(time, 40) int8 -> (steps,) what the file gives from silence on, by reference kernels or fast ones."""
    net = Net(model, reference=reference)
    return np.array([net(part)[0, 0] for part in _steps(frames, stride)], np.uint8)


def on_micro(model: bytes, frames: Frames8, stride: int) -> Bytes | None:
    """The same in TFLite-Micro itself; None where its interpreter is not installed."""
    if not is_installed():
        return None
    interpreter = micro_interpreter(model)
    scores = []
    for part in _steps(frames, stride):
        interpreter.set_input(part, 0)
        interpreter.invoke()
        scores.append(interpreter.get_output(0)[0, 0])
    return np.array(scores, np.uint8)


def prove(model: Any, file: bytes, frames: Frames8) -> Parity:
    """Compare the streaming `file` of `model` (in evaluation mode, rounding) with its other forms over `frames`.

    Raises WakewrightError with the place of the first difference that is not accepted.
    """
    stride = model.stride
    frames = frames[: len(frames) // stride * stride]
    scores = streamed(file, frames, stride)
    _same("TFLite-Micro", scores, on_micro(file, frames, stride))
    first = -(-model.receptive_field // stride) - 1  # the first step whose receptive field is full
    chosen = np.unique(np.linspace(first, len(scores) - 1, WINDOWS).astype(int))
    window = Net(tflite.convert(model, "windowed"), reference=True)
    ends = (chosen + 1) * stride
    found = [window(frames[None, end - model.receptive_field : end])[0, 0] for end in ends]
    _same("the windowed file", scores[chosen], np.array(found, np.uint8))
    _same("the trained model in whole numbers", scores, whole_numbers.scores(model, frames))
    apart, differs, where = _apart(model, scores, frames)
    if apart > ACCEPTED:
        raise WakewrightError(
            "the int8 file does not give what the trained model gives",
            got=f"a logit that differs by {apart:.3f}, where {ACCEPTED:.3f} is accepted, at step {where}",
            do="report this with the run's recipe.yaml",
        )
    fast = np.abs(streamed(file, frames, stride, reference=False).astype(int) - scores)
    return Parity(
        steps=len(scores),
        rounded_torch=apart,
        rounded_torch_differs=differs,
        rounded_torch_at=where,
        windowed=len(chosen),
        whole_numbers=len(scores),
        tflite_micro=len(scores) if is_installed() else None,
        fast_kernels=int(fast.max(initial=0)),
    )


@torch.no_grad()
def prove_onnx(model: Any, path: Path, frames: Frames) -> OnnxParity:
    """Compare the ONNX file at `path` with the `model` (in evaluation mode) that it was written from over `frames`.

    Raises RunError for a file that is damaged or of another model, WakewrightError with the place of a difference
    that is not accepted.
    """
    network = OnnxNetwork(path, model.stride, model.channels, model.frontend)
    frames = frames[: len(frames) // model.stride * model.stride]
    scores = network(frames)
    logits, _ = model(torch.from_numpy(frames)[None], model.initial_state(1))
    apart = np.abs(scores - torch.sigmoid(logits[0]).numpy())
    at = int(apart.argmax())
    if not apart[at] <= onnx.tolerance_of(model):
        raise WakewrightError(
            f"{path} does not give what the trained model gives",
            got=f"a score {apart[at]:.2g} off at step {at}, where {onnx.tolerance_of(model):g} is accepted",
            do="restore both from a copy, or train again",
        )
    return OnnxParity(frames, scores, float(apart[at]), at)


def write_onnx_golden(folder: Path, parity: OnnxParity, **more: float) -> list[Path]:
    """Write what a runtime can replay: golden_features.npy and golden_scores.npy (float32), parity.json.

    `more` goes into parity.json as it is.
    """
    told = {"steps": len(parity.scores), "onnx_torch": parity.difference, "onnx_torch_at": parity.at}
    return save_golden(folder, parity.frames, parity.scores, told | more)


def write_golden(
    folder: Path, file: bytes, frames: Frames8, stride: int, parity: Parity, **more: float
) -> list[Path]:
    """Write what a device can replay: golden_features.npy (int8), golden_scores.npy (uint8), parity.json.

    `more` goes into parity.json as it is.
    """
    frames = frames[: len(frames) // stride * stride]
    return save_golden(folder, frames, streamed(file, frames, stride), dataclasses.asdict(parity) | more)


def save_golden(folder: Path, features: NDArray[Any], scores: NDArray[Any], told: dict[str, Any]) -> list[Path]:
    """Write the files named in `GOLDEN` into `folder`."""
    paths = [folder / name for name in GOLDEN]
    for path, array in zip(paths, (features, scores), strict=False):
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, array)
    write_json(paths[2], told)
    return paths


@torch.no_grad()
def _apart(model: Any, scores: Bytes, frames: Frames8) -> tuple[float, float, int]:
    """How far the trained model's logits are off at most, at what share of the steps they are off, and where most."""
    logits, _ = model(torch.from_numpy(dequantise(frames))[None], model.initial_state(1))
    scale, _ = model.last.out.scale_and_zero()
    whole = np.rint(logits[0].numpy() / scale)

    def off(by: int) -> NDArray[np.float64]:
        """How far each score is from that of a logit `by` steps away; integer kernels are off by one themselves."""
        return np.asarray(np.abs(np.clip(np.rint(LEVELS / (1 + np.exp(-(whole + by) * scale))), 0, 255) - scores))

    far, by, where = off(0) > 1, 0, 0
    while far.any() and by <= LEVELS:  # a score that no logit of these steps gives is as far off as can be
        where = int(np.flatnonzero(far)[0])
        by += 1
        far &= (off(by) > 1) & (off(-by) > 1)
    return by * scale, float(np.mean(off(0) > 0)), where


def _same(name: str, scores: Bytes, others: Bytes | None) -> None:
    if others is None or np.array_equal(scores, others):
        return
    step = int(np.flatnonzero(scores != others)[0])
    raise WakewrightError(
        f"the int8 file gives something else in {name}",
        got=f"{others[step]} where LiteRT's reference gives {scores[step]}, at step {step} of {len(scores)}",
        do="report this with the run's recipe.yaml",
    )


def _steps(frames: Frames8, stride: int) -> Frames8:
    return frames.reshape(-1, 1, stride, frames.shape[1])
