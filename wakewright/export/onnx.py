"""A trained model as ONNX: frames and state in, probabilities and state out, any number of steps a call."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wakewright.core.errors import WakewrightError
from wakewright.core.files import replacing
from wakewright.detect.networks import OnnxNetwork, onnx_session
from wakewright.dsp import micro
from wakewright.export import qdq
from wakewright.models import layers, quantised

OPSET = 17
TOLERANCE = 1e-4
"""Largest difference in probability from torch that is accepted."""
ROUNDED_TOLERANCE = 0.05
"""The same for a model that rounds: a value that falls between two steps of int8 may go the other way, and later
layers spread that."""
CHECK_STEPS = 200
HEARD = {"micro": qdq.Grid(micro.SCALE, -128)}
"""Front ends whose frames are int8 before they are float."""


class _Exported(nn.Module):
    """Probabilities instead of logits, the state as flat arguments."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        logits, after = self.model(frames, state)
        return torch.sigmoid(logits), *(after or ())


class _Windowed(nn.Module):
    """(1, receptive field, channels) -> (1, 1) probability."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor) -> Tensor:
        logits, _ = self.model(frames)
        return torch.sigmoid(logits)


def write(model: Any, path: Path) -> float:
    """Write `model` (in evaluation mode) to `path` and check it against torch.

    Returns the largest difference in probability over 200 random steps fed in pieces. Raises WakewrightError, leaving
    no file, when it is above what `tolerance_of` the model is.
    """
    state = model.initial_state(1)
    names = [f"state_{i}" for i in range(len(state))]
    example = torch.zeros(1, 10 * model.stride, model.channels)
    with replacing(path) as temporary:
        export(
            _Exported(settled(model)),
            (example, *state),
            temporary,
            ["frames", *names],
            ["scores", *(f"next_{name}" for name in names)],
            {"frames": {1: "time"}, "scores": {1: "steps"}},
        )
        finish(temporary, model)
        difference = _difference(model, temporary)
        accept(difference, tolerance=tolerance_of(model))
    return difference


def finish(path: Path, model: Any) -> None:
    """Store the weights of a model that rounds as int8, and write into the file at `path` which front end it hears
    through and how many of its frames a step takes."""
    with qdq.rewriting(path) as written:
        if quantised.is_rounding(model):
            qdq.store(written, HEARD.get(model.frontend))
        qdq.label(written, {"frontend": model.frontend, "stride": str(model.stride)})


def write_windowed(model: Any, path: Path) -> float:
    """The same without a state: one whole receptive field in, one probability out; for runtimes that keep none."""
    window = _noise(model, model.receptive_field)
    with replacing(path) as temporary:
        export(_Windowed(settled(model)), (window,), temporary, ["frames"], ["scores"], {})
        finish(temporary, model)
        session = onnx_session(temporary)
        with torch.no_grad():
            expected = torch.sigmoid(model(window)[0]).numpy()
        difference = float(np.abs(session.run(None, {"frames": window.numpy()})[0] - expected).max())
        accept(difference, tolerance=tolerance_of(model))
    return difference


def tolerance_of(model: Any) -> float:
    """What is accepted of this model."""
    return ROUNDED_TOLERANCE if quantised.is_rounding(model) else TOLERANCE


def settled(model: Any) -> Any:
    """A copy of constants, which the exporter can see through."""
    copied = copy.deepcopy(model).eval()
    layers.settle(copied)
    return copied


def export(
    module: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    dynamic_axes: dict[str, dict[int, str]],
) -> None:
    """Trace `module` into an ONNX file, unchecked."""
    with warnings.catch_warnings():
        # the tracer is what exports a loop-free model with dynamic time; torch announces its successor each time
        warnings.simplefilter("ignore", DeprecationWarning)
        # and it says of each strided slice that it will not be computed beforehand, which nobody asked for
        warnings.filterwarnings("ignore", "Constant folding", UserWarning)
        torch.onnx.export(
            module.eval(),
            example,
            str(path),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=dynamic_axes,
            opset_version=OPSET,
            dynamo=False,
        )


def accept(difference: float, form: str = "ONNX", *, tolerance: float) -> None:
    """Raise WakewrightError for a difference in probability from torch above `tolerance`."""
    if not difference <= tolerance:
        raise WakewrightError(
            f"the {form} model does not give what the trained model gives",
            got=f"a difference of {difference:.2g} in probability, at most {tolerance:g} is accepted",
            do="report this with the run's recipe.yaml",
        )


def _noise(model: Any, count: int) -> Tensor:
    """(1, count, channels) frames by chance, in the range of those that the model learnt from."""
    generator = torch.Generator().manual_seed(0)
    if getattr(model.dims, "frontend", None) is not None:
        return model.mean + model.std * torch.randn(1, count, model.channels, generator=generator)  # type: ignore[no-any-return]
    frames = torch.rand(1, count, model.channels, generator=generator) * 20
    return torch.from_numpy(micro.dequantise(micro.requantise(frames.numpy()))) if model.frontend in HEARD else frames


@torch.no_grad()
def _difference(model: Any, path: Path) -> float:
    frames = _noise(model, CHECK_STEPS * model.stride)
    logits, _ = model(frames, model.initial_state(1))
    network = OnnxNetwork(path, model.stride, model.channels, model.frontend)
    cut = CHECK_STEPS // 3 * model.stride
    got = [network(part.numpy()) for part in (frames[0, :cut], frames[0, cut:])]
    return float(np.abs(np.concatenate(got) - torch.sigmoid(logits[0]).numpy()).max())
