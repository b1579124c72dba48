"""Two runs held against each other on the same sound, figure by figure and group by group.

Chance is bounded over everything together: a run that is as good as the old one is worse in any figure or group in
about 5 % of all comparisons. Misses get MISSED of that, false accepts and what was captured ACCEPTED, the many groups
GROUPED. What a share of it is divided among are those that could have looked worse at all (`chance.each_level`).

A unit is what may go one way or the other by chance: a speaker where there are FEWEST_UNITS of them, since what one
says is missed together; of fewer speakers each word. A group of few speakers, most often of one, is held as so many
words heard twice, and no surer than the changes of the other speakers let it be: of two runs that are alike on the
whole, either hears some people better. So it is with false accepts and their sources.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from wakewright.evaluate import chance
from wakewright.evaluate.intervals import rate_interval, share_interval
from wakewright.evaluate.outcomes import Labels, Outcomes, Source, Word

MISSED, ACCEPTED, GROUPED = 0.02, 0.015, 0.005
"""How often chance alone may find a condition, a kind of sound or what was captured, a group worse. As simulated
(benchmarks/promotion.py) it is 3 to 7 % in all: groups are found worse four to nine times as often as GROUPED, since
some speakers change by more than a normal curve has, and false accepts never."""
FEWEST_UNITS = 10
"""Speakers or sources from which on they are the units: fewer could not show what is clear in their words."""
UNSURE = 3.0
"""Divided by the number of sources, how much wider their scatter is taken, since it is known from them alone: what
Student's t is wider than the normal curve about the chances at which groups are worse."""
TOGETHER = "all conditions together"
HEARD_IN = ("condition",)
"""Labels that name the condition once more."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure or group, as both did in it."""

    group: str
    unit: str
    """missed and woken are shares, per hour is a rate."""
    old_count: int
    old_total: float
    """Words or sounds, or hours."""
    count: int
    total: float
    low: float
    """95 % interval of the old figure."""
    high: float
    chance: float
    """That chance alone makes the new one look this much worse."""
    least: float
    """The smallest chance that could have come out."""
    by: str
    """What went one way or the other: speakers, words, sources, events; "other sound" where they share none."""
    lost: int | None = None
    """Of the same words or sources, what only the new run gets wrong; None on other sound."""
    won: int | None = None
    """What only the old run gets wrong."""
    worse: bool = False

    @property
    def old(self) -> float:
        """Share or rate of the old run."""
        return self.old_count / self.old_total

    @property
    def new(self) -> float:
        """Share or rate of the new run."""
        return self.count / self.total


@dataclasses.dataclass(frozen=True)
class Try:
    """One word, sound or source that both heard: how often each got it wrong."""

    speaker: str
    item: str
    old: int
    new: int


@dataclasses.dataclass(frozen=True)
class Limit:
    """Where what is compared with one another is worse."""

    chance: float
    """At this or a smaller one."""
    able: int
    """How many could have been worse."""
    compared: int


def unpaired(group: str, unit: str, old: tuple[int, float], new: tuple[int, float]) -> Row | None:
    """One figure from (count, total) of both, of which only that is known; None where one was not measured."""
    if not old[1] or not new[1]:
        return None
    if unit == "per hour":
        found, ends = chance.of_rates(old[0], new[0], old[1], new[1]), rate_interval(*old)
    else:
        found = chance.of_shares(old[0], new[0], round(old[1]), round(new[1]))
        ends = share_interval(old[0], round(old[1]))
    return Row(group, unit, *old, *new, *ends, *found, "other sound")


def of_tries(
    group: str,
    unit: str,
    tries: Sequence[Try],
    others: Sequence[Try] | None = None,
    units: tuple[str, str] = ("words", "speakers"),
) -> Row:
    """One share over words or sounds that both heard; of a group, `others` are those by other speakers.

    Each try is one of the first of the `units`, by one of the second.
    """
    counts = sum(one.old for one in tries), sum(one.new for one in tries)
    total, ends = len(tries), share_interval(counts[0], len(tries))
    found, by = chance.of_differences(moves(tries).values()), units[_many(tries)]
    if others is not None and not _many(tries):
        found = _of_few(tries, others, found)
    return Row(group, unit, counts[0], total, counts[1], total, *ends, *found, by, *_changed(tries))


def _of_few(tries: Sequence[Try], others: Sequence[Try], alone: chance.Chance) -> chance.Chance:
    """A group of few speakers; `alone` is what its words say, each in all conditions going one way.

    Ten words cannot all but go one way by less than one chance in 2 ** 10, however clear it is. So they are held as
    words heard twice, which is careful where both hear the same ones, and against the other speakers where there are
    enough of them, else against `alone`.
    """
    total = len(tries)
    heard = chance.of_shares(sum(one.old for one in tries), sum(one.new for one in tries), total, total)
    if not _many(others):
        return chance.Chance(max(heard.chance, alone.chance), max(heard.least, alone.least))
    change = sum(one.new - one.old for one in tries) / total
    units = len({one.speaker for one in tries})
    return heard._replace(chance=max(heard.chance, chance.of_outlier(change, units, _changes(others))))


def _changes(tries: Iterable[Try]) -> list[float]:
    """By how much each speaker's share changes."""
    of: dict[str, list[int]] = {}
    for one in tries:
        of.setdefault(one.speaker, []).append(one.new - one.old)
    return [sum(moved) / len(moved) for moved in of.values()]


def _many(tries: Iterable[Try]) -> bool:
    return len({one.speaker for one in tries}) >= FEWEST_UNITS


def moves(tries: Sequence[Try]) -> Counter[str]:
    """{unit: how much more the new run has}, where what one speaker says is a unit if there are enough of them."""
    many, found = _many(tries), Counter[str]()
    for one in tries:
        found[one.speaker if many else one.item] += one.new - one.old
    return found


def of_sources(
    group: str, tries: Sequence[Try], hours: tuple[float, float], others: Sequence[Try] | None = None
) -> Row:
    """One rate over sources that both heard, in so many hours each; of a group, `others` are those outside it."""
    old, new = sum(one.old for one in tries), sum(one.new for one in tries)
    if others is None and _many(tries):
        found, by = chance.of_differences(moves(tries).values()), "sources"
    else:  # each false accept of either run is a unit
        found, by = chance.of_differences([1] * new + [-1] * old, bursts(others or ())), "events"
    return Row(
        group, "per hour", old, hours[0], new, hours[1], *rate_interval(old, hours[0]), *found, by, *_changed(tries)
    )


def bursts(tries: Sequence[Try]) -> float:
    """How many times as far false accepts scatter as if each came by itself, at least once; 1 of few sources."""
    events, found = sum(one.old + one.new for one in tries), moves(tries)
    if not events or not _many(tries):
        return 1.0
    return max(1.0, (1 + UNSURE / len(found)) * math.sqrt(sum(value**2 for value in found.values()) / events))


def _changed(tries: Iterable[Try]) -> tuple[int, int]:
    changes = [one.new - one.old for one in tries]
    return sum(max(0, one) for one in changes), sum(max(0, -one) for one in changes)


Words = tuple[Word, Word]
Sources = tuple[Source, Source]
"""One of each run, which are the same."""
One = TypeVar("One", Word, Source)


def same_words(old: Outcomes, new: Outcomes) -> list[tuple[Word, Word]]:
    """Each word of both, condition by condition; nothing of a condition in which they are not the same words."""
    return _matched(old.words, new.words, lambda word: word.condition, lambda word: word.clip)


def same_sources(old: Outcomes, new: Outcomes) -> list[tuple[Source, Source]]:
    """Each source of both, kind by kind; nothing of a kind in which they are not the same sources."""
    return _matched(old.sources, new.sources, lambda one: one.silence, lambda one: one.source)


def _matched(
    old: Iterable[One], new: Iterable[One], where: Callable[[One], str], what: Callable[[One], str]
) -> list[tuple[One, One]]:
    found = []
    ours, theirs = (_by(side, where) for side in (old, new))
    for name, mine in ours.items():
        first, second = (_by(side, what) for side in (mine, theirs.get(name, [])))
        if {key: len(same) for key, same in first.items()} == {key: len(same) for key, same in second.items()}:
            found += [pair for key, same in first.items() for pair in zip(same, second[key], strict=True)]
    return found


def _by(items: Iterable[One], name: Callable[[One], str]) -> dict[str, list[One]]:
    found: dict[str, list[One]] = {}
    for one in items:
        found.setdefault(name(one), []).append(one)
    return found


def figures_of_words(pairs: Sequence[Words]) -> list[Row]:
    """The misses of each condition, and of all together."""
    names = dict.fromkeys(old.condition for old, _ in pairs)
    found = [of_tries(name, "missed", _tries(p for p in pairs if p[0].condition == name)) for name in names]
    return [*found, of_tries(TOGETHER, "missed", _tries(pairs))] if len(found) > 1 else found


def figures_of_sources(pairs: Sequence[Sources]) -> list[Row]:
    """The false accepts of each kind of sound."""
    names = dict.fromkeys(old.silence for old, _ in pairs)
    return [_rate(name, [p for p in pairs if p[0].silence == name]) for name in names]


def groups_of_words(pairs: Sequence[Words]) -> list[Row]:
    """The misses by who says them and what they are heard in, over all conditions."""
    tries = _tries(pairs)
    found = []
    for name, members in _members([(o.condition, o.groups, n.groups) for o, n in pairs]):
        who = {tries[i].speaker for i in members}
        others = [one for one in tries if one.speaker not in who]
        found.append(of_tries(name, "missed", [tries[i] for i in members], others))
    return found


def groups_of_sources(pairs: Sequence[Sources]) -> list[Row]:
    """The false accepts by where they come from, over all kinds; of no length at all there is no rate."""
    found = []
    for name, members in _members([(o.silence, o.groups, n.groups) for o, n in pairs]):
        mine, inside = [pairs[i] for i in members], set(members)
        if not all(sum(run.hours for run in side) for side in zip(*mine, strict=True)):
            continue
        quiet = not any(old.false_accepts or new.false_accepts for old, new in mine)  # as most of many files are
        others = [] if quiet else [pair for i, pair in enumerate(pairs) if i not in inside]
        found.append(_rate(f"false accepts, {name}", mine, others))
    return found


def _members(pairs: Sequence[tuple[str, Labels, Labels]]) -> Iterator[tuple[str, list[int]]]:
    """Each group by name, as places in the list; none twice under two names, and none that is a whole figure.

    Of each pair the figure that it belongs to, and the labels that either run gives it.
    """
    figures: dict[str, list[int]] = {}
    for place, (figure, _, _) in enumerate(pairs):
        figures.setdefault(figure, []).append(place)
    seen = {tuple(range(len(pairs))), *map(tuple, figures.values())}
    found: dict[tuple[str, str], list[int]] = {}
    for place, (_, old, new) in enumerate(pairs):
        for label, value in old.items():
            if label not in HEARD_IN and new.get(label) == value:
                found.setdefault((label, value), []).append(place)
    for (label, value), members in found.items():
        if tuple(members) not in seen:
            seen.add(tuple(members))
            yield f"{label} {value}", members


def _tries(pairs: Iterable[tuple[Word, Word]]) -> list[Try]:
    return [Try(new.speaker, new.clip, int(old.missed), int(new.missed)) for old, new in pairs]


def _rate(name: str, pairs: Sequence[Sources], others: Sequence[Sources] | None = None) -> Row:
    tries, rest = (
        [Try(new.speaker, new.source, old.false_accepts, new.false_accepts) for old, new in some]
        for some in (pairs, others or ())
    )
    hours = sum(old.hours for old, _ in pairs), sum(new.hours for _, new in pairs)
    return of_sources(name, tries, hours, None if others is None else rest)


def limit_of_words(pairs: Sequence[Words], level: float) -> float:
    """The chance at which each of `figures_of_words` is worse, that all of them together keep to `level`."""
    names = dict.fromkeys(old.condition for old, _ in pairs)
    each = [moves(_tries(p for p in pairs if p[0].condition == name)) for name in names]
    return chance.joint_level([*each, moves(_tries(pairs))] if len(each) > 1 else each, level)


def judged(rows: Sequence[Row], level: float, limit: float | None = None) -> tuple[list[Row], Limit]:
    """The rows with what is worse told, that chance finds any worse no oftener than `level`; and where it is.

    With a `limit` that is where, else it follows from what could have been worse.
    """
    at = chance.each_level([row.least for row in rows], level) if limit is None else limit
    told = [dataclasses.replace(row, worse=row.chance <= at) for row in rows]
    return told, Limit(at, sum(row.least <= at for row in rows), len(rows))
