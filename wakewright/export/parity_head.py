"""The proof of a head on the speech embedding as openWakeWord's runtimes load it: torch, ONNX Runtime, LiteRT's
reference kernels and, where it runs, the package pyopen-wakeword hear the same embeddings.

All compute in float32, so they differ by its rounding alone.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from wakewright.core.errors import WakewrightError
from wakewright.detect.networks import onnx_session
from wakewright.detect.policy import Scores
from wakewright.dsp.frontend import Frames
from wakewright.dsp.litert import Net
from wakewright.export.onnx import TOLERANCE
from wakewright.export.openwakeword import Shifted
from wakewright.models.embedding_head import WINDOW


@dataclasses.dataclass(frozen=True)
class HeadParity:
    """How far apart the interpreters are at most, in probability, and at which step."""

    steps: int
    onnx_torch: float
    onnx_torch_at: int
    tflite_torch: float
    tflite_torch_at: int
    pyopen_wakeword: float | None
    """The package's own runtime from torch; None where it does not run."""


def prove(head: Shifted, onnx_path: Path, tflite_path: Path, frames: Frames) -> tuple[HeadParity, Scores]:
    """Compare both files of `head` with it at every step of (n, 96) embeddings, n at least 16.

    Returns also the (n - 15,) scores of the TFLite file. Raises WakewrightError with the place of a difference that
    is not accepted.
    """
    windows = np.stack([frames[at : at + WINDOW] for at in range(len(frames) - WINDOW + 1)])
    with torch.no_grad():
        expected = head(torch.from_numpy(windows))[:, 0].numpy()
    session = onnx_session(onnx_path)
    by_onnx = np.array([session.run(None, {"embeddings": window[None]})[0][0, 0] for window in windows], np.float32)
    net = Net(tflite_path.read_bytes(), reference=True)
    by_tflite = np.array([net(window[None])[0, 0] for window in windows], np.float32)
    theirs = on_package(tflite_path, frames)
    found = HeadParity(
        len(windows),
        *_apart("ONNX Runtime", by_onnx, expected),
        *_apart("LiteRT", by_tflite, expected),
        None if theirs is None else _apart("pyopen-wakeword", theirs, expected)[0],
    )
    return found, by_tflite


def on_package(tflite_path: Path, frames: Frames) -> Scores | None:
    """(n, 96) embeddings -> (n - 15,) scores of pyopen-wakeword's own runtime; None where it does not run."""
    try:
        from pyopen_wakeword import OpenWakeWord

        peer = OpenWakeWord.from_model(tflite_path)
    except (ImportError, OSError, ValueError):  # its library is made for some platforms only
        return None
    return np.array(
        [score for frame in frames for score in peer.process_streaming(frame[None, None, None])], np.float32
    )


def _apart(name: str, scores: Scores, expected: Scores) -> tuple[float, int]:
    apart = np.abs(scores - expected)
    at = int(apart.argmax())
    if not apart[at] <= TOLERANCE:
        raise WakewrightError(
            f"{name} does not give what the trained head gives",
            got=f"a score {apart[at]:.2g} off at step {at}, where {TOLERANCE:g} is accepted",
            do="report this with the run's recipe.yaml",
        )
    return float(apart[at]), at
