"""`wakewright listen`: files, pipes and a microphone; lines, JSON, a command of the user's, sound kept."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wakewright.apps import confirm, hook, meter
from wakewright.apps.cli import main
from wakewright.core.audio import Samples, load, write_wav
from wakewright.core.errors import DiskFull
from wakewright.core.files import disk_errors, write_bytes
from wakewright.core.manifest import Manifest
from wakewright.detect import microphone
from wakewright.detect.detector import Detection, Detector
from wakewright.detect.judge import Verdict, quiet


@pytest.fixture(scope="module")
def sound(spoken: Manifest) -> Samples:
    return np.concatenate([np.zeros(40_000, np.float32), *(load(clip.path) for clip in spoken)])[: 10 * 16000]


@pytest.fixture
def folder(sound: Samples, tmp_path: Path) -> Path:
    place = tmp_path / "sound"
    write_wav(place / "a.wav", sound)
    write_wav(place / "b.wav", sound[:16000])
    return place


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_recordings_give_one_json_line_per_detection_and_keep_the_sound(
    exported: dict[str, Path], folder: Path, sound: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, kept = exported["mixednet"], tmp_path / "kept"
    words = ["listen", str(run), "--wav", str(folder), "--threshold", "0.0", "--json", "--save", str(kept)]
    assert main(words) == 0
    found = lines(capsys)
    assert {line["file"] for line in found} == {str(folder / "a.wav"), str(folder / "b.wav")}
    assert {line["phrase"] for line in found} == {"hey katya"}
    assert all(0 <= line["start_s"] <= line["end_s"] and 0 <= line["score"] <= 1 for line in found)
    files = sorted(kept.iterdir())
    assert len(files) == len(found)
    first = load(kept / f"hey-katya-a-{round(1000 * found[0]['end_s'])}ms.wav")
    before = round(found[0]["end_s"] * 16000) + 32_000  # two seconds of quiet stand before a recording
    heard = np.concatenate([quiet(2.0), sound])
    np.testing.assert_allclose(first, heard[max(0, before - 48000) : before + 16000], atol=1e-4)


def test_recordings_of_one_name_are_kept_side_by_side(
    exported: dict[str, Path], sound: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("a", "b"):
        write_wav(tmp_path / "sound" / place / "clip.wav", sound[:80_000])
    words = ["listen", str(exported["mixednet"]), "--wav", str(tmp_path / "sound"), "--threshold", "0.0", "--json"]
    kept = tmp_path / "kept"
    assert main([*words, "--save", str(kept)]) == 0
    found = lines(capsys)
    files = {path: path.read_bytes() for path in kept.iterdir()}
    assert len(files) == len(found)
    moment = round(1000 * found[0]["end_s"])
    assert {kept / f"hey-katya-clip-{moment}ms{number}.wav" for number in ("", "-2")} <= files.keys()
    assert main([*words, "--save", str(kept)]) == 0  # what an earlier run kept stays too
    assert {path: path.read_bytes() for path in files} == files
    assert len(list(kept.iterdir())) == 2 * len(files)


def test_lines_for_people_say_where_nothing_was_heard(
    exported: dict[str, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["listen", str(exported["mixednet"]), "--wav", str(folder), "--threshold"]
    assert main([*words, "0.0"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{folder / 'a.wav'}: hey katya at 0.0")
    assert main([*words, "1.0"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{folder / name}: not heard" for name in ("a.wav", "b.wav")]


def test_a_clip_as_short_as_the_word_is_heard(
    exported: dict[str, Path], spoken: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    """A detector hears nothing in its first two seconds: a recording has some quiet before it, and after."""
    clip = Path(next(iter(spoken.of("positive"))).path)
    detector = Detector.load(exported["speech_embedding"], threshold=1.0)
    highest = float(detector.score(np.concatenate([quiet(2.0), load(clip), quiet(0.8)])).max())
    words = ["listen", str(exported["speech_embedding"]), "--wav", str(clip), "--json", "--threshold"]
    assert main([*words, str(highest - 1e-4)]) == 0
    (found,) = lines(capsys)
    assert 0 <= found["end_s"] <= len(load(clip)) / 16000 + 0.8


def test_a_pipe_is_heard_as_it_comes(exported: dict[str, Path], sound: Samples, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, 16000, format="WAV", subtype="PCM_16")
    expected = [d.sample for d in Detector.load(exported["mixednet"], threshold=0.0).stream(sound)]
    words = ["listen", str(exported["mixednet"]), "--wav", "-", "--threshold", "0.0", "--json"]
    command = [sys.executable, "-m", "wakewright", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(buffer.getvalue()[:200_000])
        process.stdin.flush()
        first = json.loads(process.stdout.readline())  # while the pipe is still open
        process.stdin.write(buffer.getvalue()[200_000:])
        process.stdin.close()
        rest = [json.loads(line) for line in process.stdout]
        assert process.wait(60) == 0
    assert [round(16000 * line["end_s"]) for line in (first, *rest)] == pytest.approx(expected, abs=8)


def test_the_users_command_finds_the_phrase_in_its_environment(
    exported: dict[str, Path], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "told"
    code = f"import os; open({str(told)!r}, 'a').write(os.environ['WAKEWRIGHT_PHRASE'] + '\\n')"
    (tmp_path / "tell.py").write_text(code)
    words = ["listen", str(exported["mixednet"]), "--wav", str(folder / "a.wav"), "--threshold", "0.0", "--json"]
    assert main([*words, "--exec", f'"{sys.executable}" "{tmp_path / "tell.py"}"']) == 0
    assert told.read_text().splitlines() == ["hey katya"] * len(lines(capsys))


def test_a_command_that_fails_or_never_ends_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    fails = hook.Hook("exit 3")
    heard = Detection("hey katya", 0.9, 0, 16000)
    assert fails.run(heard) is None
    fails._running[0].wait()
    assert fails.run(heard) == "--exec: the command ended with status 3"
    assert fails.wait() == "--exec: the command ended with status 3"
    monkeypatch.setattr(hook, "LAST_WAIT_S", 0.01)
    stays = hook.Hook("sleep 5")
    assert [stays.run(heard) for _ in range(hook.MOST_AT_ONCE)] == [None] * hook.MOST_AT_ONCE
    assert stays.run(heard) == "--exec: 8 of it still run; not started again"
    stays.wait()
    for process in stays._running:
        process.kill()
        process.wait()


def test_commands_that_hang_are_waited_for_a_moment_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "LAST_WAIT_S", 0.5)
    stays = hook.Hook("sleep 20")
    for _ in range(hook.MOST_AT_ONCE):
        stays.run(Detection("hey katya", 0.9, 0, 16000))
    began = time.monotonic()
    assert stays.wait() is None
    assert time.monotonic() - began < 0.5 * hook.MOST_AT_ONCE / 2
    for process in stays._running:
        process.kill()
        process.wait()


def test_what_the_command_prints_is_apart_from_json(exported: dict[str, Path], folder: Path) -> None:
    words = ["listen", str(exported["mixednet"]), "--wav", str(folder / "a.wav"), "--threshold", "0.0"]
    words += ["--exec", "echo from-the-command"]
    command = [sys.executable, "-m", "wakewright", *words]
    told = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert [json.loads(line)["phrase"] for line in told.stdout.splitlines()] == ["hey katya"]
    assert "from-the-command" in told.stderr
    assert "from-the-command" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_recording_with_the_longest_name_there_may_be_is_kept(
    exported: dict[str, Path], sound: Samples, tmp_path: Path
) -> None:
    path = tmp_path / ("ü" * 125 + ".wav")
    buffer = io.BytesIO()
    soundfile.write(buffer, sound[:80_000], 16000, format="WAV")
    path.write_bytes(buffer.getvalue())
    words = ["listen", str(exported["mixednet"]), "--wav", str(path), "--threshold", "0.0", "--save"]
    assert main([*words, str(tmp_path / "kept")]) == 0
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name.startswith("hey-katya-üüü")
    assert kept.name.endswith("ms.wav")


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_any_more_ends_no_live_listening(
    exported: dict[str, Path],
    sound: Samples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
) -> None:
    """A card turns read-only when it wears out, and a pipe is as live as a microphone."""

    def fails(path: Path, data: bytes, *_: Any, **__: Any) -> None:
        with disk_errors(Path(path), "make room"):
            raise OSError(code, os.strerror(code), str(path))

    raw = (sound * 32767).astype("<i2").tobytes()
    monkeypatch.setattr("wakewright.core.audio.write_bytes", fails)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    run = ["listen", str(exported["mixednet"]), "--threshold", "0.0", "--json", "--save", str(tmp_path), "--wav"]
    assert main([*run, "-"]) == 0
    out = capsys.readouterr()
    assert len(out.out.splitlines()) == 1
    assert "listening goes on; this sound was not kept" in out.err
    write_bytes(tmp_path / "a.raw", raw)
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, 16000, format="WAV")
    (tmp_path / "a.wav").write_bytes(buffer.getvalue())
    assert main([*run, str(tmp_path / "a.wav")]) in (2, 3)
    err = capsys.readouterr().err
    assert "wakewright: " in err
    assert "--resume" not in err


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_said_at_the_start(
    exported: dict[str, Path], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o500)
    words = ["listen", str(exported["mixednet"]), "--wav", str(folder / "a.wav"), "--threshold", "0.0", "--save"]
    assert main([*words, str(kept)]) == 2
    out = capsys.readouterr()
    assert "cannot be saved into" in out.err
    assert out.out == ""


class Recorded:
    """A microphone that plays a recording."""

    def __init__(self, sound: Samples) -> None:
        self._sound = sound
        self.device = microphone.Device(0, "Stand-in", 16000, 1, True)

    def __iter__(self) -> Iterator[Samples]:
        yield from np.array_split(self._sound, len(self._sound) // 1280)
        raise KeyboardInterrupt  # the user ends it


def test_a_microphone_is_heard_until_ctrl_c_even_on_a_full_disk(
    exported: dict[str, Path],
    sound: Samples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(path: Path, samples: Samples, do: str) -> None:
        raise DiskFull(f"{path} cannot be written", got="no space left", do=do)

    monkeypatch.setattr(microphone, "Microphone", lambda *_, **__: Recorded(sound))
    monkeypatch.setattr("wakewright.apps.teller.write_wav", full)
    words = ["listen", str(exported["mixednet"]), "--threshold", "0.0", "--json", "--save", str(tmp_path)]
    assert main(words) == 0
    out = capsys.readouterr()
    assert json.loads(out.out.splitlines()[0]).keys() == {"time", "phrase", "start_s", "end_s", "score"}
    assert out.err.startswith("listening for hey katya on 'Stand-in'; end with Ctrl-C")
    assert "listening goes on; this sound was not kept" in out.err


def test_a_judge_confirms_each_wake(
    exported: dict[str, Path], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["listen", str(exported["mixednet"]), "--wav", str(folder / "a.wav"), "--threshold", "0.0"]
    words += ["--judge", str(exported["speech_embedding"])]
    told = tmp_path / "told"
    assert main([*words, "--json", "--exec", f'echo x >> "{told}"']) == 0
    wake, answer = lines(capsys)
    assert (wake["event"], wake["wake"], answer["event"], answer["wake"]) == ("wake", 0, "confirmed", 0)
    assert answer["reason"] == "judge"
    assert answer["confidence"] >= 0.5
    assert told.read_text().split() == ["x"]
    assert main([*words, "--cascade", "confirm=0.999", "--exec", f'echo x >> "{told}"']) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("?")
    assert " cancelled, confidence 0." in out[1]
    assert told.read_text().split() == ["x"]
    assert main([*words, "--cascade", "confirn=0.9"]) == 2
    err = capsys.readouterr().err
    assert "confirn" in err
    assert "settings are confirm, trigger" in err
    plain = words[: words.index("--judge")]
    assert main([*plain, "--cascade", "confirm=0.9"]) == 2
    assert "got: no --judge" in capsys.readouterr().err
    assert main([*plain, "--judge", "ftp://x"]) == 2
    assert "is no address of a Judge" in capsys.readouterr().err
    assert main([*plain, "--judge", "http://127.0.0.1:9", "--json"]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out.splitlines()[1])["reason"] == "away"
    assert out.err.startswith("the Judge at http://127.0.0.1:9 does not answer; wakes are asked about when it is")


def test_a_sentry_that_stays_awake_is_told_of_again_where_the_judge_denied(
    exported: dict[str, Path], folder: Path, sound: Samples, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["listen", str(exported["mixednet"]), "--wav", str(folder / "a.wav"), "--threshold", "0.0", "--json"]
    words += ["--judge", str(exported["speech_embedding"]), "--cascade", "confirm=1"]
    sentry = Detector.load(exported["mixednet"], threshold=0.0)
    sentry.rearm(0.8, 1600)
    wakes = [round(one.end_s - 2.0, 3) for one in sentry.stream(np.concatenate([quiet(2.0), sound, quiet(0.8)]))]
    assert len(wakes) >= 5
    assert main(words) == 0
    found = lines(capsys)
    assert [line["event"] for line in found] == ["wake", "cancelled"] * len(wakes)
    assert [line["end_s"] for line in found[::2]] == wakes
    assert main([*words, "--cascade", "rewake_ms=null"]) == 0
    assert [line["end_s"] for line in lines(capsys)] == [wakes[0]] * 2
    assert main([*words[:-1], "confirm=0"]) == 0
    assert [line["event"] for line in lines(capsys)] == ["wake", "confirmed"]


def test_the_sound_of_a_wake_that_was_held_is_kept_when_it_is_told(
    exported: dict[str, Path],
    sound: Samples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The Judge answers about the first wake when two more have come, and their sound; it confirms the third."""
    release, confidences = threading.Event(), iter([0.1, 0.2] + [0.9] * 20)

    class Slow:
        name, phrase = "stand-in", "hey katya"

        def check(self) -> None:
            pass

        def verify(self, samples: Samples) -> Verdict:
            assert release.wait(60)
            confidence = next(confidences)
            return Verdict(self.phrase, confidence >= 0.5, confidence, 0.5, 0.0)

    class Paced(Recorded):
        def __iter__(self) -> Iterator[Samples]:
            for at in range(0, len(self._sound), 1280):
                if at == 16000 * 8:
                    release.set()
                yield self._sound[at : at + 1280]
            raise KeyboardInterrupt

    monkeypatch.setattr(microphone, "Microphone", lambda *_, **__: Paced(sound))
    monkeypatch.setattr(confirm, "open_judge", lambda *_: Slow())
    words = ["listen", str(exported["mixednet"]), "--threshold", "0.0", "--json", "--judge", "x", "--save"]
    assert main([*words, str(tmp_path), "--cascade", "asks=1", "--cascade", "timeout_ms=60000"]) == 0
    found = lines(capsys)
    assert [line["event"] for line in found] == ["wake", "cancelled"] * 2 + ["wake", "confirmed"]
    kept = {path.stem.rsplit("-", 1)[1]: load(path) for path in tmp_path.iterdir()}
    assert set(kept) == {f"{round(1000 * line['end_s'])}ms" for line in found}
    for line in found[::2]:
        end = round(16000 * line["end_s"])
        around = sound[max(0, end - 48_000) : end + 16_000]
        np.testing.assert_allclose(kept[f"{round(1000 * line['end_s'])}ms"], around, atol=1e-4)


def test_a_wake_is_answered_though_no_sound_comes(
    exported: dict[str, Path],
    sound: Samples,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A Judge that hangs, and a microphone that gives nothing any more."""
    told, release = list[dict[str, Any]](), threading.Event()

    class Hangs:
        name, phrase = "stand-in", "hey katya"

        def check(self) -> None:
            pass

        def verify(self, samples: Samples) -> None:
            release.wait(60)

    class Stalls(Recorded):
        def __iter__(self) -> Iterator[Samples]:
            for piece in np.array_split(self._sound, len(self._sound) // 1280):
                yield piece
                told.extend(lines(capsys))
                if told:
                    break
            end = time.monotonic() + 20
            while len(told) < 2 and time.monotonic() < end:
                time.sleep(0.01)
                told.extend(lines(capsys))
            raise KeyboardInterrupt

    monkeypatch.setattr(microphone, "Microphone", lambda *_, **__: Stalls(sound))
    monkeypatch.setattr(confirm, "open_judge", lambda *_: Hangs())
    words = ["listen", str(exported["mixednet"]), "--threshold", "0.0", "--json", "--judge", "x"]
    assert main(words) == 0
    release.set()
    assert [(line["event"], line.get("reason")) for line in told] == [("wake", None), ("confirmed", "timeout")]
    assert capsys.readouterr().out == ""


def test_what_cannot_be_used_is_said_before_anything_is_heard(
    exported: dict[str, Path], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, sound = str(exported["mixednet"]), str(folder / "b.wav")
    (tmp_path / "garbage.yaml").write_text("] no yaml")
    (tmp_path / "empty.yaml").write_text("phrase: x\n")
    (tmp_path / "headless.raw").write_bytes(bytes(64_000))
    (tmp_path / "gone.yaml").write_text("phrase: x\ncascade: {sentry: /nope, judge: /nope}\n")
    for words, said in (
        ([run, "--wav", sound, "--save", sound], "cannot be saved into"),
        ([run, "--wav", sound, "--device", "USB"], "a microphone or recordings, not both"),
        ([str(tmp_path / "garbage.yaml"), "--wav", sound], "no file that `wakewright cascade` wrote"),
        ([str(tmp_path / "empty.yaml"), "--wav", sound], "names no pair"),
        ([str(tmp_path / "gone.yaml"), "--wav", sound], "names a Sentry that is gone"),
        ([str(tmp_path / "gone.yaml"), run, "--wav", sound], "a pair stands alone"),
        ([run, str(tmp_path / "gone.yaml"), "--wav", sound], "a pair stands alone"),
        ([run, "--wav", str(tmp_path / "headless.raw")], "raw samples"),
    ):
        assert main(["listen", *words]) == 2
        assert said in capsys.readouterr().err


def test_microphones_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    there = [microphone.Device(0, "A", 48000, 2, False), microphone.Device(3, "B", 16000, 1, True)]
    monkeypatch.setattr(microphone, "devices", lambda: there)
    assert main(["listen", "--list-devices"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0: A, 48000 Hz, 2 channels",
        "3: B, 16000 Hz, 1 channels (default)",
    ]


def test_without_a_run_it_says_what_to_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen"]) == 2
    assert "nothing to listen for" in capsys.readouterr().err


def test_the_meter_shows_level_and_scores(exported: dict[str, Path]) -> None:
    detector = Detector.load(exported["mixednet"])
    detector.current = 0.25
    shown = meter.line(np.full(1280, 0.1, np.float32), [detector], 200)
    assert shown == "███████▏    -20 dB  hey katya █████      0.25"
    assert meter.line(np.zeros(1280, np.float32), [detector], 12) == "            "
    assert [meter.bar(share, 2) for share in (0.0, 0.5, 1.0, 7.0)] == ["  ", "█ ", "██", "██"]
