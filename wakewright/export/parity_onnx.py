"""What parity.json of an int8 file says of the ONNX file of the same model, over the same frames."""

from __future__ import annotations

import numpy as np

from wakewright.detect.networks import LEVELS
from wakewright.dsp.micro import requantise
from wakewright.export.parity import OnnxParity, streamed


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
