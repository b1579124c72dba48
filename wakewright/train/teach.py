"""What a tiny model learns besides the labels: to imitate the speech embedding, and from a teacher head."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wakewright.core.files import write_bytes
from wakewright.core.progress import Bar
from wakewright.core.recipe import Train
from wakewright.data.batches import Batch, Sampler, inside, reached, whole_steps
from wakewright.data.store import Store, Track, decode
from wakewright.models import registry
from wakewright.models.backbone import Scale
from wakewright.train.loop import diverged, learning_rate
from wakewright.train.objectives import imitate
from wakewright.train.phonetic import Phonetic
from wakewright.train.scoring import onto, per_frame, score_track

SAVE_EVERY = 500
AT_ONCE = 100_000
"""Frames read at a time."""


def statistics(track: Track) -> Scale:
    """Mean and standard deviation (channels,) over some ten thousand frames of a track."""
    frames = decode(track.name, track.frames[:: max(1, len(track.frames) // 20_000)])
    return Scale(frames.mean(axis=0), frames.std(axis=0))


def moments(track: Track) -> Scale:
    """Mean and standard deviation (channels,) over every frame of a track, summed in float64."""
    count, nothing = max(1, len(track.frames)), np.zeros(track.frames.shape[1])

    def total(of: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        pieces = (track.frames[at : at + AT_ONCE] for at in range(0, len(track.frames), AT_ONCE))
        return sum((of(decode(track.name, piece).astype(np.float64)).sum(axis=0) for piece in pieces), nothing)

    mean = total(lambda frames: frames) / count
    variance = total(lambda frames: (frames - mean) ** 2) / count
    return Scale(mean.astype(np.float32), np.sqrt(variance).astype(np.float32))


def beginner(dims: registry.Dimensions, store: Store, settings: Train, *, cmvn: bool = False) -> Any:
    """A new model that knows the scale of what it will hear, and how much of it to hide while it learns.

    `store` is that of the training part. With `cmvn` a tiny model takes mean and variance of its front end from it.
    """
    model = registry.create(dims)
    if cmvn or model.frontend == "speech_embedding":
        track = store.tracks[model.frontend]
        scale = moments(track) if cmvn else statistics(track)
        model.set_statistics(torch.from_numpy(scale.mean), torch.from_numpy(scale.std))
    model.hide_channels(settings.hidden_share)
    return model


@dataclasses.dataclass(frozen=True)
class Imitation:
    """What a tiny model learns besides the phrase: that its features be the speech embedding.

    Called with (batch, moments, 96) features and their batch it gives the loss: cosine distance plus mean squared
    error of the standardised embeddings, at every moment of the windows, not only those that have a label. It is the
    hint of FitNets (Romero et al., 2015), kept up while the phrase is learnt: else what was learnt from real speech
    is soon lost to the synthesisers.
    """

    track: Track
    """The embedding."""
    place: NDArray[np.float64]
    """(frames,) for each frame of the model's own track the embedding heard by then; NaN before the first."""
    scale: Scale
    stride: int
    """Frames of the model's track from feature to feature."""

    @classmethod
    def of(cls, sampler: Sampler, store: Store, scale: Scale | None = None) -> Imitation:
        """For what `sampler` draws from `store`; standardised by that store's own statistics without a `scale`."""
        track = store.tracks["speech_embedding"]
        place = _heard_by_then(track, sampler.track)
        return cls(track, place, scale or statistics(track), sampler.geometry.stride)

    def standardised(self, where: NDArray[np.float64]) -> Tensor:
        """(moments, 96) the embedding at these frames of it, as the features should be."""
        heard = decode(self.track.name, self.track.frames[where.astype(np.int64)])
        return torch.from_numpy((heard - self.scale.mean) / (self.scale.std + 1e-3))

    def __call__(self, features: Tensor, batch: Batch) -> Tensor:
        whole, ends = reached(batch.origin, features.shape[1], self.stride)
        where = self.place[ends]
        known = whole & ~np.isnan(where)
        return imitate(features[torch.from_numpy(known)], self.standardised(where[known]))


def _heard_by_then(embedding: Track, track: Track) -> NDArray[np.float64]:
    return onto(np.arange(len(embedding.frames), dtype=np.float64), embedding, track)


@torch.no_grad()
def likeness(model: Any, imitation: Imitation, store: Store) -> dict[str, float]:
    """How like the speech embedding a model's features are over the speech of another store.

    `r2` is the share of the standardised embedding's variance that they explain, 1 at best and below 0 for worse than
    its mean; `cosine` the mean over moments. Both are NaN where the store holds no speech.
    """
    track, embedding = store.tracks[model.frontend], store.tracks["speech_embedding"]
    there = dataclasses.replace(imitation, track=embedding, place=_heard_by_then(embedding, track))
    spoken, reach = inside(store, track, "speech"), model.trunk.reach
    count, cosine, missed = 0, 0.0, 0.0
    total, squares = np.zeros(there.scale.mean.shape), 0.0  # summed as it goes: validation speech may be hours
    for first, last in zip(track.starts[:-1], track.starts[1:], strict=True):
        whole = whole_steps(int(first), int(last), reach, model.stride)
        if whole == first:
            continue
        features, _ = model.features(torch.from_numpy(decode(track.name, track.frames[first:whole]))[None])
        _, ends = reached(np.arange(first, whole)[None], features.shape[1], model.stride)
        where = there.place[ends[0]]
        known = spoken[ends[0]] & ~np.isnan(where)
        found, target = features[0][torch.from_numpy(known)].double(), there.standardised(where[known]).double()
        count += len(found)
        cosine += functional.cosine_similarity(found, target, dim=1).sum().item()
        missed += ((found - target) ** 2).sum().item()
        total += target.sum(dim=0).numpy()
        squares += (target**2).sum().item()
    if not count:
        return {"r2": math.nan, "cosine": math.nan}
    return {"r2": 1 - missed / (squares - float(total @ total) / count), "cosine": cosine / count}


def pretrain(
    model: Any,
    imitation: Imitation,
    sampler: Sampler,
    steps: int,
    lr: float,
    *,
    seed: int,
    path: Path,
    bar: Bar,
    phonetic: Phonetic | None = None,
) -> None:
    """Teach the features of `model`, in place, to imitate the speech embedding, and with `phonetic` phonemes too.

    Progress is kept at `path`, from which an interrupted run goes on. Raises TrainingDiverged.
    """
    learning = torch.nn.ModuleList([model] if phonetic is None else [model, phonetic])
    optimiser = torch.optim.AdamW(learning.parameters(), lr=lr, weight_decay=0.01)
    plan = Train(steps=steps, lr=lr)
    first = 0
    if path.is_file():
        stored = torch.load(path, map_location="cpu", weights_only=True)
        learning.load_state_dict(stored["learning"])
        optimiser.load_state_dict(stored["optimiser"])
        first = stored["step"]
    bar.advance(first)
    for step in range(first, steps):
        torch.default_generator.manual_seed(seed * 1_000_003 + step)
        model.train()
        batch = sampler.batch(step)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(plan, step)
        features, _ = model.features(torch.from_numpy(batch.frames))
        loss = imitation(features, batch)
        if phonetic is not None:
            loss = loss + phonetic(model, step)
        if not torch.isfinite(loss):
            broken = ~torch.isfinite(features).flatten(1).all(dim=1).numpy()
            ends = batch.ends[broken | ~broken.any(), -1]
            raise diverged(f"{step} of pretraining", loss.item(), sampler, ends, "train.pretrain.lr")
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learning.parameters(), 1.0)
        optimiser.step()
        bar.advance(1)
        bar.note(f"loss {loss.item():.3f}")
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            buffer = io.BytesIO()
            state = {"learning": learning.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
            torch.save(state, buffer)
            write_bytes(path, buffer.getvalue())


def soft_labels(teacher: Any, store: Store, name: str, temperature: float) -> NDArray[np.float32]:
    """(frames,) the teacher's softened probability at every frame of the track `name`; NaN where it has none."""
    source = store.tracks["speech_embedding"]
    scores = per_frame(teacher, source, score_track(teacher, source))
    clipped = np.clip(scores, 1e-5, 1 - 1e-5)
    logits = np.log(clipped) - np.log1p(-clipped)
    softened = (1.0 / (1.0 + np.exp(-logits / temperature))).astype(np.float32)
    return onto(softened, source, store.tracks[name])
