"""Folders become manifests: killed at any moment an import goes on, and reads nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.core.errors import InputError
from wakewright.core.lock import exclusive
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.data import layouts, quarantine
from wakewright.data.importing import Imported, import_found, journal_of
from wakewright.data.journal import VERSION, Journal
from wakewright.data.reading import Reading


def tone(path: Path, hz: float = 440.0, seconds: float = 0.3, rate: int = 16_000, **how: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(np.arange(round(seconds * rate)) * hz * 2 * np.pi / rate), rate, **how)
    return path


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(f): (f.stat().st_mtime_ns, f.read_bytes()) for f in folder.rglob("*") if f.is_file()}


def bring_in(folder: Path, out: Path, **options: str) -> Imported:
    return import_found(layouts.find(folder, **options), out, Progress(quiet=True), workers=1)  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_a_name_that_is_not_utf8_is_told_and_left_out(tmp_path: Path) -> None:
    root = tmp_path / "set"
    tone(root / "positive" / "a.wav")
    odd = os.fsencode(root / "positive") + b"/caf\xe9.wav"
    os.rename(tone(root / "positive" / "b.wav"), odd)  # noqa: PTH104 - Path takes no bytes
    for _ in range(2):
        done = bring_in(root, tmp_path / "clips.jsonl")
        assert [Path(clip.path).name for clip in done.manifest] == ["a.wav"]
        ((path, why),) = done.unreadable
        assert (Path(path).name, why.got) == ("caf\\xe9.wav", "a name that is not UTF-8")
    assert os.path.exists(odd)  # noqa: PTH110


def test_folders_become_kinds_and_the_originals_stay(tmp_path: Path) -> None:
    root = tmp_path / "set"
    tone(root / "positive" / "a.wav")
    tone(root / "Hard Negative" / "b.flac")
    tone(root / "negatives" / "c.ogg", rate=44_100)
    tone(root / "background" / "street" / "d.wav")
    tone(root / "background" / "music" / "e.mp3", rate=48_000)
    tone(root / "background" / "speech" / "f.wav", rate=8_000)
    tone(root / "rirs" / "g.wav")
    before = files_of(root)
    done = bring_in(root, tmp_path / "out" / "clips.jsonl")
    assert files_of(root) == before
    read = Manifest.read(tmp_path / "out" / "clips.jsonl")
    assert read == done.manifest
    assert {(Path(c.path).name, c.kind) for c in read} == {
        ("a.wav", "positive"),
        ("b.flac", "near_miss"),
        ("c.ogg", "speech"),
        ("d.wav", "noise"),
        ("e.mp3", "music"),
        ("f.wav", "speech"),
        ("g.wav", "rir"),
    }
    assert {(c.real, c.source) for c in read} == {(True, "set")}
    assert all(0.29 < c.seconds < 0.4 for c in read)
    assert done.unreadable == ()


def test_what_cannot_be_read_is_listed_and_the_rest_is_imported(tmp_path: Path) -> None:
    root = tmp_path / "set"
    good = tone(root / "positive" / "good.wav")
    whole = tone(root / "positive" / "cut.flac", seconds=2.0)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (root / "positive" / "text.wav").write_text("not sound")
    (root / "positive" / "empty.wav").touch()
    done = bring_in(root, tmp_path / "clips.jsonl")
    assert [c.path for c in done.manifest] == [str(good)]
    assert [(Path(path).name, why.got) for path, why in done.unreadable] == [
        ("cut.flac", "the FLAC stream breaks off or is damaged"),
        ("empty.wav", "an empty file of 0 bytes"),
        ("text.wav", "Format not recognised"),
    ]
    assert bring_in(root, tmp_path / "clips.jsonl").opened == 0
    good.unlink()
    with pytest.raises(InputError, match=r"no recording is left to import\n  got: .*cut.flac: the FLAC stream"):
        bring_in(root, tmp_path / "other.jsonl")
    assert not (tmp_path / "other.jsonl").exists()


def test_a_second_import_opens_only_what_has_changed(tmp_path: Path) -> None:
    root, out = tmp_path / "set", tmp_path / "clips.jsonl"
    for i in range(5):
        tone(root / "positive" / f"{i}.wav", 300 + 50 * i)
    assert bring_in(root, out).opened == 5
    first = out.read_bytes()
    assert bring_in(root, out).opened == 0
    assert out.read_bytes() == first
    tone(root / "positive" / "2.wav", 900, seconds=0.5)
    tone(root / "positive" / "5.wav")
    done = bring_in(root, out)
    assert done.opened == 2
    assert [round(c.seconds, 1) for c in done.manifest] == [0.3, 0.3, 0.5, 0.3, 0.3, 0.3]


def test_one_worker_and_two_write_the_same(tmp_path: Path) -> None:
    for i in range(40):
        tone(tmp_path / "set" / "negative" / f"{i}.wav", 300 + 11 * i)
    found = layouts.find(tmp_path / "set")
    for workers in (1, 2):
        import_found(found, tmp_path / f"{workers}" / "clips.jsonl", Progress(quiet=True), workers=workers)
    for name in ("clips.jsonl", "clips.journal.jsonl"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_an_import_killed_again_and_again_goes_on(tmp_path: Path) -> None:
    root, out = tmp_path / "set", tmp_path / "clips.jsonl"
    count = 400
    first = tone(root / "negative" / "0.wav", seconds=2.0).read_bytes()
    for i in range(1, count):
        (root / "negative" / f"{i}.wav").write_bytes(first[:-4] + i.to_bytes(4, "little"))
    command = [sys.executable, "-m", "wakewright", "data", "import", str(root), "--out", str(out), "--workers", "1"]
    journal = journal_of(out)
    reached = []
    for _ in range(2):
        lines = reached[-1] if reached else 0
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                if journal.exists() and journal.read_bytes().count(b"\n") >= lines + 40:
                    break
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not out.exists()
        reached.append(journal.read_bytes().count(b"\n"))
    assert 80 <= reached[-1] < count
    with journal.open("ab") as stream:
        stream.write(b'{"v": 1, "path": "half a li')  # what a kill within a write leaves
    done = bring_in(root, out)
    assert done.opened == count - reached[-1]
    paths = [json.loads(line)["path"] for line in journal.read_text().splitlines()]
    assert Counter(Counter(paths).values()) == {1: count}
    assert len(Manifest.read(out)) == len({c.path for c in Manifest.read(out)}) == count
    bring_in(root, tmp_path / "fresh.jsonl")
    assert out.read_bytes() == (tmp_path / "fresh.jsonl").read_bytes()


def test_a_damaged_or_older_journal_costs_a_reading_and_nothing_else(tmp_path: Path) -> None:
    root, out = tmp_path / "set", tmp_path / "clips.jsonl"
    for i in range(3):
        tone(root / "positive" / f"{i}.wav", 300 + 50 * i)
    bring_in(root, out)
    lines = journal_of(out).read_text().splitlines()
    older = lines[0].replace(f'"v": {VERSION}', f'"v": {VERSION - 1}')
    assert older != lines[0]
    journal_of(out).write_text(f"{older}\n[]\n{lines[2]}\n")
    assert bring_in(root, out).opened == 2
    assert bring_in(root, out).opened == 0


def test_two_imports_to_one_place_are_refused(tmp_path: Path) -> None:
    tone(tmp_path / "set" / "positive" / "a.wav")
    with (
        exclusive(tmp_path / ".clips.journal.jsonl.lock"),
        pytest.raises(InputError, match="is in use\n  got: process"),
    ):
        bring_in(tmp_path / "set", tmp_path / "clips.jsonl")


def test_a_quarantined_clip_is_left_out_until_it_changes(tmp_path: Path) -> None:
    root, out = tmp_path / "set", tmp_path / "clips.jsonl"
    for name in "abc":
        tone(root / "positive" / f"{name}.wav")
    a, b = str(root / "positive" / "a.wav"), str(root / "positive" / "b.wav")
    bring_in(root, out)
    assert quarantine.add(quarantine.beside(out), {a: ["clipped"]}) == 1
    assert quarantine.add(quarantine.beside(out), {b: ["silent", "silent"]}) == 2
    assert quarantine.read(quarantine.beside(out)) == {a: ["clipped"], b: ["silent"]}
    done = bring_in(root, out)
    assert (len(done.manifest), done.quarantined) == (1, 2)
    tone(Path(b), 500, seconds=0.4)
    assert len(bring_in(root, out).manifest) == 2
    assert quarantine.add(quarantine.beside(out), {}) == 1
    tone(Path(a), 500, seconds=0.4)
    tone(root / "positive" / "c.wav").unlink()
    quarantine.beside(out).write_text("{}\n")
    with pytest.raises(InputError, match="line 1, is no entry of a quarantine"):
        bring_in(root, out)


def test_a_folder_is_the_same_by_every_way_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, out = tmp_path / "sets" / "set", tmp_path / "clips.jsonl"
    for name in "ab":
        tone(root / "positive" / f"{name}.wav")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    bring_in(Path("../sets/set"), out)
    quarantine.add(quarantine.beside(out), {"../sets/set/positive/a.wav": ["clipped"]})
    assert list(quarantine.read(quarantine.beside(out))) == [str(root / "positive" / "a.wav")]
    assert [c.path for c in quarantine.without(Manifest.read(out), quarantine.beside(out))] == [
        str(root / "positive" / "b.wav")
    ]
    for spelling in (root, Path("../sets/./set"), root / ".." / "set"):
        done = bring_in(spelling, out)
        assert (done.opened, done.quarantined) == (0, 1)
        assert {c.source for c in done.manifest} == {"set"}


def test_a_quarantine_of_everything_says_so(tmp_path: Path) -> None:
    a, out = tone(tmp_path / "set" / "positive" / "a.wav"), tmp_path / "clips.jsonl"
    quarantine.add(quarantine.beside(out), {str(a): ["clipped"]})
    with pytest.raises(InputError, match="got: every clip is quarantined"):
        bring_in(tmp_path / "set", out)


def test_an_hour_is_read_in_pieces(tmp_path: Path) -> None:
    """A long file is measured like its pieces, and a recording has one digest in any lossless form."""
    rng = np.random.default_rng(1)
    samples = (0.1 * rng.standard_normal((16_000 * 70, 2))).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="PCM_16")
    soundfile.write(tmp_path / "b.flac", soundfile.read(tmp_path / "a.wav")[0], 16_000, subtype="PCM_16")
    with Journal.open(tmp_path / "j.jsonl") as journal:
        both, _ = journal.read_all([str(tmp_path / n) for n in ("a.wav", "b.flac")], Progress(quiet=True), 1)
    a, b = both.values()
    assert a == b
    assert isinstance(a, Reading)
    assert (a.seconds, a.channels, a.rate) == (70.0, 2, 16_000)
    assert a.rms_db == pytest.approx(20 * np.log10(0.1 / np.sqrt(2)), abs=0.05)
