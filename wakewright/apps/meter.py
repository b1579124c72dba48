"""A line in the terminal that shows how loud it is and how near each phrase: rewritten as sound comes."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from typing import TextIO

from wakewright.core.audio import Samples, rms
from wakewright.detect.detector import Detector

BLOCKS = " ▏▎▍▌▋▊▉█"
LOW_DB = -70.0
"""The level at which the meter shows nothing, in decibels below full scale."""
BAR = 10
"""Letters of a bar."""


def bar(share: float, letters: int = BAR) -> str:
    """A bar of `letters` letters, filled to this share (0 to 1), in eighths of a letter."""
    eighths = round(8 * letters * min(1.0, max(0.0, share)))
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (BLOCKS[rest] if rest else "")).ljust(letters)


def line(samples: Samples, detectors: Sequence[Detector], width: int) -> str:
    """What the meter shows of the newest samples and of each detector's score, at most `width` letters."""
    level = rms(samples)
    db = max(LOW_DB, 20 * math.log10(level)) if level > 0 else LOW_DB
    parts = [f"{bar(1 - db / LOW_DB)} {db:4.0f} dB"]
    parts += [f"{d.phrase} {bar(d.current / d.threshold if d.threshold else 1.0)} {d.current:.2f}" for d in detectors]
    return "  ".join(parts)[:width]


class Meter:
    """Writes the line to a terminal."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def show(self, samples: Samples, detectors: Sequence[Detector]) -> None:
        """Rewrite it for the newest samples."""
        width = shutil.get_terminal_size().columns - 1
        self._terminal.write("\r" + line(samples, detectors, width).ljust(width))
        self._terminal.flush()

    def clear(self) -> None:
        """Make room for another line."""
        self._terminal.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
        self._terminal.flush()
