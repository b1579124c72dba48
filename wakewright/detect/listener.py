"""Several wake words on one stream: those of the same front end and gain share it.

from wakewright.detect.listener import Listener

listener = Listener.load(["runs/hey-katya/...", "runs/computer/..."])
for detection in listener.push(samples):
    print(detection.phrase, detection.end_s, detection.score)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from wakewright.core import listening
from wakewright.core.audio import Samples
from wakewright.core.errors import InputError
from wakewright.detect import gate as gates
from wakewright.detect.detector import BEFORE_S, Detection, Detector, History, pieces
from wakewright.dsp import frontend


class Listener:
    """Detectors that hear the same stream. Events are the same however the audio is cut, and as each gives alone."""

    def __init__(self, detectors: Sequence[Detector], gate: listening.Gate | None = None) -> None:
        """With a `gate`, or one in a detector's policy, nothing is computed while nobody speaks (see gate).

        Raises InputError for none, or for two of one phrase, whose detections could not be told apart; MissingPackage
        for a gate that needs one.
        """
        phrases = [detector.phrase for detector in detectors]
        twice = sorted({phrase for phrase in phrases if phrases.count(phrase) > 1})
        if not detectors or twice:
            raise InputError(
                "a listener needs wake words that can be told apart",
                got=f"{', '.join(map(repr, twice))} more than once" if twice else "none",
                do="name each once",
            )
        self.detectors = tuple(detectors)
        self._fronts = {hears: frontend.create(*hears) for hears in sorted({d.hears for d in detectors})}
        self._history = History(BEFORE_S)
        self.gate: gates.Gate | None = None
        """Keeps the detectors from computing while nobody speaks."""
        gate = gate or next((d.policy.gate for d in detectors if d.policy.gate is not None), None)
        if gate is not None:
            self.gate = gates.Gate(gate, self._fronts, self.detectors, gates.voice_of(gate))

    @classmethod
    def load(
        cls, paths: Iterable[Path | str], *, threshold: float | None = None, gate: listening.Gate | None = None
    ) -> Listener:
        """The detectors of these runs or exported folders. Raises what Detector.load and the listener raise."""
        return cls([Detector.load(path, threshold=threshold) for path in paths], gate)

    @property
    def samples(self) -> int:
        """How many samples of this stream were heard."""
        return self._history.samples

    def reset(self) -> None:
        """Start a new stream."""
        self._history.reset()
        for front in self._fronts.values():
            front.reset()
        for detector in self.detectors:
            detector.reset()
        if self.gate is not None:
            self.gate.reset()

    def push(self, samples: Samples) -> list[Detection]:
        """(n,) float32 16 kHz, any n -> the detections they complete, by time.

        Raises InputError for other samples.
        """
        found: list[Detection] = []
        for piece in pieces(samples):
            fresh = self._all(piece) if self.gate is None else self.gate.push(piece)
            found += self._history.add(piece, sorted(fresh, key=lambda fire: fire.sample))
        return found

    def _all(self, piece: Samples) -> list[Detection]:
        frames = {hears: front.push(piece) for hears, front in self._fronts.items()}
        return [fire for d in self.detectors for fire in d.push_frames(frames[d.hears])]

    def stream(self, audio: Samples | Iterable[Samples]) -> Iterator[Detection]:
        """Detections in a recording, or in pieces of one as they come, from a fresh start."""
        self.reset()
        for piece in [audio] if isinstance(audio, np.ndarray) else audio:
            yield from self.push(piece)

    def last(self) -> Samples:
        """(n,) the last BEFORE_S of the stream."""
        return self._history.last()
