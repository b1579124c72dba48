"""Mixup (Zhang et al., 2018): examples blended with others of their batch."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from wakewright.core.recipe import Train
from wakewright.data.batches import Batch, Blend


def blend_of(batch: Batch, train: Train, seed: int, step: int) -> Blend | None:
    """Who is mixed with whom in the batch of this step, and how much of it stays; None without mixup.

    No example keeps less than half of itself. Partners have the same labels, unless `mixup_labels` says otherwise.
    """
    if not train.mixup:
        return None
    rng = np.random.default_rng([seed, step, 1])
    share = rng.beta(train.mixup, train.mixup, len(batch.labels)).astype(np.float32)
    share = np.maximum(share, 1 - share)
    if train.mixup_labels == "any":
        return Blend(rng.permutation(len(share)), share, labels=True)
    _, groups = np.unique(batch.labels, axis=0, return_inverse=True)
    partner = np.arange(len(share))
    for group in np.unique(groups):
        members = np.flatnonzero(groups.ravel() == group)
        partner[members] = rng.permutation(members)
    return Blend(partner, share, labels=False)


def mixed(batch: Batch, blend: Blend | None) -> tuple[Tensor, Batch]:
    """The batch's frames (batch, frames, channels), mixed; and the batch, which knows where labels are mixed too."""
    frames = torch.from_numpy(batch.frames)
    if blend is None:
        return frames, batch
    share = torch.from_numpy(blend.share)[:, None, None]
    out = share * frames + (1 - share) * frames[torch.from_numpy(blend.partner)]
    return out, dataclasses.replace(batch, blend=blend) if blend.labels else batch
