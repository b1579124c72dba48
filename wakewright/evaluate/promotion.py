"""Whether a run may take another's place: both are held against everything that was ever captured, and measured.

A group is worse when the new figure lies above the upper end of the 95 % interval of the old one. One group that is
worse keeps the new run out. Groups that only one of the two was measured on say nothing, nor do those of other
recordings: where nothing else is left, the runs are not compared.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from wakewright.core import record
from wakewright.core.audio import load
from wakewright.core.engine import map_processes
from wakewright.core.errors import InputError, RunError
from wakewright.core.files import write_json
from wakewright.core.manifest import Manifest
from wakewright.core.mined import Label, Mined
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.detect.judge import SHORTEST_S, Judge
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
class Decision:
    """What came of it."""

    old: str
    """Folder of the run whose place is asked for."""
    new: str
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    """What to know before trusting it."""

    @property
    def worse(self) -> tuple[str, ...]:
        """Groups in which the new run is worse."""
        return tuple(row.group for row in self.rows if row.worse)

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


def _phrase_of(run: Run) -> Path:
    return run.folder.parent


def captured(old: Run, new: Run) -> dict[str, tuple[Path, Label]]:
    """{ID: sound and label} of everything labelled in the runs beside both, and in the folders they learnt from.

    Raises InputError for a sound that has two labels.
    """
    folders = {path.parent for run in (old, new) for path in _phrase_of(run).glob("*/mined/found.jsonl")}
    folders |= {mined.folder for path in _named(old, new) if (mined := Mined.at(path)) is not None}
    found: dict[str, tuple[Path, Label]] = {}
    for folder in sorted({folder.resolve() for folder in folders}):
        mined = Mined(folder)
        labels = mined.labels()
        for one in mined.found():
            label = labels.get(one.id)
            if label is None or one.seconds < SHORTEST_S:
                continue
            if found.setdefault(one.id, (mined.sound(one), label))[1] != label:
                raise InputError(
                    "a sound has two labels",
                    got=f"{mined.sound(one)} and {found[one.id][0]}",
                    do="label both alike: wakewright review DIR --label FILE",
                )
    return found


def _named(old: Run, new: Run) -> list[str]:
    """The mined folders that the two have learnt from."""
    return list(dict.fromkeys(path for run in (old, new) if run.recipe.mined for path in run.recipe.mined.paths))


@functools.lru_cache(maxsize=2)
def _judge(folder: str) -> Judge:
    return Judge.load(folder)


def _accepts(path: str, *, folder: str) -> bool:
    return _judge(folder).verify(load(path)).prediction


def replay(run: Run, sounds: Sequence[Path], workers: int, progress: Progress) -> list[bool]:
    """Whether the detector of the run wakes at each sound, by itself with quiet around it, at its own threshold."""
    work = functools.partial(_accepts, folder=str(run.folder))
    with progress.stage(f"replay {run.folder.name}", len(sounds), "sounds") as bar:
        return list(map_processes(work, map(str, sounds), workers=workers, chunk=8, progress_bar=bar))


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
    results = [read_result(run.require("eval/result.json")) for run in (old, new)]
    measured, others = _of_one_material(_measured(*results))
    if not measured:
        raise InputError(
            "the runs were not measured alike",
            got="; ".join(", ".join(c.name for c in result.conditions) for result in results),
            do="measure both on the same sound: wakewright evaluate RUN --speech DIR",
        )
    rows = [*measured, *_captured(old, new, workers, progress or Progress())]
    decision = Decision(
        str(old.folder), str(new.folder), tuple(rows), (*_of_others(others), *_remarks(old, new, rows))
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


def _captured(old: Run, new: Run, workers: int, progress: Progress) -> list[Row]:
    """Everything that was captured, by label, and by whether the new run has learnt it."""
    found = captured(old, new)
    if not found:
        return []
    learnt = {Path(clip.path).stem for clip in _trained_on(new).of("hard_negative")}
    sounds = [path for path, _ in found.values()]
    wakes = [dict(zip(found, replay(run, sounds, workers, progress), strict=True)) for run in (old, new)]
    groups = {
        "mined, not the phrase, learnt by the new run": [
            i for i, (_, label) in found.items() if label == "negative" and i in learnt
        ],
        "mined, not the phrase, not learnt by it": [
            i for i, (_, label) in found.items() if label == "negative" and i not in learnt
        ],
    }
    rows = [
        row(name, "woken", *((sum(woke[i] for i in ids), len(ids)) for woke in wakes)) for name, ids in groups.items()
    ]
    phrases = [i for i, (_, label) in found.items() if label == "phrase"]
    missed = ((sum(not woke[i] for i in phrases), len(phrases)) for woke in wakes)
    rows.append(row("mined, the phrase after all", "missed", *missed))
    return [one for one in rows if one is not None]


def _trained_on(run: Run) -> Manifest:
    return Manifest.read(run.require("manifest-train.jsonl"))


def _remarks(old: Run, new: Run, rows: Sequence[Row]) -> Iterable[str]:
    tests = [Manifest.read(run.require("manifest-test.jsonl")) for run in (old, new)]
    if tests[0].fingerprint() != tests[1].fingerprint():
        yield "The two test parts are not the same clips: voices, recordings or the version differ."
    for path in _named(old, new):
        if Mined.at(path) is None:
            yield f"{path} is gone: what was captured there was not replayed."
    if not any(one.group.startswith("mined") for one in rows):
        yield "Nothing captured has a label, so what a home sounds like was not replayed."


def read_decision(run: Run) -> Decision | None:
    """The decision that is stored in a run; None where none was made. Raises RunError for a damaged one."""
    path = run.folder / NAME
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(Row(**one) for one in stored["rows"])
        return Decision(stored["old"], stored["new"], rows, tuple(stored["remarks"]))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged", got=repr(error), do="promote again") from error
