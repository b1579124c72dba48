"""`mine` and `review` from the command line: what is said, what is stored, and what is refused."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wakewright.apps.cli import main
from wakewright.core.audio import Samples, write_wav
from wakewright.core.errors import MissingPackage
from wakewright.core.lock import exclusive
from wakewright.core.mined import Found, Mined
from wakewright.detect import microphone
from wakewright.evaluate import mine as search


def found(number: int, score: float) -> Found:
    kind = "false_accept" if score >= 0.6 else "near_miss"
    return Found(f"{number:016x}", kind, score, 0.6, 0.25 if number else None, "/radio.wav", 75.5 + number, 74.0, 2.0)  # type: ignore[arg-type]


@pytest.fixture
def mined(tmp_path: Path) -> Mined:
    """Three finds in RUN/mined."""
    folder = Mined(tmp_path / "run" / "mined")
    finds = [found(0, 0.5), found(1, 0.9), found(2, 0.7)]
    for one in finds:
        write_wav(folder.sound(one), np.full(32_000, 0.1, np.float32))
    folder.write(finds)
    return folder


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the sounds that were played."""
    lengths: list[int] = []

    def play(samples: Samples) -> None:
        lengths.append(len(samples))

    monkeypatch.setattr(microphone, "play", play)
    return lengths


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_each_sound_is_played_and_asked_about_the_highest_first(
    mined: Mined, played: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "a\nwhat\nn\ns\nP\n")
    assert main(["review", str(mined.folder.parent)]) == 0
    out = capsys.readouterr().out
    assert played == [32_000] * 4
    assert mined.labels() == {found(1, 0).id: "negative", found(0, 0).id: "phrase"}
    assert "1 of 3: false accept, score 0.900 of 0.600, Judge 0.25, /radio.wav at 1:16.5" in out
    assert "3 of 3: near miss, score 0.500 of 0.600, /radio.wav at 1:15.5" in out
    assert "'what' is none of n, p, a, s, q" in out
    assert "1 not the phrase, 1 the phrase, 1 without a label" in out
    assert mined.phrases_path.read_text(encoding="utf-8").split() == [str(mined.sound(found(0, 0)).resolve())]
    answer(monkeypatch, "q\n")
    assert main(["review", str(mined.folder)]) == 0
    assert "1 of 1: false accept, score 0.700" in capsys.readouterr().out
    assert len(mined.labels()) == 2


def test_an_end_of_input_ends_it_and_a_label_is_there_at_once(
    mined: Mined, played: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "n\n")
    assert main(["review", str(mined.folder)]) == 0
    assert mined.labels() == {found(1, 0).id: "negative"}
    assert "1 not the phrase, 0 the phrase, 2 without a label" in capsys.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_while_it_waits_every_label_given_is_kept(mined: Mined) -> None:
    command = [sys.executable, "-m", "wakewright", "review", str(mined.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write("n\np\n")
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while len(mined.labels()) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert mined.labels() == {found(1, 0).id: "negative", found(2, 0).id: "phrase"}
    done = subprocess.run(command, input="n\n", capture_output=True, text=True, check=True)
    assert "1 of 1: near miss" in done.stdout
    assert len(mined.labels()) == 3


def test_without_a_way_to_play_the_path_is_shown(
    mined: Mined, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(samples: Samples) -> None:
        raise MissingPackage("no microphone can be opened", got="no package sounddevice", do="install it")

    monkeypatch.setattr(microphone, "play", play)
    answer(monkeypatch, "n\nn\nn\n")
    assert main(["review", str(mined.folder)]) == 0
    out, err = capsys.readouterr()
    assert err.count("sounds are not played here (no package sounddevice)") == 1
    assert all(str(mined.sound(one)) in out for one in mined.found())
    assert len(mined.labels()) == 3


def test_labels_from_a_list_and_for_all(mined: Mined, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(f"id,label\n{found(2, 0).id},phrase\n", encoding="utf-8")
    assert main(["review", str(mined.folder), "--label", str(table)]) == 0
    assert mined.labels() == {found(2, 0).id: "phrase"}
    assert main(["review", str(mined.folder), "--all-negative"]) == 0
    assert mined.labels() == {found(0, 0).id: "negative", found(1, 0).id: "negative", found(2, 0).id: "phrase"}
    assert "2 not the phrase, 1 the phrase, 0 without a label" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,label\nffff,negative\n", "line 2: ffff,negative"),
        (f"id,label\n{found(1, 0).id},perhaps\n", f"line 2: {found(1, 0).id},perhaps"),
        ("name,what\na,b\n", "no columns id and label"),
        (f"id,label\n{found(1, 0).id}\n", f"line 2: {found(1, 0).id},"),
        (f"id,label\n{found(1, 0).id},negative\n{found(1, 0).id},phrase\n", f"line 3: {found(1, 0).id},phrase"),
        (f"id,label,note\n{found(1, 0).id},negative,M\udcfcller\n", "write it as CSV in UTF-8"),
    ],
)
def test_a_list_that_cannot_be_used_changes_nothing(
    mined: Mined, tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert main(["review", str(mined.folder), "--label", str(table)]) == 2
    assert said in capsys.readouterr().err
    assert mined.labels() == {}


def test_what_cannot_be_reviewed_or_mined_is_refused(
    mined: Mined, tmp_path: Path, exported: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (["review", str(tmp_path / "nowhere")], "nothing was mined at"),
        (["review", str(tmp_path)], "got: no found.jsonl there, nor in a folder mined/ of it"),
        (["review", str(mined.folder), "--label", "x.csv", "--all-negative"], "a list or everything, not both"),
        (["review", str(mined.folder), "--label", str(tmp_path / "x.csv")], "no labels at"),
        (["mine", str(tmp_path), str(tmp_path)], "no detector in"),
        (["mine", str(exported["mixednet"]), str(tmp_path / "gone")], "no audio at"),
        (["mine", str(exported["mixednet"]), str(mined.folder), "--near", "0.9"], "--near lies outside"),
    ):
        assert main(words) == 2
        assert said in capsys.readouterr().err
    with exclusive(mined.folder / ".lock"), exclusive(mined.folder / ".review.lock"):
        assert main(["review", str(mined.folder)]) == 2
        assert "is being reviewed" in capsys.readouterr().err
        words = ["mine", str(exported["mixednet"]), str(mined.folder / "sounds"), "--out", str(mined.folder)]
        assert main(words) == 2
        assert f"process {os.getpid()} mines into it" in capsys.readouterr().err


def test_a_search_tells_what_it_found_with_its_evidence(
    exported: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(tmp_path / "a" / "silence.wav", np.zeros(36 * 16_000, np.float32))
    words = ["mine", str(exported["mixednet"]), str(tmp_path / "a"), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main([*words, "--near", "0.5"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("0.01 h searched: ")
    assert " false accepts, " in out
    assert " per hour (95 %: " in out
    assert "different sounds" in out


def test_ctrl_c_tells_what_was_found_until_then(
    exported: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(tmp_path / "a" / "silence.wav", np.zeros(16_000, np.float32))

    def interrupted(wanted: search.Search, _: object, mined: Mined, **__: object) -> None:
        mined.note_block(search=wanted.key(), seconds=7200, false_accepts=3, near_misses=4)
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "mine", interrupted)
    words = ["mine", str(exported["mixednet"]), str(tmp_path / "a"), "--out", str(tmp_path / "out")]
    assert main(words) == 130
    assert "2.00 h searched: 3 false accepts, 1.50 per hour (95 %: 0.31 to 4.38)" in capsys.readouterr().out
