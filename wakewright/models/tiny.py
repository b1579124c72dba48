"""The tiny models: a trunk over a front end's frames, a small speech embedding of its own, and a head for it.

A tiny model's features are its imitation of the speech embedding, 96 channels. What listens to them is what listens
to the embedding itself (`embedding_head`): most channels are hidden from it in each training example, each moment is
projected to a few values, and one temporal layer sees 1.4 s. So the phrase cannot be learnt from the few values that
tell how synthesisers say it, which a tiny model finds sooner than anything.

The 96 channels are there to learn by. Between what reads them off the trunk and what projects them to a few values
stands nothing, once no channel is hidden: outside training, and so on a device, the two are one small matrix.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from wakewright.dsp import embedding
from wakewright.dsp.frontend import Frontend
from wakewright.models.layers import Chain, State, StreamConv
from wakewright.models.registry import Dimensions

TAPS = 16
"""Moments the temporal layer sees, spaced as nearly as steps allow like the embedding's own."""
NARROW = 16
"""Values per moment: however wide the trunk, what they see are the same 96 channels."""
INPUT_SCALE = 1.0 / 26.0
"""Brings the micro front end's 0..26 to 0..1."""
SMALLEST_STD = 1e-3
"""Least deviation that a coefficient is divided by: one that never moves is left as it is."""
LOGIT_LIMIT = 8.0
"""Beyond this a probability is 0 or 1 to a device, which has 8 bits for it."""


class Readout(nn.Module):
    """What a trunk heard, as the speech embedding: (batch, steps, trunk) -> (batch, steps, 96), never rounded."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, embedding.CHANNELS, 1)
        self.was_rounded = False
        """Whether its weights come from a model, of an earlier version, whose int8 file holds these values."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, trunk) -> (batch, steps, 96)."""
        return functional.linear(x, self.conv.weight[:, :, 0], self.conv.bias)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for bound in ("low", "high"):
            self.was_rounded |= state_dict.pop(f"{prefix}out.{bound}", None) is not None
        super()._load_from_state_dict(state_dict, prefix, *rest)


class Projection(StreamConv):
    """The 96 channels to a few values while learning; outside it what the trunk heard to the same few.

    There the readout and this are their product, (NARROW, trunk) weights, and that is what int8 rounds: in learning
    with roundings this layer's own weights are rounded in their place.
    """

    def __init__(self, readout: Readout) -> None:
        super().__init__(embedding.CHANNELS, NARROW, 1, norm=False)
        self._before = (readout,)  # in a tuple, so that it is not a part of this layer too

    @property
    def _readout(self) -> nn.Conv1d:
        return self._before[0].conv

    @property
    def spared(self) -> int:
        """How many trained values fewer the product has."""
        trained = sum(part.numel() for part in self._readout.parameters()) + self.conv.weight.numel()
        return trained - self.outputs * self._readout.in_channels

    @property
    def macs(self) -> float:
        """Multiplications per step, outside training."""
        return float(self.outputs * self._readout.in_channels)

    def folded(self) -> tuple[Tensor, Tensor]:
        """The product: (NARROW, trunk, 1) weights and (NARROW,) bias."""
        (own, bias), readout = super().folded(), self._readout
        assert readout.bias is not None
        return (own[:, :, 0] @ readout.weight[:, :, 0]).unsqueeze(-1), own[:, :, 0] @ readout.bias + bias


class TinyHead(nn.Module):
    """(batch, steps, channels) -> (batch, steps) logits, looking at every `spacing`-th step.

    The channels are the 96 of `readout` while learning, outside it those that `readout` reads.
    """

    def __init__(self, readout: Readout, spacing: int, hidden: int) -> None:
        super().__init__()
        self.hide = nn.Dropout1d(0.0)
        self.project = Projection(readout)
        self.temporal = StreamConv(NARROW, hidden, TAPS, dilation=spacing, norm=False)
        self.dropout = nn.Dropout(0.3)
        self.last = StreamConv(hidden, 1, 1, norm=False, activate=False, limit=LOGIT_LIMIT)

    def forward(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, steps, channels) -> (batch, steps)."""
        narrow, _ = self.project(self.hide(features.transpose(1, 2)).transpose(1, 2))
        hidden, state = self.temporal(narrow, state)
        logits, _ = self.last(self.dropout(hidden))
        return logits.squeeze(-1), state


class TinyModel(nn.Module):
    """Frames of a front end to logits, one per step of the trunk.

    A trunk turns (batch, time, channels) frames into (batch, steps, `trunk.outputs`): those of the micro front end
    as 0..1, those of another less `mean` and divided by `std`, which are the model's own (see set_statistics).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, dims: Dimensions, trunk: Chain, front: Frontend) -> None:
        super().__init__()
        self.dims, self.frontend, self.channels = dims, front.name, front.channels
        if self.frontend != "micro":
            self.register_buffer("mean", torch.zeros(self.channels))
            self.register_buffer("std", torch.ones(self.channels))
        spacing = max(1, round(embedding.HOP / (front.hop * trunk.stride)))
        self.stride: int = trunk.stride
        self.receptive_field: int = trunk.reach + trunk.stride * spacing * (TAPS - 1)
        self.trunk = trunk
        self.dropout = nn.Dropout(0.1)
        self.readout = Readout(trunk.outputs)
        self.head = TinyHead(self.readout, spacing, dims.hidden)

    @property
    def last(self) -> StreamConv:
        """The layer that gives the logits."""
        return self.head.last

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Store the mean and standard deviation (channels,) of the training frames; not for the micro front end."""
        self.mean.copy_(mean)
        self.std.copy_(std.clamp(min=SMALLEST_STD))

    def hide_channels(self, share: float) -> None:
        """From now on hide this share of the features' channels from the head, as `EmbeddingHead` does."""
        self.head.hide.p = share

    @property
    def spared(self) -> int:
        """Trained values that are not computed with outside training."""
        return self.head.project.spared

    @property
    def macs(self) -> float:
        """Multiplications per frame of the front end, outside training."""
        head = (self.head.project, self.head.temporal, self.head.last)
        return self.trunk.macs + sum(layer.macs for layer in head) / self.stride

    def initial_state(self, batch: int) -> State:
        """The state after endless silence, or, with statistics, after endless sound that is all their mean."""
        return (*self.trunk.initial_state(batch), *self.head.temporal.initial_state(batch))

    def features(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, channels) -> (batch, steps, 96): its imitation of the speech embedding, standardised."""
        x, state = self._heard(frames, state)
        y: Tensor = self.readout(self.dropout(x))
        return y, state

    def _heard(self, frames: Tensor, state: State | None) -> tuple[Tensor, State | None]:
        scaled = frames * INPUT_SCALE if self.frontend == "micro" else (frames - self.mean) / self.std
        x: tuple[Tensor, State | None] = self.trunk(scaled, state)
        return x

    def classify(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, steps, 96) features, in training mode alone, -> (batch, steps)."""
        logits: Tensor
        logits, state = self.head(features, state)
        return logits, state

    def forward(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, channels) -> (batch, steps) logits."""
        below, above = (None, None) if state is None else (state[:-1], state[-1:])
        heard, below = self.features(frames, below) if self.training else self._heard(frames, below)
        logits, above = self.classify(heard, above)
        return logits, None if below is None or above is None else (*below, *above)
