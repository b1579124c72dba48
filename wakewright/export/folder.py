"""Exporting a run: a folder that holds all a program or device needs, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

from wakewright.core.errors import InputError
from wakewright.core.files import replacing
from wakewright.core.run import Run

FORMATS = ("onnx",)
"""Formats that `export_run` writes."""


def export_run(run: Run, *, to: str, out: Path) -> list[Path]:
    """Write the run's model in the format `to` into the folder `out`; returns the files.

    "onnx" gives `model.onnx`, checked against the trained weights when the run was made, and `metadata.json`, which
    `Detector.load(out)` reads. Raises InputError for another format, RunError for an unfinished run, DiskFull.
    """
    if to not in FORMATS:
        raise InputError(f"cannot export to {to!r}", got=f"--to {to}", do="choose one of: " + ", ".join(FORMATS))
    files = []
    for name in ("model.onnx", "metadata.json"):
        source = run.require(name)
        with replacing(out / name) as temporary:
            shutil.copyfile(source, temporary)
        files.append(out / name)
    return files
