"""A folder of recordings becomes a manifest: every file read once, what cannot be read said, nothing changed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from wakewright.core.audio import in_utf8
from wakewright.core.errors import InputError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.progress import Progress
from wakewright.data import quarantine
from wakewright.data.journal import Journal
from wakewright.data.layouts import Found
from wakewright.data.reading import Reading, Unreadable


@dataclasses.dataclass(frozen=True)
class Imported:
    """What an import found."""

    manifest: Manifest
    unreadable: tuple[tuple[str, Unreadable], ...]
    """Files that cannot be used, and why."""
    quarantined: int
    """Clips left out because they are on the manifest's quarantine list."""
    opened: int
    """Files that were opened; the others were known from the journal."""

    @property
    def counts(self) -> Counter[str]:
        """Clips by kind."""
        return Counter(clip.kind for clip in self.manifest)


def journal_of(manifest: Path) -> Path:
    """Where the journal of a manifest lies: clips.jsonl has clips.journal.jsonl."""
    return manifest.with_name(manifest.stem + ".journal.jsonl")


def import_found(found: Sequence[Found], out: Path, progress: Progress, *, workers: int = 0) -> Imported:
    """Read every recording and write the manifest of those that can be read to `out`, atomically and last.

    Killed at any moment it goes on where it stood: `journal_of(out)` holds what reading gave, so that files which
    have not changed are not opened again. Clips in `quarantine.beside(out)` are left out.

    Raises InputError when nothing is left, or when another import writes to the same place.
    """
    gone = quarantine.read(quarantine.beside(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    with Journal.open(journal_of(out)) as journal:
        results, opened = journal.read_all([str(f.path) for f in found], progress, workers)
        bad = {in_utf8(path): result for path, result in results.items() if isinstance(result, Unreadable)}
        kept = [(f, results[str(f.path)]) for f in found if str(f.path) not in gone]
        clips = tuple(clip_of(f, reading.seconds) for f, reading in kept if isinstance(reading, Reading))
        if not clips:
            path, why = next(iter(bad.items()), ("", Unreadable("every clip is quarantined", "")))
            raise InputError(
                "no recording is left to import",
                got=f"{path}: {why.got}" if path else why.got,
                do="name a folder whose files can be read, or remove " + str(quarantine.beside(out)),
            )
        manifest = Manifest(clips)
        manifest.write(out)
    return Imported(manifest, tuple(sorted(bad.items())), len(found) - len(kept), opened)


def clip_of(found: Found, seconds: float) -> Clip:
    """The clip that a file becomes."""
    return Clip(
        path=str(found.path),
        kind=found.kind,
        seconds=seconds,
        speaker=found.speaker,
        source=found.source,
        text=found.text,
        licence=found.licence,
        real=True,
        part=found.part,
    )
