"""Thresholds: counted where the hours allow, extrapolated where they do not, and near-unbiased by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wakewright.core.errors import InputError
from wakewright.evaluate.calibrate import REACH, calibrate, expit, logit, tail_level
from wakewright.evaluate.metrics import Negatives, Trial


def negatives(peaks: np.ndarray, hours: float, real_hours: float = 0.0) -> Negatives:
    heights = np.asarray(peaks, dtype=np.float32)
    return Negatives(
        heights, np.zeros(heights.size, dtype=np.int64), ("s",), np.asarray([hours]), heights, real_hours
    )


def trials(*peaks: float) -> list[Trial]:
    return [Trial(np.asarray([p], dtype=np.float32), 0.0, 0.1, 0) for p in peaks]


def logistic_peaks(rng: np.random.Generator, hours: float, per_hour: float = 900.0) -> np.ndarray:
    """Peak heights in logits: logistic, centre -5, scale 1.2."""
    return rng.logistic(-5.0, 1.2, rng.poisson(per_hour * hours))


def true_rate(level: np.ndarray | float, per_hour: float = 900.0) -> np.ndarray:
    """Events per hour above `level` under `logistic_peaks`."""
    return per_hour / (1.0 + np.exp((np.asarray(level) + 5.0) / 1.2))


def test_enough_hours_are_counted() -> None:
    found = calibrate(trials(0.2, 0.65, 0.9), negatives(np.asarray([0.1, 0.3, 0.6, 0.8]), 4.0), fa_per_hour=0.5)
    assert found.method == "count"
    assert found.threshold == np.nextafter(np.float32(0.3), np.float32(1))
    assert found.fa_per_hour_expected == 0.5
    assert found.frr_expected == pytest.approx(1 / 3)
    assert found.fa_per_hour_low == pytest.approx(0.242 / 4, rel=1e-2)
    assert found.standard_error is None


def test_tail_is_near_unbiased_and_its_error_honest() -> None:
    rng = np.random.default_rng(7)
    exact = -5.0 + 1.2 * math.log(900.0 / 0.5 - 1.0)
    fits = [tail_level(logistic_peaks(rng, 1.0), 1.0, 0.5) for _ in range(1500)]
    levels = np.asarray([f.level for f in fits if f is not None])
    errors = np.asarray([f.standard_error for f in fits if f is not None])
    assert levels.size == 1500
    assert abs(levels.mean() - exact) < 0.1  # a tenth of a logit, against a spread of about one
    assert errors.mean() == pytest.approx(levels.std(), rel=0.15)
    assert np.mean(np.abs(levels - exact) < 1.96 * errors) > 0.88
    assert np.median(true_rate(levels)) == pytest.approx(0.5, rel=0.25)


def test_calibrated_rate_is_met_and_its_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(11)
    rates, covered = [], []
    for _ in range(400):
        peaks = 1.0 / (1.0 + np.exp(-logistic_peaks(rng, 0.5)))
        found = calibrate(trials(0.99), negatives(peaks, 0.5), fa_per_hour=0.5)
        assert found.method == "tail"
        assert found.threshold > peaks.max()
        assert found.fa_per_hour_expected <= 0.5 + 1e-6
        rate = float(true_rate(float(logit(np.asarray(found.threshold)))))
        rates.append(rate)
        covered.append(found.fa_per_hour_low <= rate <= found.fa_per_hour_high)
    assert 0.25 < np.median(rates) < 0.75
    assert np.mean(covered) > 0.85


def test_taking_the_highest_peak_instead_would_be_far_off() -> None:
    """Why the tail is fitted at all: the highest peak of half an hour is exceeded about twice an hour."""
    rng = np.random.default_rng(3)
    highest = [float(true_rate(logistic_peaks(rng, 0.5).max())) for _ in range(400)]
    assert np.mean(highest) > 1.5


def test_the_tail_lies_never_below_the_highest_peak() -> None:
    peaks = np.concatenate((np.linspace(0.01, 0.1, 200), [0.97]))
    found = calibrate(trials(0.99), negatives(peaks, 1.9), fa_per_hour=0.5)
    assert found.method == "tail"
    assert found.threshold > 0.97
    assert found.standard_error is not None
    assert "extrapolated" in found.notes[0]


def test_two_minutes_are_not_stretched_to_an_hour() -> None:
    rng = np.random.default_rng(5)
    short = negatives(logistic_peaks(rng, 0.03), 0.03)
    asked = calibrate(trials(0.99999), short, fa_per_hour=0.5)
    reachable = calibrate(trials(0.99999), short, fa_per_hour=1.0 / (REACH * 0.03))
    assert asked.threshold == reachable.threshold
    assert any("tells nothing of rates below 6.7 per hour" in note for note in asked.notes)
    assert not any("tells nothing" in note for note in reachable.notes)


def test_a_threshold_that_misses_most_words_is_told_with_one_to_try_instead() -> None:
    """Words that score above all that half an hour holds, of a model that seldom says more."""
    little = negatives(np.linspace(0.05, 0.482, 12), 0.45)
    found = calibrate(trials(0.4, *[0.7] * 9), little, fa_per_hour=0.5)
    assert (found.method, found.frr_expected) == ("tail", 1.0)
    assert (
        "It misses 10 of 10 validation words, where 0.49, above all other sound there, would miss 1: "
        "try listen --threshold 0.49, or train on more audio." in found.notes
    )
    for others in (trials(0.4, 0.7, *[0.999] * 9), trials(*[0.3] * 10), []):  # few missed; no better below; no words
        assert not any("validation words" in note for note in calibrate(others, little).notes)


def test_half_a_minute_costs_no_more_than_a_quarter_of_the_words() -> None:
    """A quick training: what so little sound tells of rates is not worth a threshold that hears nothing."""
    little = negatives(np.linspace(0.05, 0.482, 12), 0.007)
    words = trials(0.4, *np.linspace(0.6, 0.75, 11).tolist())
    found = calibrate(words, little, fa_per_hour=0.5)
    assert (found.method, found.threshold, found.frr_expected) == ("tail", pytest.approx(0.63), 0.25)
    assert found.fa_per_hour_expected > 30
    assert found.fa_per_hour_low < found.fa_per_hour_expected < found.fa_per_hour_high
    assert any(
        "There 12 of 12 validation words would be missed: it was set lower, where 3 are: expect some " in note
        for note in found.notes
    )
    assert calibrate(words, little, fa_per_hour=1.0 / (REACH * 0.007)).threshold > 0.8, "a rate within reach is kept"
    assert calibrate([], little).threshold > 0.8
    half = trials(*[0.3] * 5, *[0.49] * 4)
    assert calibrate(half, little).threshold == pytest.approx(0.482), "not below what was heard"
    assert calibrate(trials(*[0.3] * 9), little).threshold > 0.8, "where that wins no word it is not lowered"


def test_too_few_peaks_for_a_tail_say_so() -> None:
    found = calibrate(trials(0.5), negatives(np.asarray([0.2, 0.4]), 0.1), fa_per_hour=0.5)
    assert found.method == "count"
    assert found.threshold == np.nextafter(np.float32(0.4), np.float32(1))
    assert "too few to tell" in found.notes[0]


def test_equal_peaks_have_no_tail() -> None:
    assert tail_level(np.zeros(50), 1.0, 0.5) is None


def test_saturated_scores_are_reported() -> None:
    found = calibrate(trials(1.0), negatives(np.ones(40), 4.0), fa_per_hour=0.5)
    assert found.threshold == 1.0
    assert "cannot be met" in found.notes[0]


def test_minimum_of_far_and_frr() -> None:
    found = calibrate(trials(0.7, 0.8, 0.9), negatives(np.asarray([0.1, 0.2, 0.5]), 1.0), rule="far_frr")
    assert found.method == "minimum"
    assert 0.5 < found.threshold <= 0.7
    assert found.threshold == pytest.approx(0.60)  # the middle of 0.51 to 0.69: 0.7 as float32 is below 0.70
    assert (found.frr_expected, found.fa_per_hour_expected) == (0.0, 0.0)


def test_far_weighs_twice() -> None:
    # Passing the one negative in two costs 2 * 0.5; missing the low positive in two costs 0.5.
    found = calibrate(trials(0.3, 0.9), negatives(np.asarray([0.1, 0.5]), 1.0), rule="far_frr")
    assert 0.5 < found.threshold <= 0.9


def test_evidence_is_noted() -> None:
    peaks = np.linspace(0.1, 0.5, 30)
    assert "never heard a real voice" in calibrate(trials(0.9), negatives(peaks, 3.0)).notes[-1]
    assert "under 6 h" in calibrate(trials(0.9), negatives(peaks, 3.0, 3.0)).notes[-1]
    assert calibrate(trials(0.9), negatives(peaks, 8.0, 8.0)).notes == ()


def test_nothing_to_calibrate_on() -> None:
    with pytest.raises(InputError, match="no validation audio without the wake word"):
        calibrate(trials(0.9), negatives(np.asarray([]), 0.0))
    with pytest.raises(InputError, match="needs spoken wake words"):
        calibrate([], negatives(np.asarray([0.5]), 1.0), rule="far_frr")


def test_logits_stay_finite_and_come_back() -> None:
    assert np.isfinite(logit(np.asarray([0.0, 1.0]))).all()
    assert [expit(float(x)) for x in logit(np.asarray([0.25, 0.5, 0.999]))] == pytest.approx([0.25, 0.5, 0.999])
    assert expit(-1000.0) == 0.0
