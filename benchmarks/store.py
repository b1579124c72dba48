"""How fast features are made and read: seconds of audio heard per second of a core, training windows read per second.

    python benchmarks/store.py [--positives 400] [--sentences 400] [--speech DIR] [--batches 200]

Speaks a phrase and sentences (from the cache, the second time), lays them into training streams with the default
augmentation, and stores the features of one front end after the other; then reads windows of random places as
training does. Process time is counted, of one process with one thread.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from wakewright.core.compose import load_recipe
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.data import parts as scenes
from wakewright.data import splits, spoken, store
from wakewright.data.batches import Geometry, Sampler
from wakewright.data.parts import Scene
from wakewright.models import registry
from wakewright.pipeline import STEPS_PER_WINDOW

MODELS = {"speech_embedding": "speech_embedding", "micro": "mixednet"}
"""By front end, the model whose windows are read."""


def timed(work: Callable[[], object]) -> float:
    """Seconds of process time."""
    began = time.process_time()
    work()
    return time.process_time() - began


def built(folder: Path, what: Scene, fronts: tuple[str, ...]) -> tuple[store.Store, float]:
    """The store of these front ends, and how many times real time it was made at."""
    found: list[store.Store] = []
    spent = timed(lambda: found.append(store.build(folder, what.plans, what.surroundings, fronts, workers=1)))
    return found[0], found[0].seconds / spent


def read(recipe: Recipe, what: Scene, features: store.Store, front: str, batches: int) -> dict[str, float]:
    """Windows per second: as they lie, and as training sees them."""
    model = registry.create(registry.Dimensions.of(recipe.model.model_copy(update={"name": MODELS[front]})))
    geometry = Geometry(model.receptive_field, model.stride, STEPS_PER_WINDOW[MODELS[front]])
    sampler = Sampler(features, what.manifest, front, geometry, recipe.train, recipe.augment, seed=1)
    size, rng = recipe.train.batch_size, np.random.default_rng(1)
    ends = rng.integers(geometry.frames, len(sampler.labels), (batches, size))
    sampler.batch(0)
    plain = timed(lambda: [sampler.windows(row) for row in ends])
    augmented = timed(lambda: [sampler.batch(step) for step in range(batches)])
    return {
        "frames a window": geometry.frames,
        "windows/s as they lie": batches * size / plain,
        "windows/s as training sees them": batches * size / augmented,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positives", type=int, default=400)
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--speech", type=Path, help="folder of real speech to hear among it")
    parser.add_argument("--batches", type=int, default=200)
    asked = parser.parse_args()
    words = [f"voices.positives={asked.positives}", f"voices.sentences={asked.sentences}", "voices.engines=[espeak]"]
    words += [f"background.speech={json.dumps([str(asked.speech)])}"] if asked.speech else []
    recipe = load_recipe(None, words, "hey katya")
    parts = splits.split(spoken.gather(recipe) + spoken.speak(recipe, Progress()), recipe)
    what = scenes.training_scene(parts, recipe)
    with tempfile.TemporaryDirectory() as folder:
        built(Path(folder) / "warm", scenes.word_scene(parts, "test", recipe), tuple(MODELS))  # everything is loaded
        for fronts in (("micro",), ("speech_embedding",), tuple(MODELS)):
            features, speed = built(Path(folder) / "-".join(fronts), what, fronts)
            print(f"{' and '.join(fronts)}: {features.seconds / 60:.0f} min made at {speed:.0f} times real time")
            if len(fronts) == 1:
                for name, value in read(recipe, what, features, fronts[0], asked.batches).items():
                    print(f"    {name}: {value:,.0f}")


if __name__ == "__main__":
    main()
