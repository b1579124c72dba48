"""A pair of Sentry and Judge on recordings of real people, its trigger where it was set."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from wakewright.core.audio import Samples
from wakewright.core.engine import Workers, map_work
from wakewright.core.recipe import Cascade as Settings
from wakewright.evaluate import real
from wakewright.evaluate.cascade import PairEar, pair_ear
from wakewright.evaluate.metrics import Negatives, Scores, Trial


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a pair did on recordings."""

    words: dict[str, list[Trial]]
    """By condition; a score is the Judge's confidence where the Sentry wakes, and 0 elsewhere."""
    others: dict[str, Negatives]
    """By kind, likewise."""
    judged_s: list[float]
    """Seconds that each verdict took."""
    answers: list[tuple[float, ...]]
    """Confidences of the verdicts about each wake among the words, in the order of asking."""

    def confirmed_at(self, confirm: float, asks: int) -> list[float]:
        """(asks,) of the wakes among the words that are confirmed, the share confirmed at each asking."""
        first = [next(i for i, c in enumerate(a) if c >= confirm) for a in self.answers if max(a) >= confirm]
        return [first.count(i) / len(first) if first else 0.0 for i in range(asks)]


class _SetEar:
    """The pair at one trigger."""

    def __init__(self, pair: PairEar, trigger: float) -> None:
        self._pair, self._trigger = pair, trigger
        self.hop_s, self.first_step_s = pair.hop_s, pair.first_step_s

    def hear(self, samples: Samples) -> Scores:
        return self._pair.hear_at(samples, (self._trigger,))[0]


def _work(
    job: tuple[str, real.Stretch], *, pair: tuple[str, str, Settings], trigger: float
) -> tuple[tuple[str, list[Trial] | Negatives], list[float], list[tuple[float, ...]]]:
    name, stretch = job
    ear = pair_ear(*pair)
    ear.judged_s.clear()
    ear.answers.clear()
    words, listening = name.startswith("words/"), _SetEar(ear, trigger)
    heard = real.hear_words(stretch, listening) if words else real.hear_others(stretch, listening)
    return (name, heard), list(ear.judged_s), list(ear.answers) if words else []


def measure(
    material: real.Material, sentry: Path, judge: Path, trigger: float, settings: Settings, *, workers: Workers
) -> Measured:
    """The pair on recordings; its curve over the Judge's threshold follows from the scores."""
    work = functools.partial(_work, pair=(str(sentry), str(judge), settings), trigger=trigger)
    results = list(map_work(work, real.jobs(material), workers=real.seeing(workers, material)))
    words, others = real.collect(heard for heard, _, _ in results)
    return Measured(
        words,
        others,
        [s for _, spent, _ in results for s in spent],
        [answers for _, _, told in results for answers in told],
    )
