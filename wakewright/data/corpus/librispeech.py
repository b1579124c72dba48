"""LibriSpeech: a thousand hours of read English books, with who reads and what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wakewright.core.errors import InputError
from wakewright.data.corpus.corpus import Corpus, Found, Part

_BASE = "https://www.openslr.org/resources/12"
_ARCHIVES = {
    # bytes, MD5 as in the publisher's md5sum.txt
    "dev-clean": (337_926_286, "42e2234ba48799c1f50f24a7926300a1"),
    "dev-other": (314_305_928, "c8d0bcc9cca99d4f8b62fcc847357931"),
    "test-clean": (346_663_984, "32fa31d27d2e1cad72775fee3f4849a9"),
    "test-other": (328_757_843, "fb5a50374b501bb3bac4815ee91d3135"),
    "train-clean-100": (6_387_309_499, "2a93770f6d5c6c964bc36631d331a522"),
    "train-clean-360": (23_049_477_885, "c0e676e450a7ff2f54aeade5171606fa"),
    "train-other-500": (30_593_501_606, "d1a0fd59409feb2c614ce4d30c387708"),
}


def _clips(folder: Path) -> Iterator[Found]:
    """LibriSpeech/PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac, and beside them SPEAKER-CHAPTER.trans.txt."""
    for listing in sorted(folder.rglob("*.trans.txt")):
        said = dict(_lines(listing))
        for path in sorted(listing.parent.glob("*.flac")):
            yield Found(path, "speech", listing.parent.parent.name, said.get(path.stem, "").lower())


def _lines(listing: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(listing.read_text(encoding="utf-8").splitlines(), 1):
        name, _, text = line.partition(" ")
        if not text:
            raise InputError(
                f"{listing}, line {number}, is no name and text", got=repr(line), do="get the corpus again"
            )
        yield name, text


CORPUS = Corpus(
    name="librispeech",
    title="LibriSpeech (Panayotov et al., OpenSLR 12)",
    page="https://www.openslr.org/12",
    licence="CC-BY-4.0",
    commercial=True,
    purpose="real English speech that is not the phrase",
    kinds=("speech",),
    parts=tuple(
        Part(name, f"{_BASE}/{name}.tar.gz", size, size + size // 20, f"md5:{md5}")
        for name, (size, md5) in _ARCHIVES.items()
    ),
    usual=("train-clean-100",),
    clips=_clips,
)
