"""Measures that need no hours: equal error rate, partial AUC, latency, and the same result broken down by group.

Here a negative is a two-second window, and FAR is the share of windows whose highest score passes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from wakewright.evaluate.intervals import Interval, rate_interval, share_interval
from wakewright.evaluate.metrics import Negatives, Trial, just_above


def error_rates(
    positive_peaks: NDArray[np.floating], window_peaks: NDArray[np.floating], thresholds: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(positives,), (windows,), (t,) -> FRR (t,) and FAR (t,): misses below, false accepts at or above.

    Raises ValueError without positives or without windows.
    """
    if not positive_peaks.size or not window_peaks.size:
        raise ValueError(f"no error rates from {positive_peaks.size} positives and {window_peaks.size} windows")
    low = np.searchsorted(np.sort(positive_peaks), thresholds, side="left") / positive_peaks.size
    high = 1.0 - np.searchsorted(np.sort(window_peaks), thresholds, side="left") / window_peaks.size
    return low, high


def _all_thresholds(positive_peaks: NDArray[np.floating], window_peaks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rising: 0 and just above every peak."""
    return np.concatenate(([0.0], just_above(np.union1d(positive_peaks, window_peaks))))


def equal_error_rate(positive_peaks: NDArray[np.floating], window_peaks: NDArray[np.floating]) -> float:
    """Where FRR and FAR meet; where the steps jump past each other, on the line between the two points."""
    frr, far = error_rates(positive_peaks, window_peaks, _all_thresholds(positive_peaks, window_peaks))
    gap = frr - far  # rises from at most 0 (all accepted) to at least 0 (none accepted)
    after = int(np.searchsorted(gap, 0.0))
    if gap[after] == 0.0 or after == 0:
        return float(frr[after])
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(frr[after - 1] + share * (frr[after] - frr[after - 1]))


def partial_auc(
    positive_peaks: NDArray[np.floating], window_peaks: NDArray[np.floating], max_fpr: float = 0.1
) -> float:
    """Area under the ROC curve for false-positive rates up to `max_fpr`, divided by it: 1 is perfect, 0.05 is chance.

    Trapezoids, so ties count half; the curve is cut at `max_fpr` by interpolation.
    """
    frr, far = error_rates(positive_peaks, window_peaks, _all_thresholds(positive_peaks, window_peaks))
    fpr, tpr = far[::-1], 1.0 - frr[::-1]
    inside = int(
        np.searchsorted(fpr, max_fpr, side="left")
    )  # the curve goes from (0, 0) to (1, 1): never 0, never past it
    share = (max_fpr - fpr[inside - 1]) / (fpr[inside] - fpr[inside - 1])
    at_limit = tpr[inside - 1] + share * (tpr[inside] - tpr[inside - 1])
    x = np.concatenate((fpr[:inside], [max_fpr]))
    y = np.concatenate((tpr[:inside], [at_limit]))
    return float(np.sum(np.diff(x) * 0.5 * (y[1:] + y[:-1])) / max_fpr)


@dataclasses.dataclass(frozen=True)
class Latency:
    """Seconds from the end of the word to the detection; negative when it comes before the word is over."""

    median_s: float
    p90_s: float
    detected: int
    """Trials that were detected, over which this is taken."""


def latency(trials: Iterable[Trial], threshold: float) -> Latency | None:
    """Median and 90th percentile over the detected trials; None when nothing was detected."""
    times = [t for trial in trials if (t := trial.latency_s(threshold)) is not None]
    if not times:
        return None
    return Latency(float(np.median(times)), float(np.percentile(times, 90)), len(times))


@dataclasses.dataclass(frozen=True)
class GroupMisses:
    """Misses within one group of trials."""

    group: str
    misses: int
    positives: int

    @property
    def frr(self) -> float:
        """Share missed."""
        return self.misses / self.positives

    @property
    def interval(self) -> Interval:
        """95 %, Clopper-Pearson."""
        return share_interval(self.misses, self.positives)


def misses_by(trials: Sequence[Trial], label: str, threshold: float) -> tuple[GroupMisses, ...]:
    """One row per value of `label` among the trials that carry it, in order of first appearance."""
    rows: dict[str, list[int]] = {}
    for trial in trials:
        if label in trial.groups:
            row = rows.setdefault(trial.groups[label], [0, 0])
            row[0] += trial.missed(threshold)
            row[1] += 1
    return tuple(GroupMisses(group, misses, count) for group, (misses, count) in rows.items())


@dataclasses.dataclass(frozen=True)
class SourceAccepts:
    """False accepts from one source."""

    source: str
    count: int
    hours: float

    @property
    def interval(self) -> Interval:
        """95 % per hour, Garwood."""
        return rate_interval(self.count, self.hours)


def worst_sources(negatives: Negatives, threshold: float, limit: int = 10) -> tuple[SourceAccepts, ...]:
    """Sources with at least one false accept, most first."""
    hit = negatives.owner[negatives.peaks >= np.float64(threshold)]
    counts = np.bincount(hit, minlength=len(negatives.sources))
    order = np.argsort(-counts, kind="stable")[:limit]
    return tuple(
        SourceAccepts(negatives.sources[i], int(counts[i]), float(negatives.source_hours[i]))
        for i in order.tolist()
        if counts[i]
    )
