"""ESP-DL, Espressif's own runtime: the windowed model, quantised by their tool esp-ppq.

esp-ppq needs an older onnx than we do, so it lives in a Python of its own, which is called as a program. Its int8 is
not ours (scales are powers of two, ranges are read off windows after training), and no runtime for it runs here: what
is stated is how far the scores that esp-ppq's executor computes on the quantised graph are from those of the trained
model.
"""

from __future__ import annotations

import copy
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wakewright.core.errors import MissingPackage, WakewrightError
from wakewright.core.files import write_bytes, write_json
from wakewright.dsp.frontend import Frames
from wakewright.export import espdl_program, onnx, parity, parity_onnx
from wakewright.models import quantised

PYTHON = "WAKEWRIGHT_ESPDL_PYTHON"
"""Environment variable: the Python that esp-ppq is installed in."""
CHIPS = {"esp32-s3": "esp32s3", "esp32": "esp32"}
"""esp-ppq's names of the boards of a recipe; it knows no others of them."""
WINDOWS = 256
"""Windows that ranges are read off."""
LIMIT_S = 1800


def python() -> str:
    """The Python that has esp-ppq. Raises MissingPackage when there is none."""
    named = os.environ.get(PYTHON)
    if named or importlib.util.find_spec("esp_ppq"):
        return named or sys.executable
    raise MissingPackage(
        "ESP-DL's quantiser is missing",
        got="no package esp-ppq here, and no " + PYTHON,
        do="give it a Python of its own: python3 -m venv ~/espdl && ~/espdl/bin/pip install esp-ppq torch; "
        f"then set {PYTHON}=~/espdl/bin/python",
    )


def write(model: Any, frames: Frames, folder: Path, name: str, board: str) -> list[Path]:
    """Write NAME.espdl, NAME.info (its layers) and NAME.espdl.json (how far off it is) into `folder`.

    Also what a device can replay: golden_features.npy (all frames), golden_scores.npy (of their windows, as esp-ppq
    computes them) and parity.json, which has the frame that each window starts at.

    `frames` (n, 40) are sound with and without the phrase, as the model hears it. Raises MissingPackage, and
    WakewrightError when esp-ppq fails.
    """
    interpreter = python()
    plain = copy.deepcopy(model)
    quantised.set_rounding(plain, rounds=False, watches=False)
    starts = _starts(frames, plain.receptive_field, plain.stride)
    windows = np.stack([frames[at : at + plain.receptive_field] for at in starts]).astype(np.float32)
    chip = CHIPS.get(board, "esp32s3")
    with tempfile.TemporaryDirectory(prefix="wakewright-") as place:
        work = Path(place)
        onnx.write_windowed(plain, work / "model.onnx")
        by_onnx = parity_onnx.windowed(plain, work / "model.onnx", frames)
        np.save(work / "windows.npy", windows)
        # -I: else our own export/onnx.py, beside the program, would be taken for the package of that name
        _call([interpreter, "-I", espdl_program.__file__, str(work), chip])
        scores = np.load(work / "scores.npy")
        difference = np.abs(scores - _scores(plain, windows))
        files = [folder / f"{name}.espdl", folder / f"{name}.info", folder / f"{name}.espdl.json"]
        for file, made in zip(files[:2], ("model.espdl", "model.info"), strict=True):
            write_bytes(file, (work / made).read_bytes())
        about = {"chip": chip, "windows": len(windows), "frames": windows.shape[1], "input": "float micro features"}
        off = {"largest": round(float(difference.max()), 4), "mean": round(float(difference.mean()), 4)}
        write_json(files[2], about | {"difference_from_trained": off})
    told = {
        "steps": len(windows),
        "starts": starts.tolist(),
        "onnx_torch": by_onnx,
        "esp_ppq_torch": float(difference.max()),
        "esp_ppq_torch_at": int(difference.argmax()),
        "esp_dl": None,  # nothing here runs the file itself
    }
    return [*files, *parity.save_golden(folder, frames, scores, told)]


def _starts(frames: Frames, length: int, stride: int) -> NDArray[np.int64]:
    """(windows,) the first frames of windows of this length, evenly over the frames."""
    starts = np.arange(0, len(frames) - length + 1, stride)
    return np.asarray(starts[np.linspace(0, len(starts) - 1, min(WINDOWS, len(starts))).astype(int)], np.int64)


@torch.no_grad()
def _scores(model: Any, windows: Frames) -> Frames:
    return np.asarray(torch.sigmoid(model(torch.from_numpy(windows))[0][:, 0]).numpy(), np.float32)


def _call(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        told, failed = (done.stderr or done.stdout).strip(), done.returncode != 0
    except (OSError, subprocess.TimeoutExpired) as error:
        told, failed = str(error), True
    if failed:
        raise WakewrightError(
            "esp-ppq could not quantise the model",
            got=told.splitlines()[-1] if told else "no message",
            do=f"try it by itself: {command[0]} -c 'import esp_ppq'",
        )
