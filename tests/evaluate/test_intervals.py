"""Intervals against published tables."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakewright.evaluate.intervals import (
    Interval,
    difference_interval,
    poisson_interval,
    rate_interval,
    share_interval,
)


@pytest.mark.parametrize(
    ("count", "low", "high"),
    # Garwood's table, as reprinted in textbooks (two-sided 95 %).
    [(1, 0.0253, 5.572), (2, 0.242, 7.225), (5, 1.623, 11.668), (10, 4.795, 18.390), (100, 81.36, 121.63)],
)
def test_poisson_table(count: int, low: float, high: float) -> None:
    assert poisson_interval(count) == pytest.approx((low, high), rel=1e-3)


def test_nothing_in_n_hours_means_at_most_three_over_n() -> None:
    assert rate_interval(0, 2.3) == pytest.approx((0.0, 2.9957 / 2.3), rel=1e-4)


def test_no_hours_say_nothing() -> None:
    assert rate_interval(0, 0.0) == (0.0, math.inf)


def test_large_counts_stay_finite() -> None:
    low, high = poisson_interval(20_000)
    assert low == pytest.approx(20_000 - 1.96 * math.sqrt(20_000), rel=1e-3)
    assert high == pytest.approx(20_000 + 1.96 * math.sqrt(20_000), rel=1e-3)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (7, 329, 0.0086, 0.0434),
    ],
)
def test_clopper_pearson_table(count: int, total: int, low: float, high: float) -> None:
    assert share_interval(count, total) == pytest.approx((low, high), abs=6e-5)


def test_nothing_tried_says_nothing() -> None:
    assert share_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("count", "total"), [(-1, 5), (6, 5)])
def test_impossible_shares_are_refused(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        share_interval(count, total)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        poisson_interval(-1)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 400), st.integers(1, 400))
def test_intervals_hold_what_was_counted(count: int, more: int) -> None:
    low, high = share_interval(count, count + more)
    assert low <= count / (count + more) <= high
    low, high = poisson_interval(count)
    assert low <= count <= high


def test_a_difference_of_two_shares_against_a_published_one() -> None:
    """Newcombe 1998 (Statistics in Medicine 17, 873), table II, 56 of 70 less 48 of 80 by Wilson's intervals."""
    first, second = 48 / 80, 56 / 70
    found = difference_interval(first, Interval(0.4904, 0.7000), second, Interval(0.6918, 0.8774))
    assert found == pytest.approx((0.0524, 0.3339), abs=2e-3)


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_difference_turned_round_is_its_negative_and_lies_in_its_interval(one: int, two: int) -> None:
    ends = [share_interval(count, 40) for count in (one, two)]
    low, high = difference_interval(one / 40, ends[0], two / 40, ends[1])
    back = difference_interval(two / 40, ends[1], one / 40, ends[0])
    assert back == pytest.approx((-high, -low))
    assert low <= (two - one) / 40 <= high
