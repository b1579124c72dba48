"""BC-ResNet (Kim et al., "Broadcasted Residual Learning for Efficient Keyword Spotting", 2021), causal.

`width` is the paper's tau, 1 to 8 (BC-ResNet-1 to -8). As published: four stages of 2, 2, 4 and 4 blocks, channels
of 8, 12, 16 and 20 times tau, kernels over time dilated by 1, 2, 4 and 8. What differs: the first layer halves time
too; kernels over time look back only; BatchNorm stands where sub-spectral normalisation does, which has a scale per
band that no convolution can take in when it is folded; ReLU stands for swish; there is no dropout inside the blocks;
the last depthwise kernel is one frame long, not five; instead of the mean over the clip there is a small speech
embedding and the head for it (`tiny`).
It learns later than the published form: after 1,000 steps from labels alone that misses 51 % of "jarvis" at 1 false
accept per hour, this 97 %. After 3,000 they miss 12 and 14 %: no difference that one training shows (-36 to +9
points; one seed; docs/lab.md, section 9).
"""

from __future__ import annotations

from wakewright.models.layers import Chain, Layer
from wakewright.models.spectral import BandMean, Broadcast, Lift, SpectralConv

FIRST = 16
STAGES = ((8, 2, 1), (12, 2, 2), (16, 4, 2), (20, 4, 1))
"""Channels, blocks and stride over the bands of each stage, at tau 1."""
LAST = 32


def bc_resnet(channels: int, width: float) -> Chain:
    """The trunk: (batch, time, channels) frames to one moment per 20 ms."""

    def scaled(size: int) -> int:
        return max(4, round(size * width))

    before = scaled(FIRST)
    first = SpectralConv(channels, 1, before, (5, 5), stride=(2, 2))
    layers: list[Layer] = [Lift(), first]
    bands = first.bands
    for stage, (size, blocks, fewer) in enumerate(STAGES):
        out = scaled(size)
        for block in range(blocks):
            new = block == 0
            stride = (1, fewer) if new else (1, 1)
            over: list[Layer] = [SpectralConv(bands, before, out, (1, 1))] if new else []
            spread = SpectralConv(bands, out, out, (1, 3), stride=stride, depthwise=True, activate=False)
            later = [
                SpectralConv(1, out, out, (3, 1), dilation=2**stage, depthwise=True),
                SpectralConv(1, out, out, (1, 1)),
            ]
            layers.append(Broadcast(Chain([*over, spread]), Chain(later), identity=not new))
            bands, before = spread.bands, out
    last = SpectralConv(bands, before, before, (1, bands), stride=(1, bands), depthwise=True)
    return Chain([*layers, last, SpectralConv(1, before, scaled(LAST), (1, 1)), BandMean(scaled(LAST))])
