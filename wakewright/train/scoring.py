"""Running a torch model over whole streams of stored features: for validation, mining and teaching."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from wakewright.data.batches import whole_steps
from wakewright.data.store import Track, decode

Real = TypeVar("Real", np.float32, np.float64)


@torch.no_grad()
def score_track(model: Any, track: Track) -> list[NDArray[np.float32]]:
    """Probabilities of every stream, (steps,) each; step j ends at frame receptive_field - 1 + j * stride.

    A stream shorter than the receptive field gives none.
    """
    scores = []
    for first, last in zip(track.starts[:-1], track.starts[1:], strict=True):
        whole = whole_steps(first, last, model.receptive_field, model.stride)
        if whole == first:
            scores.append(np.zeros(0, np.float32))
            continue
        frames = torch.from_numpy(decode(track.name, track.frames[first:whole]))[None]
        logits, _ = model(frames)
        scores.append(torch.sigmoid(logits[0]).float().numpy())
    return scores


def step_frames(model: Any, track: Track, stream: int, steps: int) -> NDArray[np.int64]:
    """(steps,) frames of the track at which the steps of one stream end."""
    first = int(track.starts[stream]) + int(model.receptive_field) - 1
    return np.arange(steps, dtype=np.int64) * int(model.stride) + first


def per_frame(model: Any, track: Track, scores: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """(frames,) the scores laid onto the frames they end at; NaN where no step ends."""
    out = np.full(int(track.starts[-1]), np.nan, np.float32)
    for stream, values in enumerate(scores):
        out[step_frames(model, track, stream, len(values))] = values
    return out


def onto(teacher: NDArray[Real], source: Track, target: Track) -> NDArray[Real]:
    """Per-frame values of one track laid onto another, each frame taking the latest value not after it.

    Frames before the first value get NaN.
    """
    out = np.full(int(target.starts[-1]), np.nan, teacher.dtype)
    ends_target, ends_source = target.ends(), source.ends()
    for stream in range(len(target.starts) - 1):
        a, b = source.starts[stream], source.starts[stream + 1]
        c, d = target.starts[stream], target.starts[stream + 1]
        if b == a:
            continue
        at = np.searchsorted(ends_source[a:b], ends_target[c:d], side="right") - 1
        out[c:d] = np.where(at >= 0, teacher[a + np.maximum(at, 0)], np.nan)
    return out
