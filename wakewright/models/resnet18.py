"""ResNet-18 (He et al., 2016), causal: for a server, or to learn what size alone would bring.

Four stages of two blocks, as published; the first kernel is 3 by 3 and there is no pooling, since a spectrogram has
40 bands. The stages halve the bands; time is halved by the first layer and the second stage, so that an output
comes every 40 ms. Each shortcut takes the newest frame behind its output.
Trained alike at width 0.125, from labels alone, it misses 28 % of "jarvis" where the published form misses 37 (1
false accept per hour, one seed; docs/lab.md, section 9): what streaming costs cannot be told from chance.
"""

from __future__ import annotations

from wakewright.models.layers import Chain, Layer, Residual
from wakewright.models.spectral import BandMean, Lift, SpectralConv

SIZES = (64, 128, 256, 512)
TIME_STRIDES = (1, 2, 1, 1)


def resnet18(channels: int, width: float) -> Chain:
    """The trunk: (batch, time, channels) frames to one moment per 40 ms."""
    sizes = [max(4, round(size * width)) for size in SIZES]
    first = SpectralConv(channels, 1, sizes[0], (3, 3), stride=(2, 1))
    layers: list[Layer] = [Lift(), first]
    bands, before = first.bands, sizes[0]
    for stage, (size, time) in enumerate(zip(sizes, TIME_STRIDES, strict=True)):
        for block in range(2):
            stride = (time, 2 if stage else 1) if block == 0 else (1, 1)
            one = SpectralConv(bands, before, size, (3, 3), stride=stride)
            two = SpectralConv(one.bands, size, size, (3, 3), activate=False)
            same = stride == (1, 1) and before == size
            # the shortcut is given the newest frames, so that it strides over the bands alone
            short = None if same else SpectralConv(bands, before, size, (1, 1), stride=(1, stride[1]), activate=False)
            layers.append(Residual(Chain([one, two]), short))
            bands, before = one.bands, size
    return Chain([*layers, BandMean(before)])
