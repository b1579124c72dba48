"""The Judge: does this short recording hold the phrase, wherever in it?

It is the same detector that hears streams, held against a clip of some seconds: the highest smoothed score that it
gives anywhere in the clip is the confidence. Nothing here knows one model from another.
"""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.errors import InputError, WakewrightError
from wakewright.detect.detector import Detector
from wakewright.detect.policy import reach

SHORTEST_S = 0.2
"""No phrase is shorter than this."""
AFTER_S = 0.8
"""Quiet behind a clip: a score is highest some steps after the word, and the clip may end with it."""
FLOOR = 1e-4
"""RMS (-80 dBFS) of the hiss around a clip: a microphone never gives digital silence."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What the Judge says of a clip."""

    phrase: str
    prediction: bool
    """The phrase is in it."""
    confidence: float
    """Highest smoothed score, 0 to 1; the phrase is in it from the threshold on."""
    threshold: float
    end_s: float
    """Seconds into the clip at which that score came; at most the clip's length."""


def quiet(seconds: float) -> Samples:
    """(n,) what a microphone gives where nothing is to be heard; the same for the same length."""
    hiss = np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE), np.float32)
    return hiss * np.float32(FLOOR)


class JudgeAway(WakewrightError):
    """No verdict is to be had: the Judge is not there, too slow, or has too much to do."""


class Judge:
    """Looks at clips of one to some seconds, each from a fresh start; of several threads one at a time."""

    def __init__(self, detector: Detector, name: str) -> None:
        self._detector, self.name, self._alone = detector, name, threading.Lock()
        self.phrase, self.threshold = detector.phrase, detector.threshold
        # a detector's first scores look at less than it can and mean nothing; when the clip begins they are over
        policy, hop = detector.policy, round(detector.hop_s * SAMPLE_RATE)
        settled = max(detector.looked_at, round(policy.warmup_ms * SAMPLE_RATE / 1000)) + reach(policy) * hop
        first = round(detector.first_step_s * SAMPLE_RATE)
        self._skipped = -(-(settled - first) // hop)
        self._before = settled
        self._quiet = quiet(self._before / SAMPLE_RATE), quiet(AFTER_S)

    @classmethod
    def load(cls, path: Path | str, *, threshold: float | None = None, gain_db: float | None = None) -> Judge:
        """The Judge of a run or exported folder. Takes and raises what Detector.load does."""
        detector = Detector.load(path, threshold=threshold, gain_db=gain_db)
        return cls(detector, f"{detector.phrase} ({detector.kind})")

    def check(self) -> None:
        """It is here."""

    def verify(self, samples: Samples) -> Verdict:
        """(n,) float32 16 kHz -> whether the phrase is in it. Raises InputError for less than SHORTEST_S."""
        if len(samples) < SHORTEST_S * SAMPLE_RATE:
            raise InputError(
                "there is too little sound to judge",
                got=f"{len(samples) / SAMPLE_RATE:.2f} s",
                do=f"send one to three seconds around the word, {SHORTEST_S} s at least",
            )
        before, after = self._quiet
        with self._alone:
            self._detector.reset()
            scores = self._detector.score(np.concatenate([before, samples, after]))
        best = self._skipped + int(np.argmax(scores[self._skipped :]))
        at = self._detector.first_step_s + best * self._detector.hop_s - self._before / SAMPLE_RATE
        confidence = float(scores[best])
        end = min(max(at, 0.0), len(samples) / SAMPLE_RATE)
        return Verdict(self.phrase, confidence >= self.threshold, confidence, self.threshold, end)
