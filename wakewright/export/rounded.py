"""Weights and bias of a convolution as int8 kernels hold them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from wakewright.models.quantised import WEIGHT_TOP, weight_scales

BIAS_BITS = 30
"""A bias takes so many bits at most, one less than there are."""


class Rounded(NamedTuple):
    """A convolution in whole numbers."""

    weights: NDArray[np.int8]
    """(out, in per group, ...)."""
    bias: NDArray[np.int32]
    """(out,) in steps of the input's scale times the weights'."""
    scales: NDArray[np.float64]
    """(out,) scale of each output channel's weights."""


def rounded(weights: NDArray[Any], bias: NDArray[Any], scale: float) -> Rounded:
    """(out, in per group, ...) folded weights and (out,) bias for an input whose steps are of `scale`."""
    scales = weight_scales(torch.from_numpy(weights)).numpy()
    # a bias far larger than the weights of its channel would not fit its 32 bits
    scales = np.maximum(scales, np.abs(bias) / (scale * 2.0**BIAS_BITS))
    along = scales.reshape(-1, *[1] * (weights.ndim - 1))
    whole = np.clip(np.rint(weights / along), -WEIGHT_TOP, WEIGHT_TOP).astype(np.int8)
    return Rounded(whole, np.rint(bias / (scale * scales)).astype(np.int32), scales)
