"""What is searched for mistakes: files, folders and what comes in pieces, cut into blocks that fit into memory.

Every block begins with some seconds of what came before it, in which front end and model settle, so that it can be
heard by any process and in any order with the same result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples, duration, find_audio, load_part
from wakewright.core.csvfile import columns_and_rows
from wakewright.core.errors import AudioError, InputError
from wakewright.detect.judge import AFTER_S, quiet

BLOCK_S = 300.0
"""Length of a block; as LEAD_S a whole number of every model's steps, so that its steps are those of the stream."""
LEAD_S = 7.2
"""Sound before a block that is heard and not counted."""
TAIL_S = 3.0
"""Sound after a block that is heard: a peak near its end may belong to a higher one behind it."""
QUIET_S = 2.4
"""Quiet before the beginning of a source."""
WEB = ("http://", "https://")


@dataclasses.dataclass(frozen=True)
class Source:
    """A recording to search."""

    name: str
    """Where it is from: an absolute path, or an address."""
    path: str
    """File that is read."""
    seconds: float
    size: int
    mtime_ns: int
    """With `size` tells whether a file of this name is still the one that was searched."""

    @property
    def blocks(self) -> int:
        """How many blocks it is searched in."""
        return max(1, -(-round(1000 * self.seconds) // round(1000 * BLOCK_S)))

    @classmethod
    def of(cls, path: Path, name: str = "") -> Source:
        """Of a file; only its header is read. Raises AudioError."""
        seconds, about = duration(path), path.stat()
        return cls(name or str(path.resolve()), str(path), seconds, about.st_size, 0 if name else about.st_mtime_ns)


@dataclasses.dataclass(frozen=True)
class Block:
    """A stretch of a source: what is heard in one go."""

    source: Source
    number: int
    """Counting from 0."""
    sound: Samples | None = dataclasses.field(default=None, repr=False)
    """(n,) what is heard, where the source cannot be read again."""
    last: bool = False
    """Nothing comes behind it."""

    @property
    def start_s(self) -> float:
        """Seconds of the source before it."""
        return self.number * BLOCK_S

    @property
    def heard_from_s(self) -> float:
        """Seconds of the source before what is heard; below 0 where quiet is put in front."""
        return self.start_s - LEAD_S if self.number else -QUIET_S

    @property
    def end_s(self) -> float:
        """Seconds of the source until its end."""
        return self.source.seconds if self.last else self.start_s + BLOCK_S

    def samples(self) -> Samples:
        """(n,) what is heard, from `heard_from_s` on. Raises AudioError."""
        if self.sound is not None:
            return self.sound
        begin = max(0.0, self.heard_from_s)
        sound = load_part(self.source.path, begin, self.start_s + BLOCK_S + TAIL_S - begin)
        return framed(sound, first=self.number == 0, last=self.last)


def framed(sound: Samples, *, first: bool, last: bool) -> Samples:
    """The sound of a block, with quiet before the first of a source and behind the last."""
    return np.concatenate(([quiet(QUIET_S)] if first else []) + [sound] + ([quiet(AFTER_S)] if last else []))


def blocks_of(source: Source) -> Iterator[Block]:
    """All blocks of a file."""
    for number in range(source.blocks):
        yield Block(source, number, last=number == source.blocks - 1)


def kept_for_measuring(folders: Iterable[Path]) -> set[Path]:
    """Recordings that a manifest.csv in one of these folders, or above, keeps for measuring (see evaluate.real).

    Raises InputError for a table that cannot be read: what it keeps is then not known.
    """
    tables = {place / "manifest.csv" for folder in folders for place in (folder, *folder.parents)}
    kept: set[Path] = set()
    for table in tables:
        if not table.is_file():
            continue
        columns, rows = columns_and_rows(table)
        if {"path", "use"} <= set(columns):
            kept |= {(table.parent / row["path"]).resolve() for row in rows if row["use"] == "evaluate"}
    return kept


@dataclasses.dataclass(frozen=True)
class Material:
    """What a search goes through."""

    files: tuple[Source, ...]
    urls: tuple[str, ...]
    problems: tuple[str, ...]
    """Files that cannot be read, and why."""
    left_out: int
    """Recordings left out, since they are kept for measuring."""


def material(words: Sequence[str]) -> Material:
    """Files, folders and addresses of a command line; each file once.

    Raises AudioError for a folder without audio, and when nothing can be read; InputError when all of it is kept
    for measuring, and for an address that is neither http nor https.
    """
    urls = [word for word in words if "://" in word]
    for url in urls:
        if not url.lower().startswith(WEB):
            raise InputError(
                f"{url} cannot be searched", got="neither http nor https", do="name a file, or download it"
            )
    paths = list(dict.fromkeys(path.resolve() for word in words if "://" not in word for path in find_audio(word)))
    held = kept_for_measuring({path.parent for path in paths})
    open_to_us = [path for path in paths if path not in held]
    found, problems = [], []
    for path in open_to_us:
        try:
            found.append(Source.of(path))
        except AudioError as error:
            problems.append(error)
    left_out = len(paths) - len(open_to_us)
    if left_out and not open_to_us and not urls:
        raise InputError(
            "all of this is kept for measuring",
            got=f"{left_out} recordings that a manifest.csv marks with use=evaluate",
            do="mine other audio: what is learnt from can measure nothing any more",
        )
    if problems and not found and not urls:
        raise problems[0]
    return Material(tuple(found), tuple(urls), tuple(f"{p.what}: {p.got}" for p in problems), left_out)


def live_blocks(name: str, pieces: Iterable[Samples]) -> Iterator[Block]:
    """Blocks of sound that comes piece by piece, each as soon as what lies behind it has come."""
    unknown = Source(name, "", 0.0, 0, 0)
    block, lead, tail = (round(s * SAMPLE_RATE) for s in (BLOCK_S, LEAD_S, TAIL_S))
    waiting: list[Samples] = []
    have, number = 0, 0
    for piece in pieces:
        waiting.append(piece)
        have += len(piece)
        before = lead if number else 0
        if have >= before + block + tail:
            sound = np.concatenate(waiting)
            while len(sound) >= before + block + tail:
                heard = framed(sound[: before + block + tail], first=not number, last=False)
                yield Block(unknown, number, heard)
                sound = sound[before + block - lead :]
                number, before = number + 1, lead
            waiting, have = [sound], len(sound)
    rest = np.concatenate(waiting) if waiting else np.zeros(0, np.float32)
    whole_s = number * BLOCK_S + (len(rest) - (lead if number else 0)) / SAMPLE_RATE
    if whole_s > number * BLOCK_S:
        source = dataclasses.replace(unknown, seconds=whole_s)
        yield Block(source, number, framed(rest, first=not number, last=True), last=True)
