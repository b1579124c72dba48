"""A pair on recordings: what it does at its two thresholds, and at any rate of false accepts.

A detector's curve follows from moving its threshold. A pair has two: here they move together, by equal log odds from
where they were set, the Sentry's no further down than it may call the Judge. A wake's height is how far they can go
up before it is no longer confirmed; as a score between 0 and 1, 0.5 is where they were set.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wakewright.core.audio import Samples
from wakewright.core.engine import map_processes
from wakewright.core.recipe import Cascade as Settings
from wakewright.detect.detector import Detector
from wakewright.detect.judge import Judge
from wakewright.evaluate import real
from wakewright.evaluate.calibrate import expit, logit
from wakewright.evaluate.cascade import PairEar
from wakewright.evaluate.metrics import Negatives, Scores, Trial

STEP = 0.5
"""Log odds from one trigger that is tried to the next."""
ABOVE = 2
"""Triggers tried above the one that was set."""

Heard = tuple[str, list[Trial] | Negatives]


@dataclasses.dataclass(frozen=True)
class Curve:
    """The thresholds of a pair, and how far down its trigger may go."""

    trigger: float
    confirm: float
    lowest: float
    """Trigger below which the Sentry would call too often."""

    def shifts(self) -> list[float]:
        """(triggers,) rising, in log odds from where the trigger was set."""
        down = float(logit(np.asarray(self.lowest)) - logit(np.asarray(self.trigger)))
        steps = math.ceil(-down / STEP - 1e-9)
        return [*(down * (steps - i) / steps for i in range(steps)), *(STEP * i for i in range(ABOVE + 1))]

    def triggers(self) -> list[float]:
        """(triggers,) rising; the one that was set is exactly among them."""
        start = float(logit(np.asarray(self.trigger)))
        return [self.trigger if shift == 0 else expit(start + shift) for shift in self.shifts()]

    def heights(self, confidences: Sequence[Scores]) -> Scores:
        """For each trigger (steps,) the Judge's confidence where the Sentry wakes -> (steps,) scores of the pair."""
        start = float(logit(np.asarray(self.confirm)))
        best = np.zeros(len(confidences[0]))
        for shift, found in zip(self.shifts(), confidences, strict=True):
            woke = found > 0
            # the least of both distances; a Judge may be less sure than the lowest trigger allows
            height = np.minimum(shift, logit(found[woke]) - start)
            best[woke] = np.maximum(best[woke], 1.0 / (1.0 + np.exp(-height)))
        return best.astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a pair did on recordings."""

    words: dict[str, list[Trial]]
    """By condition; scores of the curve."""
    others: dict[str, Negatives]
    """By kind, likewise."""
    wakes: dict[str, list[Trial]]
    """By condition, at the trigger that was set: the Judge's confidence where the Sentry wakes, 0 elsewhere."""
    calls: dict[str, Negatives]
    """By kind, likewise."""
    judged_s: list[float]
    """Seconds that each verdict took."""
    answers: list[tuple[float, ...]]
    """Confidences of the verdicts about each wake among the words, in the order of asking."""

    def confirmed_at(self, confirm: float, asks: int) -> list[float]:
        """(asks,) of the wakes among the words that are confirmed, the share confirmed at each asking."""
        first = [next(i for i, c in enumerate(a) if c >= confirm) for a in self.answers if max(a) >= confirm]
        return [first.count(i) / len(first) if first else 0.0 for i in range(asks)]


class _Told:
    """An ear that says what another has heard already."""

    def __init__(self, ear: PairEar, scores: Scores) -> None:
        self.hop_s, self.first_step_s, self._scores = ear.hop_s, ear.first_step_s, scores

    def hear(self, samples: Samples) -> Scores:
        return self._scores


class _CurveEar:
    """Hears for the curve, and keeps what it heard at the trigger that was set."""

    def __init__(self, ear: PairEar, curve: Curve) -> None:
        self._ear, self._curve = ear, curve
        self.hop_s, self.first_step_s = ear.hop_s, ear.first_step_s
        self.as_set: Scores = np.zeros(0, np.float32)
        self.answers: list[tuple[float, ...]] = []

    def hear(self, samples: Samples) -> Scores:
        at_set = self._curve.shifts().index(0.0)
        triggers = self._curve.triggers()
        self.as_set = self._ear.hear_at(samples, [triggers[at_set]])[0]
        self.answers = list(self._ear.answers)
        others = self._ear.hear_at(samples, triggers[:at_set] + triggers[at_set + 1 :])
        return self._curve.heights([*others[:at_set], self.as_set, *others[at_set:]])


@functools.lru_cache(maxsize=1)
def _pair(sentry: str, judge: str, settings: Settings) -> PairEar:
    return PairEar(Detector.load(sentry), Judge.load(judge), settings)


def _work(
    job: tuple[str, real.Stretch], *, pair: tuple[str, str, Settings], curve: Curve
) -> tuple[Heard, Heard, list[float], list[tuple[float, ...]]]:
    name, stretch = job
    ear = _pair(*pair)
    ear.judged_s.clear()
    ear.answers.clear()
    listening = _CurveEar(ear, curve)
    words = name.startswith("words/")
    hears = real.hear_words if words else real.hear_others
    heard = hears(stretch, listening)
    as_set = hears(stretch, _Told(ear, listening.as_set))
    return (name, heard), (name, as_set), list(ear.judged_s), listening.answers if words else []


def measure(
    material: real.Material, sentry: Path, judge: Path, curve: Curve, settings: Settings, *, workers: int
) -> Measured:
    """The pair on recordings. The time grows with the triggers between the lowest and the one that was set."""
    work = functools.partial(_work, pair=(str(sentry), str(judge), settings), curve=curve)
    results = list(map_processes(work, real.jobs(material), workers=workers))
    words, others = real.collect(heard for heard, *_ in results)
    wakes, calls = real.collect(as_set for _, as_set, *_ in results)
    return Measured(
        words,
        others,
        wakes,
        calls,
        [s for *_, spent, _ in results for s in spent],
        [answers for *_, told in results for answers in told],
    )
