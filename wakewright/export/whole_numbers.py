"""A model that rounds, computed in the whole numbers that TFLite's int8 kernels compute in, without TFLite.

What a layer adds up in 32 bits is brought to the steps of its output by a multiplier of 31 bits and a shift, and
rounded twice on the way (Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", 2018, sections 2.2 to 2.4 and appendix A; the order of the roundings is that of
TFLite's reference kernels). Float arithmetic rounds once, which is another number for a value in a thousand; this is
the same number for all of them, so that a file can be held to it without any tolerance.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from wakewright.dsp import micro
from wakewright.export.rounded import rounded
from wakewright.models.layers import Chain, MixConv, Residual, StreamConv, newest
from wakewright.models.quantised import FakeQuant
from wakewright.models.spectral import BandMean, Broadcast, Fold, Gate, Lift, SpectralConv, Sum
from wakewright.models.tiny import INPUT_SCALE

Whole = NDArray[np.int64]
_SUM_BITS = 20
"""Bits that the summands of ADD are shifted up by before they are brought to one scale."""


class Steps(NamedTuple):
    """Values as whole numbers of steps: a value is `steps * scale`."""

    steps: Tensor
    """(1, time, bands, channels) float64, whole; what lies at the zero point is 0 here."""
    scale: float
    """Not yet rounded to the 32 bits that a file has for it, since biases are rounded by it."""
    gain: float = 1.0
    """What the weights that hear these values are multiplied by: the model's own scale of its input stands in those
    of its first layer, here as in the file."""


@torch.no_grad()
def scores(model: Any, frames: NDArray[np.int8]) -> NDArray[np.uint8]:
    """(time, 40) int8 frames from silence on -> (steps,) uint8 scores of a tiny model that rounds, in evaluation.

    Takes whole steps: `time` is a multiple of the model's stride.
    """
    heard = torch.from_numpy(frames.astype(np.float64) + 128)
    x = _run(model.trunk, Steps(heard[None, :, None], micro.SCALE, INPUT_SCALE))
    for layer in (model.head.project, model.head.temporal, model.head.last):
        x = _run(layer, x)
    return np.asarray(_probability(x)[0, :, 0, 0].numpy(), np.uint8)


@functools.singledispatch
def _run(layer: Any, x: Steps) -> Steps:
    """One layer over a whole stream that silence went before."""
    raise TypeError(f"no whole numbers are known for {type(layer).__name__}")


@_run.register
def _(layer: Chain, x: Steps) -> Steps:
    for part in layer.layers:
        x = _run(part, x)
    return x


@_run.register(StreamConv)
@_run.register(MixConv)
@_run.register(SpectralConv)
def _(layer: StreamConv | MixConv | SpectralConv, x: Steps) -> Steps:
    weights, bias = (part.detach().double() for part in layer.folded())
    weights = x.gain * (weights.unsqueeze(-1) if weights.ndim == 3 else weights)
    dilation = (layer.reach - 1) // max(1, weights.shape[2] - 1)
    across = layer.conv.stride[1] if isinstance(layer, SpectralConv) else 1
    past = max(0, layer.reach - layer.stride)
    image = functional.pad(x.steps.permute(0, 3, 1, 2), (*getattr(layer, "padding", (0, 0)), past, 0))
    groups = image.shape[1] // weights.shape[1]
    return _summed(layer, image, x.scale, weights, bias, (layer.stride, across), max(1, dilation), groups)


def _summed(
    layer: Any,
    image: Tensor,
    scale: float,
    weights: Tensor,
    bias: Tensor,
    stride: tuple[int, int] = (1, 1),
    dilation: int = 1,
    groups: int = 1,
) -> Steps:
    """A convolution of (1, in, time, bands) steps of `scale`, to the steps of what comes out of `layer`."""
    whole = rounded(weights.numpy(), bias.numpy(), scale)
    kernel = torch.from_numpy(whole.weights.astype(np.float64))
    # products of whole numbers, and their sums, stay whole below 2**53
    sums = functional.conv2d(image, kernel, None, stride, 0, (dilation, 1), groups).permute(0, 2, 3, 1)
    number = _number(layer.out)
    factors = [_stored(scale) * _stored(one) / _stored(number[0]) for one in whole.scales]
    return _out(_whole(sums) + whole.bias, factors, number, relu=_is_relu(layer))


@_run.register
def _(layer: Residual, x: Steps) -> Steps:
    y = _run(layer.body, x)
    short = x._replace(steps=newest(x.steps, y.steps.shape[1], layer.stride))
    if layer.shortcut is not None:
        short = _run(layer.shortcut, short)
    return _sum(layer, y, short)


@_run.register
def _(layer: Lift, x: Steps) -> Steps:
    return x._replace(steps=x.steps.transpose(2, 3))


@_run.register
def _(layer: Fold, x: Steps) -> Steps:
    return x._replace(steps=x.steps.flatten(2).unsqueeze(2))


@_run.register
def _(layer: BandMean, x: Steps) -> Steps:
    bands, channels = x.steps.shape[2:]
    weights = torch.full((channels, 1, 1, bands), 1.0 / bands, dtype=torch.float64)
    image = x.steps.permute(0, 3, 1, 2)
    return _summed(layer, image, x.scale, weights, torch.zeros(channels, dtype=torch.float64), groups=channels)


@_run.register
def _(layer: Gate, x: Steps) -> Steps:
    share = _run(layer.excite, _run(layer.squeeze, _run(layer.mean, x)))
    product = x.steps * _probability(share)
    number = _number(layer.out)
    # in the file's kernel these are float32 from one end to the other
    factor = np.float32(x.scale) * np.float32(1 / 256) / np.float32(number[0])
    return _out(_whole(product), [float(factor)], number)


@_run.register
def _(layer: Broadcast, x: Steps) -> Steps:
    y = _run(layer.over_bands, x)
    z = _run(layer.over_time, _run(layer.mean, y))
    y = _sum(layer.both, y._replace(steps=newest(y.steps, z.steps.shape[1], 1)), z)
    if layer.whole is None:
        return y
    return _sum(layer.whole, y, x._replace(steps=newest(x.steps, y.steps.shape[1], layer.stride)))


def _sum(layer: Residual | Sum, x: Steps, y: Steps) -> Steps:
    """Of values in two scales: both are brought to twice the larger one, with 20 bits behind the point."""
    number, common = _number(layer.out), 2.0 * _stored(max(x.scale, y.scale))
    both = [_scaled(_whole(part.steps) << _SUM_BITS, [_stored(part.scale) / common]) for part in (x, y)]
    factor = common / ((1 << _SUM_BITS) * _stored(number[0]))
    return _out(both[0] + both[1], [factor], number, relu=layer.activate)


def _out(sums: Whole, factors: list[float], number: tuple[float, int], *, relu: bool = False) -> Steps:
    """Whole sums times their factors, cut off where int8 ends."""
    scale, zero = number
    lowest = 0 if relu else -128 - zero
    return Steps(torch.from_numpy(np.clip(_scaled(sums, factors), lowest, 127 - zero).astype(np.float64)), scale)


def _scaled(values: Whole, factors: list[float]) -> Whole:
    """(..., channels) whole numbers times a factor per channel, or one for all, rounded as 32 bits and a shift do:
    the upper half of the doubled product first, halves upward, then what is shifted out, halves away from zero."""
    fixed = [_fixed(factor) for factor in factors]
    multipliers = np.array([one for one, _ in fixed], np.int64)
    shifts = np.array([one for _, one in fixed], np.int64)
    products = (values << np.maximum(shifts, 0)) * multipliers
    half = np.where(products >= 0, 1 << 30, 1 - (1 << 30))
    upper = np.sign(products + half) * (np.abs(products + half) >> 31)
    right = np.maximum(-shifts, 0)
    left_over = upper & ((1 << right) - 1)
    return np.asarray((upper >> right) + (left_over > (((1 << right) - 1) >> 1) + (upper < 0)))


def _fixed(factor: float) -> tuple[int, int]:
    """A positive factor as a multiplier of 31 bits behind the point and a shift upward."""
    fraction, shift = math.frexp(factor)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    return (multiplier // 2, shift + 1) if multiplier == 1 << 31 else (multiplier, shift)


def _whole(steps: Tensor) -> Whole:
    return steps.numpy().astype(np.int64)


def _probability(x: Steps) -> Tensor:
    """Steps of logits -> steps of 1/256: 0 to 255."""
    return torch.floor(torch.sigmoid(x.steps * _stored(x.scale)) * 256 + 0.5).clamp(max=255)


def _number(out: FakeQuant | None) -> tuple[float, int]:
    """The scale and the zero point of what a layer gives."""
    assert out is not None, "the model does not round"
    return out.scale_and_zero()


def _stored(scale: float) -> float:
    """A scale as the 32 bits of a file hold it."""
    return float(np.float32(scale))


def _is_relu(layer: Any) -> bool:
    return isinstance(getattr(layer, "activate", None), nn.ReLU)
