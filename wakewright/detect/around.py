"""The sound around detections: what was heard before each, and a little of what came after."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.detect.detector import Detection

AFTER_S = 1.0
"""Sound kept after the moment of recognition."""


@dataclasses.dataclass
class _Waiting:
    detection: Detection
    parts: list[Samples]
    after: int
    """Samples heard since the detection."""
    moments: list[int]
    """Samples after the detection at which its sound is handed out, the next first."""


class Around:
    """Completes each detection's sound with what is heard after it, at one or several moments."""

    def __init__(self, *after_s: float) -> None:
        """`after_s`, rising: seconds after the detection; without any, once after AFTER_S."""
        self._moments = [round(s * SAMPLE_RATE) for s in after_s or (AFTER_S,)]
        self._waiting: list[_Waiting] = []
        self._heard = 0

    def push(self, samples: Samples, found: Sequence[Detection]) -> list[tuple[Detection, Samples]]:
        """The piece that was just heard and the detections in it -> those whose sound is complete up to a moment.

        One detection may come several times, each time with all of its sound so far.
        """
        begun = self._heard
        self._heard += len(samples)
        self._waiting += [_Waiting(one, [one.audio], 0, list(self._moments)) for one in found]
        done = [entry for waiting in self._waiting for entry in _grown(waiting, begun, samples)]
        self._waiting = [waiting for waiting in self._waiting if waiting.moments]
        return done

    def end(self) -> list[tuple[Detection, Samples]]:
        """The stream is over: what is left, with as much sound as there was. Another stream may follow."""
        left = [(w.detection, np.concatenate(w.parts)) for w in self._waiting]
        self._waiting, self._heard = [], 0
        return left


def _grown(waiting: _Waiting, begun: int, samples: Samples) -> list[tuple[Detection, Samples]]:
    """Add a piece that begins at sample `begun` of the stream to a detection's sound; what that completes."""
    done = []
    later = samples[max(0, waiting.detection.sample - begun) :]
    while waiting.moments and waiting.after + len(later) >= waiting.moments[0]:
        lacking = waiting.moments.pop(0) - waiting.after
        waiting.parts.append(later[:lacking])
        waiting.after, later = waiting.after + lacking, later[lacking:]
        done.append((waiting.detection, np.concatenate(waiting.parts)))
    waiting.parts.append(later)
    waiting.after += len(later)
    return done
