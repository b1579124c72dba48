"""`wakewright data get`, from the words to the exit status."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wakewright.apps.cli import main
from wakewright.core.errors import AudioError
from wakewright.core.manifest import Manifest
from wakewright.core.material import Background
from wakewright.data.corpora import scan
from wakewright.data.corpus import CORPORA
from wakewright.data.corpus.corpus import Part


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "cache"


def packed(kind: str) -> bytes:
    """Three seconds of MUSAN: one file of each kind."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in (f"musan/{kind}/a/{kind}-a-0000.wav", f"musan/{kind}/b/{kind}-b-0000.wav", "musan/noise/a/n.wav"):
            wav = io.BytesIO()
            soundfile.write(wav, np.random.default_rng(1).normal(0, 0.1, 16_000), 16_000, format="WAV")
            info = tarfile.TarInfo(name)
            info.size = len(wav.getvalue())
            tar.addfile(info, io.BytesIO(wav.getvalue()))
    return out.getvalue()


@pytest.fixture
def musan(web: Any, monkeypatch: pytest.MonkeyPatch) -> Part:
    """A small MUSAN in two parts, at the test's server."""
    parts = []
    for kind in ("music", "speech"):
        data = web.files[f"{kind}.tar.gz"] = packed(kind)
        checksum = "md5:" + hashlib.md5(data).hexdigest()
        parts.append(Part(kind, f"{web.address}/{kind}.tar.gz", len(data), 200_000, checksum))
    corpus = dataclasses.replace(CORPORA["musan"], parts=tuple(parts), usual=("music", "speech"))
    monkeypatch.setitem(CORPORA, "musan", corpus)
    return parts[0]


def test_a_corpus_is_announced_fetched_and_its_settings_named(
    musan: Part, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "get", "musan/music", "--yes"]) == 0
    said = capsys.readouterr().out
    folder = cache / "corpora" / "musan" / "music"
    assert musan.address in said
    assert "CC-BY-4.0; commercial use allowed" in said
    assert f"musan/music: 2 clips of music, 2 s: background.music=[{folder}]" in said
    assert f"musan/music: 1 clip of noise, 1 s: background.noise=[{folder}]" in said
    assert len(Manifest.read(folder / "clips.jsonl")) == 3


def test_help_names_every_option(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "118")
    assert main(["data", "get", "--help"]) == 0
    said = capsys.readouterr().out
    for option in ("--to", "--yes", "--list", "--from", "--path"):
        assert option in said


def test_to_another_folder_and_all_usual_parts(musan: Part, tmp_path: Path) -> None:
    assert main(["data", "get", "musan", "--to", str(tmp_path / "mine"), "-y"]) == 0
    assert sorted(p.parent.name for p in (tmp_path / "mine").rglob("clips.jsonl")) == ["music", "speech"]


def test_several_parts_are_told_as_one_where_they_are_all_there_is(
    musan: Part, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cache / "corpora" / "musan"
    main(["data", "get", "musan", "-y"])
    assert capsys.readouterr().out.splitlines()[-3:] == [
        f"musan: 2 clips of music, 2 s: background.music=[{folder}]",
        f"musan: 2 clips of noise, 2 s: background.noise=[{folder}]",
        f"musan: 2 clips of speech, 2 s: background.speech=[{folder}]",
    ]
    (folder / "older").mkdir()
    (folder / "older" / "clips.jsonl").write_text("")
    main(["data", "get", "musan", "-y"])
    assert f"musan/speech: 1 clip of noise, 1 s: background.noise=[{folder / 'speech'}]" in capsys.readouterr().out


def test_a_second_time_nothing_is_asked_or_fetched(musan: Part, web: Any, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "get", "musan", "-y"])
    web.asked.clear()
    capsys.readouterr()
    assert main(["data", "get", "musan"]) == 0
    assert capsys.readouterr().out.startswith("musan/music: already here, ")
    assert web.asked == []


def test_the_list(musan: Part, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "get", "--list"]) == 0
    said = capsys.readouterr().out
    for name, corpus in CORPORA.items():
        assert f"│ {name} " in said
        assert corpus.licence in said
    assert "by account" in said
    assert "librispeech/PART, where PART is one of: dev-clean, " in said
    main(["data", "get", "musan/music", "-y"])
    capsys.readouterr()
    assert main(["data", "get", "--list", "musan"]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("│ musan"))
    assert row.rstrip().endswith("│ music │")
    main(["data", "get", "musan", "-y"])
    capsys.readouterr()
    main(["data", "get", "--list", "musan"])
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("│ musan"))
    assert row.rstrip().endswith("│ yes  │")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which corpus?\n  got: no name\n  do:  name some; wakewright data get --list shows them"),
        (["muzan"], "no such corpus\n  got: 'muzan'\n  do:  did you mean musan"),
        (["librispeech/all"], "librispeech has no such part"),
        (
            ["common-voice"],
            "common-voice cannot be fetched\n  got: no account\n  do:  it is given only to people with an",
        ),
        (["musan", "fma", "--from", "x"], "--from gives one archive\n  got: musan fma"),
        (["musan", "--from", "nowhere.tar.gz"], "there is nothing at "),
    ],
)
def test_words_that_cannot_be_used(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "get", *words]) == 2
    assert said in capsys.readouterr().err


def test_no_room_is_said_before_anybody_is_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No disk of ours holds a thousand copies of LibriSpeech."""
    corpus = CORPORA["librispeech"]
    huge = dataclasses.replace(corpus.parts[0], size=10**16)
    monkeypatch.setitem(CORPORA, "librispeech", dataclasses.replace(corpus, parts=(huge,), usual=(huge.name,)))
    assert main(["data", "get", "librispeech"]) == 3
    assert "no room for it in " in capsys.readouterr().err


def test_offline_is_one_clear_error(
    musan: Part, web: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = dataclasses.replace(musan, address="http://127.0.0.1:9/music.tar.gz")
    monkeypatch.setitem(CORPORA, "musan", dataclasses.replace(CORPORA["musan"], parts=(gone,), usual=("music",)))
    monkeypatch.setattr("wakewright.data.download.PAUSE_S", 0.001)
    assert main(["data", "get", "musan", "-y"]) == 3
    said = capsys.readouterr().err
    assert "wakewright: http://127.0.0.1:9/music.tar.gz cannot be reached\n  got: " in said
    assert "wakewright data get musan/music --from music.tar.gz" in said
    given = tmp_path / "music.tar.gz"
    given.write_bytes(web.files["music.tar.gz"])
    assert main(["data", "get", "musan/music", "--from", str(given)]) == 0
    assert "2 clips of music" in capsys.readouterr().out


ASK = """
import dataclasses, sys
from wakewright.apps.cli import main
from wakewright.data.corpus import CORPORA
from wakewright.data.corpus.corpus import Part
address, size, md5, to = sys.argv[1:5]
part = Part("all", address, int(size), 200_000, md5)
CORPORA["musan"] = dataclasses.replace(CORPORA["musan"], parts=(part,))
sys.exit(main(["data", "get", "musan", "--to", to]))
"""


def asking(musan: Part, to: Path) -> list[str]:
    return [sys.executable, "-c", ASK, musan.address, str(musan.size), str(musan.checksum), str(to)]


def test_without_a_terminal_to_ask_on_it_wants_yes(musan: Part, web: Any, tmp_path: Path) -> None:
    done = subprocess.run(asking(musan, tmp_path / "to"), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2
    assert "would be fetched\n  got: no terminal to ask on\n  do:  say so with --yes" in done.stderr
    assert web.asked == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("answer", "fetched"), [(b"n\n", False), (b"y\n", True), (b"\n", True)])
def test_it_asks_before_it_fetches(musan: Part, web: Any, tmp_path: Path, answer: bytes, fetched: bool) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(asking(musan, tmp_path / "to"), stdin=theirs, stdout=subprocess.PIPE) as child:
        os.write(ours, answer)
        said, _ = child.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert child.returncode == 0
    assert b"kB? [Y/n]" in said
    assert (b"nothing fetched" in said) is not fetched
    assert bool(web.asked) is fetched
    assert (tmp_path / "to" / "musan" / "all" / "clips.jsonl").is_file() is fetched


def test_a_recipe_takes_speakers_and_licence_from_the_list(musan: Part, cache: Path) -> None:
    main(["data", "get", "musan", "-y"])
    root = cache / "corpora" / "musan"
    found = scan(Background(speech=(str(root),), music=(str(root / "music"),), noise=(str(root.parent),)))
    assert {(c.kind, Path(c.path).stem, c.speaker, c.source, c.licence) for c in found} == {
        ("speech", "speech-a-0000", "speech-a-0000", "musan", "CC-BY-4.0"),
        ("speech", "speech-b-0000", "speech-b-0000", "musan", "CC-BY-4.0"),
        ("music", "music-a-0000", "music-a-0000", "musan", "CC-BY-4.0"),
        ("music", "music-b-0000", "music-b-0000", "musan", "CC-BY-4.0"),
        ("noise", "n", "n", "musan", "CC-BY-4.0"),
    }
    with pytest.raises(AudioError, match=r"(?s)no rir in .*musan.*a corpus of other kinds"):
        scan(Background(rirs=(str(root),)))
    (root / "music").rename(root / "moved")
    with pytest.raises(AudioError, match=r"(?s)was moved since it was fetched.*no recording at .*data get again"):
        scan(Background(music=(str(root),)))
