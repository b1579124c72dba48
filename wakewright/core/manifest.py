"""Clips and manifests: what audio there is, whose voice, from where, under which licence."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from wakewright.core.errors import InputError
from wakewright.core.files import write_text

Kind = Literal["positive", "near_miss", "speech", "noise", "music", "rir", "hard_negative"]
"""hard_negative: mined sound that a person confirmed not to be the phrase; only ever learnt from."""
Part = Literal["train", "validation", "test"]


@dataclasses.dataclass(frozen=True, slots=True)
class Clip:
    """One recording: where it lies, what it is, who speaks, and which part of the data it belongs to."""

    path: str
    """File, absolute or relative to the working folder."""
    kind: Kind
    """What the clip is for."""
    seconds: float
    """Length in seconds at 16 kHz."""
    speaker: str = ""
    """Voice or person; clips of one speaker never fall into two parts."""
    source: str = ""
    """Engine or corpus the clip came from."""
    text: str = ""
    """What is said, when known."""
    licence: str = ""
    """Licence of the voice or corpus."""
    real: bool = False
    """True for a recording of a person or a place, False for synthetic sound."""
    foreign: bool = False
    """True for a synthetic voice of another language, which reads the text by its own rules."""
    part: Part | Literal[""] = ""
    """The part its owner put it into; empty leaves that to the split."""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """An ordered collection of clips, stored as one JSON object per line."""

    clips: tuple[Clip, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def __add__(self, other: Manifest) -> Manifest:
        return Manifest(self.clips + other.clips)

    def of(self, *kinds: Kind) -> Manifest:
        """Only the clips of these kinds."""
        return Manifest(tuple(c for c in self.clips if c.kind in kinds))

    @property
    def seconds(self) -> float:
        """Total length in seconds."""
        return sum(c.seconds for c in self.clips)

    @property
    def real_seconds(self) -> float:
        """Length of the real recordings in seconds."""
        return sum(c.seconds for c in self.clips if c.real)

    def fingerprint(self) -> str:
        """Sixteen hex digits over every field of every clip."""
        return hashlib.sha256(self.to_jsonl().encode()).hexdigest()[:16]

    def to_jsonl(self) -> str:
        """The manifest as JSON Lines."""
        return "".join(json.dumps(dataclasses.asdict(c), ensure_ascii=False) + "\n" for c in self.clips)

    def write(self, path: Path | str) -> None:
        """Write as JSON Lines, atomically."""
        write_text(path, self.to_jsonl())

    @classmethod
    def read(cls, path: Path | str) -> Manifest:
        """Read JSON Lines. Raises InputError naming the line that cannot be read."""
        clips = []
        for number, line in enumerate(Path(path).read_bytes().splitlines(), 1):  # of text also at U+2028
            try:
                clips.append(Clip(**json.loads(line.decode())))
            except (ValueError, TypeError) as error:
                raise InputError(
                    f"{path}, line {number}, is not a clip", got=str(error), do="make the manifest again"
                ) from error
        return cls(tuple(clips))


def place(name: str) -> float:
    """A number in 0..1 that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7]) / 2**56
