"""From scores to detections: smoothing, hysteresis, cooldown. numpy only."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from wakewright.core.listening import Policy

Scores = NDArray[np.float32]
"""(steps,) float32 probabilities."""


def smooth(scores: Scores, policy: Policy, past: Scores | None = None) -> Scores:
    """What the threshold is held against at each step: (n,) raw scores -> (n,).

    The mean over the last `policy.smoothing` scores, and of the last `policy.consecutive` such means the least, so
    that it reaches a threshold when that many have in a row. `past` holds at least the `reach(policy)` scores before
    the first; without it they count as 0.
    """
    if not len(scores) or not reach(policy):
        return scores
    before = np.zeros(reach(policy), np.float32) if past is None else past[-reach(policy) :]
    joined = np.concatenate([before, scores])
    means = np.asarray(sliding_window_view(joined, policy.smoothing).mean(axis=1), np.float32)
    return means if policy.consecutive == 1 else sliding_window_view(means, policy.consecutive).min(axis=1)


def reach(policy: Policy) -> int:
    """Scores before a step that bear upon it."""
    return policy.smoothing - 1 + policy.consecutive - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Fire:
    """The policy fired."""

    step: int
    """Steps since the start, counting from 0."""
    score: float
    """Smoothed score that reached the threshold."""
    again: bool = False
    """The score has not fallen below the release since it fired before."""


class PolicyState:
    """Runs the policy over a stream of raw scores, in pieces of any size."""

    def __init__(self, policy: Policy, hop_ms: float, threshold: float) -> None:
        self.policy, self.hop_ms, self.threshold = policy, hop_ms, threshold
        # the published pair is 0.7 and 0.3; a calibrated threshold below that keeps the same proportion
        self.release = min(policy.release, threshold * 3.0 / 7.0)
        self._cooldown = math.ceil(policy.cooldown_ms / hop_ms)
        self._warmup = math.ceil(policy.warmup_ms / hop_ms)
        self._again = math.inf
        self.reset()

    def rearm(self, share: float, after_ms: float | None = None) -> None:
        """May fire again once the score is below this share of the threshold, instead of the policy's hysteresis.

        With `after_ms` also so long after it fired where the score has not fallen since: as a Fire that is `again`.
        """
        self.release = self.threshold * share
        self._again = math.inf if after_ms is None else math.ceil(after_ms / self.hop_ms)

    def reset(self) -> None:
        """Start a new stream."""
        self._past = np.zeros(max(1, reach(self.policy)), np.float32)
        self.step = 0
        """Steps so far."""
        self._armed = True
        self._quiet_until = self._warmup
        self._again_from = math.inf

    def skip(self, steps: int) -> None:
        """Count so many steps as silent; none for 0 or less."""
        if steps > 0:
            self.push(np.zeros(steps, np.float32))

    def recall(self, scores: Scores) -> None:
        """(n,) what the raw scores before the next step were in truth, the newest last, for the smoothing."""
        self._past = np.concatenate([self._past, scores])[-len(self._past) :]

    def push(self, scores: Scores) -> tuple[Scores, list[Fire]]:
        """(n,) raw scores -> (n,) smoothed scores and the detections among them."""
        smoothed = smooth(scores, self.policy, self._past)
        self._past = np.concatenate([self._past, scores])[-len(self._past) :]
        fires = []
        for step, score in enumerate(smoothed.tolist(), self.step):
            may = step >= self._quiet_until and (self._armed or step >= self._again_from)
            if score < self.release:
                self._armed = True
            elif score >= self.threshold and may:
                fires.append(Fire(step, score, again=not self._armed))
                self._armed, self._quiet_until, self._again_from = False, step + self._cooldown, step + self._again
        self.step += len(scores)
        return smoothed, fires
