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
from wakewright.models.embedding_head import LIMIT
from wakewright.models.layers import Chain, MixConv, Residual, StreamConv
from wakewright.models.quantised import FakeQuant, is_prepared, weight_scales
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
    x = lowering.layer(model.readout, x)
    if form == "float":
        x = lowering.clamp(x, LIMIT, "features/limited")
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
        self.file.keep(handle, self.rows(whole, time, context, 1, f"{name}/kept"))
        return whole

    def rows(self, x: Value, first: int, count: int, step: int, name: str) -> Value:
        """`count` moments of `x` from `first` on, every `step`-th."""
        rest = x.shape[2:]
        begin, end, steps = (
            self.file.constant(np.array(values, np.int32))
            for values in ((0, first, 0, 0), (1, first + (count - 1) * step + 1, *rest), (1, step, 1, 1))
        )
        return self.file.apply("STRIDED_SLICE", [x, begin, end, steps], name, (1, count, *rest), x.number)

    def reshape(self, x: Value, shape: tuple[int, ...], name: str) -> Value:
        """The same numbers in another shape."""
        wanted = self.file.constant(np.array(shape, np.int32))
        return self.file.apply("RESHAPE", [x, wanted], name, shape, x.number, newShape=list(shape))

    def clamp(self, x: Value, limit: float, name: str) -> Value:
        """float32 alone: no value beyond plus or minus `limit`."""
        for operator, bound in (("MINIMUM", limit), ("MAXIMUM", -limit)):
            value = self.file.constant(np.array(bound, np.float32))
            x = self.file.apply(operator, [x, value], f"{name}/{operator.lower()}/out", x.shape, None)
        return x

    def convolve(
        self, layer: StreamConv | MixConv, x: Value, *, stride: int, dilation: int, depthwise: bool, relu: bool
    ) -> Value:
        """A convolution over time that needs no past beyond `x`."""
        name = self.names[layer]
        weights, bias = (part.detach().double().numpy() for part in layer.folded())
        weights, self.input_scale = weights * self.input_scale, 1.0
        x = self.with_past(x, max(0, layer.reach - stride), f"{name}/state")
        outputs = (x.shape[1] - layer.reach) // stride + 1
        number = self.number(layer.out)
        inputs = [x, *self._parameters(name, weights, bias, x.number, depthwise)]
        options = {
            "padding": _VALID,
            "strideH": stride,
            "strideW": 1,
            "dilationHFactor": dilation,
            "dilationWFactor": 1,
            "fusedActivationFunction": _RELU if relu else _NONE,
        }
        if depthwise:
            options["depthMultiplier"] = 1
        operator = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        return self.file.apply(operator, inputs, name, (1, outputs, 1, len(bias)), number, **options)

    def _parameters(
        self, name: str, weights: NDArray[Any], bias: NDArray[Any], number: Quantised | None, depthwise: bool
    ) -> tuple[Value, Value]:
        """(out, in per group, kernel) weights and (out,) bias as TFLite has them."""
        order = (1, 2, 0) if depthwise else (0, 2, 1)
        shape = (1, weights.shape[2], 1, len(weights)) if depthwise else (len(weights), weights.shape[2], 1, -1)
        if number is None:
            laid = weights.transpose(order).reshape(shape).astype(np.float32)
            return self.file.constant(laid, name=f"{name}/weights"), self.file.constant(bias.astype(np.float32))
        scales = weight_scales(torch.from_numpy(weights)).numpy()
        # a bias far larger than the weights of its channel would not fit its 32 bits
        scales = np.maximum(scales, np.abs(bias) / (number.scale[0] * 2.0**30))
        whole = np.clip(np.rint(weights / scales[:, None, None]), -127, 127).astype(np.int8)
        laid, steps = whole.transpose(order).reshape(shape), number.scale[0] * scales
        return (
            self.file.constant(laid, Quantised(tuple(scales), 0, 3 if depthwise else 0), f"{name}/weights"),
            self.file.constant(np.rint(bias / steps).astype(np.int32), Quantised(tuple(steps))),
        )


@functools.singledispatch
def _lower(layer: Any, lowering: _Lowering, x: Value) -> Value:
    raise InputError(
        f"the layer {lowering.names.get(layer, '?')} has no form in TFLite",
        got=type(layer).__name__,
        do="build it of StreamConv, MixConv, Chain and Residual",
    )


@_lower.register
def _(layer: Chain, lowering: _Lowering, x: Value) -> Value:
    for part in layer.layers:
        x = lowering.layer(part, x)
    return x


@_lower.register
def _(layer: StreamConv, lowering: _Lowering, x: Value) -> Value:
    relu, dilation = isinstance(layer.activate, nn.ReLU), layer.conv.dilation[0]
    return lowering.convolve(layer, x, stride=layer.stride, dilation=dilation, depthwise=False, relu=relu)


@_lower.register
def _(layer: MixConv, lowering: _Lowering, x: Value) -> Value:
    return lowering.convolve(layer, x, stride=1, dilation=1, depthwise=True, relu=False)


@_lower.register
def _(layer: Residual, lowering: _Lowering, x: Value) -> Value:
    name = lowering.names[layer]
    y = lowering.layer(layer.body, x)
    count, time = y.shape[1], x.shape[1]
    if count != time:
        x = lowering.rows(x, time - 1 - (count - 1) * layer.stride, count, layer.stride, f"{name}/newest")
    if layer.shortcut is not None:
        x = lowering.layer(layer.shortcut, x)
    return lowering.file.apply(
        "ADD", [y, x], f"{name}/sum", y.shape, lowering.number(layer.out), fusedActivationFunction=_RELU
    )
