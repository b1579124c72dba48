"""FMA small: eight thousand half minutes of music, each under the licence its artist chose."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from wakewright.core.errors import InputError
from wakewright.data.corpus.corpus import Corpus, Found, Part

_TABLE = "fma_metadata/tracks.csv"
_LONGEST_CELL = 1 << 24  # artists tell their lives in it


def _clips(folder: Path) -> Iterator[Found]:
    """fma_small/NNN/NNNNNN.mp3, each a track; artist and licence stand in the metadata beside the folder."""
    tables = (folder.parent / "metadata" / _TABLE, folder.parent / _TABLE)
    about = next((_tracks(table) for table in tables if table.is_file()), {})
    for path in sorted(folder.rglob("*.mp3")):
        artist, licence = about.get(path.stem.lstrip("0"), (path.stem, ""))
        yield Found(path, "music", artist, licence=licence)


def _tracks(table: Path) -> dict[str, tuple[str, str]]:
    """Artist and licence by number of the track. The first two lines name group and column, the third the index."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            columns = list(zip(next(rows, []), next(rows, []), strict=False))
            if not {("artist", "id"), ("track", "license")} <= set(columns):
                raise InputError(f"{table} is not FMA's table", got="other columns", do="get fma/metadata again")
            artist, licence = columns.index(("artist", "id")), columns.index(("track", "license"))
            wide = (row for row in rows if len(row) == len(columns) and row[0].isdigit())
            return {row[0]: (f"artist {row[artist]}", row[licence]) for row in wide}
    finally:
        csv.field_size_limit(before)


def _keep(path: PurePosixPath) -> bool:
    return path.suffix == ".mp3" or path.name in ("README.txt", "checksums", "tracks.csv")


CORPUS = Corpus(
    name="fma",
    title="FMA: A Dataset For Music Analysis (Defferrard et al.)",
    page="https://github.com/mdeff/fma",
    licence="per track",
    commercial=None,
    purpose="music behind the phrase",
    kinds=("music",),
    parts=(
        Part(
            "metadata",
            "https://os.unil.cloud.switch.ch/fma/fma_metadata.zip",
            358_412_441,
            270_000_000,
            "sha1:f0df49ffe5f2a6008d7dc83c6915b31835dfe733",
            tables=True,
        ),
        Part(
            "small",
            "https://os.unil.cloud.switch.ch/fma/fma_small.zip",
            7_679_594_875,
            7_800_000_000,
            "sha1:ade154f733639d52e35e32f5593efe5be76c6d70",
        ),
    ),
    usual=("metadata", "small"),
    clips=_clips,
    keep=_keep,
    remark="Most tracks are Creative Commons, many of them non-commercial; each clip carries its own licence.",
)
