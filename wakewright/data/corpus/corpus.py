"""What wakewright knows of a public corpus: where it is, how large, under which licence, and what its files are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wakewright.core.manifest import Kind
from wakewright.data.download import Remote

_SLACK = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """One archive of a corpus."""

    name: str
    """As it is asked for: `librispeech/dev-clean`; for a corpus of one archive, the corpus's name alone will do."""
    address: str
    """Where it is published; empty for one that cannot be fetched without an account."""
    size: int
    """Bytes of the archive."""
    unpacked: int
    """Bytes of what is kept of it on the disk, estimated."""
    checksum: str | None = None
    """`md5:`, `sha1:` or `sha256:` and the digest that the publisher gives; None where it gives none."""
    exact: bool = True
    """False where the size is only about right, and the server's own word is taken."""
    tables: bool = False
    """True for an archive of tables that the maps of other parts read; it gives no clips itself."""

    @property
    def file(self) -> str:
        """Name of the archive."""
        return self.address.removesuffix("/content").rsplit("/", 1)[-1]

    def remote(self, corpus: str) -> Remote:
        """As the downloader wants it."""
        return Remote(
            self.address,
            self.size if self.exact else None,
            self.checksum,
            self.size if self.exact else 4 * self.size + _SLACK,
            "its publisher lists",
            f"fetch it with another machine and give it: wakewright data get {corpus}/{self.name} --from {self.file}",
        )


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a corpus that becomes a clip."""

    path: Path
    """The recording."""
    kind: Kind
    """What it is for."""
    speaker: str
    """Who, or where: files of one speaker (one room, one original recording) never fall into two parts."""
    text: str = ""
    """What is said, where the corpus tells."""
    licence: str = ""
    """Its own licence, where it differs from the corpus's."""
    seconds: float | None = None
    """Length, where the corpus tells; else it is read from the file."""


Map = Callable[[Path], Iterator[Found]]
"""The files below an unpacked folder. Raises InputError when the corpus's own lists cannot be read."""


def _everything(_path: PurePosixPath) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Corpus:
    """A public corpus."""

    name: str
    """As it is asked for."""
    title: str
    """Its full name, and who made it."""
    page: str
    """The publisher's page."""
    licence: str
    """As its publisher states it."""
    commercial: bool | None
    """Whether the licence allows commercial use; None where it cannot be said of the whole."""
    purpose: str
    """What it is good for here."""
    kinds: tuple[Kind, ...]
    """Kinds of clips it gives."""
    parts: tuple[Part, ...]
    """Its archives."""
    usual: tuple[str, ...]
    """The parts that its bare name stands for."""
    clips: Map
    """Which files are clips, of which kind, by whom."""
    keep: Callable[[PurePosixPath], bool] = _everything
    """Which members of an archive are unpacked."""
    account: str = ""
    """How to get it, where that needs an account."""
    remark: str = ""
    """What to know of the licence or the clips beyond the table."""

    def part(self, name: str) -> Part | None:
        """The part of that name."""
        return next((part for part in self.parts if part.name == name), None)
