"""Whether a run may take another's place: both are held against everything that was ever captured, and measured.

Figures (a condition, a kind of sound, what was captured) and the groups within them (speakers, voices, rooms, levels,
folders, files) are compared on the same words and the same sources, of which only those say anything that one of the
two alone gets wrong; `held` says how, and bounds how often chance finds any of all of them worse. One figure or group
that is worse keeps the new run out. What only one of the two was measured on says nothing, nor does what was measured
on other recordings: where nothing else is left, the runs are not compared. Nor are they where both were measured on
their test parts and one has learnt from people or recordings in that of the other.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from wakewright.core import record
from wakewright.core.errors import InputError, RunError
from wakewright.core.files import write_json
from wakewright.core.mined import LABELS
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.core.taught import taught
from wakewright.data import leaks
from wakewright.evaluate.captured import Captured, captured, replay
from wakewright.evaluate.groups import compare_groups
from wakewright.evaluate.held import (
    ACCEPTED,
    GROUPED,
    MISSED,
    Limit,
    Row,
    Sources,
    Try,
    Words,
    figures_of_sources,
    figures_of_words,
    groups_of_sources,
    groups_of_words,
    judged,
    limit_of_words,
    of_tries,
    same_sources,
    same_words,
    unpaired,
)
from wakewright.evaluate.outcomes import read_outcomes
from wakewright.evaluate.result import Result, read_result

Value = TypeVar("Value")

NAME = "promotion.json"
"""File of the decision, in the new run."""
MINED_LEARNT = "mined, not the phrase, learnt by the new run"
MINED = "mined, not the phrase, not learnt by it"
MINED_PHRASE = "mined, the phrase after all"
CAPTURED_UNITS = ("sounds", "sources")
"""What one of the captured is, and what it was found in."""
OF_THE_TEST_PART = ", as hard as in training"
"""Ends the name of a condition that only a run's own test part is measured in."""
SAME_HOURS = 0.01
"""Share by which the hours of the same recordings may differ."""


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
class Limits:
    """Where each of what is compared is worse, that chance alone finds none in about 95 % of all comparisons."""

    missed: Limit
    """Of the conditions."""
    accepted: Limit
    """Of the kinds of sound without the phrase, and of what was captured."""
    groups: Limit


@dataclasses.dataclass(frozen=True)
class Decision:
    """What came of it."""

    old: str
    """Folder of the run whose place is asked for."""
    new: str
    rows: tuple[Row, ...]
    limits: Limits
    remarks: tuple[str, ...]
    """What to know before trusting it."""
    groups: tuple[Row, ...] = ()
    """The groups within the figures, the surest change for the worse first."""
    unlabelled: Unlabelled | None = None
    """None where everything captured has a label."""

    @property
    def worse_rows(self) -> tuple[Row, ...]:
        """Figures and groups in which the new run is worse."""
        return tuple(row for row in (*self.rows, *self.groups) if row.worse)

    @property
    def worse(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(row.group for row in self.worse_rows)

    @property
    def promoted(self) -> bool:
        """Whether the new run may take the place."""
        return not self.worse


def compare(old: Run, new: Run, *, workers: int = 0, progress: Progress | None = None) -> Decision:
    """Hold two runs of one phrase against each other, and store the decision in the new one.

    Raises RunError for a run that is not finished; InputError for two phrases, for one run twice, and where
    nothing was measured on both, and where one has learnt what the other was measured on.
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
    if all(any(c.name.endswith(OF_THE_TEST_PART) for c in result.conditions) for result in (before, now)):
        _refuse_taught(old, new)
    counted, others = _of_one_material(_measured(before, now))
    if not counted:
        raise InputError(
            "the runs were not measured alike",
            got="; ".join(", ".join(c.name for c in result.conditions) for result in (before, now)),
            do="measure both on the same sound: wakewright evaluate RUN --speech DIR",
        )
    words, sources = _same(old, new, before, now, {one.group for one in counted})
    known = {one.condition for one, _ in words} | {one.silence for one, _ in sources}
    alone = [one for one in counted if one.group not in known]
    misses = [one for one in alone if one.unit == "missed"]
    found = captured(old, new)
    again = _replayed(old, new, found, workers, progress or Progress())
    missed, missed_limit = judged(
        [*figures_of_words(words), *misses], MISSED, None if misses else limit_of_words(words, MISSED)
    )
    rates = [*figures_of_sources(sources), *(one for one in alone if one.unit != "missed")]
    accepted, accepted_limit = judged([*rates, *again.figures], ACCEPTED)
    unpaired_groups, unlike = _groups_by_counts(before, now, misses)
    groups, groups_limit = judged(
        [*groups_of_words(words), *groups_of_sources(sources), *again.groups, *unpaired_groups], GROUPED
    )
    decision = Decision(
        str(old.folder),
        str(new.folder),
        (*missed, *accepted),
        Limits(missed_limit, accepted_limit, groups_limit),
        (*_of_others(others), *_by_counts(alone), *unlike, *_remarks(old, new, found)),
        tuple(sorted(groups, key=lambda row: row.chance)),
        again.unlabelled,
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


def _refuse_taught(old: Run, new: Run) -> None:
    """Raise InputError where one run has learnt from people or recordings in the other's test part.

    What a run that it went on from has learnt, it has learnt too.
    """
    found = [
        leak
        for one, other in ((new, old), (old, new))
        for leak in leaks.find({"train": one.clips("train") + taught(one), "test": other.clips("test")})
    ]
    if found:
        raise InputError(
            "one of the runs has learnt what the other was measured on",
            got=leaks.named(found),
            do="train with the seed and the parts of the old run, or measure both on sound that neither has learnt: "
            "wakewright evaluate RUN --speech DIR",
        )


def _same(
    old: Run, new: Run, before: Result, now: Result, names: Collection[str]
) -> tuple[list[Words], list[Sources]]:
    """Words and sources that both heard, of the conditions and kinds of these names; none of an earlier version."""
    every = [read_outcomes(run.require("eval/result.json").parent, one) for run, one in ((old, before), (new, now))]
    if every[0] is None or every[1] is None:
        return [], []
    words, sources = same_words(every[0], every[1]), same_sources(every[0], every[1])
    return [w for w in words if w[0].condition in names], [s for s in sources if s[0].silence in names]


def _groups_by_counts(before: Result, now: Result, conditions: Sequence[Row]) -> tuple[list[Row], tuple[str, ...]]:
    """The groups of conditions of which only the counts are known of both."""
    if not conditions:
        return [], ()
    groups, remarks = compare_groups(before, now, [one.group for one in conditions])
    pairs = (unpaired(one.group, "missed", (one.old_count, one.total), (one.count, one.total)) for one in groups)
    return [one for one in pairs if one is not None], remarks


def _measured(old: Result, new: Result) -> list[Row]:
    """Every condition and every kind of silence that both results have."""
    rows = [
        unpaired(name, "missed", (one.missed.count, one.missed.total), (two.missed.count, two.missed.total))
        for name, one, two in _both(
            {c.name: c.chosen for c in old.conditions}, {c.name: c.chosen for c in new.conditions}
        )
    ]
    rows += [
        unpaired(name, "per hour", (one.count, one.hours), (two.count, two.hours))
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


def _by_counts(alone: Sequence[Row]) -> Iterable[str]:
    if alone:
        yield (
            f"Compared by their counts alone, which finds less: {', '.join(one.group for one in alone)}. Which words "
            "were missed is not known of both, or they are other words; to compare them one by one, evaluate both "
            "runs on the same: wakewright evaluate RUN --speech DIR"
        )


@dataclasses.dataclass(frozen=True)
class _Again:
    """What was captured, as both hear it now."""

    figures: tuple[Row, ...] = ()
    groups: tuple[Row, ...] = ()
    """By what it was found in."""
    unlabelled: Unlabelled | None = None


def _replayed(old: Run, new: Run, found: Captured, workers: int, progress: Progress) -> _Again:
    """Everything that was captured: by label, and by whether the new run has learnt it; and what has no label."""
    sounds = {i: path for i, (path, _) in (found.labelled | found.unlabelled).items()}
    if not sounds:
        return _Again()
    wakes = [
        dict(zip(sounds, replay(run, list(sounds.values()), workers, progress), strict=True)) for run in (old, new)
    ]
    learnt = {Path(clip.path).stem for clip in new.clips("train").of("hard_negative")}
    negatives, phrases = ([i for i, (_, of) in found.labelled.items() if of == label] for label in LABELS)
    wrong = [
        (MINED_LEARNT, "woken", [_tried(i, found, wakes) for i in negatives if i in learnt]),
        (MINED, "woken", [_tried(i, found, wakes) for i in negatives if i not in learnt]),
        (MINED_PHRASE, "missed", [_tried(i, found, wakes, missed=True) for i in phrases]),
    ]
    figures = (of_tries(name, unit, tries, units=CAPTURED_UNITS) for name, unit, tries in wrong if tries)
    groups = _by_source([_tried(i, found, wakes) for i in negatives])
    return _Again(tuple(figures), tuple(groups), _unlabelled(found, wakes))


def _tried(name: str, found: Captured, wakes: Sequence[Mapping[str, bool]], *, missed: bool = False) -> Try:
    old, new = (int(woke[name] is not missed) for woke in wakes)
    return Try(found.sources.get(name, ""), name, old, new)


def _by_source(tries: Sequence[Try]) -> Iterable[Row]:
    """What is not the phrase by the file or address that it was found in, where there are several."""
    sources = dict.fromkeys(one.speaker for one in tries)
    for source in sources if len(sources) > 1 else ():
        mine = [one for one in tries if one.speaker == source]
        rest = [one for one in tries if one.speaker != source]
        yield of_tries(f"mined in {source}", "woken", mine, rest, CAPTURED_UNITS)


def _unlabelled(found: Captured, wakes: Sequence[Mapping[str, bool]]) -> Unlabelled | None:
    if not found.unlabelled:
        return None
    hours = sum(seconds for _, seconds in found.unlabelled.values()) / 3600
    return Unlabelled(len(found.unlabelled), hours, *(sum(woke[i] for i in found.unlabelled) for woke in wakes))


def _remarks(old: Run, new: Run, found: Captured) -> Iterable[str]:
    tests = [run.clips("test") for run in (old, new)]
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
