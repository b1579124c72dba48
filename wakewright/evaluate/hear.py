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
from wakewright.detect.device_rule import DeviceRule
from wakewright.evaluate.metrics import Negatives, Scores, Span, Trial, collect_negatives, cut_trial, no_negatives
from wakewright.evaluate.moments import Cut, Moment, Stream, Wanted, accepted, missed, worst
from wakewright.evaluate.surroundings import labels_of, said_by, words_of


@dataclasses.dataclass(frozen=True)
class Heard:
    """What came out of the detector for one stream."""

    scores: Scores
    """(steps,) smoothed."""
    hop_s: float
    first_step_s: float
    events: streams.Events
    """What is said in the stream, as streams.EVENT."""
    plan: streams.StreamPlan | None = None
    """What the stream was drawn to be."""
    cuts: tuple[Cut, ...] = ()
    """The worst moments of the stream, where they were wanted."""
    rule: DeviceRule | None = None
    """How the device decides that the model is for."""


def trials_in(heard: Heard, manifest: Manifest, kind: Kind = "positive") -> list[Trial]:
    """One trial per utterance of this kind; its groups are who says it, in what surroundings, and what."""
    around = labels_of(streams.drawn(heard.plan)) if heard.plan else {}
    return [
        cut_trial(
            heard.scores,
            heard.hop_s,
            int(event["start"]),
            int(event["end"]),
            first_step_s=heard.first_step_s,
            source=manifest.clips[event["clip"]].speaker,
            clip=manifest.clips[event["clip"]].path,
            groups=said_by(manifest.clips[event["clip"]])
            | around
            | ({} if kind == "positive" else {"text": manifest.clips[event["clip"]].text}),
        )
        for event in heard.events[heard.events["kind"] == streams.KINDS.index(kind)]
    ]


def negatives_in(heard: Heard, manifest: Manifest, name: str) -> Negatives:
    """The evidence of a stream without the phrase; every utterance answers for the time up to the next."""
    if not len(heard.events):
        return collect_negatives(heard.scores, heard.hop_s, name=name, rule=heard.rule)
    # scores begin when the first step is complete; spans are in the time of the steps
    starts = heard.events["start"][1:] / SAMPLE_RATE - heard.first_step_s
    bounds = [0.0, *np.maximum(starts, 0.0).tolist(), np.inf]
    spans = [
        Span(low, high, manifest.clips[e["clip"]].speaker or name, bool(e["real"]))
        for low, high, e in zip(bounds[:-1], bounds[1:], heard.events, strict=True)
    ]
    return collect_negatives(heard.scores, heard.hop_s, name=name, spans=spans, rule=heard.rule)


@functools.lru_cache(maxsize=2)
def _detector(folder: str) -> Detector:
    return Detector.load(folder, threshold=1.0, gain_db=0.0)


def _hear(
    stream: streams.StreamPlan, *, surroundings: streams.Surroundings, folder: str, wanted: Wanted | None
) -> Heard:
    samples, events = streams.render(stream, surroundings)
    heard = hear(_detector(folder), samples, events)
    return dataclasses.replace(heard, cuts=_cuts(heard, samples, wanted)) if wanted else heard


def _cuts(heard: Heard, samples: Samples, wanted: Wanted) -> tuple[Cut, ...]:
    """The worst moments of a stream, while its sound is in hand."""
    stream, events = Stream(samples, heard.scores, heard.hop_s, heard.first_step_s, heard.rule), heard.events
    if wanted.which == "accepted":
        return tuple(accepted(stream, events["start"].tolist(), wanted.threshold))
    said = np.flatnonzero(events["kind"] == streams.KINDS.index("positive"))
    words = [(int(i), int(events["start"][i]), int(events["end"][i])) for i in said]
    return tuple(missed(stream, words, wanted.threshold))


def moments_in(heard: Heard) -> list[Moment]:
    """The cuts of a stream with what they are of. Raises ValueError for one whose plan is not known."""
    if heard.plan is None:
        raise ValueError("moments of a stream without its plan")
    around = words_of(streams.drawn(heard.plan))
    return [_moment(cut, heard.plan.items[cut.event], around) for cut in heard.cuts]


def _moment(cut: Cut, item: streams.Item, around: tuple[str, ...]) -> Moment:
    clip = item.clip
    into_s = 0.0 if cut.word else min(max(0.0, cut.into_s), item.seconds)
    return Moment(
        cut,
        text=f"“{clip.text}”" if clip.text else clip.kind.replace("_", " "),
        speaker=clip.speaker,
        source=clip.source,
        path=clip.path,
        at_s=item.offset_s + into_s,
        heard=around,
    )


def hear(detector: Detector, samples: Samples, events: NDArray[np.void]) -> Heard:
    """Run the detector over (n,) samples from a fresh start."""
    detector.reset()
    return Heard(detector.score(samples), detector.hop_s, detector.first_step_s, events, rule=detector.rule)


def hear_all(
    plans: Sequence[streams.StreamPlan],
    surroundings: streams.Surroundings,
    folder: Path,
    *,
    workers: Workers,
    bar: Bar | None = None,
    wanted: Wanted | None = None,
) -> list[Heard]:
    """Render every stream and run the detector of `folder` over it, in order, by all of the workers.

    With `wanted`, the worst moments of all of them are cut out on the way, and no more sound than that is held.
    """
    work = functools.partial(_hear, surroundings=surroundings, folder=str(folder), wanted=wanted)
    found: list[Heard] = []
    cuts: list[tuple[int, Cut]] = []
    for i, one in enumerate(map_work(work, plans, workers=workers, chunk=4, progress_bar=bar)):
        found.append(dataclasses.replace(one, plan=plans[i], cuts=()))
        if wanted:
            cuts = worst(wanted.which, (*cuts, *((i, cut) for cut in one.cuts)), lambda pair: pair[1].peak)
    return [dataclasses.replace(one, cuts=tuple(c for at, c in cuts if at == i)) for i, one in enumerate(found)]


def add(parts: Sequence[Negatives]) -> Negatives:
    """All of them together."""
    return functools.reduce(lambda a, b: a + b, parts, no_negatives())
