"""Under which licence recordings came, as far as anything beside them says, and what hinders passing on a model."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wakewright.core.csvfile import columns_and_rows
from wakewright.core.manifest import Clip, Manifest

UNSTATED = "not stated"
FOR_SOME = r"research|academic|personal|private use|evaluation only|educational"
"""Words of a licence that is for some purposes alone."""
LISTING = "manifest.csv"
"""A table beside recordings or above them; its columns `path` and `licence` are read."""
FILES = ("LICEN[CS]E*", "COPYING*")
"""Files in a folder whose first line says under what it comes."""
NOT_SOLD = r"\bnc\b|non ?commercial|\bnot? (for )?commercial|not to be sold"
NOT_KNOWN = r"^$|unknown|\bno(t|ne) (stated|known|given)\b|^none$|^n/a$|^per track$"
"""Per track is what is said of a corpus whose clip does not say its own."""
HINDRANCES = (
    (NOT_SOLD, "not for commercial use"),
    (r"\bnd\b|no ?deriv", "no derived works"),
    (r"\bsa\b|share ?alike", "derived works under the same terms alone"),
    (NOT_KNOWN, "nobody says that it may"),
)
"""Words of a licence, and what they mean for a model."""


def hindrance(licence: str) -> str:
    """What in a licence stands against passing on what learnt from it under terms of one's own; "" for nothing."""
    return next((why for pattern, why in HINDRANCES if re.search(pattern, _words(licence))), "")


def unsold(licence: str) -> str:
    """Why what learnt from it may not be sold: the licence, where it says so, "not known" for none; else ""."""
    if re.search(NOT_KNOWN, _words(licence)):
        return "not known"
    return licence if re.search(rf"{NOT_SOLD}|{FOR_SOME}", _words(licence)) else ""


def _words(licence: str) -> str:
    return licence.strip().casefold().replace("-", " ").replace("_", " ")


def licence_of(clip: Clip, given: Sequence[str], tables: dict[Path, dict[str, str]] | None = None) -> str:
    """What the clip says itself, else a table, else a licence file above it, else what is given for its folder.

    `given` are texts for every folder that says nothing, or NAME=TEXT for the folder of that name. `tables` keeps the
    listings that were read.
    """
    path = Path(clip.path).resolve()
    named = dict(text.split("=", 1) for text in given if "=" in text)
    plain = [text for text in given if "=" not in text]
    return (
        clip.licence
        or named.get(clip.source, "")
        or _listed(path, {} if tables is None else tables)
        or _filed(path, clip.source)
        or "; ".join(plain)
        or UNSTATED
    )


def _listed(path: Path, tables: dict[Path, dict[str, str]]) -> str:
    for folder in path.parents:
        if folder not in tables:
            tables[folder] = _table(folder / LISTING)
        if str(path) in tables[folder]:
            return tables[folder][str(path)]
    return ""


def _table(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    columns, rows = columns_and_rows(path)
    if not {"path", "licence"} <= set(columns):
        return {}
    return {str((path.parent / row["path"]).resolve()): row["licence"] for row in rows}


def _filed(path: Path, source: str) -> str:
    """The first line of a licence file between the recording and the folder that was named."""
    for folder in path.parents:
        for file in sorted(found for pattern in FILES for found in folder.glob(pattern)):
            lines = [line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
            return next((line for line in lines if line), "")[:80]
        if folder.name == source:
            break
    return ""


def recordings(clips: Manifest, given: Sequence[str]) -> list[dict[str, Any]]:
    """Of each corpus, kind and licence of real clips: how many and how long, in a fixed order."""
    tables: dict[Path, dict[str, str]] = {}
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for clip in clips:
        if clip.real:
            groups[clip.source, clip.kind, licence_of(clip, given, tables)].append(clip.seconds)
    return [
        {"corpus": corpus, "kind": kind, "licence": licence, "clips": len(seconds), "hours": _hours(seconds)}
        for (corpus, kind, licence), seconds in sorted(groups.items())
    ]


def voices(clips: Manifest) -> list[dict[str, Any]]:
    """Of each synthesiser and licence: how many voices said how many sentences, and for how long."""
    groups: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in clips.of("speech"):
        if not clip.real:
            groups[clip.source, clip.licence].append(clip)
    return [
        {
            "engine": engine,
            "licence": licence or UNSTATED,
            "voices": len({clip.speaker for clip in said}),
            "clips": len(said),
            "hours": _hours([clip.seconds for clip in said]),
        }
        for (engine, licence), said in sorted(groups.items())
    ]


def hindered(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """What stands against passing on, a line for each source of `recordings` or `voices`."""
    lines = []
    for one in sources:
        if why := hindrance(one["licence"]):
            line = f"{one.get('corpus') or one['engine']} ({one['licence']}): {why}"
            if line not in lines:
                lines.append(line)
    return lines


def _hours(seconds: Sequence[float]) -> float:
    return round(sum(seconds) / 3600, 4)
