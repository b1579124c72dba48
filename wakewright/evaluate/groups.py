"""Who and what is missed most: the misses of a condition broken down by one label at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wakewright.evaluate.metrics import Trial
from wakewright.evaluate.result import Breakdown, Group, share
from wakewright.evaluate.shares import misses_by

GROUPS_SHOWN = 12
FEWEST = 5
"""Words from which on a group is shown: of fewer, a share says next to nothing."""


def worst_groups(conditions: Mapping[str, Sequence[Trial]], threshold: float) -> tuple[Breakdown, ...]:
    """One table per condition and label that takes at least two values, worst group first.

    Groups of fewer than FEWEST words are counted together, and those beyond the GROUPS_SHOWN worst are left out.
    """
    tables = []
    for condition, trials in conditions.items():
        for label in dict.fromkeys(label for trial in trials for label in trial.groups):
            rows = misses_by(trials, label, threshold)
            enough = sorted((row for row in rows if row.positives >= FEWEST), key=lambda r: (-r.frr, -r.positives))
            if len(rows) < 2:
                continue
            shown = enough[:GROUPS_SHOWN]
            groups = tuple(Group(row.group, share(row.misses, row.positives)) for row in shown)
            few = [row for row in rows if row.positives < FEWEST]
            rest = share(sum(row.misses for row in few), sum(row.positives for row in few))
            tables.append(Breakdown(label, groups, len(enough) - len(shown), condition, len(few), rest))
    return tuple(tables)
