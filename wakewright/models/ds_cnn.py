"""DS-CNN (Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers", 2017): a convolution, then depthwise
separable ones.

As published for its small form: 64 channels, a first kernel of 10 frames by 4 bands, four blocks of 3 by 3. Time is
not padded and not averaged over; the mean over the bands goes to a small speech embedding and its head (`tiny`).
Trained alike, from labels alone, it misses 62 % of "jarvis" where the published form misses 67 (1 false accept per
hour, one seed, 1,000 steps; docs/lab.md, section 9): what streaming costs cannot be told from chance.
"""

from __future__ import annotations

from wakewright.models.layers import Chain, Layer
from wakewright.models.spectral import BandMean, Lift, SpectralConv

CHANNELS, BLOCKS = 64, 4


def ds_cnn(channels: int, width: float) -> Chain:
    """The trunk: (batch, time, channels) frames to one moment per 20 ms."""
    size = max(4, round(CHANNELS * width))
    first = SpectralConv(channels, 1, size, (10, 4), stride=(2, 2))
    layers: list[Layer] = [Lift(), first]
    for _ in range(BLOCKS):
        layers.append(SpectralConv(first.bands, size, size, (3, 3), depthwise=True))
        layers.append(SpectralConv(first.bands, size, size, (1, 1)))
    return Chain([*layers, BandMean(size)])
