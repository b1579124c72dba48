"""The head of the tiny models, over a small speech embedding of their own.

A tiny model's features are its imitation of the speech embedding, 96 channels. What listens to them is what listens
to the embedding itself (`embedding_head`): most channels are hidden from it in each training example, each moment is
projected to a few values, and one temporal layer sees 1.4 s. So the phrase cannot be learnt from the few values that
tell how synthesisers say it, which a tiny model finds sooner than anything.
"""

from __future__ import annotations

from torch import Tensor, nn

from wakewright.models.layers import State, StreamConv

CHANNELS = 96
"""Of the imitated embedding."""
TAPS = 16
"""Moments the temporal layer sees; the models space them by some 80 to 90 ms, as the embedding's are."""


class TinyHead(nn.Module):
    """(batch, steps, 96) -> (batch, steps) logits, looking at every `spacing`-th step."""

    def __init__(self, width: float, spacing: int) -> None:
        super().__init__()
        narrow, wide = max(4, round(16 * width)), max(8, round(64 * width))
        self.hide = nn.Dropout1d(0.0)
        self.project = StreamConv(CHANNELS, narrow, 1, norm=False)
        self.temporal = StreamConv(narrow, wide, TAPS, dilation=spacing, norm=False)
        self.dropout = nn.Dropout(0.3)
        self.last = StreamConv(wide, 1, 1, norm=False, activate=False)

    def hide_channels(self, share: float) -> None:
        """From now on hide this share of the channels in each training example, as `EmbeddingHead` does."""
        self.hide.p = share

    def initial_state(self, batch: int) -> State:
        """The state after endless silence."""
        return self.temporal.initial_state(batch)

    def forward(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, steps, 96) -> (batch, steps)."""
        normal = self.hide(features.clamp(-4, 4).transpose(1, 2)).transpose(1, 2)
        narrow, _ = self.project(normal)
        hidden, state = self.temporal(narrow, state)
        logits, _ = self.last(self.dropout(hidden))
        return logits.squeeze(-1), state
