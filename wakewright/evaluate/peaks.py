"""From the scores of a stream to events: one false accept each, at all thresholds at once or by the policy."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wakewright.core.recipe import Policy
from wakewright.detect.device_rule import CUTOFFS, DeviceRule
from wakewright.detect.policy import PolicyState

Scores = NDArray[np.float32]
"""(steps,) float32, smoothed probability of the wake word at a fixed hop."""

DEAD_TIME_S = 2.0
"""Peaks this close count as one false accept (the field's convention)."""
_POLICY = Policy()


def peak_steps(scores: Scores, hop_s: float, dead_time_s: float = DEAD_TIME_S) -> NDArray[np.int64]:
    """(steps,) scores -> (events,) steps of the event peaks, in order of time.

    Candidates are the local maxima (of a plateau, its first step). They are taken greedily from the highest down, the
    earlier first among equals; each one taken swallows every candidate at most `dead_time_s` away. Going from the
    highest down makes it hold for all thresholds at once: the events at threshold t are the peaks that reach t.
    O(n log n).
    """
    n = len(scores)
    if n == 0:
        return np.empty(0, dtype=np.int64)
    starts = np.flatnonzero(np.concatenate(([True], scores[1:] != scores[:-1])))  # first step of every plateau
    levels = scores[starts]
    up = np.concatenate(([True], levels[1:] > levels[:-1]))
    down = np.concatenate((levels[:-1] > levels[1:], [True]))
    candidates = starts[up & down]
    order = candidates[np.argsort(-scores[candidates], kind="stable")]
    reach = math.floor(dead_time_s / hop_s + 1e-9)
    swallowed = bytearray(n + 2 * reach + 1)
    stripe = b"\1" * (2 * reach + 1)
    taken = []
    for step in order.tolist():
        if not swallowed[step + reach]:
            swallowed[step : step + 2 * reach + 1] = stripe
            taken.append(step)
    return np.sort(np.asarray(taken, dtype=np.int64))


def negative_peaks(scores: Scores, hop_s: float, dead_time_s: float = DEAD_TIME_S) -> Scores:
    """(steps,) scores of audio without the word -> (events,) heights of the event peaks, highest first.

    The number of false accepts at threshold t is the number of heights that are at least t (see `peak_steps`).
    """
    return np.sort(scores[peak_steps(scores, hop_s, dead_time_s)])[::-1]


def device_peaks(
    scores: Scores, rule: DeviceRule, skip: int, owner_of: NDArray[np.int64]
) -> tuple[Scores, NDArray[np.int64]]:
    """(steps,) scores of audio without the word -> (events,) heights and (events,) owners, of an int8 model's device.

    Height and count as elsewhere, so that as many heights reach the threshold of a cutoff as the device would fire at
    it, cool-off and all, from step `skip` on; `owner_of` (steps - skip,) tells whose step is whose. A lower cutoff
    may fire less often, since scores above it end no cool-off: of each owner it is then taken to fire as often as the
    higher one, never less. One height of 0 stands for a stream in which nothing fires.
    """
    counts = np.zeros((CUTOFFS + 1, int(owner_of.max(initial=0)) + 1), np.int64)
    levels = rule.bytes_of(scores)
    for cutoff in range(CUTOFFS):
        steps = [step - skip for step in rule.fires(levels, cutoff) if step >= skip]
        np.add.at(counts[cutoff], owner_of[steps], 1)
    counts = np.maximum.accumulate(counts[::-1])[::-1]
    cutoffs, owners = np.nonzero(counts[:-1] - counts[1:])
    times = (counts[:-1] - counts[1:])[cutoffs, owners]
    heights = (np.repeat(cutoffs, times) * rule.window + 1) / (256 * rule.window)  # the least sum that fires
    if not heights.size:
        return np.zeros(1, np.float32), owner_of[:1]
    return heights.astype(np.float32), np.repeat(owners, times)


def false_accept_events(scores: Scores, threshold: float, hop_s: float, policy: Policy = _POLICY) -> int:
    """Detections of the policy on (steps,) scores that are smoothed already: hysteresis, cooldown and warm-up.

    The same detections as `PolicyState` gives step by step, found by jumping from one to the next.
    """
    hop_ms = round(hop_s * 1000.0, 6)
    above = np.flatnonzero(scores >= np.float64(threshold))
    below = np.flatnonzero(scores < np.float64(PolicyState(policy, hop_ms, threshold).release))
    wait = math.ceil(policy.cooldown_ms / hop_ms)
    events, earliest = 0, math.ceil(policy.warmup_ms / hop_ms)
    while (place := int(np.searchsorted(above, earliest))) < above.size:
        events += 1
        step = int(above[place])
        rearm = int(np.searchsorted(below, step, side="right"))
        if rearm == below.size:
            break
        earliest = max(step + wait, int(below[rearm]) + 1)
    return events
