"""How likely chance alone does as much: against values counted by hand and against brute force."""

from __future__ import annotations

import itertools
import math
import tracemalloc

import numpy as np
import pytest
import scipy.stats

from wakewright.evaluate.chance import (
    Chance,
    each_level,
    joint_level,
    of_differences,
    of_outlier,
    of_rates,
    of_shares,
    student_tail,
)


def by_hand(differences: list[int], scatter: float = 1.0) -> float:
    """Over every choice of signs."""
    found = sum(differences) / scatter
    signs = list(itertools.product((-1, 1), repeat=len(differences)))
    return sum(sum(s * abs(d) for s, d in zip(one, differences, strict=True)) >= found - 1e-9 for one in signs) / len(
        signs
    )


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 10, 19, 300])
def test_student_s_distribution_is_that_of_the_tables(freedom: int) -> None:
    for t in (-2.0, 0.0, 0.3, 2.5, 8.0):
        assert student_tail(t, freedom) == pytest.approx(float(scipy.stats.t.sf(t, freedom)), abs=1e-12)


def test_a_change_is_as_likely_as_the_others_scatter() -> None:
    rng = np.random.default_rng(3)
    drawn = [of_outlier(float(rng.normal()), 1, rng.normal(size=11).tolist()) for _ in range(4000)]
    assert 0.03 < np.mean(np.asarray(drawn) < 0.04) < 0.05
    assert of_outlier(0.1, 1, [0.0] * 12) == 0.0
    assert of_outlier(0.0, 1, [0.0] * 12) == 1.0
    assert of_outlier(0.1, 3, [0.1, -0.1]) < of_outlier(0.1, 1, [0.1, -0.1])


@pytest.mark.parametrize("scatter", [1.0, 1.7])
def test_differences_are_held_against_every_choice_of_signs(scatter: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        differences = [int(d) for d in rng.integers(-4, 6, 9) if d]
        found = of_differences([0, *differences, 0], scatter)
        assert found.chance == pytest.approx(by_hand(differences, scatter))
        assert found.least == pytest.approx(by_hand([abs(d) for d in differences], scatter))
        assert found.least <= found.chance


def test_of_single_words_it_is_mcnemars_exact_test() -> None:
    assert of_differences([1] * 9 + [-1]).chance == pytest.approx((math.comb(10, 9) + 1) / 2**10)
    assert of_differences([1] * 9 + [-1]).least == 2**-10


def test_where_nothing_differs_nothing_is_worse() -> None:
    assert of_differences([]) == of_differences([0, 0]) == Chance(1.0, 1.0)
    assert of_shares(0, 0, 50, 50) == Chance(1.0, 1.0)
    assert of_rates(0, 0, 1.0, 1.0) == Chance(1.0, 1.0)
    assert joint_level([{"a": 0}, {}], 0.02) == 0.02
    assert each_level([], 0.02) == 0.02


def test_shares_and_rates_of_other_sound() -> None:
    """Fisher's tea: four of four found, one way in seventy. Counts of two equal times are a coin for each event."""
    assert of_shares(0, 4, 4, 4).chance == pytest.approx(1 / 70)
    assert of_shares(3, 3, 4, 4).chance > 0.5
    assert of_shares(50, 50, 50, 50) == Chance(1.0, 1.0)
    assert of_rates(0, 5, 1.0, 1.0) == pytest.approx((1 / 32, 1 / 32))
    assert of_rates(2, 5, 1.0, 1.0).chance == pytest.approx(sum(math.comb(7, k) for k in (5, 6, 7)) / 128)
    assert of_rates(0, 3, 1.0, 3.0).chance == pytest.approx(0.75**3)


def test_what_could_not_be_worse_costs_the_others_nothing() -> None:
    assert each_level([0.5] * 100 + [1e-6], 0.05) == 0.05
    assert each_level([1e-9] * 10, 0.05) == pytest.approx(0.005)
    mixed = [0.02, 0.02, 1e-9]
    assert each_level(mixed, 0.05) == pytest.approx(0.05 / 3), (
        "of two, each 0.025, the third of them would be one too many"
    )


def test_figures_that_go_together_share_one_level_and_hold_it() -> None:
    """The same figure five times needs no correction, five of other words need all of it."""
    rng = np.random.default_rng(2)
    once = {f"s{i}": int(d) for i, d in enumerate(rng.integers(1, 9, 40))}
    apart = [{f"{n} {unit}": value for unit, value in once.items()} for n in range(5)]
    one, same, five = (joint_level(figures, 0.05) for figures in ([once], [once] * 5, apart))
    assert one == same == pytest.approx(0.05, abs=0.004)
    assert five == pytest.approx(0.01, abs=0.002)


def test_a_level_is_none_where_nothing_could_reach_it() -> None:
    assert joint_level([{"a": 1, "b": 1}], 0.02) == 0.0


def test_a_joint_level_of_thousands_of_words_takes_no_memory_to_speak_of() -> None:
    """All signs at once were 1.6 GB for six thousand words that differ."""
    rng = np.random.default_rng(0)
    figures = [{str(i): int(v) for i, v in enumerate(rng.integers(-2, 4, 2000))} for _ in range(3)]
    tracemalloc.start()
    try:
        found = joint_level(figures, 0.02)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert 0.006 < found < 0.008, "a third each, as the three have nothing to do with one another"
