"""The training loop, top to bottom.

Every step's batch, dropout and learning rate follow from the seed and the number of the step, and a checkpoint
holds everything else, so a run that is interrupted anywhere and resumed ends at the same weights as one that was not.
"""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wakewright.core.errors import TrainingDiverged
from wakewright.core.files import write_bytes
from wakewright.core.progress import Bar
from wakewright.core.recipe import Train
from wakewright.data.batches import NEGATIVE, Batch, Sampler
from wakewright.evaluate.peaks import peak_steps
from wakewright.train.ema import Average
from wakewright.train.mixup import blend_of, mixed
from wakewright.train.objectives import Objective
from wakewright.train.qat import Rounding
from wakewright.train.scoring import score_track, step_frames

HARD_KEPT = 3000
"""Mined frames kept at a time."""
HARD_APART = 4
"""Steps between two mined frames of one stream, at least."""


@dataclasses.dataclass(frozen=True, order=True)
class Quality:
    """How good a checkpoint is: false accepts first, recall second. Lower is better."""

    excess: float
    """False accepts per hour above the target, at the threshold chosen for it."""
    frr: float
    """Mean share of the words missed at once, twice and four times the target."""


@dataclasses.dataclass(frozen=True)
class Body:
    """How the trunk and readout of a tiny model are held to what a backbone brought."""

    frozen: int = 0
    """First steps in which they stand still, and the head alone learns."""
    rate: float = 1.0
    """Their learning rate relative to the head's."""


Validate = Callable[[Any], tuple[Quality, dict[str, float]]]
"""A model -> its quality on streamed validation audio, and figures to log."""


def learning_rate(train: Train, step: int) -> float:
    """The rate at a step (0-based): linear warmup, then cosine to 1 %, one-cycle, or constant.

    one_cycle rises over 30 % whatever `warmup` says and falls to 0.1 % (Smith and Topin, "Super-Convergence", 2018).
    """
    warmup = max(1, round(train.steps * (0.3 if train.schedule == "one_cycle" else train.warmup)))
    if step < warmup:
        return train.lr * (step + 1) / warmup
    if train.schedule == "constant":
        return train.lr
    low = 0.001 if train.schedule == "one_cycle" else 0.01
    done = (step - warmup) / max(1, train.steps - warmup)
    return train.lr * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * done)))


def fit(
    model: Any,
    sampler: Sampler,
    objective: Objective,
    train: Train,
    *,
    seed: int,
    validate: Validate,
    folder: Path,
    log: Callable[..., None],
    rewind: Callable[[int], None],
    bar: Bar,
    beside: Callable[[Tensor, Batch], Tensor] | None = None,
    rounding: Rounding | None = None,
    body: Body | None = None,
) -> Any:
    """Train `model` and return its best average, in evaluation mode.

    Every `validate_every` steps the averaged weights are validated and a checkpoint is written to `folder`; when one
    is there already, training goes on from it, and `rewind` is told the step from which figures will be logged again.
    `beside` gives a loss of the last features, (batch, steps, channels), that is added to that of the logits.
    `rounding` says when the model begins to learn with the roundings of int8; the best is chosen among what does.
    `body` says how a tiny model's trunk and readout are held to what they brought; None lets them learn as the head.
    Raises TrainingDiverged when the loss is not finite.
    """
    body = body or Body()
    optimiser = torch.optim.AdamW(_groups(model, train.weight_decay, body.rate), lr=train.lr)
    average = Average(model, train.ema)
    latest, best_path = folder / "latest.pt", folder / "best.pt"
    first, best, waited = 0, Quality(math.inf, 1.0), 0
    if latest.is_file():
        stored = torch.load(latest, map_location="cpu", weights_only=True)
        if rounding is not None:
            rounding.apply(stored["step"] - 1, model, average.model)
        model.load_state_dict(stored["model"])
        optimiser.load_state_dict(stored["optimiser"])
        average.restore(stored["average"])
        sampler.hard = stored["hard"].numpy()
        first, waited, best = stored["step"], stored["waited"], Quality(*stored["best"])
    bar.advance(first)
    rewind(first)
    last = first if train.patience and waited >= train.patience else train.steps  # it had stopped early
    with ThreadPoolExecutor(1) as ahead:
        waiting = ahead.submit(sampler.batch, first)
        for step in range(first, last):
            batch = waiting.result()
            if not _mining_due(train, step + 1):
                waiting = ahead.submit(sampler.batch, step + 1)
            # torch.manual_seed would also note each call, with its stack, for accelerators that are never begun
            torch.default_generator.manual_seed(seed * 1_000_003 + step)
            model.train()
            if step <= body.frozen:
                _hold_body(model, still=step < body.frozen)
            if rounding is not None:
                rounding.apply(step, model, average.model)
                if step == rounding.start:
                    best, waited = Quality(math.inf, 1.0), 0
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(train, step) * group["rate"]
            # bfloat16 has no more digits than int8 has steps: what is learnt with roundings is learnt in float32
            short = train.precision == "bfloat16" and (rounding is None or step < rounding.start)
            with torch.autocast("cpu", torch.bfloat16, enabled=short):
                frames, batch = mixed(batch, blend_of(batch, train, seed, step))
                features, _ = model.features(frames)
                logits, _ = model.classify(features)
            loss = objective(logits.float(), batch)
            if beside is not None:
                loss = loss + beside(features.float(), batch)
            if not math.isfinite(loss.item()):
                broken = ~torch.isfinite(logits).flatten(1).all(dim=1).numpy()
                raise diverged(step, loss.item(), sampler, batch.ends[broken | ~broken.any(), -1])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), train.clip_norm)
            optimiser.step()
            average.update()
            bar.advance(1)
            done = step + 1
            if _mining_due(train, done):
                sampler.hard = mine(average.model, sampler)
                log(step=done, hard_negatives=len(sampler.hard))
                waiting = ahead.submit(sampler.batch, done)
            if done % train.validate_every == 0 or done == train.steps:
                quality, figures = validate(average.model)
                log(step=done, loss=loss.item(), lr=learning_rate(train, step), **figures)
                bar.note(f"loss {loss.item():.3f}, misses {quality.frr:.1%}")
                waited += 1
                if quality < best:
                    best, waited = quality, 0
                    _save(best_path, {"model": average.model.state_dict(), "step": done})
                _save(
                    latest,
                    {
                        "step": done,
                        "model": model.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "average": average.state(),
                        "hard": torch.from_numpy(sampler.hard),
                        "waited": waited,
                        "best": dataclasses.astuple(best),
                    },
                )
                if train.patience and waited >= train.patience:
                    log(step=done, stopped_early=True)
                    break
        waiting.cancel()
    average.model.load_state_dict(torch.load(best_path, map_location="cpu", weights_only=True)["model"])
    return average.model.eval()


def _body_of(model: Any) -> tuple[Any, ...]:
    return (model.trunk, model.readout) if hasattr(model, "trunk") else ()


def _hold_body(model: Any, *, still: bool) -> None:
    """Whether a tiny model's trunk and readout, statistics of its normalisation included, stand still."""
    for part in _body_of(model):
        part.requires_grad_(not still)
        part.train(not still)


def _groups(model: Any, weight_decay: float, body_rate: float) -> list[dict[str, Any]]:
    """Parameters by decay and by `rate`, what the learning rate is multiplied with.

    Biases and normalisation are not decayed: that would only shift the outputs towards zero.
    """
    body = {id(p) for part in _body_of(model) for p in part.parameters()}
    groups = []
    for rate in dict.fromkeys((1.0, body_rate)):
        mine = [p for p in model.parameters() if (body_rate if id(p) in body else 1.0) == rate]
        matrices, vectors = [p for p in mine if p.ndim > 1], [p for p in mine if p.ndim <= 1]
        groups.append({"params": matrices, "weight_decay": weight_decay, "rate": rate})
        groups.append({"params": vectors, "weight_decay": 0.0, "rate": rate})
    return groups


def _mining_due(train: Train, done: int) -> bool:
    return bool(train.mine_every and train.hard_share and done % train.mine_every == 0 and done < train.steps)


def mine(model: Any, sampler: Sampler) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Frames of the training part where the model is most wrong: the highest scores on negative steps.

    Near misses are left out (mining them ruins words that have close neighbours); frames of one event count once.
    """
    frames: list[int] = []
    heights: list[float] = []
    for stream, scores in enumerate(score_track(model, sampler.track)):
        at = step_frames(model, sampler.track, stream, len(scores))
        scores = np.where((sampler.labels[at] == NEGATIVE) & ~sampler.near[at], scores, 0.0)
        peaks = peak_steps(scores, 1.0, HARD_APART - 1)
        frames += at[peaks].tolist()
        heights += scores[peaks].tolist()
    order = np.argsort(-np.asarray(heights), kind="stable")[:HARD_KEPT]
    kept = [frames[i] for i in order if heights[i] > 0.02]
    return np.asarray(kept, np.int64)


def diverged(
    step: int | str, loss: float, sampler: Sampler, ends: np.ndarray[Any, Any], rate: str = "train.lr"
) -> TrainingDiverged:
    """The error for a loss that is not finite, naming where its windows came from."""
    streams = np.unique(np.searchsorted(sampler.track.starts, ends, side="right") - 1)
    clips = sampler.clips_in(streams[:4])
    return TrainingDiverged(
        f"the loss became {loss} at step {step}",
        got=f"a batch with windows from {', '.join(clips) or 'no known clip'}",
        do=f"lower {rate} (a third of it), or listen to these clips and remove what is broken",
    )


def _save(path: Path, value: Any) -> None:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    write_bytes(path, buffer.getvalue())
