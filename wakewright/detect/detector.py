"""The detector: audio in, detections out. numpy and one interpreter, no torch.

from wakewright import Detector

for detection in Detector.load("runs/hey-katya/...").stream(samples):
    print(detection.phrase, detection.end_s, detection.score)
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.errors import InputError, RunError
from wakewright.core.recipe import Policy
from wakewright.detect.networks import damaged, open_network
from wakewright.detect.policy import PolicyState, Scores
from wakewright.dsp import frontend
from wakewright.dsp.frontend import Frames

PIECE = 30 * SAMPLE_RATE
"""Long audio is fed in pieces of this many samples, which bounds the memory."""
METADATA_FORMAT = 1
NEEDED = ("original_wake_word", "threshold", "policy", "stride", "frontend")
"""Entries of metadata.json that a detector cannot do without."""


@dataclasses.dataclass(frozen=True, slots=True)
class Detection:
    """The phrase was heard."""

    phrase: str
    score: float
    """Smoothed score at that moment, at least the threshold."""
    sample: int
    """Samples of audio heard when it was recognised, 16 kHz."""

    @property
    def end_s(self) -> float:
        """Seconds of audio heard when it was recognised."""
        return self.sample / SAMPLE_RATE


class Detector:
    """Listens for one phrase in a stream of audio."""

    def __init__(
        self, model: Path, about: dict[str, Any], *, threshold: float | None = None, reference: bool = False
    ) -> None:
        self.phrase: str = about["original_wake_word"]
        self.threshold: float = about["threshold"] if threshold is None else threshold
        self.policy = Policy(**about["policy"])
        self.stride: int = about["stride"]
        self.model = model.name
        """File name of the model that runs."""
        self.front_end: str = about["frontend"]
        """Name of the front end that makes its frames."""
        self._front = frontend.create(self.front_end)
        self._network = open_network(model, self.stride, self._front.channels, reference=reference)
        self.hop_s = self.stride * self._front.hop / SAMPLE_RATE
        """Seconds from step to step."""
        self.first_step_s = (self._front.first_end + (self.stride - 1) * self._front.hop) / SAMPLE_RATE
        """Seconds of audio behind the first step."""
        self._state = PolicyState(self.policy, self.hop_s * 1000, self.threshold)
        self._frames: NDArray[np.float32] = np.zeros((0, self._front.channels), np.float32)

    @classmethod
    def load(cls, path: Path | str, *, threshold: float | None = None, reference: bool = False) -> Detector:
        """The detector of a run folder or of a folder made by `export`.

        `threshold` replaces the calibrated one. `reference` runs an int8 model with the kernels that a device's
        results equal to the bit. Raises RunError when there is none, when it is damaged, or when a newer wakewright
        made it.
        """
        folder = Path(path)
        metadata = folder / "metadata.json"
        if not metadata.is_file():
            raise RunError(
                f"no detector in {folder}", got="no metadata.json", do="train first, or name a run: wakewright runs"
            )
        try:
            about = json.loads(metadata.read_text(encoding="utf-8"))
        except ValueError as error:
            raise damaged(metadata, str(error)) from error
        if about.get("format", 0) > METADATA_FORMAT:
            raise RunError(
                f"{metadata} was written by a newer wakewright",
                got=f"format {about['format']}",
                do="update wakewright",
            )
        lacking = [name for name in NEEDED if name not in about]
        if lacking:
            raise damaged(metadata, f"no {', '.join(map(repr, lacking))}")
        model = folder / about.get("model", "model.onnx")
        if not model.is_file():
            raise RunError(f"no model in {folder}", got=f"no {model.name}", do="export or train again")
        return cls(model, about, threshold=threshold, reference=reference)

    def reset(self) -> None:
        """Start a new stream."""
        self._front.reset()
        self._network.reset()
        self._state.reset()
        self._frames = self._frames[:0]

    def push(self, samples: Samples) -> list[Detection]:
        """(n,) float32 16 kHz, any n -> the detections they complete. Raises InputError for other samples."""
        return [fire for piece in _pieces(samples) for fire in self._push(piece)[1]]

    def score(self, samples: Samples) -> Scores:
        """(n,) -> (steps,) smoothed scores; step i is complete at `first_step_s + i * hop_s`."""
        parts = [self._push(piece)[0] for piece in _pieces(samples)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def stream(self, audio: Samples | Iterable[Samples]) -> Iterator[Detection]:
        """Detections in a recording, or in pieces of one as they come, from a fresh start."""
        self.reset()
        for piece in [audio] if isinstance(audio, np.ndarray) else audio:
            yield from self.push(piece)

    def _push(self, samples: Samples) -> tuple[Scores, list[Detection]]:
        return self._push_frames(self._front.push(samples))

    def score_frames(self, frames: Frames) -> Scores:
        """(n, channels) what the front end would give -> (steps,) smoothed scores, as `score` gives of samples."""
        return self._push_frames(frames)[0]

    def _push_frames(self, frames: Frames) -> tuple[Scores, list[Detection]]:
        if len(self._frames):
            frames = np.concatenate([self._frames, frames])
        whole = len(frames) // self.stride * self.stride
        self._frames = frames[whole:]
        if not whole:
            return np.zeros(0, np.float32), []
        scores, fires = self._state.push(self._network(frames[:whole]))
        first, hop = round(self.first_step_s * SAMPLE_RATE), round(self.hop_s * SAMPLE_RATE)
        return scores, [Detection(self.phrase, f.score, first + f.step * hop) for f in fires]


def _pieces(samples: Samples) -> Iterator[Samples]:
    if samples.dtype != np.float32 or samples.ndim != 1:
        raise InputError(
            "the detector takes (n,) float32 samples between -1 and 1, 16 kHz, one channel",
            got=f"{samples.dtype} of shape {samples.shape}",
            do="convert 16-bit samples with samples.astype(np.float32) / 32768, and average the channels",
        )
    for start in range(0, len(samples), PIECE):
        yield samples[start : start + PIECE]
