"""What a household recorded, the phrase and its room, heard by a run's detector with every input gain."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples, duration, find_audio, load
from wakewright.core.engine import map_work
from wakewright.core.errors import InputError
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.data import corpora
from wakewright.data.scene import word_bounds
from wakewright.detect.detector import Detector
from wakewright.detect.judge import quiet
from wakewright.evaluate.hear import add
from wakewright.evaluate.metrics import GRACE_S, WARMUP_S, Negatives, collect_negatives, cut_trial
from wakewright.evaluate.peaks import peak_steps

GAINS_DB = tuple(float(gain) for gain in range(-12, 19, 3))
"""Input gains that are tried, in decibels."""
FEWEST = 5
"""Fewer utterances than this fit nothing."""
SHORTEST_S = 60.0
"""Less of the room than this says nothing about it."""
MOMENTS = 50
"""Highest events of a recording whose places are kept."""


@dataclasses.dataclass(frozen=True, eq=False)
class Material:
    """What a household recorded."""

    words: Manifest
    """The phrase, once each."""
    room: tuple[str, ...]
    """Files with everything else."""

    @property
    def room_s(self) -> float:
        """Seconds of the room."""
        return math.fsum(sorted(duration(path) for path in self.room))


@dataclasses.dataclass(frozen=True, eq=False)
class Heard:
    """Everything the household recorded, as heard with one gain."""

    gain_db: float
    peaks: tuple[float, ...]
    """Highest score of each utterance, in an order that is the same for every gain."""
    negatives: Negatives
    """Of the room."""
    moments: tuple[tuple[float, str, float], ...]
    """The highest events in the room: score, file, seconds; highest first."""
    clipped: float
    """Share of the utterances that this gain drives beyond full scale."""


def read_material(positives: Path | str, ambient: Sequence[Path | str], run: Run) -> Material:
    """The recordings of a household, looked at before anything is heard.

    Raises AudioError for folders without audio and files that cannot be used (see corpora.checked), InputError for
    too few utterances, too little of the room, or a file that is named as both.
    """
    words = corpora.checked(corpora.own_recordings([positives]), run.recipe)
    if len(words) < FEWEST:
        raise InputError(
            "there are too few utterances to fit anything to",
            got=f"{len(words)} in {positives}",
            do=f"record ten or more: wakewright record {run.recipe.phrase!r}",
        )
    room = {file.resolve(): str(file) for path in ambient for file in find_audio(path)}
    both = sorted(clip.path for clip in words if Path(clip.path).resolve() in room)
    if both:
        raise InputError(
            "a recording cannot be the phrase and the room at once", got=both[0], do="keep them in folders apart"
        )
    material = Material(words, tuple(room[place] for place in sorted(room)))
    if material.room_s < SHORTEST_S:
        raise InputError(
            "there is too little of the room to tell what wakes the detector there",
            got=f"{material.room_s:.0f} s",
            do="record five minutes or more of what is heard there: talk, television, kitchen, without the phrase",
        )
    return material


def hear_all(run: Run, material: Material, progress: Progress) -> list[Heard]:
    """The household's recordings with every gain, by gain."""
    jobs = [
        (gain, kind, path)
        for gain in GAINS_DB
        for kind, paths in (("word", [clip.path for clip in material.words]), ("room", material.room))
        for path in paths
    ]
    work = functools.partial(_hear, folder=str(run.folder))
    with progress.stage("hear the household", len(jobs), "recordings") as bar:
        told = list(map_work(work, jobs, workers=run.workers(*material.room), progress_bar=bar))
    words: dict[str, list[_Word]] = defaultdict(list)
    rooms: dict[float, list[_Room]] = defaultdict(list)
    for (gain, _, path), what in zip(jobs, told, strict=True):
        if isinstance(what, _Room):
            rooms[gain].append(what)
        else:
            words[path].append(what)
    # sums of floats, and equal choices, depend on an order: it shall not be that of the files' names
    utterances = sorted(words.values(), key=lambda of: [(one.peak, one.loudest) for one in of])
    return [_together(gain, [of[i] for of in utterances], rooms[gain]) for i, gain in enumerate(GAINS_DB)]


@dataclasses.dataclass(frozen=True, slots=True)
class _Word:
    """An utterance, as heard with one gain."""

    peak: float
    loudest: float
    """Largest sample, before the gain."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Room:
    """A recording of the room, as heard with one gain."""

    negatives: Negatives
    moments: tuple[tuple[float, str, float], ...]


def _together(gain_db: float, words: Sequence[_Word], rooms: Sequence[_Room]) -> Heard:
    rooms = sorted(rooms, key=lambda room: (room.negatives.hours, room.negatives.peaks.tobytes()))
    return Heard(
        gain_db,
        tuple(word.peak for word in words),
        add([room.negatives for room in rooms]),
        tuple(sorted((moment for room in rooms for moment in room.moments), reverse=True)),
        sum(word.loudest * 10 ** (gain_db / 20) > 1 for word in words) / len(words),
    )


@functools.lru_cache(maxsize=2)
def _detector(folder: str, gain_db: float) -> Detector:
    return Detector.load(folder, threshold=1.0, gain_db=gain_db)


def _hear(job: tuple[float, str, str], *, folder: str) -> _Word | _Room:
    gain_db, kind, path = job
    detector, samples = _detector(folder, gain_db), load(path)
    detector.reset()
    return _word(detector, samples) if kind == "word" else _room(detector, samples, path)


def _word(detector: Detector, samples: Samples) -> _Word:
    """An utterance, with quiet before it that fills what a score looks at, and after it."""
    before = quiet(max(detector.looked_at / SAMPLE_RATE, WARMUP_S))
    scores = detector.score(np.concatenate([before, samples, quiet(GRACE_S + detector.hop_s)]))
    first, last = (len(before) + place for place in word_bounds(samples))
    trial = cut_trial(scores, detector.hop_s, first, last, first_step_s=detector.first_step_s)
    return _Word(trial.peak, float(np.abs(samples).max()))


def _room(detector: Detector, samples: Samples, path: str) -> _Room:
    scores = detector.score(samples)
    steps = peak_steps(scores, detector.hop_s)
    steps = steps[steps * detector.hop_s >= WARMUP_S]
    highest = steps[np.argsort(-scores[steps], kind="stable")[:MOMENTS]]
    moments = [(float(scores[i]), path, detector.first_step_s + float(i) * detector.hop_s) for i in highest]
    found = collect_negatives(scores, detector.hop_s, name=path, real=True, rule=detector.rule)
    return _Room(found, tuple(moments))
