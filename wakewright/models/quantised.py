"""What int8 does to a model, computed in float: where values are rounded, and to what.

Activations have one scale and zero point per tensor, from the smallest and largest value seen; weights one scale
per output channel, symmetric, from the weights themselves (Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", 2018). Gradients pass the rounding as if it were not there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

LEVELS = 255
"""Steps between the lowest and the highest int8 value."""
WEIGHT_TOP = 127
"""Weights are -127 to 127, so that zero is exact and the range symmetric."""
MOMENTUM = 0.01
"""Share of a new batch in the moving range of an activation."""
SMALLEST = 1e-8
"""Least scale: a channel of zeros has some scale too."""


class _Round(torch.autograd.Function):
    """To int8 and back, as `torch.fake_quantize_per_tensor_affine` does at twice the cost, one value at a time.

    The two differ where a value lies on the border between two steps, to within float32's own rounding.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float, zero: int) -> Tensor:
        steps = (x * (1.0 / torch.tensor(scale))).add_(zero).round_()
        ctx.save_for_backward(steps)
        return steps.clamp(-128, 127).sub_(zero).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (steps,) = ctx.saved_tensors
        # passes where -128.5 < steps < 127.5: where nothing was cut off
        return torch.ops.aten.hardtanh_backward(grads[0], steps, -128.5, 127.5), None, None


class FakeQuant(nn.Module):
    """Rounds activations to what int8 can hold, as their range stands; watches the range until it is settled."""

    low: Tensor
    high: Tensor

    def __init__(self, limit: float | None = None) -> None:
        """`limit`: nothing beyond plus or minus this is kept."""
        super().__init__()
        self.limit = limit
        self.watches, self.rounds = True, False
        self.constants: tuple[float, int] | None = None
        """Scale and zero point for good, set by `layers.settle`."""
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))

    def scale_and_zero(self) -> tuple[float, int]:
        """The scale and the zero point: a value q stands for (q - zero) * scale."""
        if self.constants is not None:
            return self.constants
        scale = max((self.high - self.low).item() / LEVELS, SMALLEST)
        zero = round(-128 - self.low.item() / scale)
        return scale, max(-128, min(127, zero))

    @torch.no_grad()
    def _watch(self, x: Tensor) -> None:
        low, high = torch.aminmax(x)
        low, high = low.clamp(max=0.0), high.clamp(min=0.0)
        if self.limit is not None:
            low, high = low.clamp(min=-self.limit), high.clamp(max=self.limit)
        share = MOMENTUM if self.high > self.low else 1.0
        self.low.lerp_(low, share)
        self.high.lerp_(high, share)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        if self.watches:
            self._watch(x.detach())
        if not self.rounds:
            return x
        scale, zero = self.scale_and_zero()
        if not x.requires_grad:  # exported as it stands, for which it must be an operation that torch knows
            return torch.fake_quantize_per_tensor_affine(x, scale, zero, -128, 127)
        rounded: Tensor = _Round.apply(x, scale, zero)  # type: ignore[no-untyped-call]
        return rounded


def weight_scales(weights: Tensor) -> Tensor:
    """(out, ...) folded weights -> (out,) scales."""
    return weights.detach().flatten(1).abs().amax(dim=1).clamp(min=SMALLEST * WEIGHT_TOP) / WEIGHT_TOP


def quantised_weights(weights: Tensor) -> Tensor:
    """(out, ...) folded weights -> the same, rounded to what int8 can hold with one scale per output channel."""
    zeros = torch.zeros(len(weights), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weights, weight_scales(weights), zeros, 0, -WEIGHT_TOP, WEIGHT_TOP)


def prepare(model: Any) -> None:
    """Give every layer of `model` that can round a `FakeQuant`, which watches and does not round yet."""
    for layer in model.modules():
        if hasattr(layer, "out") and layer.out is None:
            layer.out = FakeQuant(getattr(layer, "limit", None))


def set_rounding(model: Any, *, rounds: bool, watches: bool) -> None:
    """Whether the layers of a prepared model round what comes out, and whether their ranges still move."""
    for layer in model.modules():
        if isinstance(layer, FakeQuant):
            layer.rounds, layer.watches = rounds, watches


def is_rounding(model: Any) -> bool:
    """Whether any layer of the model rounds."""
    return any(isinstance(layer, FakeQuant) and layer.rounds for layer in model.modules())


def is_prepared(model: Any) -> bool:
    """Whether `prepare` was called on this model."""
    return any(isinstance(layer, FakeQuant) for layer in model.modules())
