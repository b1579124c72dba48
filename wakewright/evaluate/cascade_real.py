"""A pair of Sentry and Judge on recordings of real people, its trigger where it was set."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from wakewright.core.engine import Workers, map_work
from wakewright.core.recipe import Cascade as Settings
from wakewright.evaluate import real
from wakewright.evaluate.metrics import Negatives, Trial
from wakewright.evaluate.pair import Asked, PairEar, Woken, calls_per_hour, pair_ear, trials_of


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a pair did on recordings."""

    words: dict[str, list[Trial]]
    """By condition; a score is the Judge's confidence where the Sentry wakes, and 0 elsewhere."""
    others: dict[str, Negatives]
    """By kind, likewise."""
    calls: dict[str, int]
    """By kind, wakes in that sound: about each the Judge is asked, unless one before it was confirmed."""
    judged_s: list[float]
    """Seconds that each verdict took."""
    asked: list[Asked]
    """Of each wake among the words."""

    def calls_per_hour(self, kind: str) -> float:
        """How often the Judge is asked in an hour of such sound."""
        return calls_per_hour(self.calls[kind], self.others[kind])

    def confirmed_at(self, confirm: float, asks: int) -> list[float]:
        """(asks,) of the wakes among the words that are confirmed, the share confirmed at each asking."""
        first = [i for one in self.asked if (i := one.confirmed_at(confirm)) is not None]
        return [first.count(i) / len(first) if first else 0.0 for i in range(asks)]


def hear_words(stretch: real.Stretch, pair: PairEar, triggers: tuple[float, ...]) -> list[list[Trial]]:
    """For each trigger one trial per recording of a stream of words."""
    samples, places = real.assemble(stretch)
    cut = functools.partial(real.trials_of, stretch, pair, words=real.word_places(stretch, places))
    return [trials_of(woken, cut) for woken in pair.hear_at(samples, triggers)]


def hear_others(
    stretch: real.Stretch, pair: PairEar, triggers: tuple[float, ...], *, judged: bool = True
) -> list[tuple[Woken, Negatives]]:
    """For each trigger what the pair does in a stream without the phrase, and the false-accept evidence of it."""
    samples, places = real.assemble(stretch)
    found = pair.hear_at(samples, triggers, judged=judged)
    return [(woken, real.negatives_of(stretch, pair, woken.accepts, places)) for woken in found]


@dataclasses.dataclass(frozen=True)
class _Stretch:
    """What came of one stretch."""

    heard: tuple[str, list[Trial] | Negatives]
    calls: int
    judged_s: list[float]
    asked: list[Asked]


def _work(job: tuple[str, real.Stretch], *, pair: tuple[str, str, Settings], trigger: float) -> _Stretch:
    name, stretch = job
    ear = pair_ear(*pair)
    ear.judged_s.clear()
    ear.asked.clear()
    if name.startswith("words/"):
        (trials,) = hear_words(stretch, ear, (trigger,))
        return _Stretch((name, trials), 0, list(ear.judged_s), list(ear.asked))
    ((woken, silence),) = hear_others(stretch, ear, (trigger,))
    return _Stretch((name, silence), woken.calls, list(ear.judged_s), [])


def measure(
    material: real.Material, sentry: Path, judge: Path, trigger: float, settings: Settings, *, workers: Workers
) -> Measured:
    """The pair on recordings; its curve over the Judge's threshold follows from the scores."""
    work = functools.partial(_work, pair=(str(sentry), str(judge), settings), trigger=trigger)
    results = list(map_work(work, real.jobs(material), workers=real.seeing(workers, material)))
    words, others = real.collect(one.heard for one in results)
    calls = dict.fromkeys(others, 0)
    for one in results:
        if not one.heard[0].startswith("words/"):
            calls[one.heard[0].split("/", 1)[1]] += one.calls
    return Measured(
        words, others, calls, [s for one in results for s in one.judged_s], [a for one in results for a in one.asked]
    )
