"""MobileNetV3-Small (Howard et al., 2019), causal, for spectrograms.

Its eleven inverted residual blocks with the published kernels and expansions. What differs: time is halved twice,
not five times, so that an output comes every 40 ms; squeeze and excitation takes the means of each frame alone,
since a stream has no mean over time; ReLU stands where h-swish does, which a microcontroller would need three more
operators for.
Trained alike at width 0.5, from labels alone, with two seeds, it misses 42 and 35 % of "jarvis" at 1 false accept per
hour where the published form misses 40 and 30: within chance (-9 to +30 and -7 to +17 points; docs/lab.md, section
9).
"""

from __future__ import annotations

from wakewright.models.layers import Chain, Layer, Residual
from wakewright.models.spectral import BandMean, Gate, Lift, SpectralConv

FIRST = 16
BLOCKS = (
    # kernel, expanded, out, gate, halves the bands, halves the time
    (3, 16, 16, True, True, True),
    (3, 72, 24, False, True, False),
    (3, 88, 24, False, False, False),
    (5, 96, 40, True, True, False),
    (5, 240, 40, True, False, False),
    (5, 240, 40, True, False, False),
    (5, 120, 48, True, False, False),
    (5, 144, 48, True, False, False),
    (5, 288, 96, True, True, False),
    (5, 576, 96, True, False, False),
    (5, 576, 96, True, False, False),
)


def mobilenet_v3(channels: int, width: float) -> Chain:
    """The trunk: (batch, time, channels) frames to one moment per 40 ms."""

    def scaled(size: int) -> int:
        return max(4, round(size * width))

    before = scaled(FIRST)
    first = SpectralConv(channels, 1, before, (3, 3), stride=(2, 2))
    layers: list[Layer] = [Lift(), first]
    bands = first.bands
    for kernel, wide, size, gated, fewer, slower in BLOCKS:
        expanded, out, stride = scaled(wide), scaled(size), (2 if slower else 1, 2 if fewer else 1)
        inside: list[Layer] = [SpectralConv(bands, before, expanded, (1, 1))]
        spread = SpectralConv(bands, expanded, expanded, (kernel, kernel), stride=stride, depthwise=True)
        inside.append(spread)
        if gated:
            inside.append(Gate(expanded, max(2, expanded // 4)))
        inside.append(SpectralConv(spread.bands, expanded, out, (1, 1), activate=False))
        same = stride == (1, 1) and before == out
        layers.append(Residual(Chain(inside), activate=False) if same else Chain(inside))
        bands, before = spread.bands, out
    return Chain([*layers, BandMean(before)])
