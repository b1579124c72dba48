"""The microphone, over a stand-in for PortAudio that misbehaves as the real one does."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from wakewright.core.errors import EnvironmentProblem, InputError, MissingPackage
from wakewright.detect import microphone
from wakewright.detect.microphone import Microphone


class PortAudioError(Exception):
    pass


class StandIn(types.ModuleType):
    """What of `sounddevice` is used. `plan` says, per opened stream, how many blocks come and how it ends."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.default = types.SimpleNamespace(device=(1, 0))
        self.inputs = [("Built-in", 0, 44100), ("USB Mic: Audio (hw:1,0)", 1, 48000), ("Webcam", 2, 16000)]
        self.plan: list[tuple[int, str]] = []
        self.opened: list[dict[str, Any]] = []
        self.scans = 0
        self.absent_for = self.fails_to_start = 0
        self.started = True

    def query_devices(self) -> list[dict[str, Any]]:
        if self.absent_for:
            self.absent_for -= 1
            return []
        return [{"name": n, "max_input_channels": c, "default_samplerate": float(r)} for n, c, r in self.inputs]

    def _terminate(self) -> None:
        if not self.started:
            raise PortAudioError("PortAudio not initialized [PaErrorCode -10000]")
        self.started = False
        self.scans += 1

    def _initialize(self) -> None:
        if self.fails_to_start:
            self.fails_to_start -= 1
            raise PortAudioError("Unanticipated host error [PaErrorCode -9999]")
        self.started = True

    def InputStream(self, **about: Any) -> Any:
        blocks, ending = self.plan.pop(0)
        if ending == "busy":
            raise PortAudioError("Device unavailable [PaErrorCode -9985]")
        self.opened.append(about)
        return Stream(self, about, blocks, ending)


class Stream:
    def __init__(self, owner: StandIn, about: dict[str, Any], blocks: int, ending: str) -> None:
        self.owner, self.about, self.blocks, self.ending = owner, about, blocks, ending
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def _run(self) -> None:
        size, channels = self.about["blocksize"], self.about["channels"]
        buffer = np.zeros((size, channels), np.float32)  # PortAudio uses one buffer over and over
        for number in range(self.blocks):
            buffer[:] = (number + 1) / 1000
            status = types.SimpleNamespace(input_overflow=False)
            self.about["callback"](buffer, size, None, status)
        if self.ending == "ends":
            self.about["finished_callback"]()

    def close(self, ignore_errors: bool = True) -> None:
        if self.ending == "silent":
            raise PortAudioError("Unanticipated host error")  # the device is gone
        self.thread.join()
        self.about["finished_callback"]()


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "sounddevice", stand_in)
    monkeypatch.setattr(microphone, "SILENT_S", 0.2)
    monkeypatch.setattr(microphone, "RETRY_S", 0.01)
    return stand_in


def hear(source: Microphone, seconds: float) -> np.ndarray:
    parts, heard = [], 0
    for piece in source:
        parts.append(piece)
        heard += len(piece)
        if heard >= seconds * 16000 - 2000:
            break
    return np.concatenate(parts)


def test_the_default_device_is_heard_at_16_khz(portaudio: StandIn) -> None:
    portaudio.plan = [(20, "stays")]
    source = Microphone(None, say=pytest.fail)
    assert (source.device.name, source.device.rate) == ("USB Mic: Audio (hw:1,0)", 48000)
    heard = hear(source, 1.6)
    assert portaudio.opened[0]["channels"] == 1
    assert portaudio.opened[0]["blocksize"] == 3840
    assert abs(len(heard) - 20 * 1280) < 2000
    levels = heard[640::1280]
    np.testing.assert_allclose(levels[: len(levels) - 1], np.arange(1, len(levels)) / 1000, atol=2e-3)


def test_a_device_is_chosen_by_number_or_name(portaudio: StandIn) -> None:
    assert microphone.find("2").name == "Webcam"
    assert microphone.find("webc").name == "Webcam"
    assert [d.default for d in microphone.devices()] == [True, False]
    with pytest.raises(InputError, match=r"no microphone 'nothing'\n  got: 1: USB Mic"):
        microphone.find("nothing")
    with pytest.raises(InputError, match="no microphone '0'"):  # it has no input
        microphone.find("0")
    portaudio.inputs.append(("Webcam 2", 1, 16000))
    assert microphone.find("Webcam").index == 2  # its whole name
    with pytest.raises(InputError, match=r"not clear\n  got: 2: Webcam; 3: Webcam 2"):
        microphone.find("cam")
    portaudio.inputs = []
    with pytest.raises(InputError, match=r"there is no microphone\n  got: no input device"):
        microphone.find(None)


@pytest.mark.parametrize("ending", ["ends", "silent"])
def test_it_goes_on_when_the_device_is_back(portaudio: StandIn, ending: str) -> None:
    portaudio.plan = [(5, ending), (0, "busy"), (5, "stays")]
    portaudio.absent_for = 0
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        portaudio.absent_for = 3

    source = Microphone("Webcam", say=say)
    heard = hear(source, 10 * 0.08)
    assert said[0] == "the microphone 'Webcam' is gone; waiting for it"
    assert said[1:] == ["the microphone 'Webcam' is back"]
    assert portaudio.scans >= 4
    np.testing.assert_allclose(heard[640::1280][:5], np.arange(1, 6) / 1000, atol=1e-6)


def goes_and_comes(portaudio: StandIn, wanted: str | None, back: list[tuple[str, int, int]]) -> Microphone:
    """A microphone that is heard, is gone, and is heard again when these are the inputs."""
    portaudio.plan = [(5, "ends"), (5, "stays")]
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        portaudio.inputs = back

    source = Microphone(wanted, say=say)
    patience = threading.Timer(20, source.close)  # rather than wait for ever
    patience.start()
    heard = hear(source, 10 * 0.08)
    patience.cancel()
    assert [line.split("'")[-1] for line in said] == [" is gone; waiting for it", " is back"]
    assert len(heard) > 6 * 1280
    return source


@pytest.mark.parametrize("wanted", [None, "1", "usb mic", "USB Mic: Audio (hw:1,0)"])
def test_a_device_that_comes_back_in_another_place_is_found(portaudio: StandIn, wanted: str | None) -> None:
    back = [("Webcam", 1, 16000), ("USB Mic: Audio (hw:2,0)", 1, 48000)]
    device = goes_and_comes(portaudio, wanted, back).device
    assert (device.index, device.name) == (1, "USB Mic: Audio (hw:2,0)")


@pytest.mark.parametrize("wanted", [None, "1"])
@pytest.mark.parametrize("place", [1, 3])
def test_of_two_devices_of_one_name_the_likeliest_is_taken(
    portaudio: StandIn, wanted: str | None, place: int
) -> None:
    back = [(f"USB Mic: Audio (hw:{at},0)", 1, 48000) for at in (0, place)]
    device = goes_and_comes(portaudio, wanted, back).device
    assert device.index == (1 if place == 1 else 0)
    twins = [("USB Mic: Audio (hw:1,0)", 1, 48000)] * 2
    portaudio.inputs = [("Built-in", 0, 44100), *twins]
    assert goes_and_comes(portaudio, wanted, portaudio.inputs).device.index == 1


def test_it_goes_on_looking_when_portaudio_does_not_start(portaudio: StandIn) -> None:
    portaudio.fails_to_start = 2
    goes_and_comes(portaudio, "Webcam", portaudio.inputs)
    assert (portaudio.fails_to_start, portaudio.started) == (0, True)


def test_a_device_that_cannot_be_opened_is_said_at_once(portaudio: StandIn) -> None:
    portaudio.plan = [(0, "busy")]
    with pytest.raises(EnvironmentProblem, match=r"'Webcam' cannot be opened\n  got: Device unavailable"):
        next(iter(Microphone("Webcam", say=pytest.fail)))


def test_lost_sound_is_said_once(portaudio: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "WAITING_S", 1.0)
    portaudio.plan = [(1, "stays")]
    said: list[str] = []
    source = Microphone("Webcam", say=said.append)
    pieces = iter(source)
    next(pieces)
    for overflow in [False] * 29 + [True]:
        source._take(np.zeros((1280, 2), np.float32), 1280, None, types.SimpleNamespace(input_overflow=overflow))
    next(pieces)
    assert said[0] == "this machine is too slow: 2 s of sound were not heard"
    assert said[1].startswith("some sound was lost before")
    source._take(np.zeros((1280, 2), np.float32), 1280, None, types.SimpleNamespace(input_overflow=False))
    next(pieces)
    assert len(said) == 2
    source.close()
    assert list(pieces) == []


def test_values_that_are_no_sound_are_left_out_and_said_once(portaudio: StandIn) -> None:
    portaudio.plan = [(1, "stays")]
    said: list[str] = []
    source = Microphone("Webcam", say=said.append)
    pieces = iter(source)
    next(pieces)
    for value in (np.nan, np.inf, 1e30, 0.5):
        source._take(np.full((1280, 2), value, np.float32), 1280, None, types.SimpleNamespace(input_overflow=False))
    heard = [next(pieces) for _ in range(4)]
    assert [piece.max() for piece in heard] == [0, 0, 0, 0.5]
    assert len(said) == 1
    assert "no sound" in said[0]
    source.close()


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingPackage, match=r"pip install wakewright\[mic\]"):
        microphone.devices()

    class Finder:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(MissingPackage, match=r"PortAudio library not found\n  do:  .*apt-get install libportaudio2"):
        microphone.devices()


def test_it_ends_when_it_is_closed_while_the_device_is_gone(portaudio: StandIn) -> None:
    portaudio.plan = [(2, "ends")]
    source: Microphone

    def say(_: str) -> None:
        portaudio.absent_for = 10**9
        threading.Timer(0.1, close()).start()

    def close() -> Callable[[], None]:
        return source.close

    source = Microphone("Webcam", say=say)
    assert sum(len(piece) for piece in source) == 2 * 1280


def test_a_sound_is_played_to_its_end(portaudio: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(portaudio, "play", lambda samples, rate: told.append((len(samples), rate)), raising=False)
    monkeypatch.setattr(portaudio, "wait", lambda: told.append("waited"), raising=False)
    microphone.play(np.zeros(320, np.float32))
    assert told == [(320, 16000), "waited"]

    def refuse(samples: np.ndarray, rate: int) -> None:
        raise PortAudioError("Error querying device -1")

    monkeypatch.setattr(portaudio, "play", refuse)
    with pytest.raises(EnvironmentProblem, match="the sound cannot be played"):
        microphone.play(np.zeros(320, np.float32))
