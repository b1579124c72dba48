"""A file in the place of the model it was written from, so that both can be held to the same measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wakewright.detect.networks import LEVELS
from wakewright.dsp.micro import requantise
from wakewright.export.parity import streamed


class FileModel:
    """A streaming int8 file that answers as the torch model does, where its receptive field is full."""

    def __init__(self, file: bytes, model: Any) -> None:
        self._file = file
        self.frontend, self.stride, self.receptive_field = model.frontend, model.stride, model.receptive_field

    def __call__(self, frames: Tensor) -> tuple[Tensor, None]:
        """(1, time, 40) float32 -> (1, steps) logits, as far as 256 steps of a probability can tell them apart."""
        skipped = self.receptive_field % self.stride
        scores = streamed(self._file, requantise(frames[0, skipped:].numpy()), self.stride)
        full = scores[(self.receptive_field - skipped) // self.stride - 1 :].astype(np.float32)
        shares = torch.from_numpy(np.clip(full / LEVELS, 1e-4, 1.0))
        return torch.logit(shares, eps=1e-4)[None], None
