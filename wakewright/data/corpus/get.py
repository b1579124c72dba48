"""Getting public corpora: fetch, check, unpack, list the clips; whatever kills it, the next start goes on.

ROOT/CORPUS/PART/...           as the publisher packed it, and last of all clips.jsonl
ROOT/CORPUS/.PART.unpacking    while it is unpacked; made anew after a kill
ROOT/downloads/CORPUS/...      archives, while they grow and until they are unpacked
"""

from __future__ import annotations

import contextlib
import datetime
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wakewright.core.errors import DiskFull, EnvironmentProblem, InputError, RunError
from wakewright.core.files import cache_dir, disk_errors, write_json
from wakewright.core.lock import exclusive, holder
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Bar, Progress
from wakewright.data.corpus import named
from wakewright.data.corpus.clips import MANIFEST, manifest_of
from wakewright.data.corpus.corpus import Corpus, Part
from wakewright.data.corpus.unpack import unpack
from wakewright.data.download import ADVICE, checksum_of, download, is_listed, part_of

Say = Callable[[str], None]
_MB = 1_000_000
_SPARE = 256 * 1024 * 1024
_GROWS = 4  # times an archive of unknown content may grow when it is unpacked


@dataclass(frozen=True, slots=True)
class Wanted:
    """One part of a corpus, and where it goes."""

    corpus: Corpus
    """Which corpus."""
    part: Part
    """Which part of it."""
    root: Path
    """Folder of all corpora."""

    @property
    def name(self) -> str:
        """As it is asked for."""
        return self.corpus.name if len(self.corpus.parts) == 1 else f"{self.corpus.name}/{self.part.name}"

    @property
    def folder(self) -> Path:
        """Where it is unpacked."""
        return self.root / self.corpus.name / self.part.name

    @property
    def archive(self) -> Path:
        """Where it is downloaded to."""
        return self.root / "downloads" / self.corpus.name / self.part.file

    @property
    def here(self) -> bool:
        """Whether it is there, whole."""
        return (self.folder / MANIFEST).is_file()

    @property
    def to_fetch(self) -> int:
        """Bytes that are still to come."""
        if self.here or self.folder.is_dir() or self.archive.is_file():
            return 0
        part = part_of(self.archive)
        return max(0, self.part.size - (part.stat().st_size if part.exists() else 0))


def default_root() -> Path:
    """Where corpora go unless another folder is named."""
    return cache_dir() / "corpora"


def wanted(names: Sequence[str], root: Path) -> list[Wanted]:
    """What the names mean, each part once. Raises InputError for an unknown name or one that needs an account."""
    found: dict[tuple[str, str], Wanted] = {}
    for name in names:
        corpus, parts = named(name)
        if not parts:
            raise InputError(f"{corpus.name} cannot be fetched", got="no account", do=corpus.account)
        for part in parts:
            found.setdefault((corpus.name, part.name), Wanted(corpus, part, root))
    return list(found.values())


def describe(one: Wanted) -> str:
    """Address, size, licence and how it is checked: what the user should know before it is fetched."""
    part, corpus = one.part, one.corpus
    allowed = {True: "commercial use allowed", False: "NO commercial use", None: "commercial use not clear"}
    about = "" if part.exact else "about "
    kind = part.checksum.split(":")[0].upper() if part.checksum else ""
    lines = [
        f"{one.name}: {corpus.title}",
        f"  from     {part.address}",
        f"  size     {about}{size(part.size)} to fetch, about {size(part.unpacked)} unpacked",
        f"  licence  {corpus.licence}; {allowed[corpus.commercial]}",
        f"  checked  {kind} by its publisher" if kind else "  checked  the publisher gives no checksum",
        f"  to       {one.folder}",
    ]
    if corpus.remark:
        lines.insert(4, f"           {corpus.remark}")
    return "\n".join(lines)


def size(count: int) -> str:
    """12 kB, 337.9 MB, 11.1 GB."""
    for unit, factor in (("GB", 1_000_000_000), ("MB", _MB)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1000:.0f} kB"


def refuse_without_room(orders: Sequence[Wanted], root: Path) -> None:
    """Raise DiskFull unless there is room: for one archive at a time, and for all that is unpacked."""
    kept = most = 0
    for one in orders:
        if one.here:
            continue
        unpacked = 0 if one.folder.is_dir() else one.part.unpacked
        most = max(most, kept + one.to_fetch + unpacked)
        kept += unpacked
    there = root.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if most > free:
        raise DiskFull(
            f"no room for it in {root}",
            got=f"{size(free)} free; {size(most)} are needed",
            do="free some space, fetch fewer parts, or name a folder on another disk with --to",
        )


def fetch(one: Wanted, *, say: Say, progress: Progress | None = None, pause_s: float | None = None) -> Manifest:
    """Get one part whole: download, check, unpack, list. What is there already is not made again.

    Raises EnvironmentProblem as `download` does and when the file differs from what came before; InputError for an
    archive that cannot be unpacked; AudioError when what is in it cannot be read; RunError when another process is
    at it; DiskFull.
    """
    progress = progress or Progress()
    with _alone(one):
        if one.here and (whole := _read(one)):
            one.archive.unlink(missing_ok=True)  # of a run that was killed after the list was written
            say(f"{one.name}: already here, {one.folder}")
            return whole
        if not one.folder.is_dir():
            _download(one, progress, pause_s)
            _compare(one, one.archive)
            try:
                _unpack(one, one.archive, progress)
            except InputError:
                one.archive.unlink(missing_ok=True)  # it is of no use, and the next start would meet it again
                raise
            _remember(one, one.archive)
        made = _list(one, one.folder, say, progress)
        one.archive.unlink(missing_ok=True)
        return made


def take(
    name: str, given: Path, root: Path, *, say: Say, progress: Progress | None = None
) -> tuple[Wanted, Manifest]:
    """Use what the user has fetched: an archive, which is checked and unpacked, or a folder, which stays as it is.

    Raises InputError for a path that is not there, for one that is not the part named, and as `fetch` does.
    """
    progress = progress or Progress()
    given = given.expanduser().resolve()
    if not given.exists():
        raise InputError(f"there is nothing at {given}", got="no such file or folder", do="check the path")
    one = _meant(name, given, root)
    with _alone(one):
        if given.is_dir():
            return one, _list(one, given, say, progress)
        if not one.folder.is_dir():
            remote = one.part.remote(one.corpus.name)
            if not is_listed(given, remote):
                raise InputError(
                    f"{given} is not {one.name} as its publisher lists it",
                    got=_got(given, remote.checksum),
                    do=f"fetch it again from {one.part.address}",
                )
            _compare(one, given)
            _unpack(one, given, progress)
            _remember(one, given)
        return one, _list(one, one.folder, say, progress)


def _meant(name: str, given: Path, root: Path) -> Wanted:
    """Which part a file or folder is: the one named, else the one whose archive has its name, else the only one."""
    corpus, parts = named(name)
    if not corpus.parts:  # brought by the user: a part of its own, named after the file
        label = given.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".zip") or "all"
        length = given.stat().st_size if given.is_file() else 0
        return Wanted(corpus, Part(label, "", length, _GROWS * length, None, exact=False), root)
    if "/" not in name:
        parts = tuple(part for part in corpus.parts if part.file == given.name) or parts
    if len(parts) != 1:
        raise InputError(
            f"which part of {corpus.name} is {given}?",
            got=name,
            do=f"say it as {corpus.name}/PART, one of: " + ", ".join(part.name for part in corpus.parts),
        )
    return Wanted(corpus, parts[0], root)


def _got(given: Path, checksum: str | None) -> str:
    length = f"{given.stat().st_size} bytes"
    return f"{length}, {checksum_of(given, checksum.split(':')[0])}, not {checksum}" if checksum else length


@contextlib.contextmanager
def _alone(one: Wanted) -> Iterator[None]:
    lock = one.root / one.corpus.name / ".lock"
    with disk_errors(one.folder, ADVICE), exclusive(lock) as held:
        if not held:
            raise RunError(
                f"{one.corpus.name} is being fetched already",
                got=f"process {holder(lock) or 'unknown'}",
                do="wait until it is done",
            )
        yield


def _read(one: Wanted) -> Manifest | None:
    """The list of clips, unless the folder was moved since."""
    found = Manifest.read(one.folder / MANIFEST)
    return found if one.part.tables or (found.clips and Path(found.clips[0].path).is_file()) else None


def _download(one: Wanted, progress: Progress, pause_s: float | None) -> None:
    remote = one.part.remote(one.corpus.name)
    if one.archive.is_file():
        if is_listed(one.archive, remote):
            return
        one.archive.unlink()
    part = part_of(one.archive)
    done = part.stat().st_size // _MB if part.exists() else 0
    with progress.stage(f"{one.name}: download", one.part.size // _MB, "MB", done=done) as bar:
        download(remote, one.archive, told=_in_megabytes(bar), pause_s=pause_s)


def _unpack(one: Wanted, archive: Path, progress: Progress) -> None:
    most = 2 * one.part.unpacked + _SPARE
    with progress.stage(f"{one.name}: unpack", one.part.unpacked // _MB, "MB") as bar:
        unpack(archive, one.folder, most=most, keep=one.corpus.keep, told=_in_megabytes(bar))


def _list(one: Wanted, below: Path, say: Say, progress: Progress) -> Manifest:
    made, left_out = Manifest(), list[str]()
    if not one.part.tables:
        with progress.stage(f"{one.name}: list clips", unit="clips") as bar:
            made, left_out = manifest_of(one.corpus, below, bar)
    for reason in left_out[:10]:
        say(f"{one.name}: left out: {reason}")
    if len(left_out) > 10:
        say(f"{one.name}: left out {len(left_out) - 10} more that cannot be read")
    made.write(one.folder / MANIFEST)
    return made


def _in_megabytes(bar: Bar) -> Callable[[int], None]:
    """Tells a bar in whole megabytes what it hears in bytes."""
    waiting = 0

    def told(count: int) -> None:
        nonlocal waiting
        waiting += count
        whole = int(waiting / _MB)
        if whole:
            waiting -= whole * _MB
            bar.advance(whole)

    return told


def _seen_file() -> Path:
    return cache_dir() / "corpora" / "seen.json"


def _seen() -> dict[str, dict[str, str]]:
    path = _seen_file()
    try:
        with disk_errors(path):
            found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise EnvironmentProblem(f"{path} cannot be read", got=str(error), do="remove it") from error
    return dict(found)


def _compare(one: Wanted, archive: Path) -> None:
    """Where the publisher gives no checksum: raise when the file is another than the one that came first."""
    before = _seen().get(one.part.address)
    if one.part.checksum or not one.part.address or before is None:
        return
    now = checksum_of(archive, "sha256")
    if now != before["sha256"]:
        raise EnvironmentProblem(
            f"{one.part.address} is not the file that came on {before['on']}",
            got=f"{now}, then {before['sha256']}",
            do=f"its publisher gives no checksum; if it may have changed, remove the entry from {_seen_file()} and "
            "run it again",
        )


def _remember(one: Wanted, archive: Path) -> None:
    """Where the publisher gives no checksum: keep that of the file that came first and could be unpacked."""
    if one.part.checksum or not one.part.address:
        return
    seen = _seen()
    if one.part.address not in seen:
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        seen[one.part.address] = {"sha256": checksum_of(archive, "sha256"), "on": today}
        write_json(_seen_file(), seen)
