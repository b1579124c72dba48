"""A measurement on recordings that keeps what is to be looked at: the words missed and the false accepts."""

from __future__ import annotations

import functools
from pathlib import Path

from wakewright.core.engine import Workers, map_work
from wakewright.core.progress import Bar
from wakewright.evaluate import real
from wakewright.evaluate.metrics import Negatives, Trial
from wakewright.evaluate.moments import Cut, Gallery, Moment, Stream, accepted, gallery, missed, worst
from wakewright.evaluate.real import Material, Measured, Stretch

SHOWN = "as recorded"
"""Condition whose missed words are kept."""


def _moment(cut: Cut, stretch: Stretch, name: str) -> Moment:
    recording = stretch.recordings[cut.event]
    return Moment(
        cut,
        text=name,
        speaker="" if recording.path.endswith(recording.speaker) else recording.speaker,
        source=recording.corpus,
        path=recording.path,
        at_s=0.0 if cut.word else max(0.0, cut.into_s),
        heard=() if stretch.snr_db is None else (real.condition_of(stretch),),
    )


def _peak(moment: Moment) -> float:
    return moment.cut.peak


Kept = tuple[str, list[Trial] | Negatives, list[Moment]]


def _work(job: tuple[str, Stretch], *, folder: str, threshold: float, phrase: str) -> Kept:
    name, stretch = job
    ear = real.detector_ear(folder)
    samples, places = real.assemble(stretch)
    scores = ear.hear(samples)
    stream = Stream(samples, scores, ear.hop_s, ear.first_step_s, ear.rule)
    if name.startswith("words/"):
        words = real.word_places(stretch, places)
        trials = real.trials_of(stretch, ear, scores, words)
        if stretch.snr_db is not None:
            return name, trials, []
        below = missed(stream, [(i, first, last) for i, (first, last) in enumerate(words)], threshold)
        return name, trials, [_moment(cut, stretch, f"“{phrase}”") for cut in below]
    above = accepted(stream, [first for first, _ in places], threshold)
    found = [_moment(cut, stretch, name.partition("/")[2]) for cut in above]
    return name, real.negatives_of(stretch, ear, scores, places, rule=ear.rule), found


def measure(
    material: Material, folder: Path | str, threshold: float, phrase: str, *, workers: Workers, bar: Bar | None = None
) -> tuple[Measured, tuple[Gallery, ...]]:
    """What `real.measure` gives, to the bit, and the worst moments at this threshold.

    Of a model for a device its false accepts are counted as that device decides, cool-off and all.
    Words that are missed are those of the condition SHOWN; false accepts are those of every kind of sound.
    """
    work = functools.partial(_work, folder=str(folder), threshold=threshold, phrase=phrase)
    results: list[tuple[str, list[Trial] | Negatives]] = []
    below: list[Moment] = []
    above: list[Moment] = []
    for name, heard, moments in map_work(
        work, real.jobs(material), workers=real.seeing(workers, material), progress_bar=bar
    ):
        results.append((name, heard))
        if isinstance(heard, Negatives):  # the worst so far, so that no more sound than that is held
            above = worst("accepted", (*above, *moments), _peak)
        else:
            below = worst("missed", (*below, *moments), _peak)
    words, others = real.collect(results)
    galleries = []
    if SHOWN in words:
        count = sum(trial.missed(threshold) for trial in words[SHOWN])
        galleries.append(gallery(SHOWN, "missed", count, below))
    count = sum(negatives.count(threshold) for negatives in others.values())
    galleries.append(gallery(", ".join(others), "accepted", count, above))
    return (words, others), tuple(galleries)
