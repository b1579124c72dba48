"""What is learnt from and measured on as well: found after every split, named, and refused."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wakewright.core.errors import RecipeError
from wakewright.core.manifest import Clip, Manifest, Part
from wakewright.data.splits import Copies, Parts, file_of, speakers

NAMED = 5
"""Pairs that a message names at most."""
_WHY = {"file": "one file", "person": "{} speaks in both", "recording": "one recording"}


@dataclasses.dataclass(frozen=True, slots=True)
class Leak:
    """Two clips in two parts, of which one gives the other away."""

    first: str
    second: str
    parts: tuple[Part, Part]
    why: str

    def __str__(self) -> str:
        return f"{self.first} ({self.parts[0]}) and {self.second} ({self.parts[1]}): {self.why}"


def find(parts: Parts, copies: Copies = (), *, synthetic: bool = False) -> list[Leak]:
    """Every person, file or recording that lies in two parts: a pair of clips for each and every two parts.

    Measured rooms are not looked at; synthetic clips only when asked for, and their voices never: whether a voice is
    in two parts is told by the report.
    """
    group_of = {path: number for number, group in enumerate(copies) for path in group}
    first: dict[tuple[str, str], dict[Part, str]] = defaultdict(dict)
    for part, manifest in parts.items():
        for clip in manifest:
            if clip.kind != "rir" and (clip.real or synthetic):
                for tie in _ties(clip, group_of):
                    first[tie].setdefault(part, clip.path)
    found: dict[tuple[str, str], Leak] = {}
    for (what, name), by_part in sorted(first.items()):
        for one, other in itertools.combinations(by_part, 2):
            pair = by_part[one], by_part[other]
            found.setdefault(pair, Leak(*pair, (one, other), _WHY[what].format(name)))
    return list(found.values())


def named(found: Sequence[Leak]) -> str:
    """The first few pairs, and how many more there are."""
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return "; ".join(map(str, found[:NAMED])) + more


def refuse(found: Sequence[Leak]) -> None:
    """Raise RecipeError naming the pairs, where there are any."""
    if found:
        raise RecipeError(
            "what is learnt from would be measured on",
            got=named(found),
            do="put both of each pair into one part, or leave the parts to wakewright (see: wakewright data check); "
            "where a folder is no person, import again with --group-by",
        )


def refuse_taught(parts: Parts, taught: Manifest, run: Path | str, copies: Copies = ()) -> None:
    """Raise RecipeError when validation or test hold what the run that training goes on from has learnt.

    `taught` is the training part of that run, and of those that it went on from itself. Voices that are in two parts
    anyway, since there are too few, are not told of again.
    """
    against: Parts = {**parts, "train": taught}
    found = [leak for leak in find(against, copies) if "train" in leak.parts]
    fresh = (speakers(parts["validation"]) | speakers(parts["test"])) - speakers(parts["train"])
    if not found and not fresh & speakers(taught):
        return
    voices = ", ".join(sorted(" ".join(who) for who in fresh & speakers(taught))[:NAMED])
    raise RecipeError(
        f"{run} has learnt what would be measured on",
        got=named(found) or f"the voices {voices}",
        do="keep seed, voices and recordings as they are there, or train anew without --from",
    )


def _ties(clip: Clip, group_of: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """What must not be in two parts, as (what, name); the file is told of before the person."""
    yield "file", file_of(clip)
    if clip.real and clip.speaker and clip.speaker != clip.path:
        yield "person", f"{clip.speaker} of {clip.source}"
    if file_of(clip) in group_of:
        yield "recording", str(group_of[file_of(clip)])
