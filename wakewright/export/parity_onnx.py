"""What a proof says of ONNX files that are not the one it is made for: beside an int8 file, and windowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from wakewright.detect.networks import LEVELS, onnx_session
from wakewright.dsp.frontend import Frames
from wakewright.dsp.micro import requantise
from wakewright.export import onnx
from wakewright.export.parity import WINDOWS, OnnxParity, streamed


def beside(file: bytes, proven: OnnxParity, stride: int) -> dict[str, float]:
    """How far the scores of the ONNX file that was `proven` are from those of the int8 `file`, in probability.

    The two round alike, but a device's score is a whole number of 256ths, and its integer kernels round a sum that
    the other computes in float.
    """
    scores = streamed(file, requantise(proven.frames), stride) / LEVELS
    apart = np.abs(proven.scores - scores)
    return {
        "onnx": float(apart.max()),
        "onnx_at": int(apart.argmax()),
        "onnx_torch": proven.difference,
        "onnx_torch_at": proven.at,
    }


@torch.no_grad()
def windowed(model: Any, path: Path, frames: Frames) -> float:
    """Largest difference in probability of the windowed file at `path` from `model`, over windows of the frames.

    The (n, channels) frames must fill the receptive field. Raises WakewrightError when it is not accepted.
    """
    reach = model.receptive_field
    starts = np.unique(np.linspace(0, len(frames) - reach, WINDOWS).astype(int))
    windows = np.stack([frames[at : at + reach] for at in starts])
    session = onnx_session(path)
    scores = np.array([session.run(None, {"frames": window[None]})[0][0, 0] for window in windows])
    difference = float(np.abs(scores - torch.sigmoid(model(torch.from_numpy(windows))[0][:, 0]).numpy()).max())
    onnx.accept(difference, "windowed ONNX", tolerance=onnx.tolerance_of(model))
    return difference
