"""`wakewright data`: what it writes, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.apps.cli import main
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.material import Background
from wakewright.data import corpora


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def hiss(path: Path, seed: int, level: float = 0.1, seconds: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = round(seconds * 16_000)
    swell = np.sin(np.pi * np.arange(size) / size)
    soundfile.write(path, np.random.default_rng(seed).standard_normal(size) * level * swell, 16_000)
    return path


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two positives, three negatives: one of them silent, one a copy; and a file that is no sound."""
    root = tmp_path / "mine"
    for i in range(2):
        hiss(root / "positive" / f"{i}.wav", i)
    first = hiss(root / "negative" / "a <b>.wav", 7)
    hiss(root / "negative" / "quiet.wav", 8, level=1e-5)
    (root / "negative" / "copy.wav").write_bytes(first.read_bytes())
    (root / "negative" / "text.wav").write_text("not sound")
    return root


def test_import_check_quarantine_and_import_again(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "import", "mine", "--workers", "1"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert f"left out, cannot be read: {recordings}/negative/text.wav: Format not recognised" in out
    assert "mine.jsonl: 5 clips, 0.00 h (2 positive, 3 speech); 6 files read" in out
    assert len(Manifest.read("mine.jsonl")) == 5

    assert main(["data", "check", "mine.jsonl", "--workers", "1", "--quarantine"]) == 1
    out = capsys.readouterr().out
    assert "silent: 1\n" in out
    assert "the same recording twice: 1\n" in out
    assert "2 of 5 clips have a fault" in out
    assert "mine.quarantine.jsonl: 2 clips, left out by the next import to mine.jsonl" in out
    assert len(Manifest.read("mine.jsonl")) == 5
    page = Path("mine-health/index.html").read_text(encoding="utf-8")
    assert "a &lt;b&gt;.wav" in page
    assert "<b>.wav" not in page
    assert 'src="sounds/000.wav"' in page
    assert "http" not in page
    sounds = sorted(Path("mine-health/sounds").iterdir())
    assert [soundfile.info(str(s)).samplerate for s in sounds] == [16_000] * 3
    kept = json.loads(Path("mine-health/health.json").read_text(encoding="utf-8"))
    assert kept["faults"] == {"silent": 1, "duplicate": 1}

    assert main(words) == 0
    out = capsys.readouterr().out
    assert "left out, in mine.quarantine.jsonl: 2" in out
    assert "3 clips" in out
    assert "0 files read" in out
    assert main(["data", "check", "mine.jsonl", "--workers", "1", "--quarantine"]) == 0
    assert "3 clips, no fault" in capsys.readouterr().out
    assert main(words) == 0
    assert "left out, in mine.quarantine.jsonl: 2" in capsys.readouterr().out


def test_an_import_says_what_it_took_for_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i, name in enumerate(("ann/kitchen/1", "ann/bath/1", "bob/1")):
        hiss(tmp_path / "home" / "positive" / f"{name}.wav", i)
    for i in range(2):
        hiss(tmp_path / "home" / "negative" / f"radio-{i}.wav", 10 + i)
        hiss(tmp_path / "home" / "background" / "street" / f"{i}.wav", 20 + i)
    assert main(["data", "import", "home", "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "groups of positive: 2: ann (2), bob (1)\ngroups of speech: 2: 2 files, each by itself\n" in out
    assert "groups of noise" not in out
    assert "are these others? a folder for each, or --group-by\n" in out
    assert (
        "! two groups of positive: one is learnt from, one validated on; the test has synthetic voices alone" in out
    )
    assert main(["data", "import", "home", "--workers", "1", "--group-by", "negative={group}-*"]) == 0
    out = capsys.readouterr().out
    assert "groups of speech: 1: radio (2)\n" in out
    assert "! one group of speech: it is learnt from" in out
    assert {c.speaker for c in Manifest.read("home.jsonl").of("positive")} == {"ann", "bob"}
    assert main(["data", "check", "home", "--workers", "1", "--group-by", "negative={group}-*"]) == 0
    assert "home: 2 speech, 0.0 min, 1 speakers or places\n" in capsys.readouterr().out


def test_recordings_in_formats_that_are_not_read_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("positive/a.m4a", "positive/b.M4A", "negative/c.amr", "negative/.hidden.aac"):
        (tmp_path / "phone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "phone" / name).write_bytes(b"x")
    said = "3 files are of formats that are not read: .m4a (2), .amr (1); convert them to WAV or FLAC\n"
    assert main(["data", "import", "phone", "--workers", "1"]) == 2
    assert said in capsys.readouterr().out
    place = hiss(tmp_path / "phone" / "positive" / "d.ogg", 1)
    place.rename(place.with_suffix(".oga"))
    assert main(["data", "import", "phone", "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert said in out
    assert "phone.jsonl: 1 clips, 0.00 h (1 positive)" in out


def test_a_training_reads_the_manifest_that_lies_in_the_folder(recordings: Path) -> None:
    def speech() -> dict[str, str]:
        clips = corpora.scan(Background(speech=("mine",)))
        return {Path(clip.path).name: clip.licence for clip in clips if clip.kind == "speech"}

    words = ["data", "import", "mine", "--out", "mine/clips.jsonl", "--workers", "1"]
    assert main([*words, "--licence", "CC0-1.0"]) == 0
    assert speech() == dict.fromkeys(("a <b>.wav", "copy.wav", "quiet.wav"), "CC0-1.0")
    assert main(["data", "check", "mine/clips.jsonl", "--quarantine", "--workers", "1"]) == 1
    assert main(words) == 0
    left = speech()
    assert "quiet.wav" not in left
    assert len(left) == 1


def test_a_folder_is_checked_where_it_lies_and_answers_json(
    recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {f: f.stat().st_mtime_ns for f in recordings.rglob("*")}
    assert main(["data", "check", "mine", "--json", "--workers", "1", "--out", "report"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["faults"] == {"unreadable": 1, "silent": 1, "duplicate": 1}
    assert {f.stat().st_mtime_ns for f in recordings.rglob("*")} == set(before.values())
    assert (told["clips"], told["licences"]) == (6, {"": 5}), "one of six cannot be read, and is one of the three"
    assert {Path(f["path"]).name for f in told["findings"]} >= {"text.wav", "quiet.wav"}
    assert Path("report/index.html").is_file()


def test_a_report_takes_the_place_of_no_other_file(
    recordings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = ["data", "check", "mine", "--workers", "1", "--out", "out"]
    for name in ("sounds/000.wav", "index.html", "health.json"):
        mine = Path("out") / name
        mine.parent.mkdir(parents=True, exist_ok=True)
        mine.write_bytes(b"{}")
        assert main(check) == 2
        said = f"out holds files that are of no report\n  got: {name.split('/')[0]}\n  do:  name another folder"
        assert said in capsys.readouterr().err
        assert [f.read_bytes() for f in Path("out").rglob("*") if f.is_file()] == [b"{}"]
        shutil.rmtree("out")
    Path("out").mkdir()
    (Path("out") / "notes.txt").write_text("mine")
    assert main(check) == 1
    assert main(check) == 1, "a report may be written anew"
    assert (Path("out") / "notes.txt").read_text() == "mine"
    shutil.rmtree("out")
    with monkeypatch.context() as killed:
        killed.setattr("wakewright.evaluate.health_page.html", lambda *_: sys.exit(9))
        main(check)
    assert any((Path("out") / "sounds").iterdir())
    assert main(check) == 1, "and so may one whose making was killed"


def test_speakers_in_two_manifests_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part, seeds in (("train", range(4)), ("test", range(10, 14))):
        for who, seed in zip("abcd" if part == "train" else "dxyz", seeds, strict=True):
            hiss(tmp_path / part / "positive" / who / "1.wav", seed)
        assert main(["data", "import", part, "--workers", "1"]) == 0
    assert main(["data", "check", "train.jsonl", "test.jsonl", "--workers", "1"]) == 1
    out = capsys.readouterr().out
    assert "speakers in two parts: 1\n" in out
    assert "positive/d/1.wav: d is in train too, with 1 clips" in out


def test_a_list_that_names_its_recordings_from_where_it_lies_is_checked_from_anywhere(
    recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [Clip("positive/0.wav", "positive", 1.0), Clip("negative/quiet.wav", "speech", 1.0)]
    Manifest(tuple(clips)).write(recordings / "recordings.jsonl")
    assert main(["data", "check", "mine/recordings.jsonl", "--workers", "1", "--quarantine"]) == 1
    out = capsys.readouterr().out
    assert f"silent: 1\n  {recordings}/negative/quiet.wav: " in out
    assert "1 of 2 clips have a fault" in out
    assert main(["data", "check", "mine/recordings.jsonl", "--workers", "1"]) == 0, "what is quarantined is left out"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["import", "mine/positive/0.wav", "--map", ".=positive"], "0.wav is no folder\n  got: a file"),
        (["import", "nowhere"], "no audio at"),
        (["import", "mine", "--layout", "tree"], "--layout names none that is known\n  got: tree"),
        (["import", "mine", "--map", "positive"], "--map takes NAME=VALUE\n  got: positive"),
        (["import", "mine", "--columns", "path=file"], "--columns needs a table\n  got: no --csv"),
        (["import", "mine", "--csv", "none.csv"], "no table at none.csv"),
        (["import", "mine", "--csv", "none.csv", "--group-by", "{group}"], "--group-by is for folders"),
        (["check", "empty.jsonl", "--group-by", "{group}"], "--group-by is for folders\n  got: empty.jsonl"),
        (["import", "mine", "--out", "mine"], "mine cannot be written\n  got: a folder"),
        (["check", "nowhere"], "no audio at"),
        (["check", "mine", "--quarantine"], "a quarantine lies beside a manifest\n  got: a folder"),
        (["check", "mine", "--judge", "nowhere"], "nowhere"),
        (["check", "empty.jsonl"], "empty.jsonl has no clip to look at"),
        (["check", "mine/negative/text.wav"], "text.wav, line 1, is not a clip"),
    ],
)
def test_bad_input_ends_with_2(
    words: list[str], said: str, recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.jsonl").touch()
    assert main(["data", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "\n  do:  " in err


def test_help_says_how_the_quarantine_is_used() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wakewright", "data", "check", "--help"], capture_output=True, text=True, check=True
    )
    assert "MANIFEST.quarantine.jsonl" in done.stdout.replace("\n", "")
    assert "import to the same manifest again" in " ".join(done.stdout.split())


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_awkward_names_are_told_and_can_be_copied_from_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "моя папка"
    hiss(root / "positive" / "a\u0308nn" / "1.wav", 1)
    hiss(root / "negative" / "2.wav", 2)
    os.rename(hiss(root / "negative" / "3.wav", 3), os.fsencode(root) + b"/negative/caf\xe9.wav")  # noqa: PTH104
    (root / "negative" / "loop").symlink_to("..")
    assert main(["data", "import", root.name, "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert f"cannot be read: {root}/negative/caf\\xe9.wav: a name that is not UTF-8" in out
    assert "wakewright data check 'моя папка.jsonl'" in out
    assert main(["data", "check", root.name, "--workers", "1"]) == 1
    out = capsys.readouterr().out
    assert f"{root}/negative/caf\\xe9.wav: a name that is not UTF-8" in out
    assert "1 of 3 clips have a fault" in out
