"""What a report shows and plays: each wake word that was missed, each false accept, cut out where it was heard.

Whoever has rendered a stream has its sound in hand for that moment alone, so the worst of every stream are cut there
and then; the worst of all are among them.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples, to_int16
from wakewright.detect.device_rule import COOL_OFF, DeviceRule, cutoff_of
from wakewright.evaluate.metrics import GRACE_S, WARMUP_S, Scores, cut_trial, scored_peaks

Item = TypeVar("Item")
Which = Literal["missed", "accepted"]
MOST = 20
"""Moments of a gallery, the worst."""
LEAD_S = 0.7
"""Sound before a missed word; what follows it is the time in which it might have been recognised."""
BEFORE_S, AFTER_S = 2.5, 0.5
"""Sound around the moment at which something else was taken for the word."""
LONGEST_S = 5.0
"""A moment that would be longer loses its beginning."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What to cut out of a stream."""

    which: Which
    threshold: float


@dataclasses.dataclass(frozen=True, eq=False)
class Cut:
    """A few seconds of a stream, with the scores that came out of the detector in them."""

    peak: float
    """Highest score of the word, or of what was taken for it."""
    event: int
    """Which utterance of the stream it is, or which was heard last; -1 where nothing is said."""
    into_s: float
    """Seconds from the beginning of that utterance to the peak, or to the end of the missed word."""
    samples: NDArray[np.int16]
    """(n,) the sound, 16 kHz."""
    scores: Scores
    """(steps,) smoothed."""
    first_s: float
    """When the first of them was emitted, in seconds of the cut."""
    hop_s: float
    """Seconds from step to step."""
    word: tuple[float, float] | None
    """Where the missed word lies, in seconds of the cut."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """A stream as it was heard."""

    samples: Samples
    """(n,)"""
    scores: Scores
    """(steps,) smoothed."""
    hop_s: float
    first_step_s: float
    rule: DeviceRule | None = None
    """How the device decides that the model is for."""

    def cut(
        self, start_s: float, end_s: float, peak: float, event: int, at_s: float, begins_s: float, *, word: bool
    ) -> Cut:
        """The sound from `start_s` to `end_s`; `at_s` is the moment itself, `begins_s` where the utterance begins."""
        start_s = max(0.0, start_s, end_s - LONGEST_S)
        first, last = round(start_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE)
        low = max(0, int(np.ceil((start_s - self.first_step_s) / self.hop_s - 1e-9)))
        high = max(low, int(np.floor((end_s - self.first_step_s) / self.hop_s + 1e-9)) + 1)
        return Cut(
            peak=peak,
            event=event,
            into_s=at_s - begins_s,
            samples=to_int16(self.samples[first:last]),
            scores=self.scores[low:high].copy(),
            first_s=self.first_step_s + low * self.hop_s - start_s,
            hop_s=self.hop_s,
            word=(max(0.0, begins_s - start_s), at_s - start_s) if word else None,
        )


def missed(stream: Stream, words: Sequence[tuple[int, int, int]], threshold: float) -> list[Cut]:
    """The words below the threshold, lowest first, at most MOST. `words` are event, first and last sample + 1."""
    below = []
    for event, start, end in words:
        trial = cut_trial(stream.scores, stream.hop_s, start, end, first_step_s=stream.first_step_s)
        if trial.missed(threshold):
            below.append((trial.peak, event, start / SAMPLE_RATE, end / SAMPLE_RATE))
    below.sort(key=lambda found: found[0])
    return [
        stream.cut(start - LEAD_S, end + GRACE_S, peak, event, end, start, word=True)
        for peak, event, start, end in below[:MOST]
    ]


def accepted(stream: Stream, starts: Sequence[int], threshold: float) -> list[Cut]:
    """What reached the threshold in a stream without the word, highest first, at most MOST.

    They are those that false accepts are counted by. `starts` are the first samples of its utterances, rising.
    """
    begins = np.asarray(starts, np.float64) / SAMPLE_RATE
    steps = _accepting(stream, threshold)
    cuts = []
    for step in steps[np.argsort(-stream.scores[steps], kind="stable")][:MOST].tolist():
        at = stream.first_step_s + step * stream.hop_s
        # before the first utterance nobody else can be named, as where false accepts are put down to their sources
        event = max(0, int(np.searchsorted(begins, at + 1e-9, side="right")) - 1) if len(begins) else -1
        begin = float(begins[event]) if event >= 0 else 0.0
        peak = float(stream.scores[step])
        cuts.append(stream.cut(at - BEFORE_S, at + AFTER_S, peak, event, at, begin, word=False))
    return cuts


def _accepting(stream: Stream, threshold: float) -> NDArray[np.int64]:
    """Step of the highest score of each false accept."""
    if stream.rule is None:
        steps = scored_peaks(stream.scores, stream.hop_s)
        return steps[stream.scores[steps] >= np.float64(threshold)]
    cutoff = cutoff_of(threshold, stream.rule.window)
    fires = [
        f for f in stream.rule.fires(stream.rule.bytes_of(stream.scores), cutoff) if f * stream.hop_s >= WARMUP_S
    ]
    reach = math.ceil(COOL_OFF / stream.rule.stride)
    tops = [
        fire + int(np.argmax(stream.scores[fire : min(end, fire + reach)]))
        for fire, end in itertools.pairwise([*fires, len(stream.scores)])
    ]
    return np.asarray(tops, np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class Moment:
    """A cut, and what it is of."""

    cut: Cut
    text: str
    """What is said, or the kind of sound."""
    speaker: str
    source: str
    """Engine or corpus."""
    path: str
    """The file it comes from."""
    at_s: float
    """Where in that file: the beginning of what is said, or the moment of the false accept."""
    heard: tuple[str, ...] = ()
    """Its surroundings, in words."""


@dataclasses.dataclass(frozen=True, eq=False)
class Gallery:
    """The worst moments of one kind."""

    name: str
    """Condition of the words, or kinds of sound."""
    which: Which
    total: int
    """How many there are; the moments are the worst of them."""
    moments: tuple[Moment, ...]


def worst(which: Which, found: Iterable[Item], peak: Callable[[Item], float]) -> list[Item]:
    """The MOST worst: words with the lowest scores, false accepts with the highest; the first among equals."""
    sign = 1.0 if which == "missed" else -1.0
    return sorted(found, key=lambda one: sign * peak(one))[:MOST]


def gallery(name: str, which: Which, total: int, moments: Iterable[Moment]) -> Gallery:
    """The worst of these moments, of `total` that there were."""
    return Gallery(name, which, total, tuple(worst(which, moments, lambda one: one.cut.peak)))
