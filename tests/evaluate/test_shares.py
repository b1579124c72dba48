"""EER, pAUC, latency and breakdowns against hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest

from wakewright.evaluate.metrics import Span, Trial, collect_negatives
from wakewright.evaluate.shares import equal_error_rate, error_rates, latency, misses_by, partial_auc, worst_sources


def f32(*values: float) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


def test_error_rates_count_equal_scores_as_accepted() -> None:
    frr, far = error_rates(f32(0.25, 0.75), f32(0.25, 0.5, 0.75, 0.125), np.asarray([0.25, 0.5, 0.9]))
    assert frr.tolist() == [0.0, 0.5, 1.0]
    assert far.tolist() == [0.75, 0.5, 0.0]


def test_error_rates_need_both_sides() -> None:
    with pytest.raises(ValueError, match="0 positives and 1 windows"):
        error_rates(f32(), f32(0.1), np.asarray([0.5]))


def test_eer_by_hand() -> None:
    assert equal_error_rate(f32(0.8, 0.9), f32(0.1, 0.2)) == 0.0
    assert equal_error_rate(f32(0.1, 0.2), f32(0.8, 0.9)) == 1.0
    assert equal_error_rate(f32(0.3, 0.6, 0.8, 0.9), f32(0.1, 0.2, 0.4, 0.7)) == 0.25
    # Below 0.3 the point is (FRR 0, FAR 1/2), above it (1/1, 1/2): they meet at a half.
    assert equal_error_rate(f32(0.3), f32(0.1, 0.5)) == 0.5


def test_partial_auc_by_hand() -> None:
    negatives = np.linspace(0.0, 0.5, 100).astype(np.float32)
    assert partial_auc(f32(0.8, 0.9), negatives) == pytest.approx(1.0)
    assert partial_auc(f32(-1.0, -1.0), negatives) == pytest.approx(0.0)
    # One positive above everything, one just below the fifth highest negative: 0.5 up to FPR 5 %, then 1.
    mixed = f32(0.9, float(negatives[-5]) - 1e-4)
    assert partial_auc(mixed, negatives) == pytest.approx(0.75)


def test_partial_auc_is_cut_by_interpolation() -> None:
    # The positive ties with one window of five: a diagonal from (0, 0) to (0.2, 1), a half where it is cut.
    assert partial_auc(f32(0.5), f32(0.5, 0.1, 0.1, 0.1, 0.1)) == pytest.approx(0.25)
    # Straight up exactly where it is cut: that step has no area.
    ten = f32(0.9, *[0.1] * 9)
    assert partial_auc(f32(0.5), ten) == pytest.approx(0.0)


def test_partial_auc_of_chance_is_a_twentieth() -> None:
    same = np.linspace(0.0, 1.0, 1000).astype(np.float32)
    assert partial_auc(same, same) == pytest.approx(0.05)


def test_latency_by_hand() -> None:
    trials = [Trial(f32(*[0.0] * i, 1.0), -0.2, 0.1, 0) for i in range(5)] + [Trial(f32(0.1), 0.0, 0.1, 0)]
    found = latency(trials, 0.5)
    assert found is not None
    assert (found.median_s, found.p90_s, found.detected) == pytest.approx((0.0, 0.16, 5))
    assert latency(trials[-1:], 0.5) is None


def test_misses_by_group() -> None:
    trials = [
        Trial(f32(p), 0.0, 0.1, 0, groups={"snr": s}) for p, s in ((0.9, "10 dB"), (0.2, "5 dB"), (0.4, "10 dB"))
    ]
    rows = misses_by([*trials, Trial(f32(0.0), 0.0, 0.1, 0)], "snr", 0.5)
    assert [(r.group, r.misses, r.positives, r.frr) for r in rows] == [("10 dB", 1, 2, 0.5), ("5 dB", 1, 1, 1.0)]
    assert misses_by(trials, "snr", trials[0].peak)[0].misses == 1  # a peak at the threshold is heard
    assert rows[0].interval.low == pytest.approx(0.0126, abs=1e-4)


def test_worst_sources_come_first() -> None:
    scores = np.zeros(1000, dtype=np.float32)
    scores[[100, 500, 600, 900]] = 0.8
    spans = [Span(0, 30, "ann"), Span(30, 80, "bob"), Span(80, 100, "cy"), Span(100, 100, "none")]
    rows = worst_sources(collect_negatives(scores, 0.1, name="n", spans=spans), 0.5)
    assert [(r.source, r.count) for r in rows] == [("bob", 2), ("ann", 1), ("cy", 1)]
    assert rows[0].hours * 3600 == pytest.approx(50)
    assert rows[0].interval.high == pytest.approx(7.225 / rows[0].hours, rel=1e-3)
