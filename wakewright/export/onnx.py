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
from wakewright.detect.networks import OnnxNetwork
from wakewright.models import layers

OPSET = 17
TOLERANCE = 1e-4
"""Largest difference in probability from torch that is accepted."""
CHECK_STEPS = 200


class _Exported(nn.Module):
    """Probabilities instead of logits, the state as flat arguments."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        logits, after = self.model(frames, state)
        return torch.sigmoid(logits), *(after or ())


def write(model: Any, path: Path) -> float:
    """Write `model` (in evaluation mode) to `path` and check it against torch.

    Returns the largest difference in probability over 200 random steps fed in pieces. Raises WakewrightError, leaving
    no file, when it is above `TOLERANCE`.
    """
    state = model.initial_state(1)
    names = [f"state_{i}" for i in range(len(state))]
    after = [f"next_{name}" for name in names]
    example = torch.zeros(1, 10 * model.stride, model.channels)
    settled = copy.deepcopy(model)
    layers.settle(settled)
    with replacing(path) as temporary:
        with warnings.catch_warnings():
            # the tracer is what exports a loop-free model with dynamic time; torch announces its successor each time
            warnings.simplefilter("ignore", DeprecationWarning)
            # and it says of each strided slice that it will not be computed beforehand, which nobody asked for
            warnings.filterwarnings("ignore", "Constant folding", UserWarning)
            torch.onnx.export(
                _Exported(settled).eval(),
                (example, *state),
                str(temporary),
                input_names=["frames", *names],
                output_names=["scores", *after],
                dynamic_axes={"frames": {1: "time"}, "scores": {1: "steps"}},
                opset_version=OPSET,
                dynamo=False,
            )
        difference = _difference(model, temporary)
        if not difference <= TOLERANCE:
            raise WakewrightError(
                "the ONNX model does not give what the trained model gives",
                got=f"a difference of {difference:.2g} in probability, at most {TOLERANCE:g} is accepted",
                do="report this with the run's recipe.yaml",
            )
    return difference


@torch.no_grad()
def _difference(model: Any, path: Path) -> float:
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(1, CHECK_STEPS * model.stride, model.channels, generator=generator) * 20
    logits, _ = model(frames, model.initial_state(1))
    network = OnnxNetwork(path, model.channels)
    cut = CHECK_STEPS // 3 * model.stride
    got = [network(part.numpy()) for part in (frames[0, :cut], frames[0, cut:])]
    return float(np.abs(np.concatenate(got) - torch.sigmoid(logits[0]).numpy()).max())
