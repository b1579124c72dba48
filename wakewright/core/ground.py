"""What two machines must have in common to give the same results: versions, and files under the same paths."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import wakewright

ABSENT = "not there"
PACKAGES = (
    "ai-edge-litert",
    "espeakng-loader",
    "numpy",
    "onnxruntime",
    "pymicro-features",
    "pyopen-wakeword",
    "pyroomacoustics",
    "scipy",
    "soundfile",
    "soxr",
)
"""Packages that the numbers depend on."""
LATE_S = 5.0
"""Time after which a file must be seen on the other machines of a shared folder."""


def versions() -> dict[str, str]:
    """Python, the processor's kind, wakewright with the state of its source, and what computes for it."""
    found = {
        "Python": platform.python_version(),
        "the processor": platform.machine(),
        "wakewright": f"{wakewright.__version__} (source {_source()})",
    }
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ABSENT
    return found


def marker(path: str) -> dict[str, str]:
    """Whether a file that was just written is seen."""
    folder = Path(path).parent.parent
    deadline = time.monotonic() + LATE_S
    while not (seen := Path(path).exists()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return {f"the folder {folder}": "shared" if seen else "what others write there is not seen"}


def files(paths: Sequence[str]) -> dict[str, str]:
    """What lies at each path: the size of a file, the names in a folder."""
    return {f"the path {path}": _lies_at(path) for path in paths}


def around(paths: Iterable[str]) -> dict[str, str]:
    """What lies in the folders that hold these files."""
    return files(sorted({str(Path(path).parent) for path in paths}))


def _lies_at(path: str) -> str:
    place = Path(path).expanduser()
    try:
        if place.is_file():
            return f"{place.stat().st_size} bytes"
        names = sorted(entry.name for entry in os.scandir(place))
    except OSError:
        return ABSENT
    digest = hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{len(names)} entries ({digest})"


@functools.cache
def _source() -> str:
    """Eight hex digits that change with any file of Python in the package."""
    digest = hashlib.sha256()
    root = Path(wakewright.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:8]
