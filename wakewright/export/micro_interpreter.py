"""TFLite-Micro on this machine, by its own wheel, which there is for Linux on x86-64 alone."""

from __future__ import annotations

import importlib.util
from typing import Any


def is_installed() -> bool:
    """Whether the package tflite-micro is here."""
    return importlib.util.find_spec("tflite_micro") is not None


def micro_interpreter(model: bytes, arena_size: int | None = None) -> Any:
    """TFLite-Micro with this file, in an arena of so many bytes. Raises RuntimeError when they are too few."""
    return runtime().Interpreter.from_bytes(model, arena_size=arena_size)


def runtime() -> Any:
    """The package's part that runs models; it takes a fifth of a second to load. Raises ImportError."""
    from tflite_micro import runtime as loaded

    return loaded
