"""MixedNet: the mixed-kernel depthwise network of microWakeWord, in a form that streams exactly.

A strided convolution over three 10 ms frames, four blocks of mixed depthwise kernels and pointwise layers, and one
last temporal layer. Everything is unpadded in time; a step is 30 ms and hears 1.49 s.
"""

from __future__ import annotations

from torch import Tensor, nn

from wakewright.models.layers import MixConv, State, StreamConv, trunk_then_last
from wakewright.models.registry import Dimensions

STEM_KERNEL = 5
STRIDE = 3
KERNELS: tuple[tuple[int, ...], ...] = ((5,), (7, 11), (9, 15), (17,))
HEAD_KERNEL = 5
INPUT_SCALE = 1.0 / 26.0
"""Brings the micro front end's 0..26 to 0..1."""


class MixedBlock(nn.Module):
    """Mixed depthwise kernels, then a pointwise layer with BatchNorm and ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.mixed = MixConv(channels_in, kernels)
        self.point = StreamConv(channels_in, channels_out, 1)

    def forward(self, x: Tensor, state: State | None) -> tuple[Tensor, State | None]:
        """(batch, time, in) -> (batch, outputs, out)."""
        y, state = self.mixed(x, state)
        y, _ = self.point(y)
        return y, state


class MixedNet(nn.Module):
    """Micro front-end frames to logits, one per 30 ms."""

    frontend = "micro"
    channels = 40
    stride = STRIDE
    receptive_field = STEM_KERNEL + STRIDE * (sum(max(k) - 1 for k in KERNELS) + HEAD_KERNEL - 1)

    def __init__(self, dims: Dimensions) -> None:
        super().__init__()
        self.dims = dims
        stem, body = max(8, round(32 * dims.width)), max(8, round(64 * dims.width))
        self.feature_channels = body
        self.stem = StreamConv(self.channels, stem, STEM_KERNEL, stride=STRIDE)
        inputs = [stem] + [body] * (len(KERNELS) - 1)
        self.blocks = nn.ModuleList(
            MixedBlock(channels, body, kernels) for channels, kernels in zip(inputs, KERNELS, strict=True)
        )
        self.dropout = nn.Dropout(0.1)
        self.last = StreamConv(body, 1, HEAD_KERNEL, norm=False, activate=False)

    def initial_state(self, batch: int) -> State:
        """The state after endless silence."""
        parts = [self.stem, *(block.mixed for block in self.blocks), self.last]
        return tuple(part.initial_state(batch)[0] for part in parts)  # type: ignore[operator, union-attr]

    def features(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, 40) -> (batch, steps, body)."""
        x, first = self.stem(frames * INPUT_SCALE, None if state is None else state[:1])
        after: list[Tensor] = list(first or ())
        for i, block in enumerate(self.blocks, 1):
            x, kept = block(x, None if state is None else (state[i],))
            after += list(kept or ())
        return self.dropout(x), None if state is None else tuple(after)

    def classify(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, steps, body) -> (batch, steps)."""
        y, state = self.last(features, state)
        return y.squeeze(-1), state

    def forward(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, 40) -> (batch, steps) logits."""
        return trunk_then_last(self, frames, state)
