"""Streaming layers: one forward for training and for streaming.

Every layer works on (batch, time, channels) and takes the frames it still remembers as its state:

    y, state = layer(x, state)

With `state=None` a layer has no past and gives outputs only where its whole kernel is covered ("valid"); that is
how windows are trained. With a state from `initial_state` (silence) or from an earlier call it continues where
the earlier call ended; fed in pieces it then equals fed whole. Pieces must hold a whole number of strides.
Padding is never added in time, so training and streaming see the same arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]


class StreamConv(nn.Module):
    """Convolution over time with BatchNorm and ReLU, keeping the frames of past that its kernel reaches back."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        depthwise: bool = False,
        norm: bool = True,
        activate: bool = True,
    ) -> None:
        super().__init__()
        self.reach, self.stride, self.channels_in = (kernel - 1) * dilation + 1, stride, channels_in
        groups = channels_in if depthwise else 1
        self.conv = nn.Conv1d(
            channels_in, channels_out, kernel, stride=stride, dilation=dilation, groups=groups, bias=not norm
        )
        self.norm: nn.Module = nn.BatchNorm1d(channels_out) if norm else nn.Identity()
        self.activate: nn.Module = nn.ReLU() if activate else nn.Identity()

    @property
    def context(self) -> int:
        """Frames of past kept between calls."""
        return max(0, self.reach - self.stride)

    def initial_state(self, batch: int) -> State:
        """The state of a layer that has heard nothing but zeros."""
        return (torch.zeros(batch, self.context, self.channels_in),) if self.context else ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, in) -> (batch, outputs, out) and the frames to remember."""
        if state is not None and self.context:
            x = torch.cat([state[0], x], dim=1)
            state = (x[:, x.shape[1] - self.context :],)
        y = self.activate(self.norm(self.conv(x.transpose(1, 2))))
        return y.transpose(1, 2), state


class MixConv(nn.Module):
    """Depthwise convolution with a different kernel for each group of channels (Tan and Le, "MixConv", 2019).

    Groups with shorter kernels look at the newest frames only, so all outputs end at the same moment.
    """

    def __init__(self, channels: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel, self.channels = max(kernels), channels
        sizes = [channels // len(kernels)] * len(kernels)
        sizes[0] += channels - sum(sizes)
        self.sizes, self.kernels = sizes, kernels
        self.convs = nn.ModuleList(
            nn.Conv1d(size, size, kernel, groups=size, bias=False)
            for size, kernel in zip(sizes, kernels, strict=True)
        )

    @property
    def context(self) -> int:
        """Frames of past kept between calls."""
        return self.kernel - 1

    def initial_state(self, batch: int) -> State:
        """The state of a layer that has heard nothing but zeros."""
        return (torch.zeros(batch, self.context, self.channels),)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, channels) -> (batch, outputs, channels) and the frames to remember."""
        if state is not None:
            x = torch.cat([state[0], x], dim=1)
            state = (x[:, x.shape[1] - self.context :],)
        groups = torch.split(x.transpose(1, 2), self.sizes, dim=1)
        y = [
            conv(group[:, :, self.kernel - kernel :])
            for conv, group, kernel in zip(self.convs, groups, self.kernels, strict=True)
        ]
        return torch.cat(y, dim=1).transpose(1, 2), state


def newest(x: Tensor, outputs: int, stride: int) -> Tensor:
    """The newest input frame behind each of `outputs` outputs: (batch, time, c) -> (batch, outputs, c)."""
    last = x.shape[1] - 1 - (outputs - 1) * stride
    return x[:, last::stride]
