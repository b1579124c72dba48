"""Which recordings of a training are one recording, whatever their names: so that no two parts get a copy each.

Every recording is read once; what reading gave is kept in the cache, so that the next training knows it.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from wakewright.core.errors import InputError
from wakewright.core.files import cache_dir, fingerprint
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.progress import Progress
from wakewright.core.run import slug
from wakewright.data import twins
from wakewright.data.fingerprints import unpack
from wakewright.data.journal import Journal, Result
from wakewright.data.reading import SILENT_DB, Reading
from wakewright.data.splits import Copies

PATIENCE_S = 600.0
"""Longest wait for another training that reads the same recordings."""


def find(clips: Manifest, progress: Progress, *, workers: int = 0) -> Copies:
    """Groups of two and more files that hold one recording, in whatever format and at whatever level.

    Measured rooms and synthetic clips are left out, and what is silent: one silence is like the other. Costs some
    20 s of CPU per hour of audio the first time. Raises InputError when the same recordings are being read elsewhere
    for too long.
    """
    real = Manifest(tuple(clip for clip in clips if clip.real and clip.kind != "rir"))
    return among(real, progress, workers=workers)


def among(clips: Manifest, progress: Progress, *, workers: int = 0) -> Copies:
    """The same among all of these clips, synthetic ones too."""
    read: dict[str, Reading] = {}
    for (source, root), paths in sorted(_places(clips).items()):
        results = _read(cache_dir() / "readings" / _name(source, root), paths, progress, workers)
        read |= {path: found for path, found in results.items() if isinstance(found, Reading)}
    # in the order of their names: which clips are told of must not depend on which source came first
    heard = {path: read[path] for path in sorted(read) if read[path].level_db >= SILENT_DB}
    paths, readings = list(heard), list(heard.values())
    with progress.stage("look for copies", len(paths), "clips") as bar:
        exact, pairs = twins.among(
            paths, [one.digest for one in readings], [unpack(one.fingerprint) for one in readings], workers=workers
        )
        bar.advance(len(paths))
    return _merged([[paths[i] for i in group] for group in (*exact, *twins.groups(pairs))])


def _places(clips: Sequence[Clip] | Manifest) -> dict[tuple[str, str], list[str]]:
    """Files by their source and the folder that holds all of it."""
    by_source: dict[str, list[str]] = defaultdict(list)
    for clip in clips:
        by_source[clip.source].append(str(Path(clip.path).absolute()))
    return {
        (source, os.path.commonpath([str(Path(path).parent) for path in paths])): list(dict.fromkeys(paths))
        for source, paths in by_source.items()
    }


def _name(source: str, root: str) -> str:
    return f"{slug(source)}-{fingerprint(root)[:8]}.jsonl"


def _read(journal: Path, paths: Sequence[str], progress: Progress, workers: int) -> dict[str, Result]:
    """What reading gave; another training that reads the same is waited for."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            with Journal.open(journal) as opened:
                return opened.read_all(paths, progress, workers)[0]
        except InputError:
            if time.monotonic() >= until:
                raise
            time.sleep(1.0)


def _merged(groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """Groups that share a file become one."""
    found: dict[str, set[str]] = {}
    for group in groups:
        family = set(group).union(*(found.get(path, set()) for path in group))
        found.update(dict.fromkeys(family, family))
    unique = {id(family): sorted(family) for family in found.values()}
    return sorted(unique.values())
