"""Other thresholds: near the one in use, and counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wakewright.evaluate.metrics import Trial, collect_negatives
from wakewright.evaluate.thresholds import ladder, threshold_table


@pytest.mark.parametrize("threshold", [0.0, 0.0071234, 0.25, 0.61234567, 0.9, 0.97, 0.9995, 1.0])
def test_the_one_in_use_is_among_a_dozen_or_fewer_that_rise(threshold: float) -> None:
    found = ladder(threshold)
    assert threshold in found
    assert found == sorted(set(found))
    assert 5 <= len(found) <= 11
    assert all(0.001 <= t <= 0.999 for t in found if t != threshold)


def test_they_lie_closer_where_scores_do() -> None:
    assert ladder(0.9) == [0.31, 0.55, 0.67, 0.77, 0.85, 0.9, 0.937, 0.961, 0.976, 0.985, 0.9945]


def test_each_row_is_what_counting_gives() -> None:
    rng = np.random.default_rng(3)
    scores = rng.beta(0.4, 1.5, 20_000).astype(np.float32)
    heard = collect_negatives(scores, 0.08, name="s", real=True)
    conditions = {
        name: [Trial(np.asarray([p], np.float32), 0.0, 0.08, 0) for p in rng.beta(a, 1.0, 80)]
        for name, a in (("clean", 6.0), ("noise", 2.0))
    }
    table = threshold_table(conditions, heard, 0.7)
    assert table.conditions == ("clean", "noise")
    for row in table.rows:
        for name, missed in zip(table.conditions, row.missed, strict=True):
            assert missed.count == sum(t.peak < row.threshold for t in conditions[name])
            assert missed.total == 80
            assert missed.share is not None
            assert missed.low <= missed.share <= missed.high
        assert row.false_accepts.count == sum(float(p) >= row.threshold for p in heard.peaks)
        assert row.false_accepts.hours == heard.hours
    assert table.rows[0].false_accepts.count > table.rows[-1].false_accepts.count
    assert table.rows[0].missed[1].count < table.rows[-1].missed[1].count
