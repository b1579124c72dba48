"""The detector: audio in, detections out. numpy and one interpreter, no torch.

from wakewright import Detector

for detection in Detector.load("runs/hey-katya/...").stream(samples):
    print(detection.phrase, detection.end_s, detection.score)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.errors import InputError, RunError
from wakewright.core.listening import Policy
from wakewright.detect import household, metadata
from wakewright.detect.device_rule import DeviceRule
from wakewright.detect.networks import open_network
from wakewright.detect.policy import PolicyState, Scores
from wakewright.dsp import frontend
from wakewright.dsp.frontend import Frames

PIECE = 30 * SAMPLE_RATE
"""Long audio is fed in pieces of this many samples, which bounds the memory."""
BEFORE_S = 3.0
"""Sound that a detection brings with it, before the moment it was recognised."""
LOOKED_AT_S = 2.0
"""What a score looks at, for a detector of an older version that does not say."""


def _nothing() -> Samples:
    return np.zeros(0, np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class Detection:
    """The phrase was heard."""

    phrase: str
    score: float
    """Smoothed score at that moment, at least the threshold."""
    start: int
    """First sample of the audio that this score looked at, 16 kHz, counted from the beginning of the stream."""
    sample: int
    """Samples of audio heard when it was recognised: one past the last that the score looked at."""
    audio: Samples = dataclasses.field(default_factory=_nothing, repr=False, compare=False)
    """(n,) what was heard up to that moment, `BEFORE_S` of it at most; later sound has not been heard yet."""
    again: bool = False
    """The score has not fallen since the detection before: only of a Sentry in a cascade."""

    def earlier(self, samples: int) -> Detection:
        """The same in a stream that begins so many samples later; never before its beginning."""
        return dataclasses.replace(self, start=max(0, self.start - samples), sample=max(0, self.sample - samples))

    @property
    def start_s(self) -> float:
        """Seconds of audio before what was looked at."""
        return self.start / SAMPLE_RATE

    @property
    def end_s(self) -> float:
        """Seconds of audio heard when it was recognised."""
        return self.sample / SAMPLE_RATE


class Detector:
    """Listens for one phrase in a stream of audio. See listener for several phrases at once."""

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
        self.gain_db = float(about.get("input_gain_db", 0.0))
        """Gain of the sound before the front end, as a household needs it."""
        self.hears = (self.front_end, self.gain_db)
        """Detectors of which this is the same can share their frames."""
        try:
            self._front = frontend.create(*self.hears)
        except KeyError as error:
            raise RunError(
                f"{model.parent} hears through a front end that is not known here",
                got=self.front_end,
                do="update wakewright, or restore metadata.json from a copy",
            ) from error
        self._network = open_network(
            model, self.stride, self._front.channels, frontend=self.front_end, reference=reference
        )
        self.hop_s = self.stride * self._front.hop / SAMPLE_RATE
        """Seconds from step to step."""
        self.first_step_s = (self._front.first_end + (self.stride - 1) * self._front.hop) / SAMPLE_RATE
        """Seconds of audio behind the first step."""
        self._state = PolicyState(self.policy, self.hop_s * 1000, self.threshold)
        firmware = model.suffix == ".tflite" and self.policy.consecutive == 1
        self.rule = DeviceRule(self.policy.smoothing, self.stride) if firmware else None
        """How the firmware decides that this very file is for; None for a model that no device runs."""
        self.language: str = about.get("language", "en-us")
        """Of the phrase, as espeak-ng names it."""
        self.kind: str = about.get("model_type", "")
        """Name of the model in the registry."""
        self.looked_at = round(about.get("looked_at_s", LOOKED_AT_S) * SAMPLE_RATE)
        """Samples that one score looks at."""
        self._history = History(BEFORE_S)
        self._frames: NDArray[np.float32] = np.zeros((0, self._front.channels), np.float32)
        self.current = 0.0
        """Smoothed score of the newest step."""

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        threshold: float | None = None,
        gain_db: float | None = None,
        reference: bool = False,
    ) -> Detector:
        """The detector of a run folder or of a folder made by `export`, as fitted to its household where it was.

        `threshold` replaces the calibrated one. `gain_db` is another gain of the sound, and leaves what was fitted to
        a household aside altogether: 0 gives the detector as it was trained and calibrated. `reference` runs an int8
        model with the kernels that a device's results equal to the bit. Raises RunError when there is none, when it
        or its household.json is damaged, or when a newer wakewright made it.
        """
        folder = Path(path)
        about = metadata.read(folder)
        model = folder / about.get("model", "model.onnx")
        if not model.is_file():
            raise RunError(f"no model in {folder}", got=f"no {model.name}", do="export or train again")
        about = household.applied(folder, about) if gain_db is None else about | {"input_gain_db": gain_db}
        return cls(model, about, threshold=threshold, reference=reference)

    def reset(self) -> None:
        """Start a new stream."""
        self._front.reset()
        self._network.reset()
        self._state.reset()
        self._history.reset()
        self._frames, self.current = self._frames[:0], 0.0

    def push(self, samples: Samples) -> list[Detection]:
        """(n,) float32 16 kHz, any n -> the detections they complete. Raises InputError for other samples."""
        return [fire for piece in pieces(samples) for fire in self._push(piece)]

    def score(self, samples: Samples) -> Scores:
        """(n,) -> (steps,) smoothed scores; step i is complete at `first_step_s + i * hop_s`."""
        parts = [self.score_frames(self._front.push(piece)) for piece in pieces(samples)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def raw_scores(self, samples: Samples) -> Scores:
        """(n,) -> (steps,) scores as the model gives them, before any smoothing."""
        parts = [
            self._network(frames)
            for piece in pieces(samples)
            if len(frames := self._whole_steps(self._front.push(piece)))
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def stream(self, audio: Samples | Iterable[Samples]) -> Iterator[Detection]:
        """Detections in a recording, or in pieces of one as they come, from a fresh start."""
        self.reset()
        for piece in [audio] if isinstance(audio, np.ndarray) else audio:
            yield from self.push(piece)

    def _push(self, samples: Samples) -> list[Detection]:
        found = self.push_frames(self._front.push(samples))
        return self._history.add(samples, found)

    def push_frames(self, frames: Frames) -> list[Detection]:
        """(n, channels) what the front end gives, for many detectors at once -> detections without their sound."""
        return self._push_frames(frames)[1]

    def score_frames(self, frames: Frames) -> Scores:
        """(n, channels) what the front end would give -> (steps,) smoothed scores, as `score` gives of samples."""
        return self._push_frames(frames)[0]

    def rearm(self, share: float, after_ms: float | None = None) -> None:
        """See PolicyState.rearm."""
        self._state.rearm(share, after_ms)

    def steps_by(self, samples: int) -> int:
        """How many steps are complete when so many samples of the stream were heard."""
        first, hop = round(self.first_step_s * SAMPLE_RATE), round(self.hop_s * SAMPLE_RATE)
        return int(max(0, (samples - first) // hop + 1))

    def skip_to(self, step: int) -> None:
        """Count the steps up to this one as silent: nothing of them was computed."""
        self._frames = self._frames[:0]
        self._state.skip(step - self._state.step)
        self.current = 0.0

    def resume(self, frames: Frames, start: int) -> list[Detection]:
        """Go on with a stream of which steps were skipped.

        `frames` are all since sample `start`, where a step begins; those of steps that were skipped bring the model
        and the smoothing to where they would be, and decide nothing more.
        """
        self._network.reset()
        self._frames = self._frames[:0]
        scores = self._network(steps) if len(steps := self._whole_steps(frames)) else np.zeros(0, np.float32)
        first = start // round(self.hop_s * SAMPLE_RATE)
        self._state.skip(first - self._state.step)
        skipped = self._state.step - first
        self._state.recall(scores[:skipped])
        return self._decided(scores[skipped:])[1]

    def _whole_steps(self, frames: Frames) -> Frames:
        """These frames after those left over before, as many as make whole steps; the rest is left over."""
        if len(self._frames):
            frames = np.concatenate([self._frames, frames])
        whole = len(frames) // self.stride * self.stride
        self._frames = frames[whole:]
        return frames[:whole]

    def _push_frames(self, frames: Frames) -> tuple[Scores, list[Detection]]:
        frames = self._whole_steps(frames)
        return self._decided(self._network(frames) if len(frames) else np.zeros(0, np.float32))

    def _decided(self, raw: Scores) -> tuple[Scores, list[Detection]]:
        scores, fires = self._state.push(raw)
        if len(scores):
            self.current = float(scores[-1])
        first, hop = round(self.first_step_s * SAMPLE_RATE), round(self.hop_s * SAMPLE_RATE)
        ends = [first + fire.step * hop for fire in fires]
        return scores, [
            Detection(self.phrase, fire.score, max(0, end - self.looked_at), end, again=fire.again)
            for fire, end in zip(fires, ends, strict=True)
        ]


class History:
    """The last seconds of a stream, so that a detection can bring its sound with it."""

    def __init__(self, seconds: float) -> None:
        self._size = round(seconds * SAMPLE_RATE)
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._ring = np.zeros(self._size, np.float32)
        self.samples = 0
        """How many were heard."""

    def add(self, samples: Samples, found: Sequence[Detection]) -> list[Detection]:
        """Hear (n,) more samples; gives the detections that they completed together with their sound."""
        joined = np.concatenate([self.last(), samples]) if found else samples
        self.samples += len(samples)
        first = self.samples - len(joined)
        kept = samples[-self._size :]
        at = (self.samples - len(kept)) % self._size
        end = min(len(kept), self._size - at)
        self._ring[at : at + end] = kept[:end]
        self._ring[: len(kept) - end] = kept[end:]
        return [
            dataclasses.replace(one, audio=joined[max(0, one.sample - self._size - first) : one.sample - first])
            for one in found
        ]

    def last(self) -> Samples:
        """(n,) what is kept, the newest last; less than it holds while little was heard."""
        at = self.samples % self._size
        whole = np.concatenate([self._ring[at:], self._ring[:at]])
        return whole[max(0, self._size - self.samples) :]


def pieces(samples: Samples) -> Iterator[Samples]:
    """(n,) float32 samples in pieces of at most PIECE. Raises InputError for other samples."""
    if samples.dtype != np.float32 or samples.ndim != 1:
        raise InputError(
            "the detector takes (n,) float32 samples between -1 and 1, 16 kHz, one channel",
            got=f"{samples.dtype} of shape {samples.shape}",
            do="convert 16-bit samples with samples.astype(np.float32) / 32768, and average the channels",
        )
    for start in range(0, len(samples), PIECE):
        yield samples[start : start + PIECE]
