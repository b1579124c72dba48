"""How often chance alone keeps a run out, and how large a change for the worse is found, now and before.

    python benchmarks/promotion.py [--pairs 1000] [--words 200] [--hours 2]

Two evaluations are drawn of detectors that are alike: so many words of twenty speakers, each heard in four
conditions, in three kinds of room, at four levels and three backgrounds; and so many hours without the word, of sixty
recordings in six folders. Each word is as hard to hear for both to the share `alike` of the variance (0: as on other
words, 1: the same detector twice), a third of either part being the speaker's, whose words are missed together. False
accepts are as common to both, and come in bursts. Then the new one is made worse.

The gate before this one took a condition, or a kind of sound, to be worse above the 95 % interval of the old figure,
each by itself; and a group within a condition when the interval of the difference, corrected for the number of
groups, lay above 0.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wakewright.evaluate import held
from wakewright.evaluate.groups import compare_groups
from wakewright.evaluate.intervals import rate_interval, share_interval
from wakewright.evaluate.outcomes import Outcomes, Source, Word
from wakewright.evaluate.result import Breakdown, Group, Result, share

SHARES = {"as at home": 0.05, "noise at 10 dB": 0.12, "noise at 5 dB": 0.2, "as hard as in training": 0.3}
"""Missed in each condition."""
LABELS = {"speaker": (1, 20), "room": (20, 3), "gain": (1, 4), "background": (7, 3)}
"""A label changes every so many words, and has so many values."""
SPEAKERS = LABELS["speaker"][1]
PARTS = (1 / 3, 1 / 3, 1 / 3)
"""Of what makes a word hard: the speaker, the recording, and how it is heard in one condition."""
SOURCES, FOLDERS = 60, 6
PER_HOUR = 2.0
"""False accepts of either run."""
BURST = 1.5
"""False accepts that come together, on average."""


@dataclasses.dataclass(frozen=True)
class Change:
    """What makes the new run worse."""

    name: str
    missed: float = 0.0
    """Added to the share missed, of all speakers."""
    one_speaker: float = 0.0
    """Added to the share missed, of the first."""
    times: float = 1.0
    """As many false accepts."""
    one_folder: float = 0.0
    """False accepts per hour more, all of them in the first folder."""


CHANGES = (
    Change("none"),
    Change("5 points more missed, of all", missed=0.05),
    Change("10 points more, of all", missed=0.1),
    Change("15 points more, of all", missed=0.15),
    Change("20 points more, of all", missed=0.2),
    Change("one speaker of twenty missed 40 points more", one_speaker=0.4),
    Change("one speaker, 60 points more", one_speaker=0.6),
    Change("one speaker, 80 points more", one_speaker=0.8),
    Change("three times the false accepts", times=3.0),
    Change("six times", times=6.0),
    Change("one folder of six wakes it 6 times an hour more", one_folder=6.0),
)


def variates(rng: np.random.Generator, words: int) -> dict[str, NDArray[np.float64]]:
    """{condition: (words,)} of unit variance: what speaker, recording and surroundings add to how hard a word is."""
    speaker, clip = (
        np.sqrt(part) * rng.standard_normal(n) for part, n in zip(PARTS, (SPEAKERS, words), strict=False)
    )
    of = np.arange(words) % SPEAKERS
    return {name: speaker[of] + clip + np.sqrt(PARTS[2]) * rng.standard_normal(words) for name in SHARES}


def heard(
    rng: np.random.Generator, hardness: dict[str, NDArray[np.float64]], alike: float, change: Change
) -> list[Word]:
    """The words of all conditions."""
    found = []
    words = len(next(iter(hardness.values())))
    own = variates(rng, words)
    first = np.arange(words) % SPEAKERS == 0
    for name, missed in SHARES.items():
        height = np.sqrt(alike) * hardness[name] + np.sqrt(1 - alike) * own[name]
        shares = np.minimum(missed + change.missed + np.where(first, change.one_speaker, 0.0), 0.999999)
        usual, hers = (statistics.NormalDist().inv_cdf(float(part)) for part in (shares[-1], shares[0]))
        below = height < np.where(first, hers, usual)
        labels = {label: (np.arange(words) // every % values).tolist() for label, (every, values) in LABELS.items()}
        for i, lost in enumerate(below.tolist()):
            found.append(Word(name, str(i), lost, {label: str(of[i]) for label, of in labels.items()}))
    return found


def woken(
    rng: np.random.Generator, common: NDArray[np.int64], hours: float, alike: float, change: Change
) -> list[Source]:
    """The sources, with what both wake at and what this one alone wakes at."""
    wanted = np.full(SOURCES, PER_HOUR * hours * (change.times - alike) / SOURCES)
    folder = np.arange(SOURCES) % FOLDERS
    wanted += np.where(folder == 0, change.one_folder * hours * FOLDERS / SOURCES, 0.0)
    counts = common + bursts(rng, wanted)
    return [
        Source("speech", f"f{i}", hours / SOURCES, int(n), {"file": f"f{i}", "folder": str(folder[i])})
        for i, n in enumerate(counts)
    ]


def bursts(rng: np.random.Generator, wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """(sources,) false accepts, BURST together on average, of so many expected."""
    times = rng.poisson(wanted / BURST)
    return times + rng.poisson((BURST - 1) * times)


def verdict(old: Outcomes, new: Outcomes) -> tuple[bool, bool, bool]:
    """Whether the gate finds misses, false accepts, or a group worse."""
    words, sources = held.same_words(old, new), held.same_sources(old, new)
    missed, _ = held.judged(held.figures_of_words(words), held.MISSED, held.limit_of_words(words, held.MISSED))
    accepted, _ = held.judged(held.figures_of_sources(sources), held.ACCEPTED)
    groups, _ = held.judged([*held.groups_of_words(words), *held.groups_of_sources(sources)], held.GROUPED)
    found = [any(row.worse for row in rows) for rows in (missed, accepted, groups)]
    return found[0], found[1], found[2]


def verdict_before(old: Outcomes, new: Outcomes) -> tuple[bool, bool, bool]:
    """The same of the gate before this one."""
    missed = any(
        lost[1] / lost[2] > share_interval(lost[0], lost[2]).high
        for name in SHARES
        if (lost := (*(sum(w.missed for w in side.words if w.condition == name) for side in (old, new)),
                     sum(w.condition == name for w in new.words)))
    )  # fmt: skip
    hours = sum(one.hours for one in old.sources)
    events = [sum(one.false_accepts for one in side.sources) for side in (old, new)]
    rows = compare_groups(tables(old), tables(new), list(SHARES))[0]
    return missed, events[1] / hours > rate_interval(events[0], hours).high, any(row.worse for row in rows)


def tables(found: Outcomes) -> Result:
    """What was kept of it in a result: the groups."""
    kept = []
    for condition in SHARES:
        words = [word for word in found.words if word.condition == condition]
        for label, (_, values) in LABELS.items():
            of = np.asarray([int(word.groups[label]) for word in words])
            lost = np.bincount(of, [word.missed for word in words], values).astype(int).tolist()
            counts = zip(lost, np.bincount(of, minlength=values).tolist(), strict=True)
            groups = tuple(Group(str(i), share(*pair)) for i, pair in enumerate(counts) if pair[1] >= 5)
            kept.append(Breakdown(label, groups, condition=condition))
    return Result("", "", 0.5, "", (), (), breakdowns=tuple(kept))


def told(found: Sequence[bool]) -> str:
    """A share of the pairs with its interval."""
    low, high = share_interval(sum(found), len(found))
    return f"{100 * sum(found) / len(found):.1f} % ({sum(found)}; {100 * low:.1f} to {100 * high:.1f})"


def line(wanted: argparse.Namespace, alike: float, change: Change) -> str:
    """One line of the table."""
    rng = np.random.default_rng(wanted.seed)
    now, before = [], []
    for _ in range(wanted.pairs):
        hardness = variates(rng, wanted.words)
        common = bursts(rng, np.full(SOURCES, alike * PER_HOUR * wanted.hours / SOURCES))
        old, new = (
            Outcomes(tuple(heard(rng, hardness, alike, what)), tuple(woken(rng, common, wanted.hours, alike, what)))
            for what in (CHANGES[0], change)
        )
        now.append(verdict(old, new))
        before.append(verdict_before(old, new))
    parts = [[told([one[i] for one in side]) for i in range(3)] for side in (before, now)]
    cells = [told([any(one) for one in side]) for side in (before, now)]
    return (
        f"| {alike:g} | {change.name} | {cells[0]} | {cells[1]} | {', '.join(p.split(' (')[0] for p in parts[1])} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--alike", type=float, nargs="+", default=[0.0, 0.5, 0.8])
    parser.add_argument("--changes", type=int, nargs="+", default=list(range(len(CHANGES))), help="by number, from 0")
    wanted = parser.parse_args()
    print(
        f"{wanted.pairs} pairs, {wanted.words} words in {len(SHARES)} conditions, {wanted.hours:g} h without the word"
    )
    print("| alike to | change | kept out before | now | now by misses, false accepts, a group |")
    print("|---|---|---|---|---|")
    for alike in wanted.alike:
        for number in wanted.changes:
            print(line(wanted, alike, CHANGES[number]), flush=True)


if __name__ == "__main__":
    main()
