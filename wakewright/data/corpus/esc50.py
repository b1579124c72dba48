"""ESC-50: two thousand five-second clips of fifty kinds of sound."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from wakewright.core.errors import InputError
from wakewright.data.corpus.corpus import Corpus, Found, Part


def _clips(folder: Path) -> Iterator[Found]:
    """audio/FOLD-SOURCE-TAKE-CLASS.wav; meta/esc50.csv says from which recording each was cut."""
    for listing in sorted(folder.rglob("meta/esc50.csv")):
        with listing.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if not {"filename", "src_file"} <= row.keys() or not row["filename"]:
                    raise InputError(f"{listing} is not ESC-50's list", got=str(row)[:200], do="get the corpus again")
                path = listing.parent.parent / "audio" / PurePosixPath(row["filename"]).name
                yield Found(path, "noise", str(row["src_file"]))


def _keep(path: PurePosixPath) -> bool:
    return len(path.parts) <= 2 or path.parts[1] in ("audio", "meta")


CORPUS = Corpus(
    name="esc50",
    title="ESC-50 (Piczak)",
    page="https://github.com/karolpiczak/ESC-50",
    licence="CC-BY-NC-3.0",
    commercial=False,
    purpose="single sounds: dogs, doors, clocks, saws",
    kinds=("noise",),
    parts=(
        Part(
            "all",
            "https://github.com/karolpiczak/ESC-50/archive/master.zip",
            647_000_000,
            890_000_000,
            None,
            exact=False,
        ),
    ),
    usual=("all",),
    clips=_clips,
    keep=_keep,
    remark="GitHub packs the archive anew now and then, so its bytes may change.",
)
