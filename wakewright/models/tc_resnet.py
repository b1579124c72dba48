"""TC-ResNet8 (Choi et al., "Temporal Convolution for Real-time Keyword Spotting", 2019), causal and unpadded.

The paper pads symmetrically and averages over the whole clip. Here nothing is padded and each shortcut takes the
newest frame behind its output, so that it streams; instead of the average there is a small speech embedding and the
head for it (`tiny`). The paper strides by 2 in all three blocks; here in the first two, which keeps one output
per 40 ms.
"""

from __future__ import annotations

from wakewright.models.layers import Chain, Layer, Residual, StreamConv

KERNEL = 9
STRIDES = (2, 2, 1)


def tc_resnet(channels: int, width: float) -> Chain:
    """The trunk: (batch, time, channels) frames to one moment per 40 ms."""
    sizes = [max(4, round(c * width)) for c in (16, 24, 32, 48)]
    layers: list[Layer] = [StreamConv(channels, sizes[0], 3)]
    for size, wider, stride in zip(sizes[:-1], sizes[1:], STRIDES, strict=True):
        body = Chain(
            [
                StreamConv(size, wider, KERNEL, stride=stride),
                StreamConv(wider, wider, KERNEL, activate=False),
            ]
        )
        layers.append(Residual(body, StreamConv(size, wider, 1)))
    return Chain(layers)
