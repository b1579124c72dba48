"""Smoothing, hysteresis, cooldown and warm-up, by hand and however the scores are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakewright.core.recipe import Policy
from wakewright.detect.policy import PolicyState, smooth

PLAIN = Policy(smoothing=1, release=0.3, cooldown_ms=0, warmup_ms=0)


def fires(scores: list[float], policy: Policy = PLAIN, threshold: float = 0.7, hop_ms: float = 100.0) -> list[int]:
    state = PolicyState(policy, hop_ms, threshold)
    return [fire.step for fire in state.push(np.asarray(scores, np.float32))[1]]


def test_smoothing_is_the_mean_of_the_last_scores_and_zeros_before() -> None:
    scores = np.array([0.3, 0.6, 0.9, 0.0, 0.0], np.float32)
    three = Policy(smoothing=3)
    np.testing.assert_allclose(smooth(scores, three), [0.1, 0.3, 0.6, 0.5, 0.3], rtol=1e-6)
    past = np.array([9, 0.3, 0.6], np.float32)
    np.testing.assert_allclose(smooth(scores, three, past)[:2], [0.4, 0.5], rtol=1e-6)
    assert smooth(scores, Policy(smoothing=1)) is scores
    for steps in (1, 3, 5):
        assert len(smooth(scores[:0], Policy(smoothing=steps))) == 0
    assert smooth(scores[:1], Policy(smoothing=5))[0] == pytest.approx(0.06)
    assert smooth(scores, three).dtype == np.float32


def test_as_many_means_in_a_row_must_reach_the_threshold_as_are_asked_for() -> None:
    policy = PLAIN.model_copy(update={"consecutive": 3})
    assert fires([0.8, 0.8, 0.1, 0.8, 0.8, 0.8, 0.8], policy) == [5]
    assert fires([0.8, 0.8], policy) == []
    both = Policy(smoothing=2, consecutive=2)
    scores = np.array([0.4, 0.8, 0.2, 0.6], np.float32)
    np.testing.assert_allclose(smooth(scores, both), [0.0, 0.2, 0.5, 0.4], rtol=1e-6)


def test_one_detection_per_excursion() -> None:
    policy = PLAIN.model_copy(update={"release": 0.25})
    assert fires([0.1, 0.75, 0.8, 0.9, 0.5, 0.8, 0.26, 0.9], policy, 0.75) == [1]
    assert fires([0.1, 0.8, 0.24, 0.8, 0.8, 0.1, 0.74], policy, 0.75) == [1, 3]
    assert fires([0.74, 0.75], policy, 0.75) == [1]  # at the threshold counts
    assert fires([0.8, 0.25, 0.8], policy, 0.75) == [0]  # at the release is not below it


def test_a_low_threshold_keeps_the_proportion_of_the_release() -> None:
    assert PolicyState(PLAIN, 100, 0.7).release == pytest.approx(0.3)
    assert PolicyState(PLAIN, 100, 0.9).release == 0.3
    assert PolicyState(PLAIN, 100, 0.35).release == pytest.approx(0.15)
    assert fires([0.4, 0.2, 0.4, 0.1, 0.4], threshold=0.35) == [0, 4]


def test_the_cooldown_holds_back_and_then_lets_through() -> None:
    policy = PLAIN.model_copy(update={"cooldown_ms": 500})
    assert fires([0.9, 0.0, 0.9, 0.0, 0.9, 0.9, 0.0], policy) == [0, 5]
    assert fires([0.9, 0.0, 0.9, 0.0, 0.0, 0.0, 0.9], policy) == [0, 6]
    assert fires([0.9, 0.0] * 6, PLAIN.model_copy(update={"cooldown_ms": 201})) == [0, 4, 8]


def test_nothing_fires_while_it_warms_up() -> None:
    policy = PLAIN.model_copy(update={"warmup_ms": 300})
    assert fires([0.9, 0.9, 0.0, 0.0, 0.9], policy) == [4]
    assert fires([0.9] * 6, policy) == [3]


def test_scores_come_with_the_detection_and_reset_starts_again() -> None:
    state = PolicyState(Policy(smoothing=2, warmup_ms=0), 100.0, 0.7)
    smoothed, first = state.push(np.array([0.8, 0.8, 0.8], np.float32))
    np.testing.assert_allclose(smoothed, [0.4, 0.8, 0.8], rtol=1e-6)
    assert [(f.step, f.score) for f in first] == [(1, pytest.approx(0.8))]
    assert state.push(np.array([0.8], np.float32))[1] == []
    state.reset()
    assert [f.step for f in state.push(np.array([0.8, 0.8], np.float32))[1]] == [1]


score = st.floats(0, 1, width=32)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(score, max_size=120),
    st.lists(st.integers(0, 40), max_size=12),
    st.integers(1, 20),
    st.integers(1, 6),
    st.floats(0.05, 0.95),
    st.sampled_from([0, 100, 700]),
    st.sampled_from([0, 250]),
)
def test_events_are_the_same_however_the_scores_are_cut(
    scores: list[float],
    cuts: list[int],
    smoothing: int,
    consecutive: int,
    threshold: float,
    cooldown: int,
    warmup: int,
) -> None:
    policy = Policy(smoothing=smoothing, consecutive=consecutive, cooldown_ms=cooldown, warmup_ms=warmup)
    values = np.asarray(scores, np.float32)
    whole, events = PolicyState(policy, 30.0, threshold).push(values)
    state, at, parts, pieced = PolicyState(policy, 30.0, threshold), 0, [], []
    for size in [*cuts, len(values)]:
        part, found = state.push(values[at : at + size])
        at += size
        parts.append(part)
        pieced += found
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert pieced == events
