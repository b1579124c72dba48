"""Whether a run may take another's place: both are held against everything that was ever captured, and measured.

A whole figure (a condition, a kind of sound, what was captured) is worse when the new one lies above the upper end of
the 95 % interval of the old one. The groups within a condition (speakers, voices, rooms, levels) are many, and by
chance some of many look worse: one of them is worse when the difference of both figures lies above 0 with its
interval, which is as wide as Bonferroni's correction for their number asks. One figure or group that is worse keeps
the new run out. What only one of the two was measured on says nothing, nor does what was measured on other
recordings: where nothing else is left, the runs are not compared.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from wakewright.core import record
from wakewright.core.errors import InputError, RunError
from wakewright.core.files import write_json
from wakewright.core.manifest import Manifest
from wakewright.core.mined import LABELS
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.evaluate.captured import Captured, captured, replay
from wakewright.evaluate.groups import GroupRow, compare_groups
from wakewright.evaluate.intervals import rate_interval, share_interval
from wakewright.evaluate.result import Result, read_result

Value = TypeVar("Value")

NAME = "promotion.json"
"""File of the decision, in the new run."""
SAME_HOURS = 0.01
"""Share by which the hours of the same recordings may differ."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One group, as both did in it."""

    group: str
    unit: str
    """missed and woken are shares, per hour is a rate."""
    old_count: int
    old_total: float
    """Sounds, or hours."""
    count: int
    total: float
    low: float
    """95 % interval of the old figure."""
    high: float
    worse: bool
    """The new figure lies above it."""

    @property
    def old(self) -> float:
        """Share or rate of the old run."""
        return self.old_count / self.old_total

    @property
    def new(self) -> float:
        """Share or rate of the new run."""
        return self.count / self.total


@dataclasses.dataclass(frozen=True)
class Unlabelled:
    """Captured sounds of which nobody has said what they are, and how many of them each run wakes at.

    They decide nothing: some may be the phrase, and they were kept for having stirred a run, most often the old one.
    """

    sounds: int
    hours: float
    """Length of all of them together."""
    old_woken: int
    woken: int


@dataclasses.dataclass(frozen=True)
class Decision:
    """What came of it."""

    old: str
    """Folder of the run whose place is asked for."""
    new: str
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    """What to know before trusting it."""
    groups: tuple[GroupRow, ...] = ()
    """The groups within the conditions, the largest change for the worse first."""
    unlabelled: Unlabelled | None = None
    """None where everything captured has a label."""

    @property
    def worse(self) -> tuple[str, ...]:
        """Figures and groups in which the new run is worse."""
        whole = [row.group for row in self.rows if row.worse]
        return (*whole, *(row.group for row in self.groups if row.worse))

    @property
    def promoted(self) -> bool:
        """Whether the new run may take the place."""
        return not self.worse


def row(group: str, unit: str, old: tuple[int, float], new: tuple[int, float]) -> Row | None:
    """One group from (count, total) of both; None where one of them was not measured."""
    if not old[1] or not new[1]:
        return None
    rate = unit == "per hour"
    low, high = rate_interval(*old) if rate else share_interval(old[0], round(old[1]))
    return Row(group, unit, *old, *new, low, high, new[0] / new[1] > high)


def compare(old: Run, new: Run, *, workers: int = 0, progress: Progress | None = None) -> Decision:
    """Hold two runs of one phrase against each other, and store the decision in the new one.

    Raises RunError for a run that is not finished; InputError for two phrases, for one run twice, and where
    nothing was measured on both.
    """
    if old.folder.resolve() == new.folder.resolve():
        raise InputError("a run cannot take its own place", got=str(new.folder), do="name another with --over")
    if old.recipe.phrase != new.recipe.phrase:
        raise InputError(
            "the runs are of two phrases",
            got=f"{old.recipe.phrase!r} and {new.recipe.phrase!r}",
            do="name runs of one phrase",
        )
    before, now = (read_result(run.require("eval/result.json")) for run in (old, new))
    measured, others = _of_one_material(_measured(before, now))
    if not measured:
        raise InputError(
            "the runs were not measured alike",
            got="; ".join(", ".join(c.name for c in result.conditions) for result in (before, now)),
            do="measure both on the same sound: wakewright evaluate RUN --speech DIR",
        )
    groups, unlike = compare_groups(before, now, [one.group for one in measured if one.unit == "missed"])
    found = captured(old, new)
    again, unlabelled = _replayed(old, new, found, workers, progress or Progress())
    decision = Decision(
        str(old.folder),
        str(new.folder),
        (*measured, *again),
        (*_of_others(others), *unlike, *_remarks(old, new, found)),
        groups,
        unlabelled,
    )
    write_json(
        new.folder / NAME,
        {
            "decided": record.now(),
            "promoted": decision.promoted,
            "worse": list(decision.worse),
            **dataclasses.asdict(decision),
        },
    )
    return decision


def _measured(old: Result, new: Result) -> list[Row]:
    """Every condition and every kind of silence that both results have."""
    rows = [
        row(name, "missed", (one.missed.count, one.missed.total), (two.missed.count, two.missed.total))
        for name, one, two in _both(
            {c.name: c.chosen for c in old.conditions}, {c.name: c.chosen for c in new.conditions}
        )
    ]
    rows += [
        row(name, "per hour", (one.count, one.hours), (two.count, two.hours))
        for name, one, two in _both(
            {s.name: s.false_accepts for s in old.silences}, {s.name: s.false_accepts for s in new.silences}
        )
    ]
    return [one for one in rows if one is not None]


def _of_one_material(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The groups that both were measured on with the same recordings, and the others, by how much there was.

    Raises InputError where all of the misses, or all of the false accepts, are of other recordings.
    """
    same = [one for one in rows if _same_amount(one)]
    others = [one for one in rows if not _same_amount(one)]
    for unit in ("missed", "per hour"):
        differ = [one for one in others if one.unit == unit]
        if differ and not any(one.unit == unit for one in same):
            raise InputError(
                "the runs were measured on other recordings, and cannot be compared",
                got="; ".join(map(_amounts, differ)),
                do="evaluate both on the same: wakewright evaluate RUN --speech DIR",
            )
    return same, others


def _same_amount(one: Row) -> bool:
    """Words are counted; hours are measured, by front ends whose frames do not end alike."""
    return math.isclose(one.old_total, one.total, rel_tol=SAME_HOURS if one.unit == "per hour" else 0.0)


def _amounts(one: Row) -> str:
    if one.unit == "per hour":
        return f"{one.group}: {one.old_total:.2f} h, then {one.total:.2f} h"
    return f"{one.group}: {one.old_total:g} words, then {one.total:g}"


def _of_others(others: Sequence[Row]) -> Iterable[str]:
    if others:
        yield (
            f"Not compared, as measured on other recordings: {'; '.join(map(_amounts, others))}. "
            "To compare them too, evaluate both runs on the same."
        )


def _both(old: Mapping[str, Value], new: Mapping[str, Value]) -> Iterable[tuple[str, Value, Value]]:
    return ((name, value, new[name]) for name, value in old.items() if name in new)


def _replayed(
    old: Run, new: Run, found: Captured, workers: int, progress: Progress
) -> tuple[list[Row], Unlabelled | None]:
    """Everything that was captured: by label, and by whether the new run has learnt it; and what has no label."""
    sounds = {i: path for i, (path, _) in (found.labelled | found.unlabelled).items()}
    if not sounds:
        return [], None
    wakes = [
        dict(zip(sounds, replay(run, list(sounds.values()), workers, progress), strict=True)) for run in (old, new)
    ]
    learnt = {Path(clip.path).stem for clip in _trained_on(new).of("hard_negative")}
    negatives, phrases = ([i for i, (_, of) in found.labelled.items() if of == label] for label in LABELS)
    groups = {
        "mined, not the phrase, learnt by the new run": [i for i in negatives if i in learnt],
        "mined, not the phrase, not learnt by it": [i for i in negatives if i not in learnt],
    }
    rows = [
        row(name, "woken", *((sum(woke[i] for i in ids), len(ids)) for woke in wakes)) for name, ids in groups.items()
    ]
    missed = ((sum(not woke[i] for i in phrases), len(phrases)) for woke in wakes)
    rows.append(row("mined, the phrase after all", "missed", *missed))
    return [one for one in rows if one is not None], _unlabelled(found, wakes)


def _unlabelled(found: Captured, wakes: Sequence[Mapping[str, bool]]) -> Unlabelled | None:
    if not found.unlabelled:
        return None
    hours = sum(seconds for _, seconds in found.unlabelled.values()) / 3600
    return Unlabelled(len(found.unlabelled), hours, *(sum(woke[i] for i in found.unlabelled) for woke in wakes))


def _trained_on(run: Run) -> Manifest:
    return Manifest.read(run.require("manifest-train.jsonl"))


def _remarks(old: Run, new: Run, found: Captured) -> Iterable[str]:
    tests = [Manifest.read(run.require("manifest-test.jsonl")) for run in (old, new)]
    if tests[0].fingerprint() != tests[1].fingerprint():
        yield "The two test parts are not the same clips: voices, recordings or the version differ."
    for path in found.gone:
        yield f"{path} is gone: what was captured there was not replayed."
    if not found.labelled:
        yield "Nothing captured has a label, so what a home sounds like was not replayed."


def read_decision(run: Run) -> Decision | None:
    """The decision that is stored in a run; None where none was made. Raises RunError for a damaged one."""
    path = run.folder / NAME
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        known = TypeAdapter(Decision)
        return known.validate_python({field.name: stored[field.name] for field in dataclasses.fields(Decision)})
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged", got=repr(error), do="promote again") from error
