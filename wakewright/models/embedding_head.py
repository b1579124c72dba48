"""A small head over the frozen shared speech embedding: 16 embeddings (1.28 s, hearing 2 s) to one logit.

Each embedding is normalised and projected to a few values before time is looked at, so that the head cannot
memorise a synthetic voice through 16 x 96 free weights; then one temporal layer sees the whole window, which is
openWakeWord's. Of each training example most channels are hidden. Four such heads learn side by side and their
logits are averaged: one head's accidents, for and against the phrase, differ from another's, and beside the
embedding they cost nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wakewright.dsp.embedding import CHANNELS
from wakewright.models.layers import State
from wakewright.models.registry import Dimensions

WINDOW = 16
LIMIT = 4.0
"""Standard deviations of the embedding that the head looks at."""
MEMBERS = 4
"""Heads side by side."""


class EmbeddingHead(nn.Module):
    """Speech embeddings to logits, one per 80 ms."""

    frontend = "speech_embedding"
    channels = CHANNELS
    stride = 1
    receptive_field = WINDOW

    mean: Tensor
    scale: Tensor

    def __init__(self, dims: Dimensions) -> None:
        super().__init__()
        self.dims = dims
        narrow, wide = max(4, round(32 * dims.width)), max(8, round(64 * dims.width))
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("scale", torch.ones(CHANNELS))
        self.hide = nn.Dropout1d(0.0)
        self.project = nn.Conv1d(CHANNELS, narrow * MEMBERS, 1)
        self.temporal = nn.Conv1d(narrow * MEMBERS, wide * MEMBERS, WINDOW, groups=MEMBERS)
        self.dropout = nn.Dropout(0.3)
        self.last = nn.Conv1d(wide * MEMBERS, MEMBERS, 1, groups=MEMBERS)

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Store the mean and standard deviation (channels,) of the training frames."""
        self.mean.copy_(mean)
        self.scale.copy_(1.0 / (std + 1e-3))

    def hide_channels(self, share: float) -> None:
        """From now on hide this share of the embedding's channels in each training example, others in each.

        After Ho, "The Random Subspace Method", 1998: what finds the phrase in any part of the channels has learnt the
        phrase, not the few values that tell how synthesisers say it.
        """
        self.hide.p = share

    def initial_state(self, batch: int) -> State:
        """The state after endless silence."""
        return (torch.zeros(batch, WINDOW - 1, CHANNELS),)

    def features(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, 96) -> (batch, steps, members * wide)."""
        if state is not None:
            # the raw frames are the state: what runs on the device is then the plain 16 x 96 window
            frames = torch.cat([state[0], frames], dim=1)
            state = (frames[:, 1 - WINDOW :],)
        normal = ((frames - self.mean) * self.scale).clamp(-LIMIT, LIMIT).transpose(1, 2)
        normal = self.hide(normal)
        hidden = torch.relu(self.temporal(torch.relu(self.project(normal))))
        return self.dropout(hidden).transpose(1, 2), state

    def classify(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, steps, members * wide) -> (batch, steps), the members' mean.

        While training each member answers for itself: (batch, steps, members).
        """
        logits: Tensor = self.last(features.transpose(1, 2)).transpose(1, 2)
        return logits if self.training else logits.mean(dim=2), state

    def forward(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, 96) -> (batch, steps) logits."""
        hidden, state = self.features(frames, state)
        logits, _ = self.classify(hidden)
        return logits, state
