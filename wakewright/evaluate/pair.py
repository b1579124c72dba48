"""A Sentry and a Judge as one detector: what the pair does with a stream, at every threshold of the Judge at once.

A pair's score at a step is the Judge's confidence where the Sentry wakes and 0 elsewhere. Where the Sentry's score
has not fallen between wakes, a later one is asked about only if those before were cancelled, as by the cascade that
listens; whether they were is a matter of the threshold.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.recipe import Cascade as Settings
from wakewright.detect import cascade
from wakewright.detect.cascade import looked_at, moments_s
from wakewright.detect.detector import BEFORE_S, Detector
from wakewright.detect.judge import Judge
from wakewright.detect.policy import Fire, PolicyState
from wakewright.evaluate.metrics import Negatives, Scores, Trial

CALLED = 1e-30
"""Score of a wake that the Judge is sure is none: more than 0, which stands for no wake."""


@dataclasses.dataclass(frozen=True)
class Woken:
    """Where a Sentry wakes in a stream, and what its Judge says."""

    confidences: Scores
    """(steps,) the Judge's, where it is asked at some threshold; 0 elsewhere."""
    held: Scores
    """(steps,) where it wakes again though the score has not fallen, the highest confidence of the wakes before: at
    thresholds up to it one of those is confirmed, and this one is let go. 0 elsewhere."""

    @classmethod
    def of(cls, steps: int, fires: Sequence[Fire], verdicts: Mapping[int, float]) -> Woken:
        """The wakes of so many steps and the Judge's confidence of each step; 1 where it was not asked."""
        confidences, held, before = np.zeros(steps, np.float32), np.zeros(steps, np.float32), 0.0
        for fire in fires:
            # a confidence of 0 is still a call
            confidences[fire.step] = max(verdicts.get(fire.step, 1.0), CALLED)
            held[fire.step] = before = before if fire.again else 0.0
            before = max(before, float(confidences[fire.step]))
        return cls(confidences, held)

    @property
    def calls(self) -> int:
        """How many wakes the Judge is asked about at most: where it confirms none."""
        return int(np.count_nonzero(self.confidences))

    def wakes(self, confirm: float) -> NDArray[np.int64]:
        """(wakes,) steps of those that the Judge is asked about at this threshold."""
        return np.flatnonzero((self.confidences > 0) & ((self.held == 0) | (self.held < np.float64(confirm))))

    def confirmed(self, confirm: float) -> NDArray[np.int64]:
        """(wakes,) steps of those that it confirms."""
        steps = self.wakes(confirm)
        return steps[self.confidences[steps] >= np.float64(confirm)]

    @functools.cached_property
    def accepts(self) -> Scores:
        """(steps,) the confidences, but of wakes between which the score has not fallen only the highest.

        One of these at most is confirmed at any threshold. The others stay what was called and confirmed nothing.
        """
        scores = self.confidences.copy()
        steps = np.flatnonzero(scores)
        for rise in np.split(steps, np.flatnonzero(self.held[steps] == 0)[1:]):
            lower = rise != rise[np.argmax(scores[rise])] if rise.size else []
            scores[rise[lower]] = CALLED
        return scores


def _gap(confidences: Scores, held: Scores) -> tuple[float, float]:
    """See Trial.gap: (steps,) of the word, and as much of Woken.held.

    At thresholds from `low` to `high` the first wakes of the word were let go, since one before the word was
    confirmed; those after the score had fallen reach up to `low`.
    """
    steps = np.flatnonzero(confidences)
    own = np.flatnonzero(held[steps] == 0)
    first, later = (steps[: own[0]], steps[own[0] :]) if own.size else (steps, steps[:0])
    if not first.size:
        return 0.0, 0.0
    high = min(float(held[first[0]]), float(confidences[first].max()))
    return min(float(confidences[later].max(initial=0.0)), high), high


def trials_of(woken: Woken, cut: Callable[[Scores], Sequence[Trial]]) -> list[Trial]:
    """The words of a stream; `cut` makes trials of the scores (steps,) of it."""
    pairs = zip(cut(woken.confidences), cut(woken.held), strict=True)
    return [dataclasses.replace(word, gap=_gap(word.scores, held.scores)) for word, held in pairs]


def calls_per_hour(calls: int, silence: Negatives) -> float:
    """How often the Judge is asked in an hour of sound without the phrase."""
    return calls / silence.hours if silence.hours else 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What the Judge says of a wake, each time that it may be asked, as if it confirmed nothing."""

    held: float
    """As in Woken."""
    confidences: tuple[float, ...]
    """In the order of asking."""

    def confirmed_at(self, confirm: float) -> int | None:
        """Which asking confirms it; None for none, or where one before it was confirmed."""
        if self.held and self.held >= confirm:
            return None
        return next((i for i, confidence in enumerate(self.confidences) if confidence >= confirm), None)


class PairEar:
    """Hears a stream as the pair would, for several triggers of the Sentry at once."""

    def __init__(self, sentry: Detector, judge: Judge, settings: Settings) -> None:
        self.sentry, self.judge, self._settings = sentry, judge, settings
        self.hop_s, self.first_step_s = sentry.hop_s, sentry.first_step_s
        self.judged_s: list[float] = []
        """Seconds that each verdict took."""
        self.asked: list[Asked] = []
        """Of each wake at each trigger."""

    def hear_at(self, samples: Samples, triggers: Sequence[float], *, judged: bool = True) -> list[Woken]:
        """(n,) from a fresh start -> what the pair does at each trigger.

        Of the several times that the Judge is asked about a wake, the highest confidence is the wake's: it is asked
        until it confirms. Unless `judged` it is not asked, and sure of each.
        """
        self.sentry.reset()
        frames = self.sentry.raw_scores(samples)
        answers: dict[int, tuple[float, ...]] = {}
        found = []
        for trigger in triggers:
            state = PolicyState(self.sentry.policy, self.hop_s * 1000, trigger)
            state.rearm(cascade.REARM, self._settings.rewake_ms)
            smoothed, fires = state.push(frames)
            if judged:
                answers |= {one.step: self._answers(samples, one.step) for one in fires if one.step not in answers}
            woken = Woken.of(len(smoothed), fires, {step: max(told) for step, told in answers.items()})
            found.append(woken)
            if judged:
                self.asked += [Asked(float(woken.held[one.step]), answers[one.step]) for one in fires]
        return found

    def _answers(self, samples: Samples, step: int) -> tuple[float, ...]:
        end = round((self.first_step_s + step * self.hop_s) * SAMPLE_RATE)
        start = max(0, end - round(BEFORE_S * SAMPLE_RATE))
        found = []
        for moment in moments_s(self._settings):
            clip = looked_at(samples[start : end + round(moment * SAMPLE_RATE)], self._settings)
            began = time.perf_counter()
            found.append(self.judge.verify(clip).confidence)
            self.judged_s.append(time.perf_counter() - began)
            if end + round(moment * SAMPLE_RATE) >= len(samples):
                break  # the stream is over: there is no more to ask about
        return tuple(found)


@functools.lru_cache(maxsize=2)
def pair_ear(sentry: str, judge: str, settings: Settings) -> PairEar:
    """The ear of a pair of folders as they were trained, loaded once per process."""
    return PairEar(Detector.load(sentry, gain_db=0.0), Judge.load(judge, gain_db=0.0), settings)
