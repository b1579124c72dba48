"""The TFLite-Micro audio front end, run by the very C code that devices run.

40 channels, 125 to 7500 Hz, a 30 ms window every 10 ms, with noise reduction, PCAN automatic gain and a
logarithm. ESPHome's micro_wake_word feeds its models `(feature * 256 + 333) // 666 - 128`; the same 8 bits
are what every model here trains on, so nothing is lost between training and device.
"""

from __future__ import annotations

import array

import numpy as np
import pymicro_features
from numpy.typing import NDArray

from wakewright.core.audio import Samples, to_int16
from wakewright.dsp.frontend import Frames

CHANNELS = 40
HOP = 160
WINDOW = 480
FEATURE_UNIT = 0.0390625
"""The C code's integer features times this are the floats that pymicro-features returns (1/25.6)."""
SCALE = 26.0 / 255.0
"""Input scale of ESPHome's models: a quantised feature q stands for (q + 128) * SCALE."""


def quantise(features: NDArray[np.uint16]) -> NDArray[np.int8]:
    """Integer features as the C code gives them -> int8 as the device feeds them to a model."""
    scaled = (features.astype(np.int32) * 256 + 333) // 666 - 128
    return np.clip(scaled, -128, 127).astype(np.int8)


def dequantise(quantised: NDArray[np.int8]) -> Frames:
    """int8 model input -> the float32 value it stands for, 0 to 26."""
    frames = quantised.astype(np.float32)
    frames += np.float32(128.0)  # in place: a training reads gigabytes of these
    frames *= np.float32(SCALE)
    return frames


def requantise(frames: Frames) -> NDArray[np.int8]:
    """What `dequantise` was given: float32 model input -> int8."""
    return np.asarray(np.rint(frames / np.float32(SCALE)) - 128.0, np.int8)


class MicroFrontend:
    """Samples to device features; `push` gives floats, `push_quantised` the device's own int8."""

    name = "micro"
    channels = CHANNELS
    hop = HOP
    first_end = WINDOW

    def __init__(self) -> None:
        self._frontend = pymicro_features.create_frontend()
        self._pending = np.zeros(0, np.int16)

    def reset(self) -> None:
        """Forget everything heard."""
        pymicro_features.reset_frontend(self._frontend)
        self._pending = np.zeros(0, np.int16)

    def push_integers(self, samples: Samples) -> NDArray[np.uint16]:
        """(n,) float32 -> (m, 40) uint16, the C code's raw output."""
        pending = np.concatenate([self._pending, to_int16(samples)])
        whole = len(pending) // HOP * HOP
        self._pending = pending[whole:]
        data = pending[:whole].tobytes()
        step = 2 * HOP
        values = array.array("f")  # the lists of Python that the C code gives are taken over one by one: it is faster
        for start in range(0, len(data), step):
            values.fromlist(pymicro_features.process_samples(self._frontend, data[start : start + step])[0])
        frames = np.frombuffer(values, np.float32).reshape(-1, CHANNELS)
        return np.asarray(np.rint(frames / np.float32(FEATURE_UNIT)), np.uint16)

    def push_quantised(self, samples: Samples) -> NDArray[np.int8]:
        """(n,) float32 -> (m, 40) int8 model input."""
        return quantise(self.push_integers(samples))

    def push(self, samples: Samples) -> Frames:
        """(n,) float32 -> (m, 40) float32 model input, 0 to 26."""
        return dequantise(self.push_quantised(samples))
