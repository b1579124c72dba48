"""The band: reproducible, wide enough, aware of clusters."""

from __future__ import annotations

import dataclasses

import numpy as np

from wakewright.evaluate.bootstrap import bootstrap_frr
from wakewright.evaluate.intervals import share_interval
from wakewright.evaluate.metrics import Negatives, Trial, no_negatives


def trials(peaks: np.ndarray, per_source: int) -> list[Trial]:
    return [
        Trial(np.asarray([p], dtype=np.float32), 0.0, 0.1, 0, source=f"s{i // per_source}")
        for i, p in enumerate(peaks)
    ]


def negatives(peaks: np.ndarray, sources: int, hours: float) -> Negatives:
    heights = np.asarray(peaks, dtype=np.float32)
    names = tuple(f"n{i}" for i in range(sources))
    return Negatives(heights, np.arange(heights.size) % sources, names, np.full(sources, hours / sources), heights)


def test_same_seed_same_band() -> None:
    rng = np.random.default_rng(1)
    words, others = trials(np.repeat(rng.random(20), 6), 6), negatives(rng.random(200) * 0.6, 10, 10.0)
    first = bootstrap_frr(words, others, [0.5, 1.0], seed=4, replicates=100)
    assert first.shape == (2, 2)
    assert np.array_equal(first, bootstrap_frr(words, others, [0.5, 1.0], seed=4, replicates=100))
    assert not np.array_equal(first, bootstrap_frr(words, others, [0.5, 1.0], seed=5, replicates=100))


def test_a_word_in_its_gap_is_missed() -> None:
    words = [dataclasses.replace(one, gap=(0.2, 0.5)) for one in trials(np.full(50, 0.9), 1)]
    for barred, missed in ((0.1, 0.0), (0.3, 1.0), (0.6, 0.0)):
        others = negatives(np.full(30, barred), 10, 10.0)
        low, high = bootstrap_frr(words, others, [0.5], seed=1, replicates=50)[0]
        assert low <= missed <= high
        assert high - low < 0.2


def test_no_miss_still_has_an_upper_end() -> None:
    words, others = trials(np.full(50, 0.9), 1), negatives(np.full(30, 0.1), 10, 10.0)
    low, high = bootstrap_frr(words, others, [0.5], seed=1, replicates=50)[0]
    assert low == 0.0
    assert high == share_interval(0, 50).high


def test_speakers_that_fail_together_widen_the_band() -> None:
    peaks = np.where(np.arange(200) % 40 < 10, 0.2, 0.9)  # runs of ten misses
    others = negatives(np.full(30, 0.5), 10, 10.0)
    together = bootstrap_frr(trials(peaks, 10), others, [0.5], seed=1)[0]
    apart = bootstrap_frr(trials(peaks, 1), others, [0.5], seed=1)[0]
    assert together[1] - together[0] > 1.5 * (apart[1] - apart[0])


def test_the_threshold_moves_with_the_negatives() -> None:
    # One loud source of ten sets the threshold; without it, which resampling sometimes draws, nothing is missed.
    peaks = np.concatenate(([0.95], np.full(29, 0.1)))
    words = trials(np.full(100, 0.9), 1)
    others = Negatives(
        peaks.astype(np.float32),
        np.arange(30) % 10,
        tuple(f"n{i}" for i in range(10)),
        np.full(10, 0.1),
        peaks.astype(np.float32),
    )
    low, high = bootstrap_frr(words, others, [0.5], seed=1)[0]
    assert (low, high) == (0.0, 1.0)


def test_a_word_no_higher_than_the_barred_peak_is_missed() -> None:
    words, others = trials(np.full(40, 0.5), 1), negatives(np.full(30, 0.5), 10, 1.0)
    assert bootstrap_frr(words, others, [0.5], seed=1)[0].tolist() == [share_interval(40, 40).low, 1.0]


def test_a_single_source_is_drawn_peak_by_peak() -> None:
    rng = np.random.default_rng(2)
    low, high = bootstrap_frr(trials(rng.random(100), 100), negatives(rng.random(50), 1, 5.0), [1.0], seed=1)[0]
    assert low < high < 1.01


def test_nothing_measured_nothing_known() -> None:
    assert bootstrap_frr([], no_negatives(), [1.0], seed=1).tolist() == [[0.0, 1.0]]
