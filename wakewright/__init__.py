"""wakewright: from a phrase to a measured wake word."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["Detector", "__version__"]


def __getattr__(name: str) -> Any:
    # imported on first use: the interpreter behind it takes a tenth of a second to load
    if name == "Detector":
        from wakewright.detect.detector import Detector

        return Detector
    raise AttributeError(f"module 'wakewright' has no attribute {name!r}")
