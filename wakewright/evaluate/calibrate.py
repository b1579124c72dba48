"""Choosing the threshold, on validation audio only.

`fa_per_hour`: the lowest threshold whose false accepts per hour meet the target. When the validation audio is too
short for the target to allow even one false accept, counting cannot tell (the highest of 20 minutes says nothing
about 0.5 per hour), and the tail of the peaks is extrapolated instead; see `tail_level`. Where even that does not
reach so far, no more than GIVEN_UP of the words are missed for it.

`far_frr`: the minimum of 2 * FAR + FRR over 100 thresholds, FAR being the share of two-second windows that pass.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wakewright.core.errors import InputError
from wakewright.evaluate.metrics import Negatives, Trial, allowed_count, det_curve, just_above
from wakewright.evaluate.shares import error_rates

MIN_TAIL_PEAKS = 8
"""Fewer excesses than this fit no tail."""
REACH = 5.0
"""The tail is followed to one event in this many times the hours heard, no further: beyond, the error of the scale,
multiplied by the distance, would put the threshold where nothing is heard at all."""
GIVEN_UP = 0.25
"""Share of the validation words that may be missed for a rate which so little sound can tell nothing of: a threshold
that hears nothing keeps any rate, and is of no use."""
SYNTHETIC_ALONE = "The threshold was set on synthetic sound alone: it has never heard a real voice."
Z = 1.959964
"""Two-sided 95 % of the normal distribution."""
_EDGE = 2.0**-24  # half a float32 step below 1: a score of exactly 1 still has a logit


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A threshold, how it was found, and what may be expected of it."""

    threshold: float
    """Smoothed score that counts as a detection, 0 to 1."""
    rule: Literal["fa_per_hour", "far_frr"]
    """What was asked for."""
    method: Literal["count", "tail", "minimum"]
    """count: false accepts were counted; tail: extrapolated; minimum: of the cost over 100 thresholds."""
    fa_per_hour_expected: float
    """False accepts per hour to expect at the threshold."""
    fa_per_hour_low: float
    """Lower end of its 95 % interval."""
    fa_per_hour_high: float
    """Upper end of its 95 % interval."""
    frr_expected: float
    """Share of the validation positives missed; 1 when there are none."""
    hours: float
    """Hours of validation negatives."""
    positives: int
    """Validation positives."""
    negative_real_hours: float
    """Of the hours, how many were real recordings."""
    standard_error: float | None = None
    """Of the threshold, in logits, when extrapolated."""
    notes: tuple[str, ...] = ()
    """Sentences for the report: what to know before trusting it."""


@dataclasses.dataclass(frozen=True)
class TailLevel:
    """Where the tail of the peaks is expected to reach the target rate. All in logits."""

    level: float
    standard_error: float
    scale: float
    """Mean excess over `start`: one more scale divides the rate by e."""
    start: float
    """The tail is fitted above this."""
    excesses: int
    """Peaks above `start`."""
    hours: float

    def rate(self, level: float) -> float:
        """Expected events per hour above `level` (logits)."""
        return (self.excesses + 0.5) / self.hours * math.exp(-(level - self.start) / self.scale)

    def rate_interval(self, level: float) -> tuple[float, float]:
        """95 % interval of `rate`, lognormal: the error of the level, divided by the scale."""
        reach = (level - self.start) / self.scale
        spread = math.exp(Z * math.sqrt((1.0 + reach * reach) / self.excesses))
        rate = self.rate(level)
        return rate / spread, rate * spread


def logit(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores in [0, 1] -> log odds, kept finite."""
    clipped = np.clip(np.asarray(scores, dtype=np.float64), _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def expit(level: float) -> float:
    """Log odds -> score."""
    return 1.0 / (1.0 + math.exp(-level)) if level >= 0 else math.exp(level) / (1.0 + math.exp(level))


def tail_level(levels: NDArray[np.floating], hours: float, fa_per_hour: float) -> TailLevel | None:
    """Peaks over threshold: (events,) peak heights in logits -> the level exceeded `fa_per_hour` times an hour.

    By the theorem of Pickands, Balkema and de Haan the excesses over a high start follow a generalised Pareto
    distribution (Coles, "An Introduction to Statistical Modeling of Extreme Values", 2001, chapter 4). Its shape
    cannot be estimated from a few dozen peaks, so it is held at 0, the exponential, which is where log odds with a
    logistic or normal tail end up. A lighter tail makes the level too high, the safe side; a heavier one makes it
    too low. Merging peaks within two seconds makes them independent enough.

    The start is the (k+1)-th highest peak, k = sqrt(events) but at least 8; the scale is the mean excess of the k
    above it. By Renyi's representation of exponential order statistics the level is unbiased to order 1/k^2 when
    k + 1/2 events are reckoned at the start, and its variance is scale^2 (1 + L^2) / k, where L is the natural
    logarithm of how far the rate has to fall.

    None when there are too few distinct peaks for a fit.
    """
    count = max(MIN_TAIL_PEAKS, round(math.sqrt(len(levels))))
    if len(levels) <= count or hours <= 0:
        return None
    top = np.sort(np.asarray(levels, dtype=np.float64))[-1 - count :]
    start = float(top[0])
    scale = float(np.mean(top[1:]) - start)
    if scale <= 1e-9:
        return None
    reach = math.log((count + 0.5) / (fa_per_hour * hours))
    error = scale * math.sqrt((1.0 + reach * reach) / count)
    return TailLevel(start + scale * reach, error, scale, start, count, hours)


def calibrate(
    trials: Sequence[Trial],
    negatives: Negatives,
    *,
    rule: Literal["fa_per_hour", "far_frr"] = "fa_per_hour",
    fa_per_hour: float = 0.5,
) -> Calibration:
    """Choose the threshold from validation trials and negatives.

    Raises InputError when there is no negative audio (or, for far_frr, no positive): nothing could be chosen from.
    """
    if negatives.hours <= 0 or not negatives.peaks.size:
        raise InputError(
            "there is no validation audio without the wake word to calibrate on",
            got="0 hours",
            do="name folders of speech in background.speech, or raise voices.sentences",
        )
    if rule == "far_frr":
        return _far_frr(trials, negatives)
    allowed = allowed_count(fa_per_hour, negatives.hours)
    if allowed == 0:
        lowest = max(fa_per_hour, 1.0 / (REACH * negatives.hours))
        tail = tail_level(logit(negatives.peaks), negatives.hours, lowest)
        if tail is not None:
            return _from_tail(trials, negatives, tail, fa_per_hour, lowest)
    threshold = det_curve(trials, negatives).operating_at(fa_per_hour).threshold
    notes = []
    if allowed == 0:
        notes.append(
            f"The threshold lies just above the highest of {negatives.peaks.size} peaks in {negatives.hours:.2g} h: "
            f"too few to tell where {fa_per_hour:g} per hour lies."
        )
    return _counted(trials, negatives, threshold, "fa_per_hour", "count", notes)


def _counted(
    trials: Sequence[Trial],
    negatives: Negatives,
    threshold: float,
    rule: Literal["fa_per_hour", "far_frr"],
    method: Literal["count", "minimum"],
    notes: list[str],
) -> Calibration:
    """The calibration whose expectations are simply what was counted."""
    if threshold > 1.0:
        threshold = 1.0
        notes.append("Audio without the word gets the highest possible score: the target cannot be met.")
    point = det_curve(trials, negatives).at(threshold)
    low, high = point.fa_interval
    return Calibration(
        threshold=threshold,
        rule=rule,
        method=method,
        fa_per_hour_expected=point.fa_per_hour,
        fa_per_hour_low=low,
        fa_per_hour_high=high,
        frr_expected=point.frr,
        hours=negatives.hours,
        positives=len(trials),
        negative_real_hours=negatives.real_hours,
        notes=(*notes, *_evidence(negatives)),
    )


def _from_tail(
    trials: Sequence[Trial], negatives: Negatives, tail: TailLevel, fa_per_hour: float, lowest: float
) -> Calibration:
    """The calibration by extrapolation to the rate `lowest`, never below the highest peak seen."""
    seen = float(just_above(negatives.heights[-1]))
    careful = min(max(expit(tail.level), seen), 1.0)
    lower = min(careful, max(seen, _heard_by_most(trials)))
    worth = lowest > fa_per_hour and _missed(trials, lower) < _missed(trials, careful)
    threshold = lower if worth else careful
    level = float(logit(np.asarray(threshold)))
    low, high = tail.rate_interval(level)
    notes = [
        f"{negatives.hours:.2g} h of validation audio is too short to count {fa_per_hour:g} false accepts per hour: "
        f"the threshold was extrapolated from the {tail.excesses} highest peaks (standard error "
        f"{tail.standard_error:.2g} logits)."
    ]
    if lowest > fa_per_hour:
        notes.append(
            f"So little tells nothing of rates below {lowest:.2g} per hour: the threshold was set for that, and "
            "false accepts may be more frequent than asked for. More audio would help."
        )
    if threshold < careful:
        notes.append(
            f"There {_missed(trials, careful)} of {len(trials)} validation words would be missed: it was set lower, "
            f"where {_missed(trials, threshold)} are: expect some {tail.rate(level):.0f} false accepts per hour."
        )
    if threshold > 0.999 or seen > 1.0:
        notes.append("It lies at the very end of the scores: the phrase may be missed often. More audio would help.")
    notes += _far_too_careful(trials, threshold, seen)
    return Calibration(
        threshold=threshold,
        rule="fa_per_hour",
        method="tail",
        fa_per_hour_expected=tail.rate(level),
        fa_per_hour_low=low,
        fa_per_hour_high=high,
        frr_expected=det_curve(trials, negatives).at(threshold).frr,
        hours=negatives.hours,
        positives=len(trials),
        negative_real_hours=negatives.real_hours,
        standard_error=tail.standard_error,
        notes=(*notes, *_evidence(negatives)),
    )


def _heard_by_most(trials: Sequence[Trial]) -> float:
    """The highest threshold that misses GIVEN_UP of the words; 1 where there are none."""
    peaks = np.sort([trial.peak for trial in trials])
    return float(peaks[int(GIVEN_UP * len(peaks))]) if len(peaks) else 1.0


def _missed(trials: Sequence[Trial], threshold: float) -> int:
    return sum(trial.missed(threshold) for trial in trials)


def _far_too_careful(trials: Sequence[Trial], threshold: float, seen: float) -> list[str]:
    """What misses most words though a threshold just above all other sound, `seen`, would not: the one to try."""
    lower = math.ceil(100 * seen) / 100
    missed, fewer = _missed(trials, threshold), _missed(trials, lower)
    if lower >= threshold or 2 * missed <= len(trials) or 2 * fewer > missed:
        return []
    return [
        f"It misses {missed} of {len(trials)} validation words, where {lower:.2f}, above all other sound there, "
        f"would miss {fewer}: try listen --threshold {lower:.2f}, or train on more audio."
    ]


def _far_frr(trials: Sequence[Trial], negatives: Negatives) -> Calibration:
    """The minimum of 2 * FAR + FRR; of equal thresholds the middle one, farthest from both mistakes."""
    if not trials or not negatives.windows.size:
        raise InputError(
            "calibrate.rule=far_frr needs spoken wake words and audio without them",
            got=f"{len(trials)} wake words and {negatives.windows.size} windows of two seconds",
            do="raise voices.positives, or use calibrate.rule=fa_per_hour",
        )
    thresholds = np.linspace(0.01, 1.0, 100)
    peaks = np.asarray([trial.peak for trial in trials])
    frr, far = error_rates(peaks, negatives.windows, thresholds)
    cost = 2.0 * far + frr
    best = np.flatnonzero(cost <= cost.min() + 1e-12)
    first_run = best[: int(np.flatnonzero(np.diff(best, append=np.inf) > 1)[0]) + 1]
    threshold = float(thresholds[first_run[len(first_run) // 2]])
    return _counted(trials, negatives, threshold, "far_frr", "minimum", [])


def _evidence(negatives: Negatives) -> list[str]:
    """What the hours behind a threshold are worth."""
    if negatives.real_hours <= 0:
        return [SYNTHETIC_ALONE]
    if negatives.real_hours < 6:
        return [f"Set on {negatives.real_hours:.2g} h of real recordings: under 6 h the rate is a rough estimate."]
    return []
