"""What the model is asked for: functions of logits and labels, composed rather than subclassed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wakewright.data.batches import IGNORE, Batch

Objective = Callable[[Tensor, Batch], Tensor]
"""(batch, steps) or, of an ensemble, (batch, steps, members) logits and their batch -> the loss, a scalar."""


def cross_entropy(label_smoothing: float = 0.0) -> Objective:
    """Binary cross-entropy over the steps that have a label."""

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        labels = torch.from_numpy(batch.labels)
        known = labels != IGNORE
        targets = labels.float() * (1 - 2 * label_smoothing) + label_smoothing
        targets, known = _blended(targets, known, batch)
        return _mean(_losses(logits, targets), known)

    return loss


def distilled(hard: float, soft: NDArray[np.float32], label_smoothing: float = 0.0) -> Objective:
    """Cross-entropy against a mix of label and teacher (Hinton et al., "Distilling the Knowledge", 2015).

    `soft` holds the teacher's probability at each frame of the track, NaN where it has none; `hard` is the
    share of the label. Steps without a label learn from the teacher alone.
    """

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        labels = torch.from_numpy(batch.labels)
        teacher = torch.from_numpy(soft[batch.ends])
        known, taught = labels != IGNORE, ~torch.isnan(teacher)
        targets = labels.float().clamp(min=0) * (1 - 2 * label_smoothing) + label_smoothing
        mixed = torch.where(known, hard * targets + (1 - hard) * teacher, teacher)
        targets = torch.where(taught, mixed, targets)
        targets, known = _blended(targets, known | taught, batch)
        return _mean(_losses(logits, targets), known)

    return loss


def imitate(predicted: Tensor, target: Tensor) -> Tensor:
    """Cosine distance plus mean squared error, over standardised embeddings (..., 96)."""
    cosine = 1 - functional.cosine_similarity(predicted, target, dim=-1).mean()
    return cosine + functional.mse_loss(predicted, target)


def _blended(targets: Tensor, keep: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Targets of mixed examples (batch, steps), by the shares in which they are mixed, and which of them count.

    A step counts where both examples have a target.
    """
    if batch.blend is None or not batch.blend.labels:
        return targets, keep
    share, partner = torch.from_numpy(batch.blend.share)[:, None], torch.from_numpy(batch.blend.partner)
    return share * targets + (1 - share) * targets[partner], keep & keep[partner]


def _losses(logits: Tensor, targets: Tensor) -> Tensor:
    """(batch, steps): cross-entropy of each step; the mean over an ensemble's members (batch, steps, members)."""
    if logits.ndim == 2:
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    wanted = targets[:, :, None].expand_as(logits)
    return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(dim=2)


def _mean(values: Tensor, keep: Tensor) -> Tensor:
    return torch.where(keep, values, 0.0).sum() / keep.sum().clamp(min=1)
