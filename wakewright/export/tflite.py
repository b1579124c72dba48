"""A trained tiny model as TFLite: int8 that streams, int8 over a whole window, or float32 over a window.

A streaming file takes `stride` frames a call and keeps the rest in resource variables, as ESPHome's micro_wake_word
and TFLite-Micro expect; a windowed one takes a whole receptive field. Layers become convolutions over (time, 1,
channels) without padding; normalisation and the scale of the input are folded into weights and biases.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from wakewright.core.errors import InputError
from wakewright.core.files import write_bytes
from wakewright.dsp import micro
from wakewright.export.flatfile import Flatfile, Quantised, Value
from wakewright.export.rounded import rounded
from wakewright.models.layers import Chain, MixConv, Residual, StreamConv
from wakewright.models.quantised import FakeQuant, is_prepared
from wakewright.models.spectral import BandMean, Broadcast, Fold, Gate, Lift, SpectralConv
from wakewright.models.tiny import INPUT_SCALE, TinyModel

Form = Literal["streaming", "windowed", "float"]
"""streaming and windowed are int8; float is float32 over a window."""
INPUT = Quantised((micro.SCALE,), -128)
PROBABILITY = Quantised((1.0 / 256.0,), -128)
OUTPUT = Quantised((1.0 / 256.0,), 0)
"""uint8: a probability times 256."""
_RELU, _NONE, _VALID = 1, 0, 1


def write(model: Any, path: Path, form: Form = "streaming") -> None:
    """Write `model` (in evaluation mode) to `path`, whole or not at all. Raises InputError as `convert` does."""
    write_bytes(path, convert(model, form))


@torch.no_grad()
def convert(model: Any, form: Form = "streaming") -> bytes:
    """The TFLite file of `model`.

    An int8 form needs a model whose layers know their ranges (`models.quantised.prepare`, then training or
    `calibrate`). Raises InputError for a model that has none, or a layer that has no form in TFLite: nothing is
    written then.
    """
    if not isinstance(model, TinyModel):
        raise InputError(
            f"{type(model).__name__} cannot be written as a streaming TFLite file",
            got=f"model.name={model.dims.name}, which listens to the speech embedding",
            do="train a tiny model: wakewright train PHRASE --for esp32, or use --to openwakeword",
        )
    if model.frontend != "micro":
        raise InputError(
            "devices hear through the micro front end alone",
            got=f"a model that hears through {model.frontend}",
            do="use --to onnx, or train without model.frontend",
        )
    if form != "float" and not is_prepared(model):
        raise InputError(
            "the model does not know the ranges of its activations",
            got="a model trained in float32",
            do="calibrate it first: wakewright export RUN --calibrate N",
        )
    frames = model.stride if form == "streaming" else model.receptive_field
    file = Flatfile(f"wakewright {model.dims.name}")
    lowering = _Lowering(file, form, {module: name for name, module in model.named_modules()})
    x = file.input("frames", (1, frames, model.channels), None if form == "float" else INPUT)
    x = lowering.reshape(x, (1, frames, 1, model.channels), "frames/moments")
    x = lowering.layer(model.trunk, x)
    for layer in (model.head.project, model.head.temporal, model.head.last):
        x = lowering.layer(layer, x)
    x = lowering.reshape(x, (1, 1), "logit")
    x = file.apply("LOGISTIC", [x], "probability", x.shape, None if form == "float" else PROBABILITY)
    if form != "float":
        x = file.apply("QUANTIZE", [x], "score", x.shape, OUTPUT, np.uint8)
    file.output(x)
    return file.data()


@dataclasses.dataclass
class _Lowering:
    """Layers to operators."""

    file: Flatfile
    form: Form
    names: dict[nn.Module, str]
    input_scale: float = INPUT_SCALE
    """What the next convolution's input is multiplied by: the model's own scale of its input, for the first."""

    def layer(self, layer: Any, x: Value) -> Value:
        """One layer of any kind, of which nothing is known but its type."""
        return _lower(layer, self, x)

    def number(self, out: FakeQuant | None) -> Quantised | None:
        """How a layer's output is stored."""
        if self.form == "float" or out is None:
            return None
        scale, zero = out.scale_and_zero()
        return Quantised((scale,), zero)

    def with_past(self, x: Value, context: int, name: str) -> Value:
        """`x` behind the `context` frames before it, which are kept for the next call."""
        if self.form != "streaming" or not context:
            return x
        _, time, *rest = x.shape
        past, handle = self.file.past(name, (1, context, *rest), x)
        whole = self.file.apply(
            "CONCATENATION", [past, x], f"{name}/whole", (1, context + time, *rest), x.number, axis=1
        )
        self.file.keep(handle, self.newest(whole, context, 1, f"{name}/kept"))
        return whole

    def reshape(self, x: Value, shape: tuple[int, ...], name: str) -> Value:
        """The same numbers in another shape."""
        # the shape is an option of the operator: as a tensor it would be kept record of
        return self.file.apply("RESHAPE", [x], name, shape, x.number, newShape=list(shape))

    def convolve(self, layer: Any, x: Value, *, depthwise: bool = False) -> Value:
        """A convolution over time, or time and bands, behind the past it needs."""
        name, relu = self.names[layer], isinstance(getattr(layer, "activate", None), nn.ReLU)
        weights, bias = (part.detach().double().numpy() for part in layer.folded())
        weights, self.input_scale = weights * self.input_scale, 1.0
        weights = weights if weights.ndim == 4 else weights[..., None]
        dilation = (layer.reach - 1) // max(1, weights.shape[2] - 1)
        bands = layer.conv.stride[1] if isinstance(layer, SpectralConv) else 1
        x = self.with_past(x, max(0, layer.reach - layer.stride), f"{name}/state")
        x = self.padded(x, getattr(layer, "padding", (0, 0)), f"{name}/padded")
        shape = (1, (x.shape[1] - layer.reach) // layer.stride + 1, (x.shape[2] - weights.shape[3]) // bands + 1)
        inputs = [x, *self.parameters(name, weights, bias, x.number, depthwise=depthwise)]
        options = {
            "padding": _VALID,
            "strideH": layer.stride,
            "strideW": bands,
            "dilationHFactor": max(1, dilation),
            "dilationWFactor": 1,
            "fusedActivationFunction": _RELU if relu else _NONE,
        }
        if depthwise:
            options["depthMultiplier"] = 1
        operator = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        return self.file.apply(operator, inputs, name, (*shape, len(bias)), self.number(layer.out), **options)

    def padded(self, x: Value, padding: tuple[int, int], name: str) -> Value:
        """Zeros before the first and after the last band."""
        if padding == (0, 0):
            return x
        amounts = self.file.constant(np.array([[0, 0], [0, 0], padding, [0, 0]], np.int32))
        shape = (*x.shape[:2], x.shape[2] + sum(padding), x.shape[3])
        return self.file.apply("PAD", [x, amounts], name, shape, x.number)

    def add(self, x: Value, y: Value, name: str, out: FakeQuant | None, *, relu: bool) -> Value:
        """The sum; y may have one band that is added to all of x's."""
        activation = _RELU if relu else _NONE
        return self.file.apply("ADD", [x, y], name, x.shape, self.number(out), fusedActivationFunction=activation)

    def newest(self, x: Value, count: int, stride: int, name: str) -> Value:
        """The newest `count` moments of `x`, `stride` apart."""
        _, time, *rest = x.shape
        if count == time:
            return x
        first = time - 1 - (count - 1) * stride
        begin, ones, steps = (
            self.file.constant(np.array(values, np.int32))
            for values in ((0, first, 0, 0), (1, 1, 1, 1), (1, stride, 1, 1))
        )
        # every axis is followed to its end, whatever stands for it, so that one tensor does for all slices
        return self.file.apply(
            "STRIDED_SLICE", [x, begin, ones, steps], name, (1, count, *rest), x.number, endMask=0b1111
        )

    def parameters(
        self, name: str, weights: NDArray[Any], bias: NDArray[Any], number: Quantised | None, *, depthwise: bool
    ) -> tuple[Value, Value]:
        """(out, in per group, frames, bands) weights and (out,) bias as TFLite has them."""
        order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        if number is None:
            laid = weights.transpose(order).astype(np.float32)
            return self.file.constant(laid, name=f"{name}/weights"), self.file.constant(bias.astype(np.float32))
        whole = rounded(weights, bias, number.scale[0])
        of_weights = Quantised(tuple(whole.scales), 0, 3 if depthwise else 0)
        of_bias = Quantised(tuple(number.scale[0] * whole.scales))
        return (
            self.file.constant(whole.weights.transpose(order), of_weights, f"{name}/weights"),
            self.file.constant(whole.bias, of_bias),
        )


@functools.singledispatch
def _lower(layer: Any, lowering: _Lowering, x: Value) -> Value:
    raise InputError(
        f"the layer {lowering.names.get(layer, '?')} has no form in TFLite",
        got=type(layer).__name__,
        do="build it of the layers in models/layers.py and models/spectral.py",
    )


@_lower.register
def _(layer: Chain, lowering: _Lowering, x: Value) -> Value:
    for part in layer.layers:
        x = lowering.layer(part, x)
    return x


@_lower.register
def _(layer: StreamConv, lowering: _Lowering, x: Value) -> Value:
    return lowering.convolve(layer, x)


@_lower.register
def _(layer: MixConv, lowering: _Lowering, x: Value) -> Value:
    return lowering.convolve(layer, x, depthwise=True)


@_lower.register
def _(layer: SpectralConv, lowering: _Lowering, x: Value) -> Value:
    return lowering.convolve(layer, x, depthwise=layer.conv.groups > 1)


@_lower.register
def _(layer: Residual, lowering: _Lowering, x: Value) -> Value:
    name = lowering.names[layer]
    y = lowering.layer(layer.body, x)
    x = lowering.newest(x, y.shape[1], layer.stride, f"{name}/newest")
    if layer.shortcut is not None:
        x = lowering.layer(layer.shortcut, x)
    return lowering.add(y, x, f"{name}/sum", layer.out, relu=layer.activate)


@_lower.register
def _(layer: Lift, lowering: _Lowering, x: Value) -> Value:
    return lowering.reshape(x, (1, x.shape[1], x.shape[3], 1), f"{lowering.names[layer]}/bands")


@_lower.register
def _(layer: Fold, lowering: _Lowering, x: Value) -> Value:
    return lowering.reshape(x, (1, x.shape[1], 1, x.shape[2] * x.shape[3]), f"{lowering.names[layer]}/folded")


@_lower.register
def _(layer: BandMean, lowering: _Lowering, x: Value) -> Value:
    # as a kernel over all bands: one number for all its weights is exact in int8, which MEAN's own arithmetic is not
    _, time, bands, channels = x.shape
    weights, name = np.full((channels, 1, 1, bands), 1.0 / bands), lowering.names[layer]
    inputs = [x, *lowering.parameters(name, weights, np.zeros(channels), x.number, depthwise=True)]
    options = {"padding": _VALID, "strideH": 1, "strideW": 1, "depthMultiplier": 1}
    options |= {"dilationHFactor": 1, "dilationWFactor": 1, "fusedActivationFunction": _NONE}
    shape, number = (1, time, 1, channels), lowering.number(layer.out)
    return lowering.file.apply("DEPTHWISE_CONV_2D", inputs, name, shape, number, **options)


@_lower.register
def _(layer: Gate, lowering: _Lowering, x: Value) -> Value:
    name, share = lowering.names[layer], x
    for part in (layer.mean, layer.squeeze, layer.excite):
        share = lowering.layer(part, share)
    form = None if lowering.form == "float" else PROBABILITY
    share = lowering.file.apply("LOGISTIC", [share], f"{name}/share", share.shape, form)
    return lowering.file.apply("MUL", [x, share], f"{name}/gated", x.shape, lowering.number(layer.out))


@_lower.register
def _(layer: Broadcast, lowering: _Lowering, x: Value) -> Value:
    name = lowering.names[layer]
    y = lowering.layer(layer.over_bands, x)
    z = lowering.layer(layer.over_time, lowering.layer(layer.mean, y))
    y = lowering.newest(y, z.shape[1], 1, f"{name}/bands")
    y = lowering.add(y, z, f"{name}/both", layer.both.out, relu=layer.both.activate)
    if layer.whole is None:
        return y
    x = lowering.newest(x, y.shape[1], layer.stride, f"{name}/newest")
    return lowering.add(y, x, f"{name}/whole", layer.whole.out, relu=True)
