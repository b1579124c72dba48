"""Who is missed most: worst first, never on the strength of a few words, and nothing is lost in the counting."""

from __future__ import annotations

import numpy as np

from wakewright.evaluate.groups import FEWEST, GROUPS_SHOWN, worst_groups
from wakewright.evaluate.metrics import Trial


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


def test_every_condition_has_its_own_tables_and_one_group_alone_has_none() -> None:
    both = [*said("speaker", "ann", 5, 0), *said("speaker", "bob", 0, 5)]
    assert worst_groups({"clean": said("corpus", "mine", 9, 1)}, 0.5) == ()
    tables = worst_groups({"clean": both, "noise": [*both, *both]}, 0.5)
    assert [(t.condition, t.groups[0].name, t.groups[0].missed.total) for t in tables] == [
        ("clean", "bob", 5),
        ("noise", "bob", 10),
    ]
