"""Streaming layers over time and frequency: (batch, time, bands, channels), causal in time, padded in frequency
alone.

Time is treated as in `layers`: nothing is padded, and what a kernel reaches back to is the state. The bands of a
frame are all there at once, so kernels over them may be padded on both sides as published.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from wakewright.models.layers import Chain, State, fold, learning_weights, newest, settled
from wakewright.models.quantised import FakeQuant


class Lift(nn.Module):
    """(batch, time, bands) -> (batch, time, bands, 1)."""

    stride, reach, states, outputs, macs = 1, 1, 0, 1, 0.0

    def initial_state(self, batch: int) -> State:
        return ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        return x.unsqueeze(3), state


class Fold(nn.Module):
    """(batch, time, bands, channels) -> (batch, time, bands x channels)."""

    stride, reach, states, macs = 1, 1, 0, 0.0

    def __init__(self, bands: int, channels: int) -> None:
        super().__init__()
        self.outputs = bands * channels

    def initial_state(self, batch: int) -> State:
        return ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        return x.flatten(2), state


class BandMean(nn.Module):
    """(batch, time, bands, channels) -> (batch, time, channels): the mean over the bands of each frame."""

    stride, reach, states, macs = 1, 1, 0, 0.0

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.outputs = channels
        self.out: FakeQuant | None = None

    def initial_state(self, batch: int) -> State:
        return ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        y = x.mean(dim=2)
        return (y if self.out is None else self.out(y)), state


class SpectralConv(nn.Module):
    """Convolution over time and bands with BatchNorm and ReLU."""

    def __init__(
        self,
        bands: int,
        channels_in: int,
        channels_out: int,
        kernel: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: int = 1,
        depthwise: bool = False,
        activate: bool = True,
    ) -> None:
        """`bands` come in; `kernel` and `stride` are (frames, bands), `dilation` of the frames."""
        super().__init__()
        self.stride, self.reach, self.outputs = stride[0], (kernel[0] - 1) * dilation + 1, channels_out
        self.states = int(self.reach > self.stride)
        self.bands_in, self.bands, self.channels_in = bands, -(-bands // stride[1]), channels_in
        missing = max(0, (self.bands - 1) * stride[1] + kernel[1] - bands)
        self.padding = (missing // 2, missing - missing // 2)
        self.conv = nn.Conv2d(
            channels_in,
            channels_out,
            kernel,
            stride=stride,
            dilation=(dilation, 1),
            groups=channels_in if depthwise else 1,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(channels_out)
        self.activate: nn.Module = nn.ReLU() if activate else nn.Identity()
        self.out: FakeQuant | None = None
        self.constants: tuple[Tensor, Tensor] | None = None

    @property
    def macs(self) -> float:
        return self.conv.weight.numel() * self.bands / self.stride

    @property
    def context(self) -> int:
        """Frames of past kept between calls."""
        return max(0, self.reach - self.stride)

    def initial_state(self, batch: int) -> State:
        return (torch.zeros(batch, self.context, self.bands_in, self.channels_in),) if self.context else ()

    def folded(self) -> tuple[Tensor, Tensor]:
        """The convolution with the normalisation in it: (out, in per group, frames, bands) weights and (out,)
        bias."""
        return fold(self.conv, self.norm)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        if state is not None and self.context:
            x = torch.cat([state[0], x], dim=1)
            state = (x[:, -self.context :],)
        weights, bias = (learning_weights(self), None) if self.training else settled(self)
        y = self._convolve(x, weights, bias)
        if self.training:
            y = self.norm(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y = self.activate(y)
        return (y if self.out is None else self.out(y)), state

    def _convolve(self, x: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
        conv = self.conv
        if conv.kernel_size == (1, 1) and conv.groups == 1:
            # a matrix product, which is faster; and torch 2.13's own kernel for one that strides, of few channels
            # that come last, writes past its memory
            return functional.linear(x[:, :: conv.stride[0], :: conv.stride[1]], weights.flatten(1), bias)
        image = functional.pad(x.permute(0, 3, 1, 2), self.padding)
        y = functional.conv2d(image, weights, bias, conv.stride, 0, conv.dilation, conv.groups)
        return y.permute(0, 2, 3, 1)


class Gate(nn.Module):
    """Squeeze and excitation (Hu et al., 2018) of each frame by itself: channels times what their means ask for.

    As published the mean is over time too, which a stream does not have.
    """

    stride, reach, states = 1, 1, 0

    def __init__(self, channels: int, narrow: int) -> None:
        super().__init__()
        self.outputs = channels
        self.mean = BandMean(channels)
        self.squeeze = SpectralConv(1, channels, narrow, (1, 1))
        self.excite = SpectralConv(1, narrow, channels, (1, 1), activate=False)
        self.out: FakeQuant | None = None

    @property
    def macs(self) -> float:
        return self.squeeze.macs + self.excite.macs

    def initial_state(self, batch: int) -> State:
        return ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        means, _ = self.mean(x)
        y, _ = self.squeeze(means.unsqueeze(2))
        y, _ = self.excite(y)
        share = torch.sigmoid(y)
        if self.out is None:
            return x * share, state
        if self.out.rounds:
            share = torch.fake_quantize_per_tensor_affine(share, 1.0 / 256.0, -128, -128, 127)
        return self.out(x * share), state


class Sum(nn.Module):
    """relu(a + b), or the sum as it is."""

    def __init__(self, *, activate: bool) -> None:
        super().__init__()
        self.activate = activate
        self.out: FakeQuant | None = None

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Of the same shape, or b with one band that is added to all of a's."""
        y = torch.relu(a + b) if self.activate else a + b
        return y if self.out is None else self.out(y)


class Broadcast(nn.Module):
    """The broadcast residual (Kim et al., 2021): bands by themselves, plus what time makes of their mean, in every
    band."""

    def __init__(self, over_bands: Chain, over_time: Chain, *, identity: bool) -> None:
        """`over_time` takes and gives (batch, time, 1, channels); with `identity` the input is added too."""
        super().__init__()
        self.over_bands, self.over_time = over_bands, over_time
        self.mean = BandMean(over_bands.outputs)
        self.stride, self.outputs = over_bands.stride, over_time.outputs
        self.reach = over_bands.reach + (over_time.reach - 1) * over_bands.stride
        self.states = over_bands.states + over_time.states
        self.both = Sum(activate=not identity)
        self.whole = Sum(activate=True) if identity else None

    @property
    def macs(self) -> float:
        return self.over_bands.macs + self.over_time.macs / self.stride

    def initial_state(self, batch: int) -> State:
        return (*self.over_bands.initial_state(batch), *self.over_time.initial_state(batch))

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        count = self.over_bands.states
        below, above = (None, None) if state is None else (state[:count], state[count:])
        y, below = self.over_bands(x, below)
        means, _ = self.mean(y)
        z, above = self.over_time(means.unsqueeze(2), above)
        y = self.both(newest(y, z.shape[1], 1), z)
        if self.whole is not None:
            y = self.whole(y, newest(x, y.shape[1], self.stride))
        return y, None if below is None or above is None else (*below, *above)
