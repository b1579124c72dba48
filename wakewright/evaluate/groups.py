"""Who and what is missed most: the misses of a condition broken down by one label at a time, of one run and of two.

With k groups compared, each difference has an interval of 1 - 0.05 / k (Bonferroni), so that any of them looks worse
by chance in at most one of forty comparisons, however the groups overlap. Holm's procedure would find the same first
one, and one is enough to keep a run out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from wakewright.evaluate.intervals import LEVEL, difference_interval, share_interval
from wakewright.evaluate.metrics import Trial
from wakewright.evaluate.result import Breakdown, Group, Result, share
from wakewright.evaluate.shares import misses_by

GROUPS_SHOWN = 12
FEWEST = 5
"""Words from which on a group is shown: of fewer, a share says next to nothing."""
FEWEST_COMPARED = 10
"""Words from which on a group of two runs is compared: of fewer, not even all missed after none would tell."""


def worst_groups(conditions: Mapping[str, Sequence[Trial]], threshold: float) -> tuple[Breakdown, ...]:
    """One table per condition and label that takes at least two values, worst group first.

    Groups of fewer than FEWEST words are counted together, and those beyond the GROUPS_SHOWN worst are kept unshown.
    """
    tables = []
    for condition, trials in conditions.items():
        for label in dict.fromkeys(label for trial in trials for label in trial.groups):
            rows = misses_by(trials, label, threshold)
            enough = sorted((row for row in rows if row.positives >= FEWEST), key=lambda r: (-r.frr, -r.positives))
            if len(rows) < 2:
                continue
            groups = tuple(Group(row.group, share(row.misses, row.positives)) for row in enough)
            shown, unshown = groups[:GROUPS_SHOWN], groups[GROUPS_SHOWN:]
            few = [row for row in rows if row.positives < FEWEST]
            rest = share(sum(row.misses for row in few), sum(row.positives for row in few))
            tables.append(Breakdown(label, shown, len(unshown), condition, len(few), rest, unshown=unshown))
    return tuple(tables)


@dataclasses.dataclass(frozen=True)
class GroupRow:
    """One group of the words of one condition, as both missed it."""

    group: str
    """Condition, label and value."""
    old_count: int
    count: int
    """Missed, of `total` each."""
    total: int
    low: float
    """Of the interval of the difference of both shares, at the corrected level."""
    high: float
    worse: bool
    """The whole interval lies above 0."""


def corrected_level(groups: int) -> float:
    """Confidence of each of so many intervals, that all of them together hold at LEVEL."""
    return 1 - (1 - LEVEL) / max(1, groups)


def compare_groups(
    old: Result, new: Result, conditions: Collection[str]
) -> tuple[tuple[GroupRow, ...], tuple[str, ...]]:
    """The groups of these conditions that both have with as many words, those that are worse first.

    Beside them what to know of those that cannot be compared.
    """
    first, second = (_groups(result, conditions) for result in (old, new))
    pairs = {name: (one, second[name]) for name, one in first.items() if name in second}
    alike = {
        name: pair for name, pair in pairs.items() if pair[0].missed.total == pair[1].missed.total >= FEWEST_COMPARED
    }
    level = corrected_level(len(alike))
    rows = [
        _row(name, one.missed.count, two.missed.count, one.missed.total, level) for name, (one, two) in alike.items()
    ]
    remarks = []
    if unlike := sum(one.missed.total != two.missed.total for one, two in pairs.values()):
        remarks.append(f"{unlike} groups hold other numbers of words in the two, and were not compared.")
    if any(table.left_out > len(table.unshown) for result in (old, new) for table in result.breakdowns):
        remarks.append(
            "An evaluation of an earlier version kept only the worst groups; to compare all, evaluate both runs "
            "again: wakewright evaluate RUN --speech DIR"
        )
    return tuple(sorted(rows, key=lambda row: row.low, reverse=True)), tuple(remarks)


def _groups(result: Result, conditions: Collection[str]) -> dict[str, Group]:
    return {
        f"{table.condition}: {table.label} {group.name}": group
        for table in result.breakdowns
        if table.condition in conditions
        for group in (*table.groups, *table.unshown)
    }


def _row(name: str, old: int, new: int, total: int, level: float) -> GroupRow:
    ends = (share_interval(count, total, level) for count in (old, new))
    low, high = difference_interval(old / total, next(ends), new / total, next(ends))
    return GroupRow(name, old, new, total, low, high, low > 0)
