"""MUSAN: music, speech and noise in one archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wakewright.core.manifest import Kind
from wakewright.data.corpus.corpus import Corpus, Found, Part

_KINDS: dict[str, Kind] = {"music": "music", "noise": "noise", "speech": "speech"}


def _clips(folder: Path) -> Iterator[Found]:
    """musan/KIND/SOURCE/KIND-SOURCE-NUMBER.wav; music/SOURCE/ANNOTATIONS has genre, vocals and artist of each piece.

    A piece of music counts as its artist's. Speech is one reader's per file, as far as the corpus tells.
    """
    for name, kind in _KINDS.items():
        for source in sorted(path for path in folder.glob(f"**/musan/{name}/*") if path.is_dir()):
            artists = _artists(source / "ANNOTATIONS") if kind == "music" else {}
            for path in sorted(source.glob("*.wav")):
                yield Found(path, kind, artists.get(path.stem, path.stem))


def _artists(annotations: Path) -> dict[str, str]:
    """Artist by piece. A line that names none leaves the piece to stand for itself."""
    if not annotations.is_file():
        return {}
    rows = (line.split() for line in annotations.read_text(encoding="utf-8", errors="replace").splitlines())
    return {row[0]: row[3] for row in rows if len(row) >= 4}


CORPUS = Corpus(
    name="musan",
    title="MUSAN (Snyder, Chen, Povey; OpenSLR 17)",
    page="https://www.openslr.org/17",
    licence="CC-BY-4.0",
    commercial=True,
    purpose="music, noise and speech behind the phrase",
    kinds=("speech", "noise", "music"),
    parts=(
        Part(
            "all",
            "https://www.openslr.org/resources/17/musan.tar.gz",
            11_086_114_085,
            12_700_000_000,
            "md5:0c472d4fc0c5141eca47ad1ffeb2a7df",
        ),
    ),
    usual=("all",),
    clips=_clips,
    remark="Each source's own terms lie beside its files (LICENSE).",
)
