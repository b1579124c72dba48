"""Who is heard in recordings that lie in folders: what is never parted, as the folders or the user tell it.

The first folder below the one that tells the kind is a group: positive/ann/kitchen/1.wav is ann's, wherever she said
it. A file that lies in the folder of its kind itself is a group of its own. Noise and music stand file by file, since
their folders tell what is heard and not where. All of it gives way to what the user says with --group-by.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from wakewright.core.errors import InputError
from wakewright.core.manifest import Clip, Kind

GROUP = "{group}"
"""Stands in a pattern for the name of the group."""
BY_FILE = "file"
"""Said instead of a pattern: each file is a group of its own."""
BY_ITSELF: tuple[Kind, ...] = ("noise", "music")
"""Kinds whose folders are no groups."""
NAMED = 12
"""Groups of a kind that are told by name."""
_HELP = f"--group-by [FOLDER=]PATTERN with {GROUP} in it, as in '{GROUP}-*' or '*/{GROUP}', or FOLDER={BY_FILE}"


@dataclasses.dataclass
class _Wish:
    """One --group-by: where it holds, and how a group is read off a path below there."""

    words: str
    folder: str | None
    """Path below the set; None for below the folder of each kind."""
    pattern: re.Pattern[str] | None
    """None where each file stands for itself."""
    used: bool = False


class Grouping:
    """Groups of the files of one set."""

    def __init__(self, wishes: Sequence[str] = ()) -> None:
        """`wishes` are the words of --group-by. Raises InputError for words that cannot be meant."""
        self._wishes = [_wish(words) for words in wishes]
        for place, count in Counter(wish.folder for wish in self._wishes).items():
            if count > 1:
                raise InputError(
                    f"--group-by says two things of {place or 'every folder'}",
                    got=", ".join(wish.words for wish in self._wishes if wish.folder == place),
                    do="leave one out",
                )

    def group_of(self, file: Path, root: Path, depth: int, kind: Kind) -> str:
        """The group of a file below `root`, `depth` folders of whose path tell its kind; its path where it is alone.

        Raises InputError when a pattern that holds for it does not fit it.
        """
        below = file.relative_to(root).with_suffix("").parts
        wish = self._for("/".join(below[:-1]))
        if wish is None:
            alone = kind in BY_ITSELF or len(below) == depth + 1
            return str(file) if alone else unicodedata.normalize("NFC", below[depth])
        wish.used = True
        if wish.pattern is None:
            return str(file)
        place = "/".join(below[depth:])
        if wish.folder is not None:
            place = posixpath.relpath("/".join(below), wish.folder)
        found = wish.pattern.fullmatch(place)
        if found is None:
            raise InputError(
                f"--group-by {wish.words} does not fit every file",
                got=f"{file}, where {place} was looked at",
                do=f"name the folder that it is for, and another for the rest: {_HELP}",
            )
        whole = found.end("group") == len(place) and (place[: found.start("group")][-1:] or "/") == "/"
        return str(file) if whole else unicodedata.normalize("NFC", found["group"])

    def refuse_unused(self, root: Path) -> None:
        """Raise InputError for a folder that holds no file."""
        idle = [wish.words for wish in self._wishes if wish.folder is not None and not wish.used]
        if idle:
            raise InputError(
                "--group-by names folders without audio",
                got=", ".join(idle),
                do=f"write the path of a folder below {root}: {_HELP}",
            )

    def _for(self, place: str) -> _Wish | None:
        """The wish for the innermost folder around a place."""
        fits = [w for w in self._wishes if w.folder in (None, ".") or f"{place}/".startswith(f"{w.folder}/")]
        return max(fits, key=lambda w: 0 if w.folder is None else len(w.folder), default=None)


def _wish(words: str) -> _Wish:
    folder, equals, pattern = words.rpartition("=")
    if pattern != BY_FILE and pattern.count(GROUP) != 1:
        raise InputError(f"--group-by needs {GROUP} once", got=words, do=_HELP)
    name = posixpath.normpath(Path(folder).as_posix()) if equals else None
    return _Wish(words, name, None if pattern == BY_FILE else _compiled(pattern))


def _compiled(pattern: str) -> re.Pattern[str]:
    """What fits the beginning of a path, name by name; * is any part of a name, a group the shortest that fits."""
    told = re.escape(pattern.strip("/")).replace(r"\*", "[^/]*").replace(re.escape(GROUP), "(?P<group>[^/]+?)")
    return re.compile(f"{told}(?:/.*)?")


def told(clips: Sequence[Clip], by_folder: bool) -> list[str]:
    """What was taken for a group, kind by kind, and what to do where that is not so; noise file by file is not told.

    `by_folder` for groups that were read off folders.
    """
    lines, asks = [], False
    for kind in get_args(Kind):
        mine = [clip for clip in clips if clip.kind == kind]
        groups = Counter(clip.speaker for clip in mine if clip.speaker not in ("", clip.path))
        alone = len(mine) - groups.total()
        if not mine or (not groups and kind in BY_ITSELF):
            continue
        asks = True
        names = ", ".join(f"{name} ({count:,})" for name, count in sorted(groups.items())[:NAMED])
        more = f" and {len(groups) - NAMED:,} more" if len(groups) > NAMED else ""
        each = f"{alone:,} file{'s' if alone > 1 else ''}, each by itself" if alone else ""
        said = "; ".join(words for words in (names + more, each) if words)
        lines.append(f"groups of {kind.replace('_', ' ')}: {len(groups) + alone:,}: {said}")
    if asks:
        other = "a folder for each, or --group-by" if by_folder else "see --columns and --layout"
        lines.append(
            "a group (a person, a voice, a recording that was cut up) is never both learnt from and measured on; "
            f"are these others? {other}"
        )
    return lines + [line for kind in ("positive", "speech") for line in _few(clips, kind)]


def _few(clips: Sequence[Clip], kind: Kind) -> list[str]:
    """What is missing where a kind has too few groups for three parts."""
    count = len({clip.speaker or clip.path for clip in clips if clip.kind == kind and not clip.part})
    if count == 1:
        return [f"! one group of {kind}: it is learnt from, and validation and the test have synthetic voices alone"]
    if count == 2:
        return [f"! two groups of {kind}: one is learnt from, one validated on; the test has synthetic voices alone"]
    return []
