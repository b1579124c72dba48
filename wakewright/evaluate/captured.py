"""Everything that was ever captured around two runs of a phrase, and what a detector makes of it once more."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from wakewright.core.audio import load
from wakewright.core.engine import map_processes
from wakewright.core.errors import InputError
from wakewright.core.mined import ELSEWHERE, Label, Mined, elsewhere
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.detect.judge import SHORTEST_S, Judge


@dataclasses.dataclass(frozen=True)
class Captured:
    """The sounds of all mined folders that the runs of a phrase know of, each once."""

    labelled: dict[str, tuple[Path, Label]]
    """{ID: sound and label}"""
    unlabelled: dict[str, tuple[Path, float]]
    """{ID: sound and its seconds} of those that have no label in any of the folders."""
    gone: tuple[Path, ...]
    """Folders that are not there any more."""
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    """{ID: what it was found in}"""


def captured(old: Run, new: Run) -> Captured:
    """What lies in the runs beside both, in other folders that these mined into, and in what both learnt from.

    Sounds too short to be judged are left out. Raises InputError for a sound that has two labels.
    """
    labelled: dict[str, tuple[Path, Label]] = {}
    sources: dict[str, str] = {}
    unlabelled: dict[str, tuple[Path, float]] = {}
    named = list(dict.fromkeys(_named(old, new)))
    for folder in sorted({mined.folder.resolve() for path in named if (mined := Mined.at(path)) is not None}):
        mined = Mined(folder)
        labels = mined.labels()
        for one in mined.found():
            sound, label = mined.sound(one), labels.get(one.id)
            if one.seconds < SHORTEST_S:
                continue
            sources.setdefault(one.id, one.source)
            if label is None:
                unlabelled[one.id] = (sound, one.seconds)
            elif labelled.setdefault(one.id, (sound, label))[1] != label:
                raise InputError(
                    "a sound has two labels",
                    got=f"{sound} and {labelled[one.id][0]}",
                    do="label both alike: wakewright review DIR --label FILE",
                )
    gone = (path for path in named if Mined.at(path) is None and not (path / "journal.jsonl").is_file())
    return Captured(labelled, {i: one for i, one in unlabelled.items() if i not in labelled}, tuple(gone), sources)


def _named(old: Run, new: Run) -> Iterator[Path]:
    """Every folder that something may lie in."""
    for run in (old, new):
        phrase = run.folder.parent
        yield from (found.parent for found in phrase.glob("*/mined/found.jsonl"))
        for note in phrase.glob(f"*/{ELSEWHERE}"):
            yield from elsewhere(note.parent)
        yield from map(Path, run.recipe.mined.paths if run.recipe.mined else ())


@functools.lru_cache(maxsize=2)
def _judge(folder: str) -> Judge:
    return Judge.load(folder)


def _accepts(path: str, *, folder: str) -> bool:
    return _judge(folder).verify(load(path)).prediction


def replay(run: Run, sounds: Sequence[Path], workers: int, progress: Progress) -> list[bool]:
    """Whether the detector of the run wakes at each sound, by itself with quiet around it, at its own threshold."""
    work = functools.partial(_accepts, folder=str(run.folder))
    with progress.stage(f"replay {run.folder.name}", len(sounds), "sounds") as bar:
        return list(map_processes(work, map(str, sounds), workers=workers, chunk=8, progress_bar=bar))
