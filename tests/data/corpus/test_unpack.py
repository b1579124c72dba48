"""Unpacking archives that mean harm, are broken, or are killed half way."""

from __future__ import annotations

import gc
import gzip
import io
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from wakewright.core.errors import DiskFull, InputError
from wakewright.data.corpus import unpack as module
from wakewright.data.corpus.unpack import unpack

MOST = 10_000_000
FILES = {"corpus/a.wav": b"first", "corpus/deep/b.wav": bytes(70_000), "corpus/empty": b""}


def entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.mode = size, kind, target, 0o6777
    return info


def tarball(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return path


def plain(path: Path, files: dict[str, bytes] = FILES) -> Path:
    """A .tar.gz or .zip of files."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in files.items():
                packed.writestr(name, data)
        return path
    return tarball(path, [(entry(name, len(data)), data) for name, data in files.items()])


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(archive: Path, match: str, tmp_path: Path, most: int = MOST) -> None:
    """The archive is refused and leaves nothing, in the folder or beside it."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=match) as caught:
        unpack(archive, tmp_path / "out", most=most)
    assert caught.value.do
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_files_come_out_as_they_went_in(tmp_path: Path, name: str) -> None:
    told: list[int] = []
    unpack(plain(tmp_path / name), tmp_path / "out", most=MOST, told=told.append)
    assert contents(tmp_path / "out") == FILES
    assert sum(told) == 70_005
    assert [p.name for p in sorted(tmp_path.iterdir())] == [name, "out"]
    assert stat.S_IMODE((tmp_path / "out" / "corpus" / "a.wav").stat().st_mode) & 0o6111 == 0


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_only_what_is_wanted_comes_out_and_no_junk(tmp_path: Path, name: str) -> None:
    files = FILES | {"__MACOSX/corpus/._a.wav": b"x", "corpus/._a.wav": b"x"}
    unpack(plain(tmp_path / name, files), tmp_path / "out", most=10, keep=lambda path: path.name == "a.wav")
    assert contents(tmp_path / "out") == {"corpus/a.wav": b"first"}


ESCAPES = ["/etc/evil", "../evil", "a/../../evil", "a/..", "C:/evil", "c:evil", "a\\..\\evil"]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_name_that_leads_out_refuses_the_whole_tar(tmp_path: Path, name: str) -> None:
    archive = tarball(tmp_path / "a.tar.gz", [(entry("good", 1), b"x"), (entry(name, 1), b"x")])
    refused(archive, r"(?s)not unpacked: it holds a name that leads out.*got: .*do not trust it", tmp_path)


@pytest.mark.parametrize("name", ESCAPES)
def test_a_name_that_leads_out_refuses_the_whole_zip(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("good", b"x")
        packed.writestr(zipfile.ZipInfo(name), b"x")
    refused(tmp_path / "a.zip", "it holds a name that leads out of the folder", tmp_path)


def test_a_bad_name_refuses_even_where_it_is_not_wanted(tmp_path: Path) -> None:
    archive = tarball(tmp_path / "a.tar.gz", [(entry("../evil.txt", 1), b"x")])
    with pytest.raises(InputError, match="leads out"):
        unpack(archive, tmp_path / "out", most=MOST, keep=lambda path: path.suffix == ".wav")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "a/../../../secret"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, kind: bytes, target: str) -> None:
    archive = tarball(tmp_path / "a.tar.gz", [(entry("a/link", kind=kind, target=target), b"")])
    refused(archive, r"(?s)leads out of the folder.*a/link -> ", tmp_path)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link to a folder outside, by way of one inside, and a file below it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for target in (str(outside), "../outside", "."):
        archive = tarball(
            tmp_path / "a.tar.gz",
            [(entry("door", kind=tarfile.SYMTYPE, target=target), b""), (entry("door/evil", 1), b"x")],
        )
        with pytest.raises(InputError):
            unpack(archive, tmp_path / "out", most=MOST)
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_a_link_within_becomes_a_copy(tmp_path: Path) -> None:
    archive = tarball(
        tmp_path / "a.tar.gz",
        [
            (entry("x/early", kind=tarfile.SYMTYPE, target="../y/a"), b""),
            (entry("y/a", 3), b"abc"),
            (entry("y/hard", kind=tarfile.LNKTYPE, target="y/a"), b""),
        ],
    )
    unpack(archive, tmp_path / "out", most=MOST)
    assert contents(tmp_path / "out") == {"x/early": b"abc", "y/a": b"abc", "y/hard": b"abc"}
    assert not any(p.is_symlink() for p in (tmp_path / "out").rglob("*"))
    assert {p.stat().st_nlink for p in (tmp_path / "out").rglob("*") if p.is_file()} == {1}


@pytest.mark.parametrize("target", ["nowhere", "."])
def test_a_link_to_no_file_is_refused(tmp_path: Path, target: str) -> None:
    archive = tarball(tmp_path / "a.tar.gz", [(entry("link", kind=tarfile.SYMTYPE, target=target), b"")])
    refused(archive, "a link in it leads to no file of its own", tmp_path)


def test_links_count_against_the_limit(tmp_path: Path) -> None:
    links = [(entry(f"l{i}", kind=tarfile.LNKTYPE, target="a"), b"") for i in range(20)]
    archive = tarball(tmp_path / "a.tar.gz", [(entry("a", 1000), bytes(1000)), *links])
    refused(archive, "it unpacks to more than it should", tmp_path, most=10_000)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = tarball(tmp_path / "a.tar.gz", [(entry("dev", kind=kind), b"")])
    refused(archive, r"(?s)something else than files.*got: dev: a device or a pipe", tmp_path)


@pytest.mark.parametrize(
    ("form", "data", "said"),
    [
        (stat.S_IFLNK, b"/etc/passwd", "leads out of the folder"),
        (stat.S_IFLNK, b"../../x", "leads out of the folder"),
        (stat.S_IFLNK, b"x" * 5000, "leads out of the folder"),
        (stat.S_IFIFO, b"", "something else than files"),
        (stat.S_IFCHR, b"", "something else than files"),
    ],
)
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, form: int, data: bytes, said: str) -> None:
    info = zipfile.ZipInfo("a/odd")
    info.external_attr = (form | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(info, data)
    refused(tmp_path / "a.zip", said, tmp_path)


def test_a_link_within_a_zip_becomes_a_copy(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(info, b"../b")
        packed.writestr("b", b"abc")
    unpack(tmp_path / "a.zip", tmp_path / "out", most=MOST)
    assert contents(tmp_path / "out") == {"a/link": b"abc", "b": b"abc"}


@pytest.mark.parametrize("name", ["bomb.tar.gz", "bomb.zip"])
def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path, name: str) -> None:
    archive = plain(tmp_path / name, {"a": b"x", "bomb": bytes(50_000_000)})
    assert archive.stat().st_size < 100_000
    refused(archive, r"(?s)more than it should.*got: more than 10,000,000 bytes unpacked", tmp_path)


def test_many_small_files_make_a_bomb_too(tmp_path: Path) -> None:
    refused(
        plain(tmp_path / "a.zip", {str(i): bytes(1000) for i in range(200)}), "more than it should", tmp_path, 100_000
    )


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MEMBERS", 2)
    refused(plain(tmp_path / "a.tar.gz"), r"(?s)more files than it should.*got: more than 2 members", tmp_path)


def test_a_bomb_behind_the_end_of_the_tar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_PADDING", 1 << 20)
    archive = plain(tmp_path / "a.tar.gz")
    archive.write_bytes(gzip.compress(gzip.decompress(archive.read_bytes()) + bytes(3 << 20)))
    refused(archive, r"(?s)more than it should.*got: data after its end", tmp_path)


def test_a_header_without_end(tmp_path: Path) -> None:
    """Forty million bytes that tarfile would keep in memory, in forty thousand."""
    header = entry("bomb", 40_000_000, tarfile.XHDTYPE).tobuf()
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(header + bytes(40_000_000)))
    refused(tmp_path / "a.tar.gz", r"(?s)is damaged, cut off.*got: a header in it does not end", tmp_path)


def test_a_large_file_is_no_header_without_end(tmp_path: Path) -> None:
    unpack(plain(tmp_path / "a.tar.gz", {"a": bytes(40_000_000), "b": b"b"}), tmp_path / "out", most=10**8)
    assert len(contents(tmp_path / "out")["a"]) == 40_000_000


def test_a_zip_that_lies_about_a_size(tmp_path: Path) -> None:
    """The header promises one byte, fifty million follow: what is promised comes, and its checksum does not fit."""
    archive = plain(tmp_path / "a.zip", {"bomb": bytes(50_000_000)})
    size = (50_000_000).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(size, (1).to_bytes(4, "little")))
    refused(archive, "is damaged, cut off, or neither", tmp_path)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_an_archive_that_is_cut_off(tmp_path: Path, name: str, share: float) -> None:
    noise = np.random.default_rng(1).bytes(50_000)
    archive = plain(tmp_path / name, {f"{i}": noise for i in range(5)})
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    refused(archive, r"(?s)is damaged, cut off, or neither .tar.gz nor .zip.*remove it and get it again", tmp_path)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_one_wrong_bit(tmp_path: Path, name: str) -> None:
    archive = plain(tmp_path / name, {"a": np.random.default_rng(1).bytes(200_000), "b": b"b"})
    data = bytearray(archive.read_bytes())
    data[100_000] ^= 1
    archive.write_bytes(data)
    refused(archive, "is damaged", tmp_path)


def test_a_web_page_that_was_saved_as_an_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"<html>no such file</html>")
    refused(tmp_path / "a.zip", "is damaged, cut off, or neither", tmp_path)


def test_a_zip_with_a_password(tmp_path: Path) -> None:
    data = bytearray(plain(tmp_path / "a.zip", {"a": b"secret"}).read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    refused(tmp_path / "a.zip", r"(?s)cannot be unpacked.*locked by a password.*--from", tmp_path)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("x" * 300,)])
def test_names_that_cannot_be_files(tmp_path: Path, names: tuple[str, ...]) -> None:
    archive = tarball(tmp_path / "a.tar.gz", [(entry(name, 1), b"x") for name in names])
    refused(archive, "it holds a name that cannot be a file's", tmp_path)


@pytest.fixture
def tiny_disk(disk_of: Callable[[str], Path]) -> Path:
    """A file system of 256 KiB."""
    return disk_of("256k")


def test_a_full_disk_leaves_nothing(tmp_path: Path, tiny_disk: Path) -> None:
    archive = plain(tmp_path / "a.tar.gz", {f"{i}": bytes(100_000) for i in range(9)})
    with pytest.raises(DiskFull, match=r"(?s)no room to write .*out.*run it again: it goes on where it stopped"):
        unpack(archive, tiny_disk / "out", most=MOST)
    assert list(tiny_disk.iterdir()) == []
    unpack(archive, tmp_path / "out", most=MOST)
    assert len(contents(tmp_path / "out")) == 9


def test_a_kill_half_way_leaves_no_folder_and_the_next_run_makes_it(tmp_path: Path) -> None:
    files = {f"corpus/{i}.wav": bytes(1000 + i) for i in range(50)}
    archive = plain(tmp_path / "a.tar.gz", files)
    program = (
        "import sys\nfrom pathlib import Path\nfrom wakewright.data.corpus.unpack import unpack\n"
        "written = 0\n"
        "def told(count):\n    global written\n    written += 1\n"
        "    if written == 20:\n        print('half', flush=True)\n        sys.stdin.read()\n"
        f"unpack(Path(sys.argv[1]), Path(sys.argv[2]), most={MOST}, told=told)\n"
    )
    command = [sys.executable, "-c", program, str(archive), str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"half"
        child.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    left = tmp_path / ".out.unpacking"
    assert 0 < len(contents(left)) < 50
    assert not (tmp_path / "out").exists()
    (left / "corpus" / "stale.wav").write_bytes(b"of the killed run")
    unpack(archive, tmp_path / "out", most=MOST)
    assert contents(tmp_path / "out") == files
    assert not left.exists()


def test_headers_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    """A corpus has a hundred thousand files, whose headers tarfile would keep."""
    archive = plain(tmp_path / "a.tar.gz", {str(i): b"x" for i in range(500)})
    alive: list[int] = []

    def counting(path: PurePosixPath) -> bool:
        if path.name in ("1", "499"):
            gc.collect()
            alive.append(sum(type(one) is tarfile.TarInfo for one in gc.get_objects()))
        return False

    unpack(archive, tmp_path / "out", most=MOST, keep=counting)
    assert alive[1] - alive[0] < 5
