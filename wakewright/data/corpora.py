"""What sound there is on the disk: the folders a recipe names become a manifest of real clips, read from headers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wakewright.core.audio import duration, find_audio
from wakewright.core.errors import AudioError
from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.core.recipe import Background
from wakewright.data.corpus.clips import manifests_in

MANY_FOLDERS = 4
"""From this many innermost folders below a root on, a folder is taken for one speaker (or one room)."""


def scan(background: Background) -> Manifest:
    """The background sound that a recipe names: real clips of kind speech, noise, music or rir, sorted by path.

    `source` is the name of the root folder. `speaker` is the innermost folder's name where the tree below the root
    has at least four of them, else the file itself; noise and music always stand for themselves. Only headers
    are read. A corpus that `wakewright data get` fetched tells its own speakers, texts and licence.
    Raises AudioError for a folder without audio and for a file that cannot be read.
    """
    clips: list[Clip] = []
    groups: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("speech", background.speech),
        ("noise", background.noise),
        ("music", background.music),
        ("rir", background.rirs),
    )
    for kind, roots in groups:
        clips += [clip for root in roots for clip in _scan_root(Path(root).expanduser(), kind)]
    unique = {(clip.kind, clip.path): clip for clip in reversed(clips)}
    return Manifest(tuple(clip for key, clip in reversed(unique.items())))


def own_recordings(paths: Iterable[Path | str]) -> Manifest:
    """The user's recordings of the phrase: real positives, each file a speaker of its own: files are kept apart.

    Raises AudioError for a path without audio and for a file that cannot be read.
    """
    files = sorted({file for path in paths for file in find_audio(path)})
    return Manifest(tuple(_clip(file, "positive", speaker=str(file), source="own recordings") for file in files))


def _scan_root(root: Path, kind: Kind) -> list[Clip]:
    listings = list(manifests_in(root))
    if listings:
        return _fetched(root, kind, listings)
    files = find_audio(root)
    by_folder = kind in ("speech", "rir") and len({file.parent for file in files}) >= MANY_FOLDERS
    return [
        _clip(file, kind, speaker=file.parent.name if by_folder else str(file), source=_name(root)) for file in files
    ]


def _fetched(root: Path, kind: Kind, listings: list[Path]) -> list[Clip]:
    """The clips of a kind in a fetched corpus, from its own lists."""
    clips = [clip for listing in listings for clip in Manifest.read(listing).of(kind)]
    if not clips:
        raise AudioError(f"no {kind} in {root}", got="a corpus of other kinds", do="name one that has it")
    gone = next((clip.path for clip in clips if not Path(clip.path).is_file()), None)
    if gone is not None:
        raise AudioError(
            f"{root} was moved since it was fetched",
            got=f"no recording at {gone}",
            do="run wakewright data get again with --to, which lists what is there anew",
        )
    return sorted(clips, key=lambda clip: clip.path)


def _name(root: Path) -> str:
    absolute = root.absolute()
    return (absolute if absolute.is_dir() else absolute.parent).name


def _clip(file: Path, kind: Kind, *, speaker: str, source: str) -> Clip:
    return Clip(path=str(file), kind=kind, seconds=duration(file), speaker=speaker, source=source, real=True)
