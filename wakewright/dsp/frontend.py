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


def create(name: str) -> Frontend:
    """The front end called `name`: "micro" or "speech_embedding". Raises KeyError for another."""
    if name == "micro":
        from wakewright.dsp.micro import MicroFrontend

        return MicroFrontend()
    if name == "speech_embedding":
        from wakewright.dsp.embedding import SpeechEmbedding

        return SpeechEmbedding()
    raise KeyError(name)
