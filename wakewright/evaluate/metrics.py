"""From smoothed scores of continuous audio to what a person asks: how often missed, how often woken for nothing.

Positives are `Trial`s, one per spoken wake word. Negatives are `Negatives`: the heights of the score peaks in audio
without the word, with the hours they come from. A false accept is an event in time, not a window: peaks within two
seconds of a higher one belong to it. Of a model whose device decides by a rule of its own it is each time that one
would fire.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE
from wakewright.detect.device_rule import DeviceRule
from wakewright.evaluate.intervals import Interval, rate_interval, share_interval
from wakewright.evaluate.peaks import DEAD_TIME_S, device_peaks, peak_steps
from wakewright.evaluate.peaks import Scores as Scores
from wakewright.evaluate.peaks import false_accept_events as false_accept_events
from wakewright.evaluate.peaks import negative_peaks as negative_peaks

GRACE_S = 1.0
"""How long after the end of the word a detection still counts as heard."""
WARMUP_S = 2.0
"""Start of a stream that is not scored: the front end settles."""
WINDOW_S = 2.0
"""Length of a negative trial where a share is wanted instead of a rate (EER, pAUC, FAR)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """One spoken wake word, as the detector heard it."""

    scores: Scores
    """(steps,) from the start of the word to its end plus the grace time."""
    first_s: float
    """When the first of them was emitted, in seconds after the end of the word (usually negative)."""
    hop_s: float
    """Seconds from step to step."""
    word_end: int
    """Where the word ends, in samples of the stream."""
    source: str = ""
    """Who or what it came from (speaker, else file): the unit of resampling."""
    groups: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Labels to break the result down by, such as {"snr": "10 dB", "accent": "scots"}."""
    clip: str = ""
    """Path of its recording: what is the same word to two detectors."""
    gap: tuple[float, float] = (0.0, 0.0)
    """Thresholds above the first and up to the second miss it though it peaks above: a cascade would have confirmed
    what came just before, and waits for the score to fall (see pair)."""

    @functools.cached_property
    def peak(self) -> float:
        """Highest score within the trial; 0 when the stream ended before any."""
        return float(self.scores.max()) if self.scores.size else 0.0

    def missed(self, threshold: float) -> bool:
        """Whether the word is not heard at this threshold."""
        return missed_at(self.peak, self.gap, threshold)

    def latency_s(self, threshold: float) -> float | None:
        """Seconds from the end of the word to the first score that reaches `threshold`; None where it is missed."""
        hits = np.flatnonzero(self.scores >= np.float64(threshold)) if not self.missed(threshold) else np.zeros(0)
        return self.first_s + int(hits[0]) * self.hop_s if hits.size else None


@overload
def missed_at(peak: float, gap: tuple[float, float], threshold: float) -> bool:
    """Of one word."""


@overload
def missed_at(peak: Scores, gap: tuple[Scores, Scores], threshold: np.float64) -> NDArray[np.bool_]:
    """Of (words,) each."""


def missed_at(
    peak: float | Scores, gap: tuple[float, float] | tuple[Scores, Scores], threshold: float
) -> bool | NDArray[np.bool_]:
    """Whether a word with this peak and this gap (see Trial) is not heard; of (words,) each, which of them.

    For arrays the threshold is a np.float64, since NumPy would round a plain float to their float32.
    """
    low, high = gap
    return (peak < threshold) | ((low < threshold) & (threshold <= high))


def cut_trial(
    scores: Scores,
    hop_s: float,
    word_start: int,
    word_end: int,
    *,
    first_step_s: float | None = None,
    grace_s: float = GRACE_S,
    source: str = "",
    groups: Mapping[str, str] | None = None,
    clip: str = "",
) -> Trial:
    """Cut one wake word, given by its samples [word_start, word_end), out of the scores (steps,) of a stream.

    Step i is emitted at `first_step_s + i * hop_s`; by default the first after one hop. Steps emitted from the start
    of the word up to `grace_s` after its end belong to the trial. Raises ValueError when the word ends
    before it starts.
    """
    if word_end < word_start:
        raise ValueError(f"the word ends at sample {word_end}, before it starts at {word_start}")
    first = hop_s if first_step_s is None else first_step_s
    start_s, end_s = word_start / SAMPLE_RATE, word_end / SAMPLE_RATE + grace_s
    low = max(0, math.ceil((start_s - first) / hop_s - 1e-9))
    high = max(low, math.floor((end_s - first) / hop_s + 1e-9) + 1)
    offset = first + low * hop_s - word_end / SAMPLE_RATE
    return Trial(scores[low:high], offset, hop_s, word_end, source, dict(groups or {}), clip)


@dataclasses.dataclass(frozen=True)
class Span:
    """A stretch of a negative stream and where it comes from."""

    start_s: float
    end_s: float
    source: str
    """Speaker, file or corpus: the unit of resampling, and the name in the list of worst sources."""
    real: bool = False
    """True for a recording of the world, False for synthetic sound."""


@dataclasses.dataclass(frozen=True, eq=False)
class Negatives:
    """What the detector did on audio without the word. Joined with `+`."""

    peaks: Scores
    """(events,) heights of the event peaks."""
    owner: NDArray[np.int64]
    """(events,) index into `sources`."""
    sources: tuple[str, ...]
    """Names of the sources."""
    source_hours: NDArray[np.float64]
    """(sources,) hours scored of each."""
    windows: Scores
    """(windows,) highest score of each two-second window, where a share is wanted instead of a rate."""
    real_hours: float = 0.0
    """Of the hours, how many were real recordings."""

    @functools.cached_property
    def hours(self) -> float:
        """Hours scored."""
        return float(self.source_hours.sum())

    @functools.cached_property
    def heights(self) -> Scores:
        """(events,) peaks in rising order."""
        return np.sort(self.peaks)

    def count(self, threshold: float) -> int:
        """False accepts at this threshold."""
        return int(self.heights.size - np.searchsorted(self.heights, threshold, side="left"))

    def __add__(self, other: Negatives) -> Negatives:
        index = {name: i for i, name in enumerate(self.sources)}
        for name in other.sources:
            index.setdefault(name, len(index))
        moved = np.asarray([index[name] for name in other.sources], dtype=np.int64)
        hours = np.zeros(len(index))
        hours[: len(self.sources)] = self.source_hours
        np.add.at(hours, moved, other.source_hours)
        return Negatives(
            np.concatenate((self.peaks, other.peaks)),
            np.concatenate((self.owner, moved[other.owner])),
            tuple(index),
            hours,
            np.concatenate((self.windows, other.windows)),
            self.real_hours + other.real_hours,
        )


def no_negatives() -> Negatives:
    """Zero hours, to start a sum from."""
    nothing = np.empty(0, dtype=np.float32)
    return Negatives(nothing, np.empty(0, dtype=np.int64), (), np.empty(0), nothing)


def scored_peaks(
    scores: Scores, hop_s: float, *, warmup_s: float = WARMUP_S, dead_time_s: float = DEAD_TIME_S
) -> NDArray[np.int64]:
    """(steps,) scores of a stream without the word -> (events,) steps of its event peaks past the warm-up."""
    skip = math.ceil(warmup_s / hop_s - 1e-9)
    return peak_steps(scores[skip:], hop_s, dead_time_s) + skip


def collect_negatives(
    scores: Scores,
    hop_s: float,
    *,
    name: str,
    real: bool = False,
    spans: Sequence[Span] | None = None,
    warmup_s: float = WARMUP_S,
    dead_time_s: float = DEAD_TIME_S,
    rule: DeviceRule | None = None,
) -> Negatives:
    """(steps,) scores of one stream without the word -> its Negatives; the first `warmup_s` are not scored.

    `spans`, in order and covering the stream, say what was playing when; without them the stream is cut into blocks
    of one minute, so that resampling still has units. With a `rule` its events are those of a device that decides so,
    else peaks `dead_time_s` apart. Raises ValueError for an empty list of spans.
    """
    skip = math.ceil(warmup_s / hop_s - 1e-9)
    end_s = len(scores) * hop_s
    if spans is None:
        blocks = max(1, math.ceil(end_s / 60.0))
        spans = [Span(i * 60.0, min(end_s, i * 60.0 + 60.0), f"{name}, minute {i + 1}", real) for i in range(blocks)]
    if not spans:
        raise ValueError(f"stream {name} has no spans")
    scored = scores[skip:]
    starts = np.asarray([span.start_s for span in spans])
    names: dict[str, int] = {}
    owner = np.asarray([names.setdefault(span.source, len(names)) for span in spans], dtype=np.int64)

    def owner_of(steps: NDArray[np.int64]) -> NDArray[np.int64]:
        return owner[np.maximum(np.searchsorted(starts, steps * hop_s + 1e-9, side="right") - 1, 0)]

    if rule is None or not scored.size:
        steps = scored_peaks(scores, hop_s, warmup_s=warmup_s, dead_time_s=dead_time_s)
        peaks, owners = scores[steps], owner_of(steps)
    else:
        peaks, owners = device_peaks(scores, rule, skip, owner_of(np.arange(skip, len(scores))))
    scored_s = [max(0.0, min(span.end_s, end_s) - max(span.start_s, skip * hop_s)) for span in spans]
    hours = np.zeros(len(names))
    np.add.at(hours, owner, np.asarray(scored_s) / 3600.0)
    real_hours = sum(s for s, span in zip(scored_s, spans, strict=True) if span.real) / 3600.0
    per_window = max(1, round(WINDOW_S / hop_s))
    windows = scored[: len(scored) // per_window * per_window].reshape(-1, per_window).max(axis=1)
    return Negatives(peaks, owners, tuple(names), hours, windows, real_hours)


@dataclasses.dataclass(frozen=True)
class Operating:
    """What one threshold does, with the evidence."""

    threshold: float
    misses: int
    positives: int
    false_accepts: int
    hours: float

    @property
    def frr(self) -> float:
        """Share of the wake words missed; 1 when none was tried."""
        return self.misses / self.positives if self.positives else 1.0

    @property
    def frr_interval(self) -> Interval:
        """95 %, Clopper-Pearson."""
        return share_interval(self.misses, self.positives)

    @property
    def fa_per_hour(self) -> float:
        """False accepts per hour; 0 when nothing was heard, which the interval then shows."""
        return self.false_accepts / self.hours if self.hours else 0.0

    @property
    def fa_interval(self) -> Interval:
        """95 %, Garwood; for zero false accepts one-sided."""
        return rate_interval(self.false_accepts, self.hours)


@dataclasses.dataclass(frozen=True, eq=False)
class DetCurve:
    """Misses against false accepts per hour, at every threshold that matters."""

    positive_peaks: NDArray[np.float64]
    """(positives,) rising."""
    negative_peaks: NDArray[np.float64]
    """(events,) rising."""
    hours: float
    """Hours of negatives."""
    gaps: NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.zeros((0, 2)))
    """(n, 2) the gaps of the positives that have one (see Trial)."""

    @property
    def positives(self) -> int:
        """Wake words tried."""
        return int(self.positive_peaks.size)

    @functools.cached_property
    def thresholds(self) -> NDArray[np.float64]:
        """(points,) rising: 0 and just above every peak and end of a gap, which is where either count changes."""
        peaks = np.concatenate((self.positive_peaks, self.negative_peaks, self.gaps.ravel()))
        return np.concatenate(([0.0], just_above(np.unique(peaks))))

    @functools.cached_property
    def frr(self) -> NDArray[np.float64]:
        """(points,) share missed at each threshold, rising but for gaps."""
        return self._misses(self.thresholds) / max(1, self.positives)

    @functools.cached_property
    def fa_per_hour(self) -> NDArray[np.float64]:
        """(points,) false accepts per hour at each threshold, falling; NaN without any hours."""
        counts = self.negative_peaks.size - np.searchsorted(self.negative_peaks, self.thresholds, side="left")
        return counts / self.hours if self.hours else np.full(counts.size, np.nan)

    def at(self, threshold: float) -> Operating:
        """What this threshold does."""
        misses = int(self._misses(np.asarray([threshold]))[0])
        accepts = int(self.negative_peaks.size - np.searchsorted(self.negative_peaks, threshold, side="left"))
        return Operating(float(threshold), misses, self.positives, accepts, self.hours)

    def _misses(self, thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
        """(t,) -> (t,) words missed at each."""
        below = np.searchsorted(self.positive_peaks, thresholds, side="left")
        low, high = (np.searchsorted(np.sort(self.gaps[:, i]), thresholds, side="left") for i in (0, 1))
        return np.asarray(below + low - high, np.int64)

    def operating_at(self, fa_per_hour: float) -> Operating:
        """The lowest threshold whose measured false accepts per hour are at most `fa_per_hour`.

        Only whole false accepts can be allowed, so with 1.2 hours a target of 0.5 allows none. Ties with the
        first peak that is not allowed are not allowed either.
        """
        allowed = allowed_count(fa_per_hour, self.hours)
        if allowed >= self.negative_peaks.size:
            return self.at(0.0)
        return self.at(float(just_above(self.negative_peaks[-1 - allowed])))

    def frr_at(self, fa_per_hour: float) -> float:
        """Share missed at `operating_at(fa_per_hour)`."""
        return self.operating_at(fa_per_hour).frr


def just_above(peaks: NDArray[np.float64] | float | np.floating) -> NDArray[np.float64]:
    """The next float32 above each peak: scores are float32, so nothing lies between."""
    raised = np.nextafter(np.asarray(peaks, dtype=np.float32), np.float32(np.inf))
    return np.asarray(raised, dtype=np.float64)


def allowed_count(fa_per_hour: float, hours: float) -> int:
    """How many false accepts in `hours` keep the rate at or below `fa_per_hour`."""
    return math.floor(fa_per_hour * hours + 1e-9)


def det_curve(trials: Iterable[Trial], negatives: Negatives) -> DetCurve:
    """The DET curve of these positives and negatives."""
    heard = list(trials)
    peaks = np.sort(np.asarray([trial.peak for trial in heard], dtype=np.float64))
    gaps = np.asarray([trial.gap for trial in heard if trial.gap[0] < trial.gap[1]], dtype=np.float64).reshape(-1, 2)
    return DetCurve(peaks, negatives.heights.astype(np.float64), negatives.hours, gaps)
