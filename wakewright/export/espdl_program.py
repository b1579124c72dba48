"""Quantise an ONNX model for ESP-DL: a program for the Python that esp-ppq is installed in, no part of wakewright.

    python espdl_program.py FOLDER CHIP

FOLDER holds model.onnx and windows.npy (n, frames, channels) float32. It gets model.espdl, model.info and scores.npy,
(n,) what the quantised model gives for the windows, computed by esp-ppq's own executor.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(folder: Path, chip: str) -> None:
    """Read, quantise, compute, write."""
    import numpy as np
    import torch
    from esp_ppq.api import espdl_quantize_onnx
    from esp_ppq.executor import TorchExecutor

    windows = list(torch.from_numpy(np.load(folder / "windows.npy")))
    graph = espdl_quantize_onnx(
        onnx_import_file=str(folder / "model.onnx"),
        espdl_export_file=str(folder / "model.espdl"),
        calib_dataloader=torch.utils.data.DataLoader(windows, batch_size=1),  # type: ignore[arg-type]
        calib_steps=len(windows),
        input_shape=[1, *windows[0].shape],
        target=chip,
        num_of_bits=8,
        device="cpu",
        error_report=False,
    )
    executor = TorchExecutor(graph=graph, device="cpu")
    scores = [executor(window[None])[0].detach().flatten()[0].item() for window in windows]
    np.save(folder / "scores.npy", np.asarray(scores, np.float32))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
