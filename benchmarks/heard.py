"""What a run scored on real recordings, as plain numbers from which tables are made; and two runs side by side."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wakewright import pipeline
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.evaluate import real
from wakewright.evaluate.metrics import DetCurve, Negatives, allowed_count, just_above, missed_at
from wakewright.evaluate.real import Material, Measured

REPLICATES = 2000
"""Draws of a bootstrap."""
NO_GAPS = np.zeros((2, 1), np.float32)
"""(2, 1) of words without one (see Trial)."""
Missed = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Others:
    """What sound without the phrase scored."""

    peaks: NDArray[np.float32]
    """(events,) heights of the event peaks."""
    owner: NDArray[np.int64]
    """(events,) which source each is from."""
    hours: NDArray[np.float64]
    """(sources,) hours heard of each."""

    @property
    def total_hours(self) -> float:
        """Hours heard."""
        return float(self.hours.sum())

    def count(self, threshold: float) -> int:
        """False accepts at this threshold."""
        return int(np.count_nonzero(self.peaks >= threshold))


@dataclasses.dataclass(frozen=True)
class Heard:
    """One run, and what it scored."""

    threshold: float
    """The one it was calibrated to."""
    names: tuple[str, ...]
    """(words,) files of the phrase."""
    speakers: tuple[str, ...]
    """(words,) who says it; the file where that is not known."""
    words: Mapping[str, NDArray[np.float32]]
    """By condition (words,) the highest score of each."""
    others: Mapping[str, Others]
    """By kind."""
    gaps: Mapping[str, NDArray[np.float32]] = dataclasses.field(default_factory=dict)
    """By condition (words, 2) the gap of each (see Trial), where a cascade was heard."""

    @classmethod
    def measured(cls, run: Run, material: Material, snrs_db: Sequence[float | None]) -> Self:
        """Hear all of it with the detector that the run ships."""
        measured = real.measure(material, run.folder, snrs_db=snrs_db, workers=run.recipe.engine.workers)
        threshold = json.loads(run.metadata_path.read_text(encoding="utf-8"))["threshold"]
        return cls.of(material, measured, threshold)

    @classmethod
    def of(cls, material: Material, measured: Measured, threshold: float) -> Self:
        """What was measured of this material, of a detector calibrated to `threshold`."""
        words, others = measured
        place = {recording.path: i for i, recording in enumerate(material.words)}
        peaks = {name: np.zeros(len(place), np.float32) for name in words}
        gaps = {name: np.zeros((len(place), 2), np.float32) for name in words}
        for name, trials in words.items():
            for trial in trials:
                peaks[name][place[trial.source]] = trial.peak
                gaps[name][place[trial.source]] = trial.gap
        return cls(
            threshold,
            tuple(place),
            tuple(recording.speaker for recording in material.words),
            peaks,
            {kind: _others(found) for kind, found in others.items()},
            {name: found for name, found in gaps.items() if found.any()},
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            "threshold": self.threshold,
            "names": list(self.names),
            "speakers": list(self.speakers),
            "words": {name: peaks.tolist() for name, peaks in self.words.items()},
            "others": {
                kind: {key: value.tolist() for key, value in vars(found).items()}
                for kind, found in self.others.items()
            },
            "gaps": {name: gaps.tolist() for name, gaps in self.gaps.items()},
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Self:
        """The same again."""
        types = {"peaks": np.float32, "owner": np.int64, "hours": np.float64}
        return cls(
            kept["threshold"],
            tuple(kept["names"]),
            tuple(kept["speakers"]),
            {name: np.asarray(peaks, np.float32) for name, peaks in kept["words"].items()},
            {
                kind: Others(**{key: np.asarray(values, types[key]) for key, values in found.items()})
                for kind, found in kept["others"].items()
            },
            {name: np.asarray(gaps, np.float32) for name, gaps in kept.get("gaps", {}).items()},
        )

    def threshold_at(self, fa_per_hour: float) -> float:
        """The lowest threshold that wakes no more often than this in speech."""
        speech = self.others["speech"]
        curve = DetCurve(np.zeros(0), np.sort(speech.peaks).astype(np.float64), speech.total_hours)
        return curve.operating_at(fa_per_hour).threshold

    def missed(self, condition: str, threshold: float) -> Missed:
        """(words,) which of them this threshold misses."""
        low, high = self.gaps[condition].T if condition in self.gaps else NO_GAPS
        return missed_at(self.words[condition], (low, high), np.float64(threshold))

    def threshold_missing(self, count: int, condition: str) -> float:
        """The highest threshold that misses no more than so many words."""
        return float(np.sort(self.words[condition])[min(count, len(self.names) - 1)])


def _others(found: Negatives) -> Others:
    return Others(found.peaks.astype(np.float32), found.owner, found.source_hours)


def difference(
    first: Missed, second: Missed, speakers: Sequence[str], *, seed: int = 1, replicates: int = REPLICATES
) -> tuple[float, float, float]:
    """By how much more of the same words (n,) the second misses, and its 95 % interval.

    Bootstrap over words, or over people where they are known and are several; the thresholds stay as they are.
    """
    units = _units(speakers)
    apart = np.bincount(units, second.astype(float) - first.astype(float))
    sizes = np.bincount(units)
    drawn = np.random.default_rng(seed).multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), replicates)
    low, high = np.percentile((drawn @ apart) / (drawn @ sizes), [2.5, 97.5])
    return float(apart.sum() / sizes.sum()), float(low), float(high)


def difference_at(
    first: Heard,
    second: Heard,
    condition: str,
    fa_per_hour: float,
    wanted: Collection[int],
    *,
    seed: int = 1,
    replicates: int = REPLICATES,
) -> tuple[float, float]:
    """95 % interval of the difference at a rate of false accepts, over these words and over the speech as well.

    In every replicate the same words (or people) and the same recordings of speech are drawn for both, and both
    thresholds are found anew.
    """
    places = np.asarray(sorted(wanted))
    units = _units([first.speakers[i] for i in places])
    count, rng = int(units.max()) + 1, np.random.default_rng(seed)
    hours = first.others["speech"].hours
    apart = np.empty(replicates)
    for number in range(replicates):
        weights = np.bincount(rng.integers(count, size=count), minlength=count)[units]
        drawn = np.bincount(rng.integers(len(hours), size=len(hours)), minlength=len(hours))
        shares = [
            float(weights @ one.missed(condition, _redrawn(one.others["speech"], drawn, fa_per_hour))[places])
            / weights.sum()
            for one in (first, second)
        ]
        apart[number] = shares[1] - shares[0]
    low, high = np.percentile(apart, [2.5, 97.5])
    return float(low), float(high)


def _units(speakers: Sequence[str]) -> NDArray[np.int64]:
    """(words,) with whom each word is drawn: those of one person together, unless all are of one."""
    found, units = np.unique(np.asarray(speakers), return_inverse=True)
    return np.asarray(units if len(found) > 1 else np.arange(len(speakers)), np.int64)


def _redrawn(speech: Others, drawn: NDArray[np.int64], fa_per_hour: float) -> float:
    """The lowest threshold that keeps to the rate where each source comes so many times."""
    falling = np.argsort(-speech.peaks, kind="stable")
    accepted = np.cumsum(drawn[speech.owner[falling]])
    place = int(np.searchsorted(accepted, allowed_count(fa_per_hour, float(drawn @ speech.hours)), side="right"))
    return float(just_above(speech.peaks[falling][place])) if place < len(falling) else 0.0


def carried_out(recipe: Recipe, folder: Path) -> Run:
    """The run of this recipe in a folder: the whole one that is there, the one that was cut off, or a new one."""
    for path in reversed(Run.all(folder, recipe.phrase)):
        run = Run.open(path)
        if run.recipe == recipe:
            return run if run.status == "complete" else pipeline.train(recipe, output_dir=folder, resume=run)
    return pipeline.train(recipe, output_dir=folder)


def manifest_rows(speech: Path, use: str) -> list[dict[str, str]]:
    """The rows of manifest.csv for this use."""
    with (speech / "manifest.csv").open(newline="", encoding="utf-8-sig") as file:
        return [row for row in csv.DictReader(file) if row["use"] == use]
