"""Who is missed most: worst first, never on the strength of a few words, and nothing is lost in the counting."""

from __future__ import annotations

import dataclasses

import numpy as np

from wakewright.evaluate.groups import FEWEST, FEWEST_COMPARED, GROUPS_SHOWN, compare_groups, worst_groups
from wakewright.evaluate.intervals import difference_interval, share_interval
from wakewright.evaluate.metrics import Trial
from wakewright.evaluate.result import Result


def said(label: str, group: str, heard: int, missed: int) -> list[Trial]:
    """Words of one group, of which some are missed at 0.5."""
    peaks = [0.9] * heard + [0.1] * missed
    return [Trial(np.asarray([p], np.float32), 0.0, 0.08, 0, "", {label: group}) for p in peaks]


def test_groups_come_worst_first_with_their_counts_and_few_words_are_counted_together() -> None:
    words = [
        *said("room", "none", 18, 2),
        *said("room", "a room", 6, 4),
        *said("room", "a cave", 0, FEWEST - 1),
        *said("room", "a shed", 1, 1),
    ]
    (table,) = worst_groups({"clean": words}, 0.5)
    assert (table.label, table.condition) == ("room", "clean")
    assert [(g.name, g.missed.count, g.missed.total) for g in table.groups] == [("a room", 4, 10), ("none", 2, 20)]
    assert table.few == 2
    assert table.missed_of_few is not None
    assert (table.missed_of_few.count, table.missed_of_few.total) == (FEWEST, FEWEST + 1)
    assert table.left_out == 0


def test_of_many_groups_the_worst_are_shown_and_the_rest_is_counted() -> None:
    words = [t for i in range(GROUPS_SHOWN + 3) for t in said("id", f"p{i}", 20 - i, i)]
    (table,) = worst_groups({"clean": words}, 0.5)
    assert [g.name for g in table.groups] == [f"p{i}" for i in range(GROUPS_SHOWN + 2, 2, -1)]
    assert table.left_out == 3
    assert [g.name for g in table.unshown] == ["p2", "p1", "p0"]


def test_every_condition_has_its_own_tables_and_one_group_alone_has_none() -> None:
    both = [*said("speaker", "ann", 5, 0), *said("speaker", "bob", 0, 5)]
    assert worst_groups({"clean": said("corpus", "mine", 9, 1)}, 0.5) == ()
    tables = worst_groups({"clean": both, "noise": [*both, *both]}, 0.5)
    assert [(t.condition, t.groups[0].name, t.groups[0].missed.total) for t in tables] == [
        ("clean", "bob", 5),
        ("noise", "bob", 10),
    ]


def measured(conditions: dict[str, list[Trial]]) -> Result:
    """Of an evaluation, its groups."""
    return Result("hey katya", "tiny", 0.5, "chosen", (), (), breakdowns=worst_groups(conditions, 0.5))


def many(rng: np.random.Generator, share: float) -> list[Trial]:
    """Two hundred words, missed by chance, of twenty speakers in three rooms at four levels."""
    peaks = np.where(rng.random(200) < share, 0.1, 0.9).astype(np.float32)
    return [
        Trial(p[None], 0.0, 0.08, 0, "", {"speaker": f"s{i % 20}", "room": f"r{i % 3}", "gain": f"g{i // 3 % 4}"})
        for i, p in enumerate(peaks)
    ]


def test_a_run_is_no_worse_than_itself_and_seldom_than_its_twin() -> None:
    """Two draws of the same shares: of a hundred, at most two are kept out by chance (the bound is 2.5 %)."""
    rng = np.random.default_rng(4)
    names = ("clean", "noise")
    refused, uncorrected, count = 0, 0, 100
    for _ in range(count):
        old, twin = (
            measured({name: many(rng, share) for name, share in zip(names, (0.06, 0.25), strict=True)}) for _ in "12"
        )
        rows, remarks = compare_groups(old, twin, names)
        assert len(rows) == 2 * (20 + 3 + 4)
        assert remarks == ()
        refused += any(row.worse for row in rows)
        uncorrected += any(
            difference_interval(
                row.old_count / row.total,
                share_interval(row.old_count, row.total),
                row.count / row.total,
                share_interval(row.count, row.total),
            ).low
            > 0
            for row in rows
        )
        same, _ = compare_groups(old, old, names)
        assert not any(row.worse for row in same)
        assert all(row.low <= 0 <= row.high for row in same)
    assert refused <= 2
    assert uncorrected > 10, "without the correction chance would refuse often"


def test_one_speaker_who_is_missed_now_is_found_among_many_whether_shown_or_not() -> None:
    """Before, the speaker was among those missed least, which no table shows."""
    others = [t for i in range(GROUPS_SHOWN + 8) for t in said("speaker", f"p{i}", 16, 4)]
    old = measured({"clean": [*others, *said("speaker", "ann", 20, 0)]})
    new = measured({"clean": [*others, *said("speaker", "ann", 5, 15)]})
    rows, _ = compare_groups(old, new, ["clean"])
    assert [(row.group, row.old_count, row.count, row.total) for row in rows if row.worse] == [
        ("clean: speaker ann", 0, 15, 20)
    ]
    assert rows[0].worse
    back, _ = compare_groups(new, old, ["clean"])
    assert not any(row.worse for row in back)


def test_few_words_and_other_words_are_not_compared_and_what_is_unknown_is_said() -> None:
    old = measured({"clean": [*said("room", "none", 20, 0), *said("room", "a hut", FEWEST_COMPARED - 1, 0)]})
    new = measured({"clean": [*said("room", "none", 0, 19), *said("room", "a hut", 0, FEWEST_COMPARED - 1)]})
    rows, remarks = compare_groups(old, new, ["clean"])
    assert rows == ()
    assert remarks == ("1 groups hold other numbers of words in the two, and were not compared.",)
    assert compare_groups(old, new, [])[0] == ()
    many_groups = {"clean": [t for i in range(GROUPS_SHOWN + 1) for t in said("id", f"p{i}", 20, 0)]}
    whole = measured(many_groups)
    earlier = dataclasses.replace(
        whole, breakdowns=tuple(dataclasses.replace(table, unshown=()) for table in whole.breakdowns)
    )
    rows, remarks = compare_groups(earlier, whole, ["clean"])
    assert len(rows) == GROUPS_SHOWN
    assert "kept only the worst groups" in remarks[0]
