"""Promoting where something is in the way: nothing captured or one kind of it, other models, kills, full disks."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.evaluate.test_promotion import run_measured, say
from wakewright.apps.cli import main
from wakewright.core import current
from wakewright.core.run import Run
from wakewright.evaluate.promotion import NAME, compare, read_decision

REMOUNT_READ_ONLY = 0x21


def detectors(exported: dict[str, Path], place: Path, old: str = "mixednet") -> tuple[Run, Run]:
    """A run of the model `old` and one of mixednet, both measured on the same."""
    runs = []
    for seed, name in ((1, old), (2, "mixednet")):
        run = run_measured(place / "runs", seed, {"clean": 16}, {"speech": 0.14})
        for path in exported[name].glob("model.*"):
            shutil.copy(path, run.folder)
        shutil.copy(exported[name] / "metadata.json", run.metadata_path)
        runs.append(run)
    return runs[0], runs[1]


@pytest.mark.parametrize("label", [None, "negative", "phrase"])
def test_nothing_captured_or_one_kind_alone_is_enough(
    exported: dict[str, Path], tmp_path: Path, label: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    old, fresh = detectors(exported, tmp_path)
    if label == "negative":
        say(old.folder / "mined", "negative", 1, 2, 3)
    elif label == "phrase":
        say(old.folder / "mined", "phrase", 1, 2, 3)
    current.promote(old)
    assert main(["promote", str(fresh.folder), "--workers", "1"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert ("Nothing captured has a label" in told) is (label is None)
    names = [row.group for row in compare(old, fresh, workers=1).rows]
    assert names[:2] == ["clean", "speech"]
    assert len(names) == (2 if label is None else 3)
    assert current.current(old.folder.parent) == fresh.folder


def test_a_model_with_another_front_end_is_held_against_all_the_same(
    exported: dict[str, Path], tmp_path: Path
) -> None:
    old, fresh = detectors(exported, tmp_path, old="speech_embedding")
    say(old.folder / "mined", "negative", *range(1, 6))
    decision = compare(old, fresh, workers=1)
    (heard,) = (row for row in decision.rows if row.unit == "woken")
    assert (heard.old_total, heard.total) == (5, 5)


def test_a_run_in_use_already_changes_nothing(
    exported: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, _ = detectors(exported, tmp_path)
    current.promote(old)
    stored = (old.folder.parent / current.NAME).read_bytes()
    assert main(["promote", str(old.folder)]) == 0
    assert "is in use already; nothing changes" in capsys.readouterr().out
    assert (old.folder.parent / current.NAME).read_bytes() == stored
    assert not (old.folder / NAME).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_killed_on_the_way_the_old_run_stays_and_it_can_be_asked_again(
    exported: dict[str, Path], tmp_path: Path
) -> None:
    old, fresh = detectors(exported, tmp_path)
    say(old.folder / "mined", "negative", *range(1, 200))
    current.promote(old)
    words = [sys.executable, "-m", "wakewright", "promote", str(fresh.folder), "--workers", "1"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        assert any("replay" in line for line in process.stderr), "the replay had begun"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (fresh.folder / NAME).exists()
    assert current.current(old.folder.parent) == old.folder
    shutil.rmtree(old.folder / "mined")
    assert main(["promote", str(fresh.folder), "--workers", "1"]) == 0
    decision = read_decision(fresh)
    assert decision is not None
    assert decision.promoted
    assert current.current(old.folder.parent) == fresh.folder


def test_a_full_disk_and_one_that_is_read_only_are_told_before_anything_is_heard(
    exported: dict[str, Path], disk_of: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    disk = disk_of("64m")
    old, fresh = detectors(exported, disk)
    say(old.folder / "mined", "negative", 1)
    current.promote(old)
    pointer = old.folder.parent / current.NAME
    before = json.loads(pointer.read_bytes())
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while stream.write(bytes(1 << 16)):
            pass
    assert main(["promote", str(fresh.folder), "--workers", "1"]) == 3
    told = capsys.readouterr().err
    assert "no room to write" in told
    assert "promote again" in told
    assert "replay" not in told
    filler.unlink(missing_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"none", os.fsencode(disk), None, REMOUNT_READ_ONLY, None) == 0
    for words in (
        ["promote", str(fresh.folder)],
        ["runs", "rollback", "hey katya", "--output-dir", str(disk / "runs")],
    ):
        assert main(words) == 2
        told = capsys.readouterr().err
        assert "nothing can be written into" in told
        assert "Read-only file system" in told
        assert "replay" not in told
    assert json.loads(pointer.read_bytes()) == before
    assert not (fresh.folder / NAME).exists()
