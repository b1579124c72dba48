"""The sound around detections: what was heard before each, and a little of what came after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.detect.detector import Detection

AFTER_S = 1.0
"""Sound kept after the moment of recognition."""


class Around:
    """Completes each detection's sound with what is heard after it."""

    def __init__(self, after_s: float = AFTER_S) -> None:
        self._after = round(after_s * SAMPLE_RATE)
        self._waiting: list[tuple[Detection, list[Samples], int]] = []
        self._heard = 0

    def push(self, samples: Samples, found: Sequence[Detection]) -> list[tuple[Detection, Samples]]:
        """The piece that was just heard and the detections in it -> those whose sound is now complete."""
        begun = self._heard
        self._heard += len(samples)
        self._waiting += [(one, [one.audio], self._after) for one in found]
        waiting, done = self._waiting, []
        self._waiting = []
        for one, parts, lacking in waiting:
            later = samples[max(0, one.sample - begun) :][:lacking]
            entry = (one, [*parts, later], lacking - len(later))
            if entry[2]:
                self._waiting.append(entry)
            else:
                done.append((one, np.concatenate(entry[1])))
        return done

    def end(self) -> list[tuple[Detection, Samples]]:
        """The stream is over: what is left, with as much sound as there was. Another stream may follow."""
        left = [(one, np.concatenate(parts)) for one, parts, _ in self._waiting]
        self._waiting, self._heard = [], 0
        return left
