"""TC-ResNet8 and 14 (Choi et al., "Temporal Convolution for Real-time Keyword Spotting", 2019), causal and unpadded.

The paper pads symmetrically and averages over the whole clip. Here nothing is padded and each shortcut takes the
newest frame behind its output, so that it streams; instead of the average there is a small speech embedding and the
head for it (`tiny`). The paper halves time three times; here it is halved twice, which keeps one output per 40 ms.
Trained alike, from labels alone, with two seeds, the two miss 3 to 9 points more of "jarvis" than the published forms
do (17 and 32 % where those miss 15 and 26, 23 and 22 where 14 and 18; 1 false accept per hour; docs/lab.md, section
9).
"""

from __future__ import annotations

from collections.abc import Sequence

from wakewright.models.layers import Chain, Layer, Residual, StreamConv

KERNEL = 9
SIZES_8, STRIDES_8 = (16, 24, 32, 48), (2, 2, 1)
SIZES_14, STRIDES_14 = (16, 24, 24, 32, 32, 48, 48), (2, 1, 2, 1, 1, 1)


def tc_resnet(channels: int, width: float) -> Chain:
    """TC-ResNet8's trunk: (batch, time, channels) frames to one moment per 40 ms."""
    return _trunk(channels, width, SIZES_8, STRIDES_8)


def tc_resnet14(channels: int, width: float) -> Chain:
    """TC-ResNet14's trunk, likewise."""
    return _trunk(channels, width, SIZES_14, STRIDES_14)


def _trunk(channels: int, width: float, published: Sequence[int], strides: Sequence[int]) -> Chain:
    sizes = [max(4, round(c * width)) for c in published]
    layers: list[Layer] = [StreamConv(channels, sizes[0], 3)]
    for size, wider, stride in zip(sizes[:-1], sizes[1:], strides, strict=True):
        body = Chain(
            [
                StreamConv(size, wider, KERNEL, stride=stride),
                StreamConv(wider, wider, KERNEL, activate=False),
            ]
        )
        same = stride == 1 and size == wider
        layers.append(Residual(body, None if same else StreamConv(size, wider, 1)))
    return Chain(layers)
