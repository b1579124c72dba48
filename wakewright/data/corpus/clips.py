"""The clips of an unpacked corpus: what its adapter found, with each file's length."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from wakewright.core.audio import duration
from wakewright.core.engine import Advances, map_processes
from wakewright.core.errors import AudioError
from wakewright.core.manifest import Clip, Manifest
from wakewright.data.corpus.corpus import Corpus, Found

MANIFEST = "clips.jsonl"
"""File in a corpus's folder that lists its clips; it is written last, so the corpus is whole where it is."""
MOST_UNREADABLE = 0.05
"""Share of files that may be unreadable; above it the corpus counts as broken."""
_MANY = 5000  # from here on other processes are worth their start


def manifest_of(
    corpus: Corpus, folder: Path, progress_bar: Advances | None = None, *, workers: int | None = None
) -> tuple[Manifest, list[str]]:
    """The clips below `folder`, and why each file that is no clip was left out.

    The order is that of the adapter, on any number of workers (None: as many as are worth it). Raises AudioError when
    there is no clip at all, or when more than MOST_UNREADABLE of the files cannot be read.
    """
    found = list(corpus.clips(folder))
    if not found:
        raise AudioError(
            f"there is nothing of {corpus.name} in {folder}",
            got="none of the files that belong to it",
            do=f"check that it is {corpus.title}, unpacked as it was packed; else remove the folder and get it again",
        )
    workers = workers if workers is not None else 1 if len(found) < _MANY else 0
    made = list(map_processes(partial(_clip, corpus.name, corpus.licence), found, workers, 256, progress_bar))
    left_out = [one for one in made if isinstance(one, str)]
    if len(left_out) > MOST_UNREADABLE * len(found):
        raise AudioError(
            f"{len(left_out)} of {len(found)} files of {corpus.name} in {folder} cannot be read",
            got=left_out[0],
            do="remove the folder and get the corpus again",
        )
    return Manifest(tuple(one for one in made if isinstance(one, Clip))), left_out


def _clip(source: str, licence: str, found: Found) -> Clip | str:
    """The clip, or what is wrong with its file."""
    try:
        seconds = duration(found.path) if found.seconds is None else found.seconds
    except AudioError as error:
        return f"{error.what}: {error.got}"
    if found.seconds is not None and not found.path.is_file():
        return f"no recording at {found.path}: no such file"
    return Clip(
        path=str(found.path.absolute()),
        kind=found.kind,
        seconds=seconds,
        speaker=found.speaker,
        source=source,
        text=found.text,
        licence=found.licence or licence,
        real=True,
    )


def manifests_in(folder: Path) -> Iterator[Path]:
    """The lists of clips of a fetched part, of all parts of a corpus, or of all corpora, whichever `folder` is."""
    for depth in ("", "*/", "*/*/"):
        if found := sorted(folder.glob(depth + MANIFEST)):
            yield from found
            return
