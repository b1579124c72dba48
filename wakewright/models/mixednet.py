"""MixedNet: the mixed-kernel depthwise network of microWakeWord, in a form that streams exactly.

A strided convolution over three 10 ms frames, then four blocks of mixed depthwise kernels and pointwise layers, as
published; then, not as published, a small speech embedding of its own and the head for it (`tiny`). Nothing is
padded in time; a step is 30 ms, its embedding hears 1.4 s and the whole 2.7 s.
"""

from __future__ import annotations

from wakewright.models.layers import Chain, Layer, MixConv, StreamConv

STEM_KERNEL = 5
STRIDE = 3
KERNELS: tuple[tuple[int, ...], ...] = ((5,), (7, 11), (9, 15), (17,))


def mixednet(channels: int, width: float) -> Chain:
    """The trunk: (batch, time, channels) frames to one moment per 30 ms."""
    stem, body = max(8, round(64 * width)), max(8, round(128 * width))
    layers: list[Layer] = [StreamConv(channels, stem, STEM_KERNEL, stride=STRIDE)]
    for kernels in KERNELS:
        size = layers[-1].outputs
        layers += [MixConv(size, kernels), StreamConv(size, body, 1)]
    return Chain(layers)
