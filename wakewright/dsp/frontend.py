"""What every front end offers: samples in, frames out, the same frames however the samples are cut."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import Samples

Frames = NDArray[np.float32]
"""(frames, channels) float32."""


class Frontend(Protocol):
    """Turns a stream of samples into a stream of frames."""

    name: str
    channels: int
    """Values per frame."""
    hop: int
    """Samples from one frame to the next."""
    first_end: int
    """Samples consumed before the first frame comes out; frame k is complete at first_end + k * hop."""

    def push(self, samples: Samples) -> Frames:
        """(n,) float32 samples -> (m, channels) float32 frames completed by them; m may be 0."""
        ...

    def reset(self) -> None:
        """Forget everything heard."""
        ...


class Amplified:
    """A front end that hears its sound louder, or softer."""

    def __init__(self, front: Frontend, gain_db: float) -> None:
        self._front, self._gain_db = front, gain_db
        self.name, self.channels, self.hop, self.first_end = front.name, front.channels, front.hop, front.first_end

    def push(self, samples: Samples) -> Frames:
        return self._front.push(amplify(samples, self._gain_db))

    def reset(self) -> None:
        self._front.reset()


def amplify(samples: Samples, gain_db: float) -> Samples:
    """(n,) float32 by so many decibels, clipped at full scale as a microphone would."""
    return np.asarray(np.clip(samples * np.float32(10 ** (gain_db / 20)), -1.0, 1.0), np.float32)


def kind_of(name: str) -> str:
    """What sort of front end the one called `name` is: "micro", "mel", "mfcc" or "speech_embedding"."""
    return name.partition("-")[0]


def create(name: str, gain_db: float = 0.0) -> Frontend:
    """The front end called `name`, behind this gain; 0 leaves its sound as it is.

    Names are "micro", "speech_embedding" and what `logmel.name_of` makes of a recipe's settings. Raises KeyError for
    another name, InputError for settings that make no front end.
    """
    if gain_db:
        return Amplified(create(name), gain_db)
    if name == "micro":
        from wakewright.dsp.micro import MicroFrontend

        return MicroFrontend()
    if name == "speech_embedding":
        from wakewright.dsp.embedding import SpeechEmbedding

        return SpeechEmbedding()
    from wakewright.dsp.logmel import LogMel, settings_of

    return LogMel(settings_of(name))
