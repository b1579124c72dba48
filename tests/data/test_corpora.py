"""Folders of sound become manifests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.core.audio import write_wav
from wakewright.core.errors import AudioError, InputError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.material import Background
from wakewright.core.recipe import Recipe
from wakewright.data.corpora import RECORDINGS, checked, own_recordings, scan
from wakewright.data.splits import apart


def record(path: Path, seconds: float = 0.5, rate: int = 16_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.ones(round(seconds * rate)), rate)
    return path


def test_folders_are_speakers_when_there_are_many(tmp_path: Path) -> None:
    for person in "abcd":
        for take in (2, 1):
            record(tmp_path / "readers" / "book" / person / f"{take}.flac", 0.25 * take, 48_000)
    found = scan(Background(speech=(str(tmp_path / "readers"),)))
    assert [Path(c.path).relative_to(tmp_path / "readers" / "book").as_posix() for c in found] == [
        f"{p}/{t}.flac" for p in "abcd" for t in (1, 2)
    ]
    assert [c.speaker for c in found] == list("aabbccdd")
    assert {(c.source, c.kind, c.real) for c in found} == {("readers", "speech", True)}
    assert [c.seconds for c in found][:2] == [0.25, 0.5]
    train, held = apart(found, Recipe(phrase="hey katya"))
    assert held.clips
    assert not {c.speaker for c in train} & {c.speaker for c in held}


def test_the_chapters_of_a_reader_are_the_readers(tmp_path: Path) -> None:
    """As LibriSpeech lies: a set, its readers, their chapters; what lies above the readers stands for itself."""
    for name in ("84/1", "84/2", "85/1", "86/1", "87/1"):
        record(tmp_path / "books" / "clean" / name / "x.flac")
    loose = record(tmp_path / "books" / "loose.wav")
    found = scan(Background(speech=(str(tmp_path / "books"),)))
    assert [c.speaker for c in found] == ["84", "84", "85", "86", "87", str(loose)]


def test_files_are_speakers_when_folders_are_few(tmp_path: Path) -> None:
    files = [record(tmp_path / "talk" / folder / f"{i}.wav") for folder in "abc" for i in range(2)]
    found = scan(Background(speech=(str(tmp_path / "talk"),)))
    assert [c.speaker for c in found] == [str(f) for f in files]


def test_noise_and_music_stand_for_themselves(tmp_path: Path) -> None:
    for kind in ("rain", "dog", "saw", "street", "fan"):
        record(tmp_path / "esc" / kind / "1.wav")
    background = Background(noise=(str(tmp_path / "esc"),), music=(str(tmp_path / "esc" / "saw"),))
    found = scan(background)
    assert [c.kind for c in found] == ["noise"] * 5 + ["music"]
    assert all(c.speaker == c.path for c in found)
    assert found.of("music").clips[0].source == "saw"


def test_impulse_responses_of_one_folder_are_one_room(tmp_path: Path) -> None:
    for name in "abcd":
        record(tmp_path / "rirs" / name / "1.wav")
    assert [c.speaker for c in scan(Background(rirs=(str(tmp_path / "rirs"),)))] == list("abcd")


def test_a_folder_named_twice_is_counted_once(tmp_path: Path) -> None:
    record(tmp_path / "noise" / "1.wav")
    found = scan(Background(noise=(str(tmp_path / "noise"), str(tmp_path / "noise"))))
    assert len(found) == 1


def test_links_are_followed(tmp_path: Path) -> None:
    record(tmp_path / "far" / "1.wav")
    (tmp_path / "near").mkdir()
    try:
        (tmp_path / "near" / "link").symlink_to(tmp_path / "far", target_is_directory=True)
    except OSError:
        pytest.skip("links are not allowed here")
    found = scan(Background(noise=(str(tmp_path / "near"),)))
    assert [c.path for c in found] == [str(tmp_path / "near" / "link" / "1.wav")]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    record(tmp_path / "noise" / "1.wav")
    bad = tmp_path / "noise" / "2.wav"
    bad.write_text("not sound")
    with pytest.raises(AudioError) as caught:
        scan(Background(noise=(str(tmp_path / "noise"),)))
    assert caught.value.what == f"{bad} cannot be read as audio"
    assert caught.value.do == "remove it, or convert it to WAV or FLAC"


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no audio in"):
        scan(Background(music=(str(tmp_path),)))
    with pytest.raises(AudioError, match="no such file or folder"):
        own_recordings([tmp_path / "nowhere"])


def test_nothing_named_is_nothing_found() -> None:
    assert len(scan(Background())) == 0


def test_own_recordings_are_kept_apart_by_file(tmp_path: Path) -> None:
    for i in range(6):
        write_wav(tmp_path / "mine" / f"{i}.wav", np.full(8_000, 0.1, np.float32))
    found = own_recordings([tmp_path / "mine" / "3.wav", str(tmp_path / "mine")])
    assert [Path(c.path).name for c in found] == [f"{i}.wav" for i in range(6)]
    assert {c.kind for c in found} == {"positive"}
    assert all(c.real and c.speaker == c.path for c in found)
    train, held = apart(found, Recipe(phrase="hey katya"))
    assert train.clips
    assert held.clips


def test_a_folder_below_the_named_one_is_a_person(tmp_path: Path) -> None:
    decomposed, composed = "Jose\u0301", "Jos\u00e9"
    for name in ("ann/1.wav", "ann/kitchen/2.wav", f"{decomposed}/1.wav", "3.wav"):
        record(tmp_path / "mine" / name)
    record(tmp_path / "more" / "ann" / "4.wav")
    record(tmp_path / "more" / composed / "5.wav")
    found = own_recordings([tmp_path / "mine", tmp_path / "more"])
    speakers = {Path(clip.path).name + str(len(clip.path)): clip.speaker for clip in found}
    assert sorted(speakers.values()) == sorted(
        ["ann", "ann", "ann", composed, composed, str(tmp_path / "mine/3.wav")]
    )
    assert [clip.path for clip in found] == sorted(clip.path for clip in found)
    train, held = apart(found, Recipe(phrase="hey katya"))
    assert held.clips
    assert not {c.speaker for c in train} & {c.speaker for c in held}


def test_a_persons_file_that_is_named_twice_is_that_persons_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path / "mine" / "ann" / "1.wav")
    monkeypatch.chdir(tmp_path)
    for paths in (["mine", "mine/ann"], ["mine/ann", str(tmp_path / "mine")], ["mine/ann/1.wav", "mine"]):
        assert [clip.speaker for clip in own_recordings(paths)] == ["ann"]


def test_a_list_says_who_speaks_and_what(tmp_path: Path) -> None:
    for name in ("a/1.wav", "a/2.wav", "b/1.wav", "loose.wav"):
        record(tmp_path / "mine" / name)
    rows = (("a/1.wav", "ann"), ("b/1.wav", "ann"), ("loose.wav", "bob"), ("gone.wav", "eve"))
    listed = Manifest(tuple(Clip(path, "positive", 1.0, speaker=who, text="hey katya") for path, who in rows))
    listed.write(tmp_path / "mine" / RECORDINGS)
    found = own_recordings([tmp_path / "mine"])
    heard = {Path(c.path).relative_to(tmp_path / "mine").as_posix(): (c.speaker, c.text) for c in found}
    assert heard == {
        "a/1.wav": ("ann", "hey katya"),
        "a/2.wav": ("a", ""),
        "b/1.wav": ("ann", "hey katya"),
        "loose.wav": ("bob", "hey katya"),
    }
    assert [c.speaker for c in own_recordings([tmp_path / "mine" / "b"])] == ["ann"]  # the list lies one folder above
    assert [c.speaker for c in own_recordings([tmp_path / "mine" / "loose.wav"])] == ["bob"]
    assert {(c.kind, c.source, c.real, c.seconds) for c in found} == {("positive", "own recordings", True, 0.5)}
    assert checked(found, Recipe(phrase="Hey Katya")) is found
    with pytest.raises(AudioError, match=r"a recording of another phrase\n  got: 'hey katya', where 'computer' is"):
        checked(found, Recipe(phrase="computer"))
    (tmp_path / "mine" / RECORDINGS).write_text("{}\n")
    with pytest.raises(InputError, match=r"recordings.jsonl, line 1, is not a clip"):
        own_recordings([tmp_path / "mine"])


def test_headers_alone_are_read(tmp_path: Path) -> None:
    """An hour of audio is scanned without being decoded."""
    path = tmp_path / "noise" / "long.wav"
    record(path, 0.1)
    raw = bytearray(path.read_bytes())
    size = 16_000 * 2 * 3600
    raw[40:44] = size.to_bytes(4, "little")
    raw[4:8] = (size + 36).to_bytes(4, "little")
    path.write_bytes(raw[:44])
    with path.open("rb+") as stream:
        stream.truncate(44 + size)  # a sparse file: it holds no data at all
    assert scan(Background(noise=(str(path.parent),))).seconds == 3600.0


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # Windows
    said = record(tmp_path / "speech" / "a.wav")
    assert [(c.path, c.source) for c in scan(Background(speech=("~/speech",)))] == [(str(said), "speech")]
    assert [c.path for c in own_recordings(["~/speech/a.wav"])] == [str(said)]
