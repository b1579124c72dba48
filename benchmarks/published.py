"""Architectures in the form they were published in, which hears a clip as a whole and cannot stream.

Time is padded on both sides, the mean is taken over the whole clip, normalisation and activation are the papers'.
`streaming_cost.py` measures the causal forms of the package against them; nothing else uses them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from wakewright.dsp.micro import CHANNELS as BANDS
from wakewright.models.tiny import INPUT_SCALE

CLIP_FRAMES = 150
"""Frames of 10 ms that a clip has."""
AT_ONCE = 256
"""Clips that are heard together outside training."""


class Clips(nn.Module):
    """A clip classifier moved along a stream: a clip that ends at every `stride`-th frame.

    It has the face of the package's models, but keeps no state: every clip is computed from its beginning.
    """

    frontend, channels, receptive_field = "micro", BANDS, CLIP_FRAMES

    def __init__(self, net: nn.Module, outputs: int, stride: int, dropout: float) -> None:
        """`net` takes (clips, 1, frames, bands) and gives (clips, outputs)."""
        super().__init__()
        self.net, self.stride = net.to(memory_format=torch.channels_last), stride
        self.dropout, self.last = nn.Dropout(dropout), nn.Linear(outputs, 1)

    def features(self, frames: Tensor, state: None = None) -> tuple[Tensor, None]:
        """(batch, time, bands) -> (batch, clips, outputs)."""
        clips = (frames * INPUT_SCALE).unfold(1, CLIP_FRAMES, self.stride).transpose(2, 3)
        flat = clips.flatten(0, 1).unsqueeze(1)
        parts = [flat] if self.training else flat.split(AT_ONCE)
        heard = [self.net(part.contiguous(memory_format=torch.channels_last)) for part in parts]
        return torch.cat(heard).unflatten(0, clips.shape[:2]), None

    def classify(self, features: Tensor, state: None = None) -> tuple[Tensor, None]:
        """(batch, clips, outputs) -> (batch, clips) logits."""
        return self.last(self.dropout(features)).squeeze(-1), None

    def forward(self, frames: Tensor, state: None = None) -> tuple[Tensor, None]:
        """(batch, time, bands) -> (batch, clips) logits."""
        features, _ = self.features(frames)
        return self.classify(features)

    @property
    def macs(self) -> float:
        """Multiplications per frame of the front end."""
        return macs_of(self.net, torch.zeros(2, 1, CLIP_FRAMES, BANDS)) / self.stride


def macs_of(net: nn.Module, clips: Tensor) -> float:
    """Multiplications of convolutions and matrices per clip."""
    total = 0.0

    def count(layer: Any, _: Any, y: Tensor) -> None:
        nonlocal total
        total += layer.weight[0].numel() * y[0].numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if hasattr(m, "weight") and m.weight.ndim > 1]
    was = net.training
    with torch.no_grad():
        net.eval()(clips)
    net.train(was)
    for hook in hooks:
        hook.remove()
    return total


class Mean(nn.Module):
    """The mean over all frames and bands."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


class BandsAsChannels(nn.Module):
    """(clips, 1, frames, bands) -> (clips, bands, frames, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 3)


def conv(
    before: int,
    after: int,
    kernel: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    dilation: int = 1,
    depthwise: bool = False,
    activate: Callable[[], nn.Module] | None = nn.ReLU,
    norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    bands_padded: bool = True,
) -> nn.Sequential:
    """Convolution over (frames, bands), padded on both sides, with normalisation and activation."""
    padding = ((kernel[0] - 1) * dilation // 2, (kernel[1] - 1) // 2 if bands_padded else 0)
    layers: list[nn.Module] = [
        nn.Conv2d(
            before,
            after,
            kernel,
            stride,
            padding,
            (dilation, 1),
            groups=before if depthwise else 1,
            bias=False,
        ),
        norm(after),
    ]
    return nn.Sequential(*layers, *([activate()] if activate else []))


class Sum(nn.Module):
    """What two ways give, added, and what comes after."""

    def __init__(self, one: nn.Module, other: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.one, self.other, self.after = one, other, after

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.after(self.one(x) + self.other(x))
        return y


def tc_resnet(sizes: tuple[int, ...], strides: tuple[int, ...]) -> tuple[nn.Module, int]:
    """Choi et al., 2019: bands are channels; the first convolution of a block may halve time."""
    layers: list[nn.Module] = [BandsAsChannels(), conv(BANDS, sizes[0], (3, 1))]
    for before, after, stride in zip(sizes[:-1], sizes[1:], strides, strict=True):
        body = nn.Sequential(
            conv(before, after, (9, 1), stride=(stride, 1)), conv(after, after, (9, 1), activate=None)
        )
        same = stride == 1 and before == after
        short = nn.Identity() if same else conv(before, after, (1, 1), stride=(stride, 1))
        layers.append(Sum(body, short, nn.ReLU()))
    return nn.Sequential(*layers, Mean()), sizes[-1]


def tc_resnet8() -> tuple[nn.Module, int]:
    """Time is halved three times."""
    return tc_resnet((16, 24, 32, 48), (2, 2, 2))


def tc_resnet14() -> tuple[nn.Module, int]:
    """Twice the blocks."""
    return tc_resnet((16, 24, 24, 32, 32, 48, 48), (2, 1, 2, 1, 2, 1))


class SubSpectral(nn.Module):
    """Sub-spectral normalisation (Chang et al., 2021): BatchNorm of each fifth of the bands by itself."""

    parts = 5

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels * self.parts)

    def forward(self, x: Tensor) -> Tensor:
        clips, channels, frames, bands = x.shape
        split = x.reshape(clips, channels, frames, self.parts, bands // self.parts).transpose(2, 3)
        y: Tensor = self.norm(split.reshape(clips, channels * self.parts, frames, bands // self.parts))
        return y.reshape(clips, channels, self.parts, frames, -1).transpose(2, 3).reshape(x.shape)


class BroadcastBlock(nn.Module):
    """The broadcasted residual block of Kim et al., 2021."""

    def __init__(self, before: int, after: int, fewer: int, dilation: int, *, new: bool) -> None:
        super().__init__()
        over = [conv(before, after, (1, 1))] if new else []
        spread = conv(after, after, (1, 3), stride=(1, fewer), depthwise=True, activate=None, norm=SubSpectral)
        self.new, self.over_bands = new, nn.Sequential(*over, spread)
        self.over_time = nn.Sequential(
            conv(after, after, (3, 1), dilation=dilation, depthwise=True, activate=nn.SiLU),
            nn.Conv2d(after, after, 1, bias=False),
            nn.Dropout2d(0.1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.over_bands(x)
        y = y + self.over_time(y.mean(dim=3, keepdim=True))
        return torch.relu(y if self.new else y + x)


def bc_resnet() -> tuple[nn.Module, int]:
    """Kim et al., 2021, of tau 1: time is never halved."""
    layers: list[nn.Module] = [conv(1, 16, (5, 5), stride=(1, 2))]
    before = 16
    for stage, (size, blocks, fewer) in enumerate(((8, 2, 1), (12, 2, 2), (16, 4, 2), (20, 4, 1))):
        for block in range(blocks):
            new = block == 0
            layers.append(BroadcastBlock(before, size, fewer if new else 1, 2**stage, new=new))
            before = size
    last = conv(20, 20, (5, 5), depthwise=True, activate=None, bands_padded=False)
    return nn.Sequential(*layers, last, conv(20, 32, (1, 1)), Mean()), 32


def ds_cnn() -> tuple[nn.Module, int]:
    """Zhang et al., 2017, the small form."""
    layers: list[nn.Module] = [conv(1, 64, (10, 4), stride=(2, 2))]
    for _ in range(4):
        layers += [conv(64, 64, (3, 3), depthwise=True), conv(64, 64, (1, 1))]
    return nn.Sequential(*layers, Mean()), 64


def tiny_conv() -> tuple[nn.Module, int]:
    """TensorFlow's speech commands example: one layer, then a matrix over all moments and bands of the clip."""
    first = nn.Conv2d(1, 8, (10, 8), (2, 2), (4, 3))
    net = nn.Sequential(first, nn.ReLU(), nn.Flatten())
    return net, int(net(torch.zeros(1, 1, CLIP_FRAMES, BANDS)).shape[1])


class SqueezeExcite(nn.Module):
    """Hu et al., 2018, as MobileNetV3 has it: means over the whole clip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(8, channels // 4)
        self.squeeze, self.excite = nn.Conv2d(channels, narrow, 1), nn.Conv2d(narrow, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.squeeze(x.mean(dim=(2, 3), keepdim=True)))
        return x * functional.hardsigmoid(self.excite(y))


def mobilenet_v3(width: float) -> tuple[nn.Module, int]:
    """Howard et al., 2019, small: time and bands are halved five times, h-swish from the fourth block on."""

    def scaled(size: int) -> int:
        return max(8, round(size * width))

    rows = (
        # kernel, expanded, out, squeezes, h-swish, stride
        (3, 16, 16, True, False, 2),
        (3, 72, 24, False, False, 2),
        (3, 88, 24, False, False, 1),
        (5, 96, 40, True, True, 2),
        (5, 240, 40, True, True, 1),
        (5, 240, 40, True, True, 1),
        (5, 120, 48, True, True, 1),
        (5, 144, 48, True, True, 1),
        (5, 288, 96, True, True, 2),
        (5, 576, 96, True, True, 1),
        (5, 576, 96, True, True, 1),
    )
    before = scaled(16)
    layers: list[nn.Module] = [conv(1, before, (3, 3), stride=(2, 2), activate=nn.Hardswish)]
    for kernel, expanded, out, squeezes, swish, stride in rows:
        how, wide, size = nn.Hardswish if swish else nn.ReLU, scaled(expanded), scaled(out)
        inside: list[nn.Module] = [] if wide == before else [conv(before, wide, (1, 1), activate=how)]
        inside.append(conv(wide, wide, (kernel, kernel), stride=(stride, stride), depthwise=True, activate=how))
        inside += [SqueezeExcite(wide)] if squeezes else []
        inside.append(conv(wide, size, (1, 1), activate=None))
        body = nn.Sequential(*inside)
        layers.append(Sum(body, nn.Identity(), nn.Identity()) if stride == 1 and before == size else body)
        before = size
    last, outputs = scaled(576), scaled(1024)
    layers += [conv(before, last, (1, 1), activate=nn.Hardswish), Mean(), nn.Linear(last, outputs), nn.Hardswish()]
    return nn.Sequential(*layers), outputs


def resnet18(width: float) -> tuple[nn.Module, int]:
    """He et al., 2016: a first kernel of 7 by 7 that strides, a maximum over 3 by 3, four stages of two blocks."""
    sizes = [round(size * width) for size in (64, 128, 256, 512)]
    layers: list[nn.Module] = [conv(1, sizes[0], (7, 7), stride=(2, 2)), nn.MaxPool2d(3, 2, 1)]
    before = sizes[0]
    for stage, size in enumerate(sizes):
        for block in range(2):
            stride = (2, 2) if stage and block == 0 else (1, 1)
            body = nn.Sequential(conv(before, size, (3, 3), stride=stride), conv(size, size, (3, 3), activate=None))
            same = stride == (1, 1) and before == size
            short = nn.Identity() if same else conv(before, size, (1, 1), stride=stride, activate=None)
            layers.append(Sum(body, short, nn.ReLU()))
            before = size
    return nn.Sequential(*layers, Mean()), before


WIDTHS = {"mobilenet_v3": 0.5, "resnet18": 0.125}
"""Widths other than 1, for both forms: eleven million parameters take days on a CPU."""
FORMS: dict[str, tuple[Callable[[], tuple[nn.Module, int]], float]] = {
    "tc_resnet": (tc_resnet8, 0.5),
    "tc_resnet14": (tc_resnet14, 0.5),
    "bc_resnet": (bc_resnet, 0.0),
    "ds_cnn": (ds_cnn, 0.2),
    "tiny_conv": (tiny_conv, 0.5),
    "tiny_depthwise": (tiny_conv, 0.5),
    "mobilenet_v3": (lambda: mobilenet_v3(WIDTHS["mobilenet_v3"]), 0.2),
    "resnet18": (lambda: resnet18(WIDTHS["resnet18"]), 0.0),
}
"""By the registry's names: how each is built, and the dropout before its last layer.

With one channel coming in, TensorFlow's depthwise form is its plain one.
"""


def create(name: str, stride: int) -> Clips:
    """The published form of an architecture, heard every `stride` frames. Raises KeyError for one that has none."""
    build, dropout = FORMS[name]
    net, outputs = build()
    return Clips(net, outputs, stride, dropout)
