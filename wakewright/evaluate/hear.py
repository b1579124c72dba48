"""Streaming audio through the detector that is shipped, and turning what it did into trials and negatives."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.engine import Workers, map_work
from wakewright.core.manifest import Kind, Manifest
from wakewright.core.progress import Bar
from wakewright.data import streams
from wakewright.detect.detector import Detector
from wakewright.evaluate.metrics import Negatives, Scores, Span, Trial, collect_negatives, cut_trial, no_negatives


@dataclasses.dataclass(frozen=True)
class Heard:
    """What came out of the detector for one stream."""

    scores: Scores
    """(steps,) smoothed."""
    hop_s: float
    first_step_s: float
    events: streams.Events
    """What is said in the stream, as streams.EVENT."""


def trials_in(heard: Heard, manifest: Manifest, kind: Kind = "positive") -> list[Trial]:
    """One trial per utterance of this kind, with the voice that says it and what it says as its groups."""
    return [
        cut_trial(
            heard.scores,
            heard.hop_s,
            int(event["start"]),
            int(event["end"]),
            first_step_s=heard.first_step_s,
            source=manifest.clips[event["clip"]].speaker,
            groups={"voice": manifest.clips[event["clip"]].source}
            | ({} if kind == "positive" else {"text": manifest.clips[event["clip"]].text}),
        )
        for event in heard.events[heard.events["kind"] == streams.KINDS.index(kind)]
    ]


def negatives_in(heard: Heard, manifest: Manifest, name: str) -> Negatives:
    """The evidence of a stream without the phrase; every utterance answers for the time up to the next."""
    if not len(heard.events):
        return collect_negatives(heard.scores, heard.hop_s, name=name)
    # scores begin when the first step is complete; spans are in the time of the steps
    starts = heard.events["start"][1:] / SAMPLE_RATE - heard.first_step_s
    bounds = [0.0, *np.maximum(starts, 0.0).tolist(), np.inf]
    spans = [
        Span(low, high, manifest.clips[e["clip"]].speaker or name, bool(e["real"]))
        for low, high, e in zip(bounds[:-1], bounds[1:], heard.events, strict=True)
    ]
    return collect_negatives(heard.scores, heard.hop_s, name=name, spans=spans)


@functools.lru_cache(maxsize=2)
def _detector(folder: str) -> Detector:
    return Detector.load(folder, threshold=1.0, gain_db=0.0)


def _hear(stream: streams.StreamPlan, *, surroundings: streams.Surroundings, folder: str) -> Heard:
    samples, events = streams.render(stream, surroundings)
    return hear(_detector(folder), samples, events)


def hear(detector: Detector, samples: Samples, events: NDArray[np.void]) -> Heard:
    """Run the detector over (n,) samples from a fresh start."""
    detector.reset()
    return Heard(detector.score(samples), detector.hop_s, detector.first_step_s, events)


def hear_all(
    plans: Sequence[streams.StreamPlan],
    surroundings: streams.Surroundings,
    folder: Path,
    *,
    workers: Workers,
    bar: Bar | None = None,
) -> list[Heard]:
    """Render every stream and run the detector of `folder` over it, in order, by all of the workers."""
    work = functools.partial(_hear, surroundings=surroundings, folder=str(folder))
    return list(map_work(work, plans, workers=workers, chunk=4, progress_bar=bar))


def add(parts: Sequence[Negatives]) -> Negatives:
    """All of them together."""
    return functools.reduce(lambda a, b: a + b, parts, no_negatives())
