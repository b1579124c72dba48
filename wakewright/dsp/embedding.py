"""The shared speech embedding (Google, "Training Keyword Spotters with Limited and Synthesized Speech Data", 2020).

96 values per 80 ms, each over 775 ms of a 32-channel mel spectrogram. The weights ship in the Apache-2.0 wheel
`pyopen-wakeword` and run in LiteRT with XNNPACK. Two facts make it cheap:

- Every convolution in it is unpadded in time and the strides multiply to 8 mel frames, so one call over a long
  spectrogram gives exactly the values of many overlapping 76-frame calls, at about a seventh of the work.
- The mel model limits its dynamic range within each call, so what it gives is always that of the 1,760-sample chunks
  that openWakeWord's runtimes call it with (see mel); then the result does not depend on how the audio arrives.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from wakewright.core.audio import Samples, to_int16
from wakewright.core.errors import MissingPackage
from wakewright.dsp import mel
from wakewright.dsp.frontend import Frames
from wakewright.dsp.litert import Net

CHANNELS = 96
HOP = mel.HOP
MEL_WINDOW = 76
BLOCKS = (64, 16, 4, 1)
"""Embeddings computed in one call, as many as have come: one by one each costs as much as five in a block of 64."""
_CONTEXT = MEL_WINDOW - mel.FRAMES
_SKIP = 4
"""Mel frames before the first window, so that windows end where a chunk ends: 4 + 76 = 10 chunks of 8."""


def model_folder() -> Path:
    """Where the pyopen-wakeword wheel keeps its models. Raises MissingPackage when it is not installed."""
    spec = importlib.util.find_spec("pyopen_wakeword")
    if spec is None or spec.origin is None:
        raise MissingPackage(
            "the speech embedding's weights are missing",
            got="no package pyopen-wakeword",
            do="pip install pyopen-wakeword",
        )
    return Path(spec.origin).parent / "models"


class SpeechEmbedding:
    """Samples to speech embeddings, one per 80 ms."""

    name = "speech_embedding"
    channels = CHANNELS
    hop = HOP
    first_end = 9 * HOP + mel.CHUNK

    def __init__(self) -> None:
        folder = model_folder()
        self._mel = mel.MelSpectrogram(folder / "melspectrogram.tflite")
        self._model = (folder / "embedding_model.tflite").read_bytes()
        self._nets: dict[int, Net] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        self._pending = np.zeros(0, np.float32)
        self._mels = np.zeros((0, mel.BANDS), np.float32)
        self._skip = _SKIP

    def push(self, samples: Samples) -> Frames:
        """(n,) float32 -> (m, 96) float32 embeddings completed by these samples."""
        self._take_mels(samples)
        ready = (len(self._mels) - _CONTEXT) // mel.FRAMES
        if ready <= 0:
            return np.zeros((0, CHANNELS), np.float32)
        out = np.empty((ready, CHANNELS), np.float32)
        done = 0
        for block in BLOCKS:
            while ready - done >= block:
                out[done : done + block] = self._embed(done, block)
                done += block
        self._mels = self._mels[ready * mel.FRAMES :]
        return out

    def _take_mels(self, samples: Samples) -> None:
        # int16 values as floats is what the mel model was made for
        pending = np.concatenate([self._pending, to_int16(samples).astype(np.float32)])
        fresh = self._mel(pending) / 10.0 + 2.0
        self._pending = pending[len(fresh) // mel.FRAMES * HOP :]
        joined = np.concatenate([self._mels, fresh])
        skipped = min(self._skip, len(joined))
        self._skip -= skipped
        self._mels = joined[skipped:]

    def _embed(self, first: int, count: int) -> Frames:
        """(count, 96) the embeddings from the `first` that is due on; `count` is one of BLOCKS."""
        length = _CONTEXT + count * mel.FRAMES
        if count not in self._nets:
            self._nets[count] = Net(self._model, (1, length, mel.BANDS, 1))
        start = first * mel.FRAMES
        return self._nets[count](self._mels[None, start : start + length, :, None]).reshape(count, CHANNELS)
