"""MixedNet: the mixed-kernel depthwise network of microWakeWord, in a form that streams exactly.

A strided convolution over three 10 ms frames, then four blocks of mixed depthwise kernels and pointwise layers, as
published; then, not as published, a small speech embedding of its own and the head for it (`tiny_head`). Nothing is
padded in time; a step is 30 ms, its embedding hears 1.4 s and the whole 2.7 s.
"""

from __future__ import annotations

from torch import Tensor, nn

from wakewright.models.layers import MixConv, State, StreamConv, trunk_then_last
from wakewright.models.registry import Dimensions
from wakewright.models.tiny_head import CHANNELS, TAPS, TinyHead

STEM_KERNEL = 5
STRIDE = 3
KERNELS: tuple[tuple[int, ...], ...] = ((5,), (7, 11), (9, 15), (17,))
SPACING = 3
"""Steps between the moments that the head looks at."""
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
    receptive_field = STEM_KERNEL + STRIDE * (sum(max(k) - 1 for k in KERNELS) + SPACING * (TAPS - 1))

    def __init__(self, dims: Dimensions) -> None:
        super().__init__()
        self.dims = dims
        stem, body = max(8, round(32 * dims.width)), max(8, round(64 * dims.width))
        self.stem = StreamConv(self.channels, stem, STEM_KERNEL, stride=STRIDE)
        inputs = [stem] + [body] * (len(KERNELS) - 1)
        self.blocks = nn.ModuleList(
            MixedBlock(channels, body, kernels) for channels, kernels in zip(inputs, KERNELS, strict=True)
        )
        self.dropout = nn.Dropout(0.1)
        self.readout = StreamConv(body, CHANNELS, 1, norm=False, activate=False)
        self.head = TinyHead(dims.width, SPACING)

    @property
    def last(self) -> StreamConv:
        """The layer that gives the logits."""
        return self.head.last

    def hide_channels(self, share: float) -> None:
        """From now on hide this share of the features' channels from the head in each training example."""
        self.head.hide_channels(share)

    def initial_state(self, batch: int) -> State:
        """The state after endless silence."""
        parts = [self.stem, *(block.mixed for block in self.blocks), self.head]
        return tuple(part.initial_state(batch)[0] for part in parts)  # type: ignore[operator, union-attr]

    def features(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, 40) -> (batch, steps, 96): its imitation of the speech embedding, standardised."""
        x, first = self.stem(frames * INPUT_SCALE, None if state is None else state[:1])
        after: list[Tensor] = list(first or ())
        for i, block in enumerate(self.blocks, 1):
            x, kept = block(x, None if state is None else (state[i],))
            after += list(kept or ())
        y, _ = self.readout(self.dropout(x))
        return y, None if state is None else tuple(after)

    def classify(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, steps, 96) -> (batch, steps)."""
        logits: Tensor
        logits, state = self.head(features, state)
        return logits, state

    def forward(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, 40) -> (batch, steps) logits."""
        return trunk_then_last(self, frames, state)
