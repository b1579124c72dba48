"""The mined folder: sound without the phrase that woke a detector, or nearly did, and what people said of it.

    found.jsonl      one line per sound, always whole: written anew whenever a block of audio brought something
    sounds/          ID.wav, two seconds each
    labels.json      {ID: {"label", "how"}}: what was said of each by a person or a list
    phrase.txt       paths of the sounds that hold the phrase after all
    journal.jsonl    one line per block of audio that was searched

It lies at `RUN/mined/` unless another place was named; `RUN/mined-elsewhere.jsonl` then says where.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

from wakewright.core.errors import InputError, RunError
from wakewright.core.files import append_line, read_lines, write_json, write_text

FoundKind = Literal["false_accept", "near_miss"]
Label = Literal["negative", "phrase"]
"""negative: not the phrase, a confirmed hard negative; phrase: somebody says it."""
LABELS: tuple[Label, ...] = get_args(Label)

ELSEWHERE = "mined-elsewhere.jsonl"
"""In a run: the folders besides its own that what it stumbled over was put into, one on each line."""

_OURS = re.compile(r"[0-9a-f]{16}\.wav")


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """One sound that stirred the detector."""

    id: str
    """Sixteen hex digits over its samples; its sound is `sounds/ID.wav`."""
    kind: FoundKind
    """false_accept: the score reached the threshold; near_miss: it came near."""
    score: float
    """Smoothed score at its peak."""
    threshold: float
    """Of the detector at that time."""
    judge: float | None
    """Confidence of the Judge; None when none was asked."""
    source: str
    """File or address it was found in."""
    at_s: float
    """Seconds into the source at which the score was highest."""
    start_s: float
    """Seconds into the source at which the sound begins."""
    seconds: float
    """Length of the sound."""


@dataclasses.dataclass(frozen=True)
class Mined:
    """A mined folder."""

    folder: Path
    """It need not be there yet."""

    @classmethod
    def at(cls, path: Path | str) -> Self | None:
        """The mined folder at `path`, or in the run at `path`; None where neither is."""
        path = Path(path).expanduser()
        there = (folder for folder in (path, path / "mined") if (folder / "found.jsonl").is_file())
        return next((cls(folder) for folder in there), None)

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """The mined folder at `path`, or in the run at `path`. Raises InputError where neither is."""
        if (found := cls.at(path)) is not None:
            return found
        place = Path(path).expanduser()
        others = [folder for folder in elsewhere(place) if cls.at(folder) is not None]
        raise InputError(
            f"nothing was mined at {path}",
            got="no found.jsonl there, nor in a folder mined/ of it" if place.exists() else "no such folder",
            do=f"name the folder that it mined into: {', '.join(map(str, others))}"
            if others
            else "search audio without the phrase: wakewright mine RUN AUDIO",
        )

    def found(self) -> list[Found]:
        """What was found, in the order of finding. Raises RunError for a damaged list."""
        path = self.folder / "found.jsonl"
        try:
            return [Found(**line) for line in read_lines(path)]
        except (ValueError, TypeError) as error:
            raise RunError(
                f"{path} is damaged", got=str(error), do="restore it, or mine into another folder"
            ) from error

    def write(self, found: Collection[Found]) -> None:
        """Replace the list of what was found, atomically. The sounds must be there already."""
        lines = [json.dumps(dataclasses.asdict(one), ensure_ascii=False) + "\n" for one in found]
        write_text(self.folder / "found.jsonl", "".join(lines))

    def sound(self, one: Found) -> Path:
        """Where the sound of this find lies."""
        return self.sound_of(one.id)

    def sound_of(self, name: str) -> Path:
        """Where the sound with this ID lies, or would."""
        return self.folder / "sounds" / f"{name}.wav"

    def drop_strays(self) -> None:
        """Remove sounds of ours that the list does not know: a kill left them."""
        known = {f"{one.id}.wav" for one in self.found()}
        for path in (self.folder / "sounds").glob("*.wav"):
            if _OURS.fullmatch(path.name) and path.name not in known:
                path.unlink()

    # What people said.

    def labels(self) -> dict[str, Label]:
        """{ID: label} of what was labelled. Raises RunError for a damaged file."""
        return {name: entry["label"] for name, entry in self._labels().items()}

    def label(self, names: Collection[str], label: Label, how: str) -> None:
        """Say what these finds are; written at once. `how` tells who said it: heard, file or all."""
        self.label_all(dict.fromkeys(names, label), how)

    def label_all(self, labels: Mapping[str, Label], how: str) -> None:
        """As `label`, of several at once: all of them, or, after a kill, none."""
        stored = self._labels() | {name: {"label": label, "how": how} for name, label in labels.items()}
        write_json(self._labels_path, stored)
        spoken = [name for name, entry in stored.items() if entry["label"] == "phrase"]
        if spoken or self.phrases_path.exists():
            write_text(self.phrases_path, "".join(f"{self.sound_of(name).resolve()}\n" for name in spoken))

    def labelled(self, label: Label) -> list[Found]:
        """The finds with this label, in the order of finding."""
        labels = self.labels()
        return [one for one in self.found() if labels.get(one.id) == label]

    def unlabelled(self) -> list[Found]:
        """The finds without a label, the highest scores first."""
        labels = self.labels()
        return sorted((one for one in self.found() if one.id not in labels), key=lambda one: -one.score)

    @property
    def phrases_path(self) -> Path:
        """phrase.txt: the sounds that hold the phrase after all, a path on each line. Nothing uses them by itself."""
        return self.folder / "phrase.txt"

    @property
    def _labels_path(self) -> Path:
        return self.folder / "labels.json"

    def _labels(self) -> dict[str, dict[str, Any]]:
        path = self._labels_path
        if not path.is_file():
            return {}
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            wrong = [name for name, entry in stored.items() if entry["label"] not in LABELS]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunError(
                f"{path} is damaged", got=str(error), do="restore it, or remove it and review again"
            ) from error
        if wrong:
            raise RunError(
                f"{path} holds labels that are none", got=", ".join(wrong[:3]), do="use " + " or ".join(LABELS)
            )
        return dict(stored)

    # What was searched.

    def journal(self) -> Iterator[dict[str, Any]]:
        """The blocks of audio that were searched, in order."""
        yield from read_lines(self.folder / "journal.jsonl")

    def note_block(self, **values: Any) -> None:
        """Note that a block was searched. Call it last, when everything found in it is on disk."""
        append_line(self.folder / "journal.jsonl", values)


def remember(run: Path, folder: Path) -> None:
    """Note in the run's folder that it mines into `folder`, unless that is its own or noted already."""
    folder = folder.resolve()
    if folder != (run / "mined").resolve() and folder not in elsewhere(run):
        append_line(run / ELSEWHERE, {"folder": str(folder)})


def elsewhere(run: Path) -> list[Path]:
    """The folders besides its own that a run has mined into, there or gone. Raises RunError for a damaged list."""
    path = run / ELSEWHERE
    try:
        return [Path(line["folder"]) for line in read_lines(path)]
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"{path} is damaged", got=str(error), do="remove it, and mine again into the folders it named"
        ) from error
