"""Writing files: whole or not at all, on a full disk and through a kill."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wakewright.core import files
from wakewright.core.errors import DiskFull, EnvironmentProblem
from wakewright.core.progress import Progress
from wakewright.data import copies

OLD = "the old file\n"
REMOUNT_READ_ONLY = 0x21


@pytest.fixture
def tiny_disk(disk_of: Callable[[str], Path]) -> Path:
    """A file system of 64 KiB."""
    return disk_of("64k")


def assert_old_and_alone(path: Path) -> None:
    assert path.read_text() == OLD
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def refuse_with_full_disk(path: Path, data: bytes) -> None:
    with pytest.raises(DiskFull) as caught:
        files.write_bytes(path, data)
    assert caught.value.what == f"no room to write {path}"
    assert caught.value.got == "No space left on device"
    assert "free some space" in caught.value.do
    assert "--resume" in caught.value.do
    assert caught.value.exit_code == 3


def test_a_full_disk_keeps_the_old_file(tiny_disk: Path) -> None:
    path = tiny_disk / "model.bin"
    path.write_text(OLD)
    refuse_with_full_disk(path, os.urandom(1 << 20))
    assert_old_and_alone(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_told_as_one(tmp_path: Path) -> None:
    """The same without root: a real write that a real device refuses."""
    path = tmp_path / "model.bin"
    path.write_text(OLD)
    with pytest.raises(DiskFull) as caught, files.replacing(path):
        Path("/dev/full").write_bytes(b"x")
    assert caught.value.what == f"no room to write {path}"
    assert caught.value.got == "No space left on device"
    assert_old_and_alone(path)


def test_other_trouble_with_the_disk_is_not_called_full(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        files.write_text(tmp_path / "file" / "below.txt", "x")


def test_a_kill_in_the_middle_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(OLD)
    program = (
        "import sys\nfrom wakewright.core.files import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n"
        "    stream = temporary.open('w')\n    stream.write('half of the new fi')\n    stream.flush()\n"
        "    print('half', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"half"
        child.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    assert path.read_text() == OLD
    files.write_text(path, "new\n")
    assert path.read_text() == "new\n"


def fail_half_way(path: Path) -> None:
    path.write_text("half")
    raise ArithmeticError


def test_an_error_inside_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(OLD)
    with pytest.raises(ArithmeticError), files.replacing(path) as temporary:
        fail_half_way(temporary)
    assert_old_and_alone(path)


def test_json_is_written_readable_and_refuses_nan(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    files.write_json(path, {"word": "grüße", "n": [1, 2.5]})
    assert "grüße" in path.read_text(encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == {"word": "grüße", "n": [1, 2.5]}
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(path, float("nan"))
    assert json.loads(path.read_text(encoding="utf-8"))["n"] == [1, 2.5]


@pytest.mark.skipif(os.name == "nt", reason="permission bits are a POSIX matter")
def test_a_written_file_can_be_read_by_others(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_a_fingerprint_knows_content_and_not_key_order() -> None:
    assert files.fingerprint({"a": 1, "b": 2}) == files.fingerprint({"b": 2, "a": 1})
    assert files.fingerprint(1, 2) != files.fingerprint(2, 1) != files.fingerprint([2, 1])
    assert len(files.fingerprint("x")) == 16


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path))
    assert files.cache_dir() == tmp_path
    monkeypatch.delenv("WAKEWRIGHT_CACHE")
    assert files.cache_dir() == Path.home() / ".cache" / "wakewright"
    monkeypatch.setenv("WAKEWRIGHT_CACHE", "~/kept")
    assert files.cache_dir() == Path.home() / "kept"


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, disk_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = disk_of("64k")
    (disk / "old").mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"none", os.fsencode(disk), None, REMOUNT_READ_ONLY, None) == 0
    (tmp_path / "file").write_bytes(b"")
    writers: tuple[Callable[[Path], object], ...] = (
        lambda place: files.write_text(place / "speech" / "a.wav", "x"),
        lambda place: files.append_line(place / "seen.json", {}),
        lambda place: copies._read(place / "readings" / "mine.jsonl", [], Progress(), 1),
    )
    for cache, why in (
        (tmp_path / "file", "(File exists|Not a directory)"),
        (tmp_path / "file" / "below", "(File exists|Not a directory)"),
        (disk, "Read-only file system"),
        (disk / "old", "Read-only file system"),
        (disk / "new", "Read-only file system"),
    ):
        monkeypatch.setenv("WAKEWRIGHT_CACHE", str(cache))
        for write in writers:
            with pytest.raises(
                EnvironmentProblem, match=rf"^the cache {cache} cannot be used\n  got: /.*: {why}\n  do: "
            ):
                write(cache)
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path / "elsewhere"))
    with pytest.raises(OSError, match=r"File exists|Not a directory"):  # of which another tells in its own words
        files.write_text(tmp_path / "file" / "a.wav", "x")
    (tmp_path / "elsewhere" / "runs").mkdir(parents=True)
    with pytest.raises(FileExistsError), files.disk_errors(tmp_path):  # a name that is taken is another's matter too
        (tmp_path / "elsewhere" / "runs").mkdir()


def test_a_file_has_one_spelling_and_links_keep_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "far" / "below").mkdir(parents=True)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "link").symlink_to(tmp_path / "far" / "below")
    monkeypatch.chdir(tmp_path / "near")
    monkeypatch.setenv("HOME", str(tmp_path))
    for spelling in ("a.wav", "./a.wav", "../near/a.wav", "~/near/a.wav", tmp_path / "near" / "." / "a.wav"):
        assert files.one_spelling(spelling) == tmp_path / "near" / "a.wav"
    assert files.one_spelling("link/a.wav") == tmp_path / "near" / "link" / "a.wav"
    assert files.one_spelling("link/../a.wav") == tmp_path / "far" / "a.wav"
