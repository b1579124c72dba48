"""The one-layer networks of TensorFlow's speech commands example: one wide kernel over time and frequency.

As published a fully connected layer sees all moments of a clip; here the bands of each moment go to a small speech
embedding and its head (`tiny`), which sees them in time, so that it streams. The depthwise form is TensorFlow Lite
Micro's. Trained alike, from labels alone, with three seeds, the plain one misses 20, 50 and 34 % of "jarvis" where
the published form misses 47, 41 and 53, the depthwise one 22, 32 and 27 where that misses 46, 42 and 39 (1 false
accept per hour; docs/lab.md, section 9): streaming costs nothing here, and mostly gains.
"""

from __future__ import annotations

from wakewright.models.layers import Chain
from wakewright.models.spectral import Fold, Lift, SpectralConv

KERNEL, STRIDE = (10, 8), (2, 2)
FILTERS = 8


def tiny_conv(channels: int, width: float) -> Chain:
    """The trunk: (batch, time, channels) frames to one moment per 20 ms."""
    filters = max(2, round(FILTERS * width))
    conv = SpectralConv(channels, 1, filters, KERNEL, stride=STRIDE)
    return Chain([Lift(), conv, Fold(conv.bands, filters)])


def tiny_depthwise(channels: int, width: float) -> Chain:
    """The same work in two steps: a kernel over time for each filter, after one over frequency."""
    filters = max(2, round(FILTERS * width))
    bands = SpectralConv(channels, 1, filters, (1, KERNEL[1]), stride=(1, STRIDE[1]))
    moments = SpectralConv(bands.bands, filters, filters, (KERNEL[0], 1), stride=(STRIDE[0], 1), depthwise=True)
    return Chain([Lift(), bands, moments, Fold(moments.bands, filters)])
