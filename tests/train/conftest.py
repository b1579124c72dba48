"""A toy: features in which a learnable pattern ends every word. Run as a program, this file trains on them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wakewright.core.manifest import Clip, Manifest
from wakewright.core.progress import Bar, Progress
from wakewright.core.recipe import Augment, Train
from wakewright.data.batches import NEGATIVE, POSITIVE, Batch, Geometry, Sampler
from wakewright.data.store import LOCATED, Store, Track
from wakewright.data.streams import KINDS
from wakewright.models import registry
from wakewright.train import loop, objectives, teach
from wakewright.train.qat import Rounding
from wakewright.train.scoring import score_track, step_frames

STREAMS, SECONDS = 6, 24
KINDS_SAID = ("positive", "speech", "near_miss", "positive", "speech", "positive")
AUGMENT = Augment(tempo=(0.9, 1.1), vtlp=0.1, spec_time=1, spec_freq=1)


def toy_store(*, broken_stream: int | None = None) -> Store:
    """Six streams; in each, words of 0.8 s every 3.5 s, heard by both front ends."""
    rng = np.random.default_rng(3)
    samples = SECONDS * 16000
    hops = {"micro": (160, 480, 40), "speech_embedding": (1280, 13280, 96)}
    rows = [
        (KINDS.index(kind), False, int((2.5 + 3.5 * i) * 16000), int((3.3 + 3.5 * i) * 16000), 10 * s + i, s)
        for s in range(STREAMS)
        for i, kind in enumerate(KINDS_SAID)
    ]
    tracks = {}
    for name, (hop, first_end, channels) in hops.items():
        count = (samples - first_end) // hop + 1
        frames = rng.normal(0, 1, (STREAMS * count, channels))
        for kind, _, start, end, _, stream in rows:
            if kind == KINDS.index("speech"):
                continue
            low, high = ((at - first_end) // hop + 1 + stream * count for at in (start, end))
            strength = 3.0 if kind == KINDS.index("positive") else -3.0
            frames[low : high + 1, : channels // 2] += strength * np.linspace(0, 1, high + 1 - low)[:, None]
        if broken_stream is not None and name == "speech_embedding":
            frames[broken_stream * count : (broken_stream + 1) * count] = np.nan
        stored: Any = frames.astype(np.float16)
        if name == "micro":
            stored = np.clip(np.rint(frames * 15), -128, 127).astype(np.int8)
        starts = np.arange(STREAMS + 1, dtype=np.int64) * count
        tracks[name] = Track(name, stored, starts, hop, first_end)
    return Store(tracks, np.array(rows, LOCATED), float(STREAMS * SECONDS))


MANIFEST = Manifest(tuple(Clip(f"clip-{i}.wav", "speech", 0.8) for i in range(10 * STREAMS)))


class Toy:
    """What the tests here use."""

    store = staticmethod(toy_store)
    manifest = MANIFEST

    @staticmethod
    def model(name: str = "speech_embedding") -> Any:
        """A small model with weights from a fixed seed."""
        torch.manual_seed(1)
        return registry.create(registry.Dimensions(name, 0.25))

    @staticmethod
    def sampler(model: Any, train: Train, store: Store | None = None, augment: Augment = AUGMENT) -> Sampler:
        """Windows for the model."""
        geometry = Geometry(model.receptive_field, model.stride, 4)
        return Sampler(store or toy_store(), MANIFEST, model.frontend, geometry, train, augment, seed=1)

    @staticmethod
    def train(**changes: Any) -> Train:
        """Settings for a training of a second."""
        plain: dict[str, Any] = {"steps": 60, "batch_size": 32, "lr": 5e-3, "validate_every": 20, "mine_every": 15}
        return Train(**(plain | {"ema": 0.9} | changes))

    @staticmethod
    def bar(each: Callable[[], None] | None = None) -> Bar:
        """A silent progress bar that calls `each` at every step."""

        class Watched(Bar):
            def advance(self, units: int = 1) -> None:
                super().advance(units)
                if each is not None:
                    each()

        return Watched(Progress(quiet=True), "toy", None, "steps")

    @staticmethod
    def fit(
        folder: Path,
        train: Train,
        *,
        name: str = "speech_embedding",
        store: Store | None = None,
        each: Callable[[], None] | None = None,
        log: list[dict[str, Any]] | None = None,
        model: Any = None,
        validate: loop.Validate | None = None,
        augment: Augment = AUGMENT,
        beside: Callable[[torch.Tensor, Batch], torch.Tensor] | None = None,
        rounding: Rounding | None = None,
        body: loop.Body | None = None,
    ) -> Any:
        """loop.fit on the toy."""
        torch.set_num_threads(1)
        model = model or Toy.model(name)
        sampler = Toy.sampler(model, train, store, augment)
        lines = [] if log is None else log

        def rewind(step: int) -> None:
            lines[:] = [line for line in lines if line["step"] <= step]

        return loop.fit(
            model,
            sampler,
            objectives.cross_entropy(),
            train,
            seed=1,
            folder=folder,
            bar=Toy.bar(each),
            log=lambda **values: lines.append(values),
            rewind=rewind,
            validate=validate or (lambda candidate: quality(candidate, sampler)),
            beside=beside,
            rounding=rounding,
            body=body,
        )

    @staticmethod
    def pretrain(path: Path, steps: int, *, each: Callable[[], None] | None = None) -> Any:
        """teach.pretrain on the toy."""
        torch.set_num_threads(1)
        model = Toy.model("mixednet")
        sampler = Toy.sampler(model, Toy.train(batch_size=8))
        imitation = teach.Imitation.of(sampler, toy_store())
        teach.pretrain(model, imitation, sampler, steps, 2e-3, seed=1, path=path, bar=Toy.bar(each))
        return model

    @staticmethod
    def program(what: str, folder: Path) -> Any:
        """What this file does as a program: a training, or a pretraining that keeps its progress often."""
        if what == "fit":
            return Toy.fit(folder, Toy.train(steps=300))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(teach, "SAVE_EVERY", 5)
            return Toy.pretrain(folder / "pretrain.pt", 40)


def quality(model: Any, sampler: Sampler) -> tuple[loop.Quality, dict[str, float]]:
    """Shares of wrong steps, counted on the training streams."""
    wrong, missed, steps, words = 0, 0, 0, 0
    for stream, scores in enumerate(score_track(model, sampler.track)):
        labels = sampler.labels[step_frames(model, sampler.track, stream, len(scores))]
        wrong += int((scores[labels == NEGATIVE] >= 0.5).sum())
        missed += int((scores[labels == POSITIVE] < 0.5).sum())
        steps += int((labels == NEGATIVE).sum())
        words += int((labels == POSITIVE).sum())
    return loop.Quality(wrong / steps, missed / words), {"wrong": wrong / steps, "missed": missed / words}


@pytest.fixture
def toy() -> type[Toy]:
    """The toy and ways to train on it."""
    return Toy


if __name__ == "__main__":
    print("go", flush=True)  # noqa: T201 - the test that kills us waits for it
    Toy.program(sys.argv[1], Path(sys.argv[2]))
