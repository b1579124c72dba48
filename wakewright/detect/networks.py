"""Exported models: frames in, probabilities out, whatever was heard before remembered.

`model.onnx` runs in ONNX Runtime and takes any number of steps a call; `model.tflite`, the very file that a device
runs, in LiteRT, one step a call.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wakewright.core.errors import RunError
from wakewright.detect.policy import Scores
from wakewright.dsp.frontend import Frames
from wakewright.dsp.litert import Net
from wakewright.dsp.micro import SCALE, requantise

LEVELS = 256
"""A device's probability is a whole number of 256ths."""


class Network(Protocol):
    """A model that streams."""

    def reset(self) -> None:
        """Back to endless silence."""
        ...

    def __call__(self, frames: Frames) -> Scores:
        """(time, channels), time a whole number of strides -> (steps,) probabilities."""
        ...


def open_network(
    path: Path, stride: int, channels: int, *, frontend: str = "micro", reference: bool = False
) -> Network:
    """The model at `path`, which must take `stride` frames of `channels` values a step of the front end so named.

    Raises RunError when it is damaged, or made for another front end.
    """
    if path.suffix == ".tflite":
        return TfliteNetwork(path, stride, channels, reference=reference)
    return OnnxNetwork(path, stride, channels, frontend)


def onnx_session(path: Path) -> Any:
    """The file in ONNX Runtime, in one thread, with sums that fit. Raises its errors for a file that is none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # else processors without VNNI add two products of int8 in 16 bits, which some sums do not fit
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class OnnxNetwork:
    """An ONNX file in ONNX Runtime, its state carried from call to call."""

    def __init__(self, path: Path, stride: int, channels: int, frontend: str) -> None:
        # not above: a tiny model runs without it, and it is a tenth of the time to import a detector
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf

        try:
            self._session = onnx_session(path)
        except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf) as error:
            raise damaged(path, str(error).split(":")[-1].strip()) from error
        shapes = {i.name: i.shape for i in self._session.get_inputs()}
        if "frames" not in shapes or shapes["frames"][-1] != channels:
            raise foreign(path, f"inputs {shapes}", f"frames of {channels} values")
        # a file of an earlier version does not say what it takes
        made_for = self._session.get_modelmeta().custom_metadata_map
        for what, wanted in (("frontend", frontend), ("stride", str(stride))):
            if made_for.get(what, wanted) != wanted:
                raise foreign(path, f"{what} {made_for[what]}", f"{what} {wanted}")
        self._shapes = {name: shape for name, shape in shapes.items() if name != "frames"}
        self.reset()

    def reset(self) -> None:
        self._state = {name: np.zeros(shape, np.float32) for name, shape in self._shapes.items()}

    def __call__(self, frames: Frames) -> Scores:
        scores, *state = self._session.run(None, {"frames": frames[None], **self._state})
        self._state = dict(zip(self._state, state, strict=True))
        result: Scores = scores[0]
        return result


class TfliteNetwork:
    """A streaming int8 file in LiteRT: the numbers a device computes with."""

    def __init__(self, path: Path, stride: int, channels: int, *, reference: bool = False) -> None:
        self._path, self._model, self._reference = path, path.read_bytes(), reference
        self._shape = (1, stride, channels)
        self.reset()
        got, wanted = self._net.input, np.dtype(np.int8)
        same = tuple(got["shape"]) == self._shape and got["dtype"] == wanted
        if not same or abs(got["quantization"][0] - SCALE) > 1e-6 or self._net.output["dtype"] != np.uint8:
            raise foreign(
                path,
                f"{np.dtype(got['dtype'])} of shape {tuple(map(int, got['shape']))} in, "
                f"{np.dtype(self._net.output['dtype'])} out",
                f"int8 of shape {self._shape} in the scale of the micro front end in, uint8 out",
            )

    def reset(self) -> None:
        # resetting an interpreter's variables does not bring back what they were set to at its first call
        try:
            self._net = Net(self._model, reference=self._reference)
        except (ValueError, RuntimeError) as error:
            raise damaged(self._path, str(error).splitlines()[0]) from error

    def __call__(self, frames: Frames) -> Scores:
        steps = requantise(frames).reshape(-1, *self._shape)
        scores: NDArray[np.float32] = np.empty(len(steps), np.float32)
        for i, step in enumerate(steps):
            scores[i] = self._net(step)[0, 0]
        return scores / np.float32(LEVELS)


def damaged(path: Path, why: str) -> RunError:
    """The error for a file that cannot be read."""
    return RunError(f"{path} is damaged", got=why, do="export or train again, or restore it from a copy")


def foreign(path: Path, got: str, wanted: str) -> RunError:
    """The error for a whole model that takes something else."""
    return RunError(
        f"{path} was made for another front end, or is no wake word's",
        got=f"{got}, where {wanted} is needed",
        do="put the model beside the metadata.json it was exported with",
    )
