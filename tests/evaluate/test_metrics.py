"""Peaks, curves and operating points against hand-computed cases and a naive reference."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wakewright.core.recipe import Policy
from wakewright.detect.device_rule import DeviceRule, threshold_of
from wakewright.detect.policy import PolicyState, smooth
from wakewright.evaluate.metrics import (
    DetCurve,
    Negatives,
    Span,
    Trial,
    allowed_count,
    collect_negatives,
    cut_trial,
    det_curve,
    false_accept_events,
    negative_peaks,
    no_negatives,
)
from wakewright.evaluate.peaks import peak_steps

score_lists = st.lists(st.integers(0, 20).map(lambda i: i / 20), max_size=80)


def f32(*values: float) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


def naive_peaks(scores: np.ndarray, reach: int) -> list[int]:
    """Take the highest remaining local maximum, drop its neighbours, repeat."""
    candidates = []
    for i in range(len(scores)):
        if i > 0 and scores[i - 1] == scores[i]:
            continue
        j = i
        while j + 1 < len(scores) and scores[j + 1] == scores[i]:
            j += 1
        if (i == 0 or scores[i - 1] < scores[i]) and (j + 1 == len(scores) or scores[j + 1] < scores[i]):
            candidates.append(i)
    taken = []
    while candidates:
        best = max(candidates, key=lambda i: (scores[i], -i))
        taken.append(best)
        candidates = [i for i in candidates if abs(i - best) > reach]
    return sorted(taken)


@settings(deadline=None)
@given(score_lists, st.integers(0, 12))
def test_peaks_agree_with_the_naive_reference(values: list[float], reach: int) -> None:
    scores = f32(*values)
    assert peak_steps(scores, 1.0, float(reach)).tolist() == naive_peaks(scores, reach)


@settings(deadline=None)
@given(score_lists, st.integers(0, 12), st.floats(0.01, 1.0))
def test_cutting_the_scores_first_gives_the_same_events(values: list[float], reach: int, threshold: float) -> None:
    scores = f32(*values)
    cut = np.where(scores >= threshold, scores, np.float32(0.0))
    events = int((negative_peaks(cut, 1.0, float(reach)) >= threshold).sum())
    assert int((negative_peaks(scores, 1.0, float(reach)) >= threshold).sum()) == events


def test_peaks_within_two_seconds_count_once() -> None:
    scores = np.zeros(100, dtype=np.float32)
    scores[[10, 34, 60, 85]] = f32(0.5, 0.9, 0.7, 0.8)  # at 80 ms: 1.92 s, 2.08 s and exactly 2.0 s apart
    assert negative_peaks(scores, 0.08)[:2].tolist() == f32(0.9, 0.8).tolist()
    assert [s for s in peak_steps(scores, 0.08).tolist() if scores[s] > 0] == [34, 85]


def test_an_hour_at_ten_milliseconds_takes_well_under_a_second() -> None:
    scores = np.random.default_rng(1).random(360_000, dtype=np.float32)
    began = time.perf_counter()
    peaks = negative_peaks(scores, 0.01)
    assert time.perf_counter() - began < 1.0
    assert 900 < peaks.size < 1800


def test_no_scores_have_no_peaks() -> None:
    assert negative_peaks(f32(), 0.08).size == 0


@settings(deadline=None)
@given(score_lists, st.floats(0.05, 1.0), st.integers(0, 1000), st.floats(0.0, 1.0), st.integers(0, 500))
def test_events_are_those_of_the_policy(
    values: list[float], threshold: float, cooldown_ms: int, release: float, warmup_ms: int
) -> None:
    policy = Policy(smoothing=1, cooldown_ms=cooldown_ms, release=release, warmup_ms=warmup_ms)
    _, fires = PolicyState(policy, 80.0, threshold).push(f32(*values))
    assert false_accept_events(f32(*values), threshold, 0.08, policy) == len(fires)


def test_events_wait_for_release_and_cooldown() -> None:
    scores = f32(0, 0.9, 0.5, 0.9, 0.1, 0.9, 0, 0, 0.9)
    assert false_accept_events(scores, 0.8, 0.1, Policy(cooldown_ms=100, warmup_ms=0)) == 3
    assert false_accept_events(scores, 0.8, 0.1, Policy(cooldown_ms=500, warmup_ms=0)) == 2
    assert false_accept_events(scores, 0.8, 0.1, Policy(cooldown_ms=100, warmup_ms=600)) == 1


def test_a_trial_spans_the_word_and_its_grace() -> None:
    scores = np.linspace(0.0, 0.99, 100).astype(np.float32)  # step i comes out at (i + 1) * 0.1 s
    trial = cut_trial(scores, 0.1, 16_000, 32_000, groups={"snr": "clean"})
    assert trial.scores.tolist() == scores[9:30].tolist()
    assert trial.first_s == pytest.approx(-1.0)
    assert trial.peak == pytest.approx(0.29)
    assert trial.latency_s(0.25) == pytest.approx(0.6)
    assert trial.latency_s(0.295) is None


def test_a_trial_after_the_end_of_the_stream_is_a_miss() -> None:
    trial = cut_trial(f32(0.9), 0.1, 160_000, 176_000)
    assert trial.peak == 0.0
    assert trial.latency_s(0.1) is None


def test_a_word_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="ends at sample 5, before it starts at 9"):
        cut_trial(f32(0.5), 0.1, 9, 5)


def curve(positives: list[float], negatives: list[float], hours: float) -> DetCurve:
    return DetCurve(np.sort(f32(*positives)).astype(float), np.sort(f32(*negatives)).astype(float), hours)


def test_operating_points_by_hand() -> None:
    det = curve([0.2, 0.5, 0.8, 0.9], [0.1, 0.3, 0.6, 0.85], hours=2.0)
    assert [det.frr_at(rate) for rate in (0.4, 0.5, 1.0, 1.5, 2.0)] == [0.75, 0.5, 0.25, 0.0, 0.0]
    point = det.operating_at(0.5)
    assert (point.misses, point.positives, point.false_accepts, point.fa_per_hour) == (2, 4, 1, 0.5)
    assert point.frr_interval.low < 0.5 < point.frr_interval.high


def test_too_few_hours_allow_no_false_accept() -> None:
    det = curve([0.5, 0.9], [0.6, 0.3], hours=1.2)
    assert allowed_count(0.5, 1.2) == 0
    assert det.operating_at(0.5).false_accepts == 0
    assert det.frr_at(0.5) == 0.5


def test_ties_are_never_let_through() -> None:
    det = curve([0.6, 0.7], [0.6, 0.6, 0.6, 0.2], hours=1.0)
    assert det.operating_at(2.0).false_accepts == 0
    assert det.frr_at(2.0) == 0.5
    assert det.operating_at(3.0).false_accepts == 3


def test_a_negative_at_full_score_cannot_be_excluded_by_any_detection() -> None:
    det = curve([1.0, 1.0], [1.0], hours=1.0)
    assert det.frr_at(0.5) == 1.0


def test_share_of_hours_is_not_lost_to_rounding() -> None:
    assert allowed_count(0.1, 30.0) == 3
    assert allowed_count(0.5, 12.8) == 6


@example([0.0], [0.0], 1.0, 0.9999999999999999)
@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30),
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30),
    st.floats(0.1, 20),
    st.floats(0.01, 50),
)
def test_curve_is_monotone_and_the_target_is_kept(
    positives: list[float], negatives: list[float], hours: float, rate: float
) -> None:
    det = curve(positives, negatives, hours)
    assert np.all(np.diff(det.thresholds) > 0)
    assert np.all(np.diff(det.frr) >= 0)
    assert np.all(np.diff(det.fa_per_hour) <= 0)
    assert det.operating_at(rate).fa_per_hour <= rate * (1 + 1e-6)
    # whole false accepts are counted: a rate a rounding error below one of them allows it (0.1 * 30 is not 3)
    kept = np.rint(det.fa_per_hour * hours) <= rate * hours + 1e-9
    assert det.frr_at(rate) == det.frr[kept].min()


def test_negatives_know_their_sources_hours_and_windows() -> None:
    scores = np.zeros(1000, dtype=np.float32)
    scores[[5, 300, 700]] = f32(0.99, 0.6, 0.8)
    spans = [Span(0, 50, "ann", True), Span(50, 80, "bob"), Span(80, 100, "ann", True)]
    negatives = collect_negatives(scores, 0.1, name="room", spans=spans, dead_time_s=1.0)
    assert negatives.count(0.5) == 2  # the one in the warm-up is not scored
    assert negatives.sources == ("ann", "bob")
    assert (negatives.source_hours * 3600).tolist() == pytest.approx([68, 30])
    assert negatives.real_hours * 3600 == pytest.approx(68)
    owners = {negatives.sources[o] for o, p in zip(negatives.owner, negatives.peaks, strict=True) if p > 0.7}
    assert owners == {"bob"}
    assert negatives.windows.size == 49
    assert int((negatives.windows > 0.5).sum()) == 2


def test_streams_add_up() -> None:
    def stream(name: str, height: float) -> Negatives:
        scores = np.full(1200, 0.01, dtype=np.float32)
        scores[900] = height
        return collect_negatives(scores, 0.1, name=name, spans=[Span(0, 120, name, name == "a")])

    total = sum((stream(n, h) for n, h in (("a", 0.5), ("b", 0.7), ("a", 0.9))), no_negatives())
    assert total.sources == ("a", "b")
    assert total.hours * 3600 == pytest.approx(354)
    assert (total.source_hours * 3600).tolist() == pytest.approx([236, 118])
    assert total.count(0.6) == 2
    assert total.owner[total.peaks > 0.6].tolist() == [1, 0]


def test_a_stream_without_spans_is_cut_into_minutes() -> None:
    negatives = collect_negatives(np.zeros(1500, dtype=np.float32), 0.1, name="hall")
    assert negatives.sources == ("hall, minute 1", "hall, minute 2", "hall, minute 3")


def test_spans_must_not_be_empty() -> None:
    with pytest.raises(ValueError, match="stream x has no spans"):
        collect_negatives(f32(0.1), 0.1, name="x", spans=[])


def test_curve_from_trials() -> None:
    trials = [Trial(f32(0.1, p), -0.1, 0.1, 0) for p in (0.4, 0.2)]
    negatives = collect_negatives(np.full(100, 0.3, dtype=np.float32), 0.1, name="n")
    det = det_curve(trials, negatives)
    assert det.positives == 2
    assert det.frr_at(0.0) == 0.5


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 50)), min_size=9, max_size=25), st.integers(1, 20))
def test_false_accepts_of_a_device_are_those_its_firmware_would_make(
    held: list[tuple[int, int]], window: int
) -> None:
    scores = np.array([score for score, steps in held for _ in range(steps)], np.int64)
    means = smooth(scores.astype(np.float32) / np.float32(256), Policy(smoothing=window))
    rule = DeviceRule(window, 3)
    found = collect_negatives(means, 0.03, name="s", rule=rule)
    warm = 67  # two seconds
    fires = [sum(step >= warm for step in rule.fires(scores, cutoff)) for cutoff in range(256)]
    for cutoff in range(256):
        most = max(fires[cutoff:])  # a higher cutoff may fire more often: it cools off sooner
        counted = found.count(threshold_of(cutoff, window))
        assert counted == most or (len(scores) <= warm and counted <= 1)
    assert found.hours == collect_negatives(means, 0.03, name="s").hours


def test_a_device_answers_for_two_wakes_where_peaks_would_be_one_and_by_source() -> None:
    scores = np.zeros(400, np.int64)
    for at in (100, 145):  # 1.35 s apart
        scores[at : at + 5] = 250
    means = smooth(scores.astype(np.float32) / np.float32(256), Policy(smoothing=5))
    spans = [Span(0, 4, "ann", True), Span(4, 12, "bob", True)]
    assert collect_negatives(means, 0.03, name="s", spans=spans).count(0.9) == 1
    found = collect_negatives(means, 0.03, name="s", spans=spans, rule=DeviceRule(5, 3))
    assert found.count(0.9) == 2
    assert [found.sources[owner] for owner in found.owner[found.peaks >= 0.9]] == ["ann", "bob"]
    quiet = collect_negatives(means * 0, 0.03, name="s", spans=spans, rule=DeviceRule(5, 3))
    assert (quiet.peaks.tolist(), quiet.count(0.01)) == ([0.0], 0)
