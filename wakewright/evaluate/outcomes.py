"""What became of every single word and source in a measurement: what two runs are held against each other by.

    eval/outcomes.jsonl   first the date of the result that it belongs to, then a line for each word of each condition
                          and for each source of sound without the phrase

Counts say how many words were missed, not which; on the same recordings, those that both runs miss say nothing about
which of them is better.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from wakewright.core.errors import RunError
from wakewright.core.files import read_lines, write_text
from wakewright.core.manifest import Manifest
from wakewright.evaluate.metrics import Negatives, Trial
from wakewright.evaluate.real import Recording
from wakewright.evaluate.result import Result

NAME = "outcomes.jsonl"
"""File in a run's folder eval/."""
Labels = Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Word:
    """One spoken wake word."""

    condition: str
    clip: str
    """Path of its recording."""
    missed: bool
    """At the calibrated threshold."""
    groups: Labels
    """Who says it, and what it is heard in."""

    @property
    def speaker(self) -> str:
        """Who says it, else the recording."""
        return self.groups.get("speaker") or self.clip


@dataclasses.dataclass(frozen=True)
class Source:
    """One source of sound without the phrase."""

    silence: str
    """Kind of sound, as the result names it."""
    source: str
    """Speaker or recording."""
    hours: float
    false_accepts: int
    """At the calibrated threshold."""
    groups: Labels
    """Where it comes from."""

    @property
    def speaker(self) -> str:
        """Who speaks, else the source."""
        return self.groups.get("speaker") or self.source


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """Of one measurement."""

    words: tuple[Word, ...]
    sources: tuple[Source, ...]


_WORD, _SOURCE = TypeAdapter(Word), TypeAdapter(Source)


def outcomes(
    conditions: Mapping[str, Sequence[Trial]],
    negatives: Mapping[str, Negatives],
    threshold: float,
    origins: Mapping[str, Mapping[str, Labels]],
) -> Outcomes:
    """Of trials by condition and negatives by kind; `origins` are the labels of each kind's sources."""
    words = (
        Word(name, trial.clip or trial.source, trial.missed(threshold), dict(trial.groups))
        for name, trials in conditions.items()
        for trial in trials
    )
    return Outcomes(tuple(words), tuple(_sources(negatives, threshold, origins)))


def _sources(
    negatives: Mapping[str, Negatives], threshold: float, origins: Mapping[str, Mapping[str, Labels]]
) -> list[Source]:
    found = []
    for kind, heard in negatives.items():
        hits = heard.owner[heard.peaks >= np.float64(threshold)]
        counts = np.bincount(hits, minlength=len(heard.sources)).tolist()
        known = origins.get(kind, {})
        found += [
            Source(kind, name, hours, count, dict(known.get(name, {})))
            for name, hours, count in zip(heard.sources, heard.source_hours.tolist(), counts, strict=True)
        ]
    return found


def origins_of_clips(clips: Manifest) -> dict[str, Labels]:
    """{speaker: labels}: kind, engine or source, folder, file, as far as all that one speaker says agrees on it."""
    found: dict[str, dict[str, str]] = {}
    for clip in clips:
        labels = {"kind": clip.kind.replace("_", " "), "engine or source": clip.source}
        if clip.real:
            labels |= {"folder": str(Path(clip.path).parent), "file": clip.path}
        known = found.setdefault(clip.speaker, labels)
        found[clip.speaker] = {name: value for name, value in known.items() if labels.get(name) == value}
    return dict(found)


def origins_of_recordings(kind: str, recordings: Iterable[Recording]) -> dict[str, Labels]:
    """{recording: labels} of one kind of sound."""
    return {
        one.path: {
            "kind": kind,
            "corpus": one.corpus,
            "folder": str(Path(one.path).parent),
            "file": one.path,
            "speaker": one.speaker,
        }
        for one in recordings
    }


def write_outcomes(folder: Path, found: Outcomes, created: str) -> None:
    """Write NAME into `folder`, atomically; `created` is the date of the result that it belongs to."""
    lines = [{"created": created}, *map(dataclasses.asdict, found.words), *map(dataclasses.asdict, found.sources)]
    write_text(folder / NAME, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def read_outcomes(folder: Path, result: Result) -> Outcomes | None:
    """What `write_outcomes` wrote into `folder` with this result; None where there is none or that of another one.

    Raises RunError for a damaged file.
    """
    path = folder / NAME
    try:
        lines = read_lines(path)
        if not lines or lines[0]["created"] != result.created:
            return None
        words = tuple(_WORD.validate_python(line) for line in lines[1:] if "clip" in line)
        sources = tuple(_SOURCE.validate_python(line) for line in lines[1:] if "clip" not in line)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise RunError(f"{path} is damaged", got=str(error).splitlines()[0], do="evaluate the run again") from error
    found = Outcomes(words, sources)
    return found if _counts(found) == _counted(result) else None


def _counts(found: Outcomes) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Words and misses by condition, false accepts by kind."""
    events: Counter[str] = Counter()
    for one in found.sources:
        events[one.silence] += one.false_accepts
    words = Counter(word.condition for word in found.words)
    return words, Counter(word.condition for word in found.words if word.missed), +events


def _counted(result: Result) -> tuple[Counter[str], Counter[str], Counter[str]]:
    shares = {one.name: one.chosen.missed for one in result.conditions}
    words = Counter({name: share.total for name, share in shares.items()})
    misses = Counter({name: share.count for name, share in shares.items()})
    return +words, +misses, +Counter({one.name: one.false_accepts.count for one in result.silences})
