"""MixedNet: the mixed-kernel depthwise network of microWakeWord, in a form that streams exactly.

A strided convolution over three 10 ms frames, then four blocks of mixed depthwise kernels and pointwise layers, as
published; then, not as published, a small speech embedding of its own and the head for it (`tiny`). Nothing is
padded in time; a step is 30 ms, its embedding hears 1.4 s and the whole 2.7 s.
"""

from __future__ import annotations

from torch import Tensor, nn

from wakewright.models.layers import MixConv, State, StreamConv

STEM_KERNEL = 5
STRIDE = 3
KERNELS: tuple[tuple[int, ...], ...] = ((5,), (7, 11), (9, 15), (17,))


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
    """The trunk: frames to one moment per 30 ms."""

    stride = STRIDE
    receptive_field = STEM_KERNEL + STRIDE * sum(max(k) - 1 for k in KERNELS)

    def __init__(self, channels: int, width: float) -> None:
        super().__init__()
        stem, self.body = max(8, round(64 * width)), max(8, round(128 * width))
        self.stem = StreamConv(channels, stem, STEM_KERNEL, stride=STRIDE)
        inputs = [stem] + [self.body] * (len(KERNELS) - 1)
        self.blocks = nn.ModuleList(
            MixedBlock(size, self.body, kernels) for size, kernels in zip(inputs, KERNELS, strict=True)
        )

    def initial_state(self, batch: int) -> State:
        """The state after endless silence."""
        parts = [self.stem, *(block.mixed for block in self.blocks)]
        return tuple(part.initial_state(batch)[0] for part in parts)  # type: ignore[operator, union-attr]

    def forward(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, channels) -> (batch, steps, body)."""
        x, first = self.stem(frames, None if state is None else state[:1])
        after: list[Tensor] = list(first or ())
        for i, block in enumerate(self.blocks, 1):
            x, kept = block(x, None if state is None else (state[i],))
            after += list(kept or ())
        return x, None if state is None else tuple(after)
