"""From scores to detections: smoothing, hysteresis, cooldown. numpy only."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from wakewright.core.recipe import Policy

Scores = NDArray[np.float32]
"""(steps,) float32 probabilities."""


def smooth(scores: Scores, steps: int, past: Scores | None = None) -> Scores:
    """Mean of the last `steps` scores at each step: (n,) -> (n,).

    `past` holds the steps - 1 scores before the first; without it they count as 0.
    """
    if steps == 1 or not len(scores):
        return scores
    before = np.zeros(steps - 1, np.float32) if past is None else past[-(steps - 1) :]
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([before, scores]), steps)
    return np.asarray(windows.mean(axis=1), np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class Fire:
    """The policy fired."""

    step: int
    """Steps since the start, counting from 0."""
    score: float
    """Smoothed score that reached the threshold."""


class PolicyState:
    """Runs the policy over a stream of raw scores, in pieces of any size."""

    def __init__(self, policy: Policy, hop_ms: float, threshold: float) -> None:
        self.policy, self.hop_ms, self.threshold = policy, hop_ms, threshold
        # the published pair is 0.7 and 0.3; a calibrated threshold below that keeps the same proportion
        self.release = min(policy.release, threshold * 3.0 / 7.0)
        self._cooldown = math.ceil(policy.cooldown_ms / hop_ms)
        self._warmup = math.ceil(policy.warmup_ms / hop_ms)
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._past = np.zeros(max(1, self.policy.smoothing - 1), np.float32)
        self._step = 0
        self._armed = True
        self._quiet_until = self._warmup

    def push(self, scores: Scores) -> tuple[Scores, list[Fire]]:
        """(n,) raw scores -> (n,) smoothed scores and the detections among them."""
        smoothed = smooth(scores, self.policy.smoothing, self._past)
        self._past = np.concatenate([self._past, scores])[-len(self._past) :]
        fires = []
        for step, score in enumerate(smoothed.tolist(), self._step):
            if not self._armed:
                self._armed = score < self.release
            elif score >= self.threshold and step >= self._quiet_until:
                fires.append(Fire(step, score))
                self._armed, self._quiet_until = False, step + self._cooldown
        self._step += len(scores)
        return smoothed, fires
