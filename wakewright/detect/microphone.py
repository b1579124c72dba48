"""A microphone as a stream of 16 kHz samples that outlives its cable.

The sound comes from PortAudio (package `sounddevice`), at whatever rate and in whatever channels the device has. When
the device is unplugged the stream waits, and goes on when it is back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.errors import EnvironmentProblem, InputError, MissingPackage
from wakewright.core.pcm import BLOCK_S, Resampler

SILENT_S = 2.0
"""A device that gives nothing for so long is gone: a microphone always gives something."""
RETRY_S = 1.0
"""Time between two looks for a device that is gone."""
WAITING_S = 30.0
"""Sound that may wait for a busy listener; beyond it the oldest is dropped, and said to be."""
LOUDEST = 100.0
"""Full scale is 1; a sample beyond this is no sound but a mistake about its format."""
MOST_CHANNELS = 2
"""Channels asked for, and averaged; some devices have no less than two."""


@dataclasses.dataclass(frozen=True, slots=True)
class Device:
    """An input as PortAudio knows it."""

    index: int
    name: str
    rate: int
    """Sample rate it runs at by default, in Hz."""
    channels: int
    default: bool


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise MissingPackage(
            "no microphone can be opened", got="no package sounddevice", do="pip install wakewright[mic]"
        ) from error
    except OSError as error:  # the wheel for Linux brings no PortAudio
        raise MissingPackage(
            "no microphone can be opened",
            got=str(error),
            do="Debian or Ubuntu, Raspberry Pi OS: apt-get install libportaudio2",
        ) from error
    return sounddevice


def devices() -> list[Device]:
    """Every input there is. Raises MissingPackage."""
    sounddevice = _sounddevice()
    default = sounddevice.default.device[0]
    return [
        Device(index, d["name"], int(d["default_samplerate"]), d["max_input_channels"], index == default)
        for index, d in enumerate(sounddevice.query_devices())
        if d["max_input_channels"] > 0
    ]


def play(samples: Samples) -> None:
    """Play (n,) 16 kHz on the default output, and return when it is over.

    Raises MissingPackage, and EnvironmentProblem where there is no output.
    """
    sounddevice = _sounddevice()
    try:
        sounddevice.play(samples, SAMPLE_RATE)
        sounddevice.wait()
    except sounddevice.PortAudioError as error:
        raise EnvironmentProblem(
            "the sound cannot be played", got=str(error), do="choose an output in the system's settings"
        ) from error


def find(wanted: str | None) -> Device:
    """The input with this number, or whose name holds this text; None takes the default, or the only one.

    Raises InputError when there is none, or more than one; MissingPackage.
    """
    return _chosen(wanted, devices())


def _chosen(wanted: str | None, there: list[Device]) -> Device:
    if wanted is None:
        chosen = [d for d in there if d.default] or there[:1]
    elif wanted.isdecimal():
        chosen = [d for d in there if d.index == int(wanted)]
    else:
        chosen = [d for d in there if d.name == wanted] or [d for d in there if wanted.lower() in d.name.lower()]
    if len(chosen) == 1:
        return chosen[0]
    if not there:
        raise InputError(
            "there is no microphone",
            got="no input device",
            do="plug one in, or use recordings: wakewright listen --wav, wakewright record --from-file",
        )
    names = "; ".join(f"{d.index}: {d.name}" for d in chosen or there)
    raise InputError(
        "which microphone is meant is not clear" if chosen else f"there is no microphone {wanted!r}",
        got=names,
        do="name one of these by its number, see: wakewright listen --list-devices",
    )


class Microphone:
    """Iterate over it: (n,) float32 pieces of 16 kHz, some 80 ms each, until the loop over it ends."""

    def __init__(self, device: str | None, *, rate: int | None = None, say: Callable[[str], None]) -> None:
        """`rate` in Hz instead of the device's own. `say` is told when it goes, when it is back, and what was lost.

        Raises InputError for a device that is not there, MissingPackage; both at once, not later.
        """
        self._wanted, self._rate, self._say = device, rate, say
        self.device = find(device)
        self._blocks: queue.SimpleQueue[NDArray[np.float32] | None] = queue.SimpleQueue()
        self._overflowed = self._strange = False
        self._stopped = threading.Event()

    def close(self) -> None:
        """End the loop over it; may be called from another thread."""
        self._stopped.set()
        self._blocks.put(None)

    def __iter__(self) -> Iterator[Samples]:
        stream, resampler = self._opened()
        while not self._stopped.is_set():
            try:
                block = self._blocks.get(timeout=SILENT_S)
            except queue.Empty:
                block = None
            if self._stopped.is_set():
                break
            if block is None:
                _close(stream)
                stream, resampler = self._came_back()
                continue
            self._drop_what_waits_too_long()
            piece = resampler.push(self._numbers(block))
            if len(piece):
                yield piece
        if stream is not None:
            _close(stream)

    def _opened(self) -> tuple[Any, Resampler]:
        sounddevice = _sounddevice()
        rate = self._rate or self.device.rate
        while not self._blocks.empty():  # of a stream that ended
            self._blocks.get()
        try:
            stream = sounddevice.InputStream(
                device=self.device.index,
                samplerate=rate,
                channels=min(MOST_CHANNELS, self.device.channels),
                dtype="float32",
                blocksize=round(rate * BLOCK_S),
                callback=self._take,
                finished_callback=lambda: self._blocks.put(None),
            )
            stream.start()
        except sounddevice.PortAudioError as error:
            raise EnvironmentProblem(
                f"the microphone {self.device.name!r} cannot be opened",
                got=str(error),
                do=f"close what else uses it, try --rate {self.device.rate}, or another --device",
            ) from error
        return stream, Resampler(rate)

    def _take(self, block: NDArray[np.float32], frames: int, when: Any, status: Any) -> None:
        # called by PortAudio's own thread, which must not wait
        self._overflowed = self._overflowed or bool(status.input_overflow)
        self._blocks.put(block.copy())

    def _numbers(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The block, silent where a driver gave what is no sound: models would never recover from a NaN."""
        if np.isfinite(block).all() and np.abs(block).max(initial=0.0) < LOUDEST:
            return block
        if not self._strange:
            self._strange = True
            self._say(f"the microphone {self.device.name!r} gives values that are no sound; they are left out")
        return np.zeros_like(block)

    def _drop_what_waits_too_long(self) -> None:
        waiting = self._blocks.qsize()
        if waiting * BLOCK_S > WAITING_S:
            for _ in range(waiting):
                if self._blocks.get() is None:
                    self._blocks.put(None)
                    break
            self._say(f"this machine is too slow: {waiting * BLOCK_S:.0f} s of sound were not heard")
        if self._overflowed:
            self._overflowed = False
            self._say("some sound was lost before it reached the program: the machine is busy")

    def _came_back(self) -> tuple[Any, Resampler]:
        """Wait until the device is there again and open it."""
        sounddevice = _sounddevice()
        self._say(f"the microphone {self.device.name!r} is gone; waiting for it")
        while not self._stopped.is_set():
            if self._stopped.wait(RETRY_S):
                break
            # PortAudio looks for devices when it starts, and only then
            with contextlib.suppress(sounddevice.PortAudioError):  # it did not start the last time
                sounddevice._terminate()
            try:
                sounddevice._initialize()
                self.device = self._again()
                opened = self._opened()
            except (InputError, EnvironmentProblem, sounddevice.PortAudioError):
                continue
            self._say(f"the microphone {self.device.name!r} is back")
            return opened
        return None, Resampler(self.device.rate)

    def _again(self) -> Device:
        """The device that is gone, or what was asked for by a part of its name. Raises InputError when neither is."""
        there = devices()
        same = [d for d in there if d.name == self.device.name]
        same = same or [d for d in there if _plain(d.name) == _plain(self.device.name)]
        if same:
            return same[0]  # of several the first: nothing else tells them apart, and none is deaf
        by_text = self._wanted is not None and not self._wanted.isdecimal()
        return _chosen(self._wanted if by_text else self.device.name, there)


def _plain(name: str) -> str:
    """A device's name without its place on ALSA's list, which depends on what was plugged in before."""
    return re.sub(r"\s*\(hw:\d+,\d+\)", "", name)


def _close(stream: Any) -> None:
    sounddevice = _sounddevice()
    try:
        stream.close(ignore_errors=True)
    except sounddevice.PortAudioError:
        return  # the device is gone, and its stream with it
