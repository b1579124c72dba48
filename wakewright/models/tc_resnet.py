"""TC-ResNet8 (Choi et al., "Temporal Convolution for Real-time Keyword Spotting", 2019), causal and unpadded.

The paper pads symmetrically and averages over the whole clip. Here nothing is padded and each shortcut takes the
newest frame behind its output, so that it streams; instead of the average there is a small speech embedding and the
head for it (`tiny`). The paper strides by 2 in all three blocks; here in the first two, which keeps one output
per 40 ms.
"""

from __future__ import annotations

from torch import Tensor, nn

from wakewright.models.layers import State, StreamConv, newest

KERNEL = 9
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
    """The trunk: frames to one moment per 40 ms."""

    stride = 4
    receptive_field = 3 + (KERNEL - 1) * (1 + 2 + 2 + 4 + 4 + 4)

    def __init__(self, channels: int, width: float) -> None:
        super().__init__()
        sizes = [max(4, round(c * width)) for c in (16, 24, 32, 48)]
        self.body = sizes[-1]
        self.stem = StreamConv(channels, sizes[0], 3)
        self.blocks = nn.ModuleList(
            ResidualBlock(a, b, s) for a, b, s in zip(sizes[:-1], sizes[1:], STRIDES, strict=True)
        )

    def initial_state(self, batch: int) -> State:
        """The state after endless silence."""
        parts = [self.stem, *(part for b in self.blocks for part in (b.first, b.second))]
        return tuple(part.initial_state(batch)[0] for part in parts)  # type: ignore[operator, union-attr]

    def forward(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, channels) -> (batch, steps, body)."""
        x, first = self.stem(frames, None if state is None else state[:1])
        after: list[Tensor] = list(first or ())
        for i, block in enumerate(self.blocks):
            x, kept = block(x, None if state is None else state[1 + 2 * i : 3 + 2 * i])
            after += list(kept or ())
        return x, None if state is None else tuple(after)
