"""Streaming layers: one forward for training and for streaming.

Every layer works on (batch, time, channels) and takes the frames it still remembers as its state:

    y, state = layer(x, state)

With `state=None` a layer has no past and gives outputs only where its whole kernel is covered ("valid"); that is
how windows are trained. With a state from `initial_state` (silence) or from an earlier call it continues where
the earlier call ended; fed in pieces it then equals fed whole. Pieces must hold a whole number of strides.
Padding is never added in time, so training and streaming see the same arithmetic.

Layers compose: a `Chain` of layers, or a `Residual` around one, is a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from wakewright.models.quantised import FakeQuant, quantised_weights

State = tuple[Tensor, ...]


class Layer(Protocol):
    """What every layer tells of itself."""

    stride: int
    """Inputs per output."""
    reach: int
    """Inputs behind one output."""
    outputs: int
    """Channels that come out."""
    states: int
    """Tensors in its state."""

    @property
    def macs(self) -> float:
        """Multiplications per input frame."""
        ...

    def initial_state(self, batch: int) -> State:
        """The state of a layer that has heard nothing but zeros."""
        ...

    def __call__(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, in) -> (batch, outputs, out) and what to remember."""
        ...


def convolve(
    x: Tensor, weights: Tensor, bias: Tensor | None, kernel: int, stride: int = 1, dilation: int = 1
) -> Tensor:
    """(batch, time, in) -> (batch, outputs, out): convolution over time, unpadded, by (out, in, kernel).

    A kernel of one frame is a matrix product, which takes half the time of torch's convolution. Raises RuntimeError
    when x is shorter than the kernel.
    """
    if kernel == stride == 1:
        return functional.linear(x, weights[:, :, 0], bias)
    return functional.conv1d(x.transpose(1, 2), weights, bias, stride, 0, dilation).transpose(1, 2)


def convolve_depthwise(x: Tensor, weights: Tensor, bias: Tensor, channels: int) -> Tensor:
    """(batch, time, channels) -> (batch, outputs, channels): each channel by its own (channels, 1, kernel).

    As an image with channels last it takes a third of the time of torch's convolution over sequences.
    """
    image = x.unsqueeze(2).permute(0, 3, 1, 2)
    y = functional.conv2d(image, weights.unsqueeze(-1), bias, groups=channels)
    return y.permute(0, 2, 3, 1).squeeze(2)


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
        norm: bool = True,
        activate: bool = True,
        limit: float | None = None,
    ) -> None:
        """`limit` is the largest magnitude of what comes out that matters; int8 keeps no more."""
        super().__init__()
        self.reach, self.stride, self.channels_in = (kernel - 1) * dilation + 1, stride, channels_in
        self.outputs, self.states = channels_out, int(self.reach > stride)
        self.conv = nn.Conv1d(channels_in, channels_out, kernel, stride=stride, dilation=dilation, bias=not norm)
        self.norm: nn.Module = nn.BatchNorm1d(channels_out) if norm else nn.Identity()
        self.activate: nn.Module = nn.ReLU() if activate else nn.Identity()
        self.limit = limit
        self.out: FakeQuant | None = None
        """Rounds what comes out to int8, and with it the weights; None computes in float."""
        self.constants: tuple[Tensor, Tensor] | None = None
        """Weights and bias for good, set by `settle`."""

    @property
    def macs(self) -> float:
        return self.conv.weight.numel() / self.stride

    @property
    def context(self) -> int:
        """Frames of past kept between calls."""
        return max(0, self.reach - self.stride)

    def initial_state(self, batch: int) -> State:
        return (torch.zeros(batch, self.context, self.channels_in),) if self.context else ()

    def folded(self) -> tuple[Tensor, Tensor]:
        """The convolution with the normalisation in it: (out, in per group, kernel) weights and (out,) bias."""
        return fold(self.conv, self.norm)

    def _convolve(self, x: Tensor) -> Tensor:
        kernel, stride, dilation = self.conv.kernel_size[0], self.stride, self.conv.dilation[0]
        if not self.training:
            return convolve(x, *settled(self), kernel, stride, dilation)
        y = convolve(x, learning_weights(self), self.conv.bias, kernel, stride, dilation)
        return self.norm(y.flatten(0, 1)).unflatten(0, y.shape[:2])  # type: ignore[no-any-return]

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        if state is not None and self.context:
            x = torch.cat([state[0], x], dim=1)
            state = (x[:, -self.context :],)
        y = self.activate(self._convolve(x))
        return (y if self.out is None else self.out(y)), state


class MixConv(nn.Module):
    """Depthwise convolution with a different kernel for each group of channels (Tan and Le, "MixConv", 2019).

    Groups with shorter kernels look at the newest frames only, so all outputs end at the same moment.
    """

    stride, states = 1, 1

    def __init__(self, channels: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.reach, self.outputs = max(kernels), channels
        sizes = [channels // len(kernels)] * len(kernels)
        sizes[0] += channels - sum(sizes)
        self.sizes, self.kernels = sizes, kernels
        self.convs = nn.ModuleList(
            nn.Conv1d(size, size, kernel, groups=size, bias=False)
            for size, kernel in zip(sizes, kernels, strict=True)
        )
        self.out: FakeQuant | None = None
        self.constants: tuple[Tensor, Tensor] | None = None

    @property
    def macs(self) -> float:
        return float(sum(size * kernel for size, kernel in zip(self.sizes, self.kernels, strict=True)))

    def initial_state(self, batch: int) -> State:
        return (torch.zeros(batch, self.reach - 1, self.outputs),)

    def folded(self) -> tuple[Tensor, Tensor]:
        """As one depthwise convolution of the longest kernel: (channels, 1, kernel) weights, zero where a channel's
        own kernel does not reach, and (channels,) bias."""
        weights = [
            functional.pad(conv.weight, (self.reach - kernel, 0))  # type: ignore[arg-type]
            for conv, kernel in zip(self.convs, self.kernels, strict=True)
        ]
        return torch.cat(weights), torch.zeros(self.outputs)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        if state is not None:
            x = torch.cat([state[0], x], dim=1)
            state = (x[:, 1 - self.reach :],)
        y = convolve_depthwise(x, *settled(self), self.outputs)
        return (y if self.out is None else self.out(y)), state


def fold(conv: nn.Conv1d | nn.Conv2d, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weights and (out,) bias of a convolution with the normalisation after it in them."""
    gain = _gain(norm, conv.out_channels)
    weights = conv.weight * gain.view(-1, *[1] * (conv.weight.ndim - 1))
    if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
        assert norm.running_mean is not None
        return weights, norm.bias - norm.running_mean * gain
    return weights, torch.zeros(conv.out_channels) if conv.bias is None else conv.bias


def _gain(norm: nn.Module, channels: int) -> Tensor:
    """(channels,) what the normalisation multiplies each channel by, never quite nothing."""
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
        return torch.ones(channels)
    assert norm.running_var is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return torch.where(gain.abs() < 1e-6, torch.full_like(gain, 1e-6), gain)


def learning_weights(layer: Any) -> Tensor:
    """The weights a layer (of `conv`, `norm`, `out`) learns with; its normalisation comes after them.

    Jacob et al., "Quantization and Training of Neural Networks", 2018, section 3.2: weights are rounded as they
    will be once the normalisation is folded into them, and the normalisation still learns.
    """
    weights: Tensor = layer.conv.weight
    if layer.out is None or not layer.out.rounds:
        return weights
    gain = _gain(layer.norm, len(weights)).view(-1, *[1] * (weights.ndim - 1))
    return quantised_weights(weights * gain) / gain


def settled(layer: Any) -> tuple[Tensor, Tensor]:
    """Weights and bias as a layer (of `folded`, `out`) computes with them outside training: folded, and rounded."""
    if layer.constants is not None:
        constants: tuple[Tensor, Tensor] = layer.constants
        return constants
    weights, bias = layer.folded()
    return quantised_weights(weights) if layer.out is not None and layer.out.rounds else weights, bias


def settle(model: nn.Module) -> None:
    """Fold every layer's weights for good: `model` is then of constants, for export, and no longer learns."""
    for layer in model.modules():
        if hasattr(layer, "constants") and hasattr(layer, "folded"):
            weights, bias = settled(layer)
            setattr(layer, "constants", (weights.detach(), bias.detach()))  # noqa: B010 - which layer, its type hides
        elif isinstance(layer, FakeQuant):
            layer.constants = layer.scale_and_zero()


class Chain(nn.Module):
    """Layers one after the other."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)  # type: ignore[arg-type]
        self.stride, self.reach = 1, 1
        for layer in layers:
            self.reach += (layer.reach - 1) * self.stride
            self.stride *= layer.stride
        self.outputs, self.states = layers[-1].outputs, sum(layer.states for layer in layers)

    @property
    def macs(self) -> float:
        total, stride = 0.0, 1
        for layer in self.layers:
            total += float(layer.macs) / stride  # type: ignore[arg-type]
            stride *= int(layer.stride)  # type: ignore[arg-type]
        return total

    def initial_state(self, batch: int) -> State:
        return tuple(part for layer in self.layers for part in layer.initial_state(batch))  # type: ignore[operator]

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        after: list[Tensor] = []
        for layer in self.layers:
            own = None if state is None else state[len(after) : len(after) + layer.states]  # type: ignore[operator]
            x, kept = layer(x, own)
            after += kept or ()
        return x, None if state is None else tuple(after)


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)): the shortcut takes the newest frame behind each output of the body."""

    def __init__(self, body: Chain, shortcut: Any = None, *, activate: bool = True) -> None:
        """Without a `shortcut` the frames themselves are added; one has a kernel of one frame.

        Without `activate` the sum is left as it is.
        """
        super().__init__()
        self.body, self.shortcut, self.activate = body, shortcut, activate
        self.stride, self.reach, self.outputs, self.states = body.stride, body.reach, body.outputs, body.states
        self.out: FakeQuant | None = None

    @property
    def macs(self) -> float:
        return self.body.macs + (0.0 if self.shortcut is None else float(self.shortcut.macs) / self.stride)

    def initial_state(self, batch: int) -> State:
        return self.body.initial_state(batch)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        y, state = self.body(x, state)
        short = newest(x, y.shape[1], self.stride)
        if self.shortcut is not None:
            short, _ = self.shortcut(short)
        y = torch.relu(y + short) if self.activate else y + short
        return (y if self.out is None else self.out(y)), state


def newest(x: Tensor, outputs: int, stride: int) -> Tensor:
    """The newest input frame behind each of `outputs` outputs: (batch, time, c) -> (batch, outputs, c)."""
    last = x.shape[1] - 1 - (outputs - 1) * stride
    return x[:, last::stride]
