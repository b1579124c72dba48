"""What it costs each architecture to stream: the package's causal form and the published one, trained alike.

    python benchmarks/streaming_cost.py RUN --speech DIR --out DIR [--models tc_resnet bc_resnet ...] [--steps 1000]
        [--forms published streaming] [--seed 1]

RUN is one whose features are kept (engine.features), such as real_voices.py leaves: its clips, windows and labels are
what both forms learn from, from labels alone, one output per window, the same windows at every step and the same
optimiser. The published form hears clips of 1.5 s (`published.py`). Both then hear, in float32, the recordings of DIR
marked `evaluate`, as recorded, and are asked every 40 ms; the mean of ten answers is held against the threshold. What
is there in --out already is not computed again; two of these may run side by side on other models.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import published
import torch
from heard import Heard, difference_at
from real_voices import APART

from wakewright.core.audio import SAMPLE_RATE
from wakewright.core.files import write_json
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Policy, Recipe
from wakewright.core.run import Run
from wakewright.data import parts as scenes
from wakewright.data import store
from wakewright.data.batches import Geometry, Sampler, whole_steps
from wakewright.detect.policy import Scores, smooth
from wakewright.dsp import frontend
from wakewright.dsp.frontend import Frames
from wakewright.evaluate import real
from wakewright.models import registry
from wakewright.train import loop, objectives

FORMS = ("published", "streaming")
RATE = 1.0
CONDITION = real.condition_of(real.Stretch((), 0.0, 0))
BLOCK_FRAMES = 6000
"""Frames that are heard at once."""
ASKED_FRAMES = 4
"""Frames from score to score: the coarsest of the strides."""
POLICY = Policy(smoothing=10)


class Learnt(NamedTuple):
    """What both forms learn from."""

    recipe: Recipe
    manifest: Manifest
    features: store.Store
    left_out: frozenset[int]

    @classmethod
    def of(cls, run: Run, steps: int, seed: int) -> Learnt:
        """What a run learnt from, with its features as they are kept, and labels alone to learn."""
        parts = {part: Manifest.read(run.folder / f"manifest-{part}.jsonl") for part in scenes.OFFSET}
        kept = run.recipe.engine.features
        assert kept is not None, "the run keeps no features: train it with engine.features=DIR"
        what = scenes.training_scene(parts, run.recipe)
        with Progress().stage("hear train", len(what.plans), "streams") as bar:
            features = store.build(
                Path(kept), what.plans, what.surroundings, ("micro",), workers=1, bar=bar, shared=True
            )
        settings = {"steps": steps, "validate_every": steps, "mine_every": 0, "precision": "float32"}
        settings |= {"pretrain": None, "distill": None}
        train = run.recipe.train.model_copy(update=settings)
        suspects = set(run.suspects())
        left_out = frozenset(i for i, clip in enumerate(what.manifest) if clip.path in suspects)
        return cls(run.recipe.model_copy(update={"train": train, "seed": seed}), what.manifest, features, left_out)


class Sound(NamedTuple):
    """A stream of the measurement, as the micro front end hears it."""

    name: str
    stretch: real.Stretch
    places: Sequence[tuple[int, int]]
    """Samples of each word, or of each recording without one."""
    frames: Frames


def sounds(material: real.Material) -> list[Sound]:
    """The phrase as recorded, and speech without it."""
    jobs = [job for job in real.jobs(material, (None,)) if job[0].split("/")[1] in (CONDITION, "speech")]
    found = []
    with Progress().stage("hear the recordings", len(jobs), "streams") as bar:
        for name, stretch in jobs:
            samples, places = real.assemble(stretch)
            if name.startswith("words/"):
                places = real.word_places(stretch, places)
            found.append(Sound(name, stretch, places, frontend.create("micro").push(samples)))
            bar.advance(1)
    return found


class TorchEar:
    """A model in float32 that scores every `ASKED_FRAMES` frames, with the times an Ear tells."""

    def __init__(self, model: Any) -> None:
        self._model = model
        front = frontend.create("micro")
        self.hop_s = ASKED_FRAMES * front.hop / SAMPLE_RATE
        self.first_step_s = (front.first_end + (model.receptive_field - 1) * front.hop) / SAMPLE_RATE

    @torch.no_grad()
    def score(self, frames: Frames) -> Scores:
        """(n, bands) frames -> (steps,) smoothed scores."""
        heard = torch.from_numpy(frames)[None]
        reach, stride = self._model.receptive_field, self._model.stride
        block = BLOCK_FRAMES // stride * stride
        scores = []
        for first in range(0, len(frames) - reach + 1, block):
            last = min(len(frames), first + block + reach - stride)
            logits, _ = self._model(heard[:, first : whole_steps(first, last, reach, stride)])
            scores.append(torch.sigmoid(logits[0]).numpy())
        return smooth(np.concatenate(scores)[:: ASKED_FRAMES // stride], POLICY)


def create(name: str, form: str, recipe: Recipe) -> Any:
    """A model with fresh weights."""
    ours = registry.create(registry.Dimensions(name, published.WIDTHS.get(name, 1.0), recipe.model.hidden))
    if form == "published":
        return published.create(name, ASKED_FRAMES)
    ours.hide_channels(recipe.train.hidden_share)
    return ours


def trained(name: str, form: str, learnt: Learnt) -> Any:
    """A model that learnt the phrase from labels alone: its averaged weights after the last step."""
    recipe = learnt.recipe
    torch.manual_seed(recipe.seed)
    model = create(name, form, recipe)
    geometry = Geometry(model.receptive_field, model.stride, 1)
    sampler = Sampler(
        learnt.features,
        learnt.manifest,
        "micro",
        geometry,
        recipe.train,
        recipe.augment,
        seed=recipe.seed,
        left_out=learnt.left_out,
    )
    # validated once, at the end: the averaged weights after the last step are what it returns
    with (
        tempfile.TemporaryDirectory() as place,
        Progress().stage(f"train {name}, {form}", recipe.train.steps, "steps") as bar,
    ):
        return loop.fit(
            model,
            sampler,
            objectives.cross_entropy(recipe.train.label_smoothing),
            recipe.train,
            seed=recipe.seed,
            validate=lambda _: (loop.Quality(0.0, 0.0), {}),
            folder=Path(place),
            log=lambda **_: None,
            rewind=lambda _: None,
            bar=bar,
        )


def measured(model: Any, material: real.Material, streams: Sequence[Sound]) -> Heard:
    """What a model scores on the recordings."""
    ear, found = TorchEar(model), []
    with Progress().stage("measure", len(streams), "streams") as bar:
        for one in streams:
            evidence = real.trials_of if one.name.startswith("words/") else real.negatives_of
            found.append((one.name, evidence(one.stretch, ear, ear.score(one.frames), one.places)))
            bar.advance(1)
    return Heard.of(material, real.collect(found), threshold=0.5)


def cell(
    name: str, form: str, learnt: Learnt, material: real.Material, streams: Sequence[Sound], out: Path
) -> dict[str, Any]:
    """The figures of one form of one architecture, kept in `out`."""
    path = out / f"{name}-{form}-{learnt.recipe.train.steps}-{learnt.recipe.seed}.json"
    if not path.is_file():
        started = time.process_time()
        model = trained(name, form, learnt)
        seconds = time.process_time() - started
        about = {
            "parameters": registry.parameters(model),
            "macs_per_s": model.macs * 100,
            "cpu_ms_per_step": 1000 * seconds / learnt.recipe.train.steps,
        }
        write_json(path, about | {"heard": measured(model, material, streams).to_json()})
    return dict(json.loads(path.read_text()))


def row(name: str, cells: dict[str, dict[str, Any]]) -> str:
    """A line of the table."""
    heard = {form: Heard.of_json(found["heard"]) for form, found in cells.items()}
    missed = {form: one.missed(CONDITION, one.threshold_at(RATE)).mean() for form, one in heard.items()}
    both = [heard[form] for form in FORMS]
    low, high = difference_at(both[0], both[1], CONDITION, RATE, range(len(both[0].names)))
    apart = missed["streaming"] - missed["published"]
    columns = [name]
    for form in FORMS:
        found = cells[form]
        columns += [f"{found['parameters']:,}", f"{found['macs_per_s'] / 1e6:.1f}", f"{100 * missed[form]:.1f}"]
    return "| " + " | ".join([*columns, f"{100 * apart:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"]) + " |"


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=list(published.FORMS), choices=list(published.FORMS))
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=FORMS)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    run = Run.open(asked.run)
    material = real.read_material(asked.speech, run.recipe.phrase, apart=APART)
    learnt, streams = Learnt.of(run, asked.steps, asked.seed), sounds(material)
    asked.out.mkdir(parents=True, exist_ok=True)
    done = {m: {f: cell(m, f, learnt, material, streams, asked.out) for f in asked.forms} for m in asked.models}
    figures = "parameters | MMAC per s | missed %"
    print(f"| model | published: {figures} | streaming: {figures} | streaming misses more, points [95 %] |")
    print("|---|---|---|---|---|---|---|---|")
    for name, cells in done.items():
        if set(cells) == set(FORMS):
            print(row(name, cells))


if __name__ == "__main__":
    main()
