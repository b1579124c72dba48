"""`wakewright record`: takes of several people, told what is wrong with each, stopped anywhere and gone on with.

    python test_record.py SOUNDS.npz PACE WORDS ...

runs the command line over the stand-in below, PACE seconds from block to block, as a process that can be killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wakewright.apps import recorder
from wakewright.apps.cli import main
from wakewright.apps.commands.train import compose
from wakewright.core.audio import SAMPLE_RATE, Samples, load, write_wav
from wakewright.core.lock import exclusive
from wakewright.core.manifest import Manifest
from wakewright.data import corpora
from wakewright.data.scene import active_rms, word_bounds
from wakewright.detect import microphone


class PortAudioError(Exception):
    """As sounddevice raises it."""


class StandIn(types.ModuleType):
    """What of `sounddevice` is used. A sound is (n,) samples; after None the device is gone for a moment."""

    PortAudioError = PortAudioError

    def __init__(self, sounds: Sequence[np.ndarray | None], pace_s: float = 0.0) -> None:
        super().__init__("sounddevice")
        self.default = types.SimpleNamespace(device=(0, 0))
        self.sounds, self.pace_s = list(sounds), pace_s
        self.played: list[np.ndarray] = []
        self.open = 0

    def query_devices(self) -> list[dict[str, Any]]:
        return [{"name": "Desk", "max_input_channels": 1, "default_samplerate": float(SAMPLE_RATE)}]

    def _terminate(self) -> None:
        pass

    def _initialize(self) -> None:
        pass

    def play(self, samples: np.ndarray, rate: int) -> None:
        assert rate == SAMPLE_RATE
        self.played.append(samples)

    def wait(self) -> None:
        assert self.played

    def InputStream(self, **about: Any) -> Any:
        if not self.sounds:
            raise PortAudioError("Device unavailable")
        return Stream(self, about, self.sounds.pop(0))


class Stream:
    """One opening of the device."""

    def __init__(self, owner: StandIn, about: dict[str, Any], sound: np.ndarray | None) -> None:
        self.owner, self.about, self.ended = owner, about, threading.Event()
        self.sound = np.zeros(SAMPLE_RATE, np.float32) if sound is None else sound
        self.gone = sound is None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self.owner.open += 1
        self.thread.start()

    def _run(self) -> None:
        size = self.about["blocksize"]
        for at in range(0, len(self.sound), size):
            if self.ended.is_set():
                return
            block = self.sound[at : at + size, None]
            self.about["callback"](block, len(block), None, types.SimpleNamespace(input_overflow=False))
            time.sleep(self.owner.pace_s)
        if self.gone:
            self.about["finished_callback"]()

    def close(self, ignore_errors: bool = True) -> None:
        self.ended.set()
        self.thread.join()
        self.owner.open -= 1
        self.about["finished_callback"]()


COUNT_S = len(recorder.BEATS) * recorder.BEAT_S


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(microphone, "SILENT_S", 0.3)
    monkeypatch.setattr(microphone, "RETRY_S", 0.01)


def heard(word: Samples, *, after_s: float = 0.4, noise: float = 0.001, seed: int = 0) -> Samples:
    """What the microphone gives for one take: the count, the word so long after it, and the rest of the time."""
    sound = np.random.default_rng(seed).normal(0, noise, round(5.5 * SAMPLE_RATE)).astype(np.float32)
    at = round((COUNT_S + after_s) * SAMPLE_RATE)
    word = word[: len(sound) - at]
    sound[at : at + len(word)] += word
    return np.clip(sound, -1, 1)


@pytest.fixture(scope="module")
def words(spoken: Manifest) -> list[Samples]:
    found = []
    for clip in spoken.of("positive"):
        sound = load(clip.path)
        first, last = word_bounds(sound)
        found.append(sound[first:last] * np.float32(0.1 / active_rms(sound)))
    return found


Record = Callable[..., tuple[int, str]]


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Record:
    def run(*line: str, sounds: list[Samples | None]) -> tuple[int, str]:
        stand_in = StandIn(sounds)
        monkeypatch.setitem(sys.modules, "sounddevice", stand_in)
        status = main(["record", "hey katya", *line])
        assert stand_in.open == 0  # every stream was closed
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out + err

    return run


def listed(folder: Path) -> list[tuple[str, str]]:
    return [(clip.path, clip.speaker) for clip in Manifest.read(folder / "recordings.jsonl")]


def test_takes_of_two_people_are_cut_to_the_word(record: Record, words: list[Samples]) -> None:
    status, said = record(
        "--count",
        "2",
        "--person",
        "Ann",
        "--person",
        "bob",
        sounds=[heard(word, seed=i) for i, word in enumerate(words[:4])],
    )
    assert status == 0, said
    folder = Path("recordings/hey-katya")
    assert listed(folder) == [(f"{who}/00{n}.wav", who) for who in ("ann", "bob") for n in (1, 2)]
    recipe = compose("hey katya", [], audio=[str(folder)])  # what `train --audio` makes of it
    assert recipe.recordings is not None
    learnt = corpora.checked(corpora.own_recordings(recipe.recordings.paths), recipe)
    assert [clip.speaker for clip in learnt] == ["ann", "ann", "bob", "bob"]
    for (path, _), word in zip(listed(folder), words[:4], strict=True):
        take = load(folder / path)
        assert 0 <= len(take) / SAMPLE_RATE - len(word) / SAMPLE_RATE < 0.5
        # the word itself, with a little before it
        lag = int(np.argmax(np.correlate(take, word, "valid")))
        assert 0.1 < lag / SAMPLE_RATE < 0.25
        assert np.corrcoef(take[lag : lag + len(word)], word)[0, 1] > 0.99
    assert said.count("\n3\n2\n1\nnow\n") == 4
    assert said.splitlines()[-1] == (
        f'{folder}: 2 of ann, 2 of bob. Train with: wakewright train "hey katya" --audio {folder}'
    )


def test_the_same_command_goes_on_and_more_can_be_asked_for(record: Record, words: list[Samples]) -> None:
    assert record("--count", "1", sounds=[heard(words[0])])[0] == 0
    status, said = record("--count", "1", sounds=[])
    assert status == 0
    assert "me has 1 takes already; for more: --count 2" in said
    assert record("--count", "3", sounds=[heard(words[1]), heard(words[2])])[0] == 0
    assert [path for path, _ in listed(Path("recordings/hey-katya"))] == [f"me/00{n}.wav" for n in (1, 2, 3)]


def test_what_cannot_be_used_is_told_and_taken_again(record: Record, words: list[Samples]) -> None:
    word = words[0]
    sounds = [
        heard(np.zeros(0, np.float32)),
        heard(word * np.float32(0.03), noise=0.0001),
        heard(word * np.float32(20)),
        heard(word, noise=0.03),
        heard(np.concatenate([word] * 8)),
        heard(word, after_s=2.6),
        heard(word),
    ]
    status, said = record("--count", "1", "--out", "mine", sounds=sounds)
    assert status == 0, said
    problems = [line.split("again: ")[1][:17] for line in said.splitlines() if "again: " in line]
    assert problems == [
        "nothing was heard", "it is too quiet (", "it is clipped: tu", "the room is too n", "it is cut off: be",
        "it is cut off: be",
    ]  # fmt: skip
    assert listed(Path("mine")) == [("me/001.wav", "me")]


def test_a_device_that_is_unplugged_within_a_take_spoils_that_take_alone(
    record: Record, words: list[Samples]
) -> None:
    # gone after a second; back for the rest of that take; then the take again
    status, said = record("--count", "1", sounds=[None, heard(words[0]), heard(words[1])])
    assert status == 0, said
    assert "the microphone 'Desk' is gone; waiting for it" in said
    assert "the microphone 'Desk' is back" in said
    assert "again: the microphone was away, or sound was lost" in said
    take = load("recordings/hey-katya/me/001.wav")
    assert np.correlate(take, words[1], "valid").max() > 2 * np.correlate(take, words[0], "valid").max()


def test_a_device_that_cannot_be_opened_again_leaves_what_was_kept(record: Record, words: list[Samples]) -> None:
    status, said = record("--count", "2", sounds=[heard(words[0])])
    assert status == 3
    assert "the microphone 'Desk' cannot be opened" in said
    assert listed(Path("recordings/hey-katya")) == [("me/001.wav", "me")]


def test_a_silent_microphone_is_not_waited_for_without_end(record: Record) -> None:
    silence = np.zeros(round(5.5 * SAMPLE_RATE), np.float32)
    status, said = record("--count", "1", sounds=[silence] * recorder.PATIENCE)
    assert status == 3
    assert "8 takes in a row were of no use\n  got: nothing was heard" in said
    assert not Path("recordings/hey-katya/recordings.jsonl").exists()


def test_a_take_is_played_and_kept_when_it_is_wanted(
    record: Record, words: list[Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["n", ""])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(answers))
    status, _ = record("--count", "1", "--play", sounds=[heard(words[0]), heard(words[1])])
    assert status == 0
    played = sys.modules["sounddevice"].played
    assert len(played) == 2
    np.testing.assert_allclose(load("recordings/hey-katya/me/001.wav"), played[1], atol=1e-4)


@pytest.fixture
def long(words: list[Samples]) -> Path:
    """Six times the phrase, the third clipped, in a quiet room."""
    gap = np.zeros(round(1.2 * SAMPLE_RATE), np.float32)
    loud = [word * np.float32(30 if i == 2 else 1) for i, word in enumerate(words[:6])]
    sound = np.concatenate([gap, *(part for word in loud for part in (word, gap))])
    hiss = np.random.default_rng(3).normal(0, 0.001, len(sound)).astype(np.float32)
    write_wav("long.wav", sound + hiss)
    return Path("long.wav")


def test_a_long_recording_is_cut_and_never_doubled(long: Path, record: Record) -> None:
    status, said = record("--from-file", str(long), "--person", "ann", sounds=[])
    assert status == 0, said
    assert "it is clipped" in said
    assert "left out at " in said
    folder = Path("recordings/hey-katya")
    assert listed(folder) == [(f"ann/00{n}.wav", "ann") for n in range(1, 6)]
    before = {file: file.read_bytes() for file in folder.rglob("*.wav")}
    status, said = record("--from-file", str(long), "--person", "ann", sounds=[])
    assert "ann: 0 takes kept, 5 there already" in said
    assert {file: file.read_bytes() for file in folder.rglob("*.wav")} == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("record|  ", "there is no phrase\n  got: nothing"),
        ("record|hey|--from-file|gone.wav", "no recording at gone.wav"),
        ("record|hey|--from-file|long.wav|--person|a|--person|b", "a recording is of one person and needs no mic"),
        ("record|hey|--from-file|long.wav|--device|USB", "a recording is of one person and needs no microphone"),
        ("record|hey|--person|Ann|--person|ann", "two people have one folder\n  got: ann"),
        ("record|hey|--person|?!", "a person needs a name"),
        ("record|hey|--device|USB", "there is no microphone 'USB'"),
    ],
)
def test_bad_input_is_told_before_anything_is_made(
    line: str, said: str, long: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", StandIn([]))
    assert main(line.split("|")) == 2
    assert said in capsys.readouterr().err
    assert not Path("recordings").exists()


def test_a_recording_without_the_phrase_is_refused(record: Record) -> None:
    write_wav("hiss.wav", np.random.default_rng(0).normal(0, 0.001, 40_000).astype(np.float32))
    status, said = record("--from-file", "hiss.wav", sounds=[])
    assert status == 2
    assert "no take in hiss.wav can be used\n  got: nothing above the room" in said


def test_a_folder_in_use_and_one_of_another_phrase_are_refused(record: Record, long: Path) -> None:
    with exclusive(Path("mine/.lock")):
        status, said = record("--from-file", str(long), "--out", "mine", sounds=[])
    assert status == 2
    assert "mine is in use" in said
    assert record("--from-file", str(long), "--out", "mine", sounds=[])[0] == 0
    assert main(["record", "computer", "--from-file", str(long), "--out", "mine"]) == 2


def test_after_a_kill_nothing_is_lost_or_doubled(words: list[Samples], record: Record, tmp_path: Path) -> None:
    """Killed while takes go on being recorded; whatever was written is whole, and the next start goes on."""
    sounds = [heard(word, seed=i) for i, word in enumerate(words[:6])]
    np.savez("sounds.npz", **{f"s{i}": sound for i, sound in enumerate(sounds)})
    line = ["record", "hey katya", "--count", "6"]
    begun = subprocess.Popen(
        [sys.executable, __file__, "sounds.npz", "0.003", *line], stdout=subprocess.DEVNULL, cwd=tmp_path
    )
    folder = tmp_path / "recordings" / "hey-katya"
    deadline = time.monotonic() + 60
    while len(list((folder / "me").glob("0*.wav"))) < 2:
        assert begun.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(begun.pid, signal.SIGKILL)
    assert begun.wait() == -signal.SIGKILL
    kept = sorted((folder / "me").glob("0*.wav"))
    assert 2 <= len(kept) < 6
    for number, file in enumerate(kept):
        assert np.correlate(load(file), words[number], "valid").max() > 0
    before = [file.read_bytes() for file in kept]
    status, said = record("--count", "6", sounds=sounds[len(kept) :])
    assert status == 0, said
    files = sorted((folder / "me").glob("*.wav"))
    assert [file.name for file in files] == [f"00{n}.wav" for n in range(1, 7)]
    assert [file.read_bytes() for file in kept] == before
    assert len({file.read_bytes() for file in files}) == 6
    assert listed(folder) == [(f"me/00{n}.wav", "me") for n in range(1, 7)]


if __name__ == "__main__":
    heard = np.load(sys.argv[1])
    sys.modules["sounddevice"] = StandIn([heard[name] for name in sorted(heard.files)], float(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
