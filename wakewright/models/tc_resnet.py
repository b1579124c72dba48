"""TC-ResNet8 (Choi et al., "Temporal Convolution for Real-time Keyword Spotting", 2019), causal and unpadded.

The paper pads symmetrically and averages over the whole clip. Here nothing is padded, each shortcut takes the
newest frame behind its output, and the average runs over the last steps, so that it streams. The paper strides
by 2 in all three blocks; here in the first two, which keeps one output per 40 ms.
"""

from __future__ import annotations

from torch import Tensor, nn

from wakewright.models.layers import State, StreamConv, newest, trunk_then_last
from wakewright.models.mixednet import INPUT_SCALE
from wakewright.models.registry import Dimensions

KERNEL = 9
POOL = 6
STRIDES = (2, 2, 1)


class ResidualBlock(nn.Module):
    """Two temporal convolutions beside a strided shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.first = StreamConv(channels_in, channels_out, KERNEL, stride=stride)
        self.second = StreamConv(channels_out, channels_out, KERNEL, activate=False)
        self.shortcut = StreamConv(channels_in, channels_out, 1)
        self.activate = nn.ReLU()

    def forward(self, x: Tensor, state: State | None) -> tuple[Tensor, State | None]:
        """(batch, time, in) -> (batch, outputs, out)."""
        y, one = self.first(x, None if state is None else state[:1])
        y, two = self.second(y, None if state is None else state[1:])
        short, _ = self.shortcut(newest(x, y.shape[1], self.stride))
        return self.activate(y + short), None if one is None or two is None else (*one, *two)


class TcResNet(nn.Module):
    """Micro front-end frames to logits, one per 40 ms."""

    frontend = "micro"
    channels = 40
    stride = 4
    receptive_field = 3 + (KERNEL - 1) * (1 + 2 + 2 + 4 + 4 + 4) + 4 * (POOL - 1)

    def __init__(self, dims: Dimensions) -> None:
        super().__init__()
        self.dims = dims
        sizes = [max(4, round(c * dims.width)) for c in (16, 24, 32, 48)]
        self.feature_channels = sizes[-1]
        self.stem = StreamConv(self.channels, sizes[0], 3)
        self.blocks = nn.ModuleList(
            ResidualBlock(a, b, s) for a, b, s in zip(sizes[:-1], sizes[1:], STRIDES, strict=True)
        )
        self.dropout = nn.Dropout(0.1)
        self.last = StreamConv(sizes[-1], 1, POOL, norm=False, activate=False)

    def initial_state(self, batch: int) -> State:
        """The state after endless silence."""
        parts = [self.stem, *(part for b in self.blocks for part in (b.first, b.second)), self.last]
        return tuple(part.initial_state(batch)[0] for part in parts)  # type: ignore[operator, union-attr]

    def features(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, 40) -> (batch, steps, 48)."""
        x, first = self.stem(frames * INPUT_SCALE, None if state is None else state[:1])
        after: list[Tensor] = list(first or ())
        for i, block in enumerate(self.blocks):
            x, kept = block(x, None if state is None else state[1 + 2 * i : 3 + 2 * i])
            after += list(kept or ())
        return self.dropout(x), None if state is None else tuple(after)

    def classify(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, steps, 48) -> (batch, steps)."""
        y, state = self.last(features, state)
        return y.squeeze(-1), state

    def forward(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, 40) -> (batch, steps) logits."""
        return trunk_then_last(self, frames, state)
