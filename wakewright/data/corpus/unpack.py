"""Unpacking what others have packed, so that nothing leaves the folder and nothing is left half unpacked.

Only plain files are ever made. A name that is absolute, climbs out of the folder or names a drive, a link that points
out of it, a device or a pipe: each refuses the whole archive. A link to a file of it becomes a copy of it, so
no link lies in the folder that a later file could be written through.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import lzma
import os
import posixpath
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from wakewright.core.errors import InputError
from wakewright.core.files import disk_errors
from wakewright.data.download import ADVICE

MOST_MEMBERS = 1_000_000
"""Members of an archive; the largest public corpora of short clips stay well below."""
_BLOCK = 1 << 20
_MOST_PADDING = 1 << 24
_DRIVE = re.compile(r"^[A-Za-z]:")
_BAD_NAMES = {errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.EINVAL}
_JUNK = ("__MACOSX",)

Keep = Callable[[PurePosixPath], bool]
"""Whether a member, by its path in the archive, is wanted."""
Told = Callable[[int], None]
"""Is told how many bytes were written."""


@dataclass(frozen=True, slots=True)
class _Member:
    """One entry of an archive, of either form."""

    name: str
    """As written in the archive."""
    kind: str
    """"file", "folder", "link" or what else it is."""
    size: int
    """Bytes that the header promises."""
    target: str = ""
    """Where a link points, relative to the archive's root."""


class _Budget:
    """Bytes that may still be written."""

    def __init__(self, archive: Path, most: int) -> None:
        self.archive, self.most, self.left = archive, most, most

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _refused(
                self.archive, f"more than {self.most:,} bytes unpacked", "it unpacks to more than it should"
            )


def unpack(archive: Path, folder: Path, *, most: int, keep: Keep | None = None, told: Told | None = None) -> None:
    """Unpack a .tar.gz or .zip into `folder`, which appears under its name only when it is whole.

    Parameters
    ----------
    most: bytes the members may have together; more is refused.
    keep: which members are wanted; None wants all. Every member's name is checked, wanted or not.
    told: hears of every block written.

    What an earlier, killed run left behind is removed first. Raises InputError for an archive that is damaged, cut
    off, locked by a password, of another form, or that tries to leave the folder; DiskFull. Nothing is left then.
    """
    growing = folder.with_name(f".{folder.name}.unpacking")
    with disk_errors(folder, ADVICE), _damage(archive):
        shutil.rmtree(growing, ignore_errors=True)
        try:
            growing.mkdir(parents=True)
            _unpack_all(archive, growing, _Budget(archive, most), keep or _everything, told or _silent)
            if hasattr(os, "sync"):
                os.sync()  # a loss of power after the renaming must not leave empty files under the final name
            growing.replace(folder)
        except BaseException:
            shutil.rmtree(growing, ignore_errors=True)
            raise


def _everything(_path: PurePosixPath) -> bool:
    return True


def _silent(_count: int) -> None:
    pass


def _unpack_all(archive: Path, root: Path, budget: _Budget, keep: Keep, told: Told) -> None:
    links: list[tuple[PurePosixPath, PurePosixPath]] = []
    for number, (member, stream) in enumerate(_members(archive)):
        if number >= MOST_MEMBERS:
            raise _refused(archive, f"more than {MOST_MEMBERS:,} members", "it holds more files than it should")
        path = _safe(archive, member.name, member.name)
        if member.kind == "link":
            links.append((path, _safe(archive, member.target, f"{member.name} -> {member.target}")))
            continue
        if member.kind not in ("file", "folder"):
            raise _refused(archive, f"{member.name}: {member.kind}", "it holds something else than files")
        if member.kind == "folder" or not _wanted(path, keep):
            continue
        if member.size > budget.left:  # before a byte of it is written
            budget.spend(member.size)
        assert stream is not None
        _write(stream, root / path, budget, told)
    for path, target in links:
        if _wanted(path, keep):
            _copy_linked(archive, root, path, target, budget, told)


def _wanted(path: PurePosixPath, keep: Keep) -> bool:
    return not (path.name.startswith("._") or set(path.parts) & set(_JUNK)) and keep(path)


def _write(stream: IO[bytes], path: Path, budget: _Budget, told: Told) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        while block := stream.read(_BLOCK):
            budget.spend(len(block))
            out.write(block)
            told(len(block))


def _copy_linked(
    archive: Path, root: Path, path: PurePosixPath, target: PurePosixPath, budget: _Budget, told: Told
) -> None:
    source = root / target
    if not source.is_file():
        raise _refused(archive, f"{path} -> {target}", "a link in it leads to no file of its own")
    with source.open("rb") as stream:
        _write(stream, root / path, budget, told)


def _safe(archive: Path, name: str, shown: str) -> PurePosixPath:
    """The member's path, cleaned of `.` parts. Raises InputError when it would leave the folder."""
    path = PurePosixPath(posixpath.normpath(name))
    leaves = name.startswith("/") or ".." in PurePosixPath(name).parts or ".." in path.parts
    if leaves or "\\" in name or "\0" in name or _DRIVE.match(name):
        raise _refused(archive, shown, "it holds a name that leads out of the folder")
    return path


def _members(archive: Path) -> Iterator[tuple[_Member, IO[bytes] | None]]:
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive)
        return
    with archive.open("rb") as raw, gzip.GzipFile(fileobj=raw) as stream:
        yield from _tar_members(stream)
        padding = 0
        while block := stream.read(_BLOCK):  # to the end, where gzip's own checksum stands
            padding += len(block)
            if padding > _MOST_PADDING:
                raise _refused(archive, "data after its end", "it unpacks to more than it should")


class _Bounded:
    """A stream that ends in an error where more comes than the members announce: tarfile keeps headers in memory."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self.stream, self.left = stream, _MOST_PADDING

    def read(self, count: int) -> bytes:
        data = self.stream.read(count)
        self.left -= len(data)
        if self.left < 0:
            raise tarfile.ReadError("a header in it does not end")
        return data


def _tar_members(stream: gzip.GzipFile) -> Iterator[tuple[_Member, IO[bytes] | None]]:
    bounded = _Bounded(stream)
    with tarfile.open(fileobj=cast("IO[bytes]", bounded), mode="r|") as tar:
        for entry in tar:
            bounded.left = entry.size + _MOST_PADDING
            if entry.isfile():
                yield _Member(entry.name, "file", entry.size), tar.extractfile(entry)
            elif entry.isdir():
                yield _Member(entry.name, "folder", 0), None
            elif entry.issym():
                target = posixpath.normpath(posixpath.join(posixpath.dirname(entry.name), entry.linkname))
                yield _Member(entry.name, "link", 0, target), None
            elif entry.islnk():
                yield _Member(entry.name, "link", 0, entry.linkname), None
            else:
                yield _Member(entry.name, "a device or a pipe", 0), None
            tar.members = []  # type: ignore[attr-defined]  # else it keeps every header of a hundred thousand


def _zip_members(archive: Path) -> Iterator[tuple[_Member, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            form = stat.S_IFMT(entry.external_attr >> 16)
            if entry.flag_bits & 1:
                raise _unknown_form(archive, f"{entry.filename} is locked by a password")
            if entry.is_dir():
                yield _Member(entry.orig_filename, "folder", 0), None
            elif form == stat.S_IFLNK:
                target = packed.read(entry)[:4096].decode("utf-8", "replace") if entry.file_size < 4096 else "/"
                joined = posixpath.normpath(posixpath.join(posixpath.dirname(entry.filename), target))
                yield _Member(entry.orig_filename, "link", 0, joined), None
            elif form not in (0, stat.S_IFREG):
                yield _Member(entry.orig_filename, "a device or a pipe", 0), None
            else:
                with packed.open(entry) as stream:
                    yield _Member(entry.orig_filename, "file", entry.file_size), stream


@contextlib.contextmanager
def _damage(archive: Path) -> Iterator[None]:
    """Turn what the formats' readers raise for damage into InputError."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise _damaged(archive, error) from error
    except NotImplementedError as error:  # zipfile's word for a way of packing that it does not know
        raise _unknown_form(archive, str(error)) from error
    except OSError as error:
        if error.errno is None:  # gzip and bz2 tell damage so
            raise _damaged(archive, error) from error
        if error.errno not in _BAD_NAMES:
            raise
        raise _refused(archive, str(error), "it holds a name that cannot be a file's") from error


def _unknown_form(archive: Path, got: str) -> InputError:
    return InputError(
        f"{archive} cannot be unpacked", got=got, do="unpack it yourself and give the folder with --from"
    )


def _damaged(archive: Path, error: Exception) -> InputError:
    return InputError(
        f"{archive} is damaged, cut off, or neither .tar.gz nor .zip",
        got=str(error) or type(error).__name__,
        do="remove it and get it again",
    )


def _refused(archive: Path, got: str, what: str) -> InputError:
    return InputError(
        f"{archive} is not unpacked: {what}",
        got=got,
        do="do not trust it; remove it and get it again from its publisher",
    )
