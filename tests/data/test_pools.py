"""What batches are drawn from, and the schedule from clean to hard."""

from __future__ import annotations

import numpy as np
import pytest

from wakewright.core.recipe_augment import Schedule
from wakewright.data.pools import Pool, chances


def test_it_begins_with_the_cleanest_alone_and_ends_with_all_alike() -> None:
    schedule = Schedule(levels=3, until=0.6)
    assert chances(schedule, 0.0).tolist() == [1.0, 0.0, 0.0]
    assert chances(schedule, 0.3) == pytest.approx([0.5, 0.5, 0.0])
    assert chances(schedule, 0.45) == pytest.approx([0.4, 0.4, 0.2])
    for done in (0.6, 0.8, 1.0, 3.0):
        assert chances(schedule, done) == pytest.approx([1 / 3] * 3)
    hardest = [chances(schedule, done)[-1] for done in np.linspace(0, 1, 50)]
    assert hardest == sorted(hardest)


def test_without_levels_every_value_is_as_likely() -> None:
    values, rng = np.arange(10), np.random.default_rng(1)
    drawn = Pool(values).draw(20_000, rng)
    assert np.bincount(drawn, minlength=10) / 20_000 == pytest.approx([0.1] * 10, abs=0.01)
    again, plain = np.random.default_rng(2), np.random.default_rng(2)
    np.testing.assert_array_equal(Pool(values).draw(9, again), plain.choice(values, 9))


def test_levels_are_drawn_by_their_chances_and_values_within_one_alike() -> None:
    values, levels = np.arange(12), np.array([0] * 8 + [1] * 2 + [2] * 2, np.int8)
    pool, rng = Pool(values, levels), np.random.default_rng(1)
    assert set(pool.draw(200, rng, np.array([1.0, 0.0, 0.0])).tolist()) == set(range(8))
    drawn = pool.draw(30_000, rng, np.array([0.5, 0.3, 0.2]))
    shares = np.bincount(drawn, minlength=12) / 30_000
    assert shares[:8] == pytest.approx([0.5 / 8] * 8, abs=0.01)
    assert shares[8:10] == pytest.approx([0.15] * 2, abs=0.01)
    assert shares[10:] == pytest.approx([0.1] * 2, abs=0.01)
    # all levels from the first step on: as without a schedule
    assert np.bincount(pool.draw(30_000, rng)) / 30_000 == pytest.approx([1 / 12] * 12, abs=0.01)


def test_the_cleanest_level_that_holds_something_stands_in_for_an_empty_one() -> None:
    pool, rng = Pool(np.arange(4), np.array([1, 1, 2, 2], np.int8)), np.random.default_rng(1)
    assert set(pool.draw(50, rng, np.array([1.0, 0.0, 0.0])).tolist()) == {0, 1}
    assert set(Pool(np.arange(2), np.array([0, 0], np.int8)).draw(20, rng, np.array([0.4, 0.3, 0.3])).tolist()) == {
        0,
        1,
    }


def test_nothing_is_drawn_of_nothing() -> None:
    spans = np.zeros((0, 2), np.int64)
    for pool in (Pool(spans), Pool(spans, np.zeros(0, np.int8))):
        assert pool.draw(5, np.random.default_rng(1), np.array([1.0, 0.0])).shape == (0, 2)
    assert len(Pool(np.arange(3)).draw(0, np.random.default_rng(1))) == 0
