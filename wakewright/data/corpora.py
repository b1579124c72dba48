"""What sound there is on the disk: the folders a recipe names become a manifest of real clips, read from headers."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from wakewright.core.audio import duration, find_audio, load, rms
from wakewright.core.errors import AudioError
from wakewright.core.files import one_spelling
from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.core.material import Background
from wakewright.core.recipe import Recipe
from wakewright.data.corpus.clips import manifests_in
from wakewright.data.scene import SILENT

MANY_FOLDERS = 4
"""From this many folders at one depth below a root of background on, each is taken for one speaker (or one room)."""
OWN = "own recordings"
"""Source of the user's own recordings of the phrase."""
LONGEST_OWN_S = 10.0
"""An own recording that is longer holds more than the phrase."""
RECORDINGS = "recordings.jsonl"
"""What `wakewright record` lists its takes in: a manifest whose paths are relative to its folder."""


def scan(background: Background) -> Manifest:
    """The background sound that a recipe names: real clips of kind speech, noise, music or rir, sorted by path.

    `source` is the name of the root folder. `speaker` is the name of the folder at the first depth below the root
    that has at least four folders, else the file itself; noise and music always stand for themselves. Only headers
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
    unique = {(clip.kind, one_spelling(clip.path)): clip for clip in reversed(clips)}
    return Manifest(tuple(reversed(unique.values())))


def own_recordings(paths: Iterable[Path | str]) -> Manifest:
    """The user's recordings of the phrase: real positives, sorted by path; whoever speaks is the speaker.

    A person has a folder of their own below the one that is named, or stands in its recordings.jsonl; of the same
    name in two folders it is the same person. Files that lie in the named folder itself, or are named themselves, are
    each a speaker of their own. Raises AudioError for a path without audio and for a file that cannot be read,
    InputError for a recordings.jsonl that cannot.
    """
    found: dict[Path, Clip] = {}
    for path in paths:
        root = Path(path).expanduser()
        listed = _listed(root)
        for file in find_audio(root):
            place = file.resolve()
            clip = _own(file, root, listed.get(place))
            if place not in found or _stands_alone(found[place]):
                found[place] = clip
    return Manifest(tuple(sorted(found.values(), key=lambda clip: Path(clip.path))))


def checked(own: Manifest, recipe: Recipe) -> Manifest:
    """The same recordings, each of which was read.

    Raises AudioError for one that cannot be read, is silent, is too long to hold the phrase once, or is listed as
    one of another phrase.
    """
    said = {_squeezed(text) for text in (recipe.phrase, *recipe.phrases.spellings)}
    for clip in own:
        if clip.text and _squeezed(clip.text) not in said:
            raise AudioError(
                f"{clip.path} is a recording of another phrase",
                got=f"{clip.text!r}, where {recipe.phrase!r} is meant",
                do="name the folder with the recordings of this phrase",
            )
        if clip.seconds > LONGEST_OWN_S:
            raise AudioError(
                f"{clip.path} cannot be used",
                got=f"{clip.seconds:.0f} s, where the phrase takes one or two",
                do="cut it into recordings that hold the phrase once each, with: wakewright record --from-file",
            )
        if rms(load(clip.path)) < SILENT:
            raise AudioError(
                f"{clip.path} cannot be used",
                got="silence, where the phrase should be",
                do="remove it, or record it again nearer to the microphone",
            )
    return own


def _squeezed(text: str) -> str:
    return "".join(text.casefold().split())


def _own(file: Path, root: Path, listed: Clip | None) -> Clip:
    """A recording of the phrase, and what its list says of it."""
    below = file.relative_to(root).parts if root.is_dir() else (file.name,)
    # names come decomposed from some systems and composed from others
    person = unicodedata.normalize("NFC", below[0]) if len(below) > 1 else str(file)
    clip = _clip(file, "positive", speaker=(listed.speaker if listed else "") or person, source=OWN)
    return dataclasses.replace(clip, text=listed.text, licence=listed.licence) if listed else clip


def _stands_alone(clip: Clip) -> bool:
    return clip.speaker == clip.path


def _listed(root: Path) -> dict[Path, Clip]:
    """What is listed beside the recordings, or one folder above, where a person's own folder was named."""
    folder = root if root.is_dir() else root.parent
    for place in (folder, folder.parent):
        table = place / RECORDINGS
        if table.is_file():
            return {(place / clip.path).resolve(): clip for clip in Manifest.read(table)}
    return {}


def _scan_root(root: Path, kind: Kind) -> list[Clip]:
    listings = list(manifests_in(root))
    if listings:
        return _fetched(root, kind, listings)
    files = find_audio(root)
    named = zip(files, speakers(files, root, kind), strict=True)
    return [_clip(file, kind, speaker=speaker, source=name_of(root)) for file, speaker in named]


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


def speakers(files: Sequence[Path], root: Path, kind: Kind) -> list[str]:
    """Who or what is heard in each file below one root of background: the folder's name at the first depth with
    MANY_FOLDERS, so that what lies deeper, such as the chapters of one reader, stays together.

    With fewer folders at every depth each file stands for itself, as noise and music always do, and what lies above.
    """
    below = [file.relative_to(root).parts[:-1] if root.is_dir() else () for file in files]
    depths = () if kind in ("noise", "music") else range(1, max(map(len, below), default=0) + 1)
    depth = next((d for d in depths if len({b[:d] for b in below if len(b) >= d}) >= MANY_FOLDERS), None)
    return [
        folders[depth - 1] if depth and len(folders) >= depth else str(file)
        for file, folders in zip(files, below, strict=True)
    ]


def name_of(root: Path) -> str:
    """What a source is called: the folder's name, or that of the folder a file lies in."""
    absolute = one_spelling(root)
    return (absolute if absolute.is_dir() else absolute.parent).name


def _clip(file: Path, kind: Kind, *, speaker: str, source: str) -> Clip:
    return Clip(path=str(file), kind=kind, seconds=duration(file), speaker=speaker, source=source, real=True)
