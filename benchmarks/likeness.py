"""How like the speech embedding the features of tiny models are, over recordings of people.

    python benchmarks/likeness.py --speech DIR [DIR ...] MODEL [MODEL ...]

MODEL is a backbone (*.safetensors), or a run, whose trained model is measured. Every recording is heard three times,
at usual speeds, in rooms and over noise as a home has them. Prints the cosine and R2 to the embedding, standardised
by the backbone's own scale, or by that of these recordings for a run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from wakewright.core.manifest import Manifest
from wakewright.core.material import Background
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.data import corpora, store
from wakewright.data import parts as scenes
from wakewright.data.batches import Geometry, Sampler
from wakewright.models import backbone, registry
from wakewright.models.backbone import Scale
from wakewright.train import teach

FRONTS = ("micro", "speech_embedding")
COPIES = 3


def heard(folders: list[str], place: Path) -> tuple[Manifest, store.Store]:
    """These recordings and their features."""
    recipe = Recipe(phrase="none", background=Background(speech=tuple(folders)))
    clips = corpora.scan(recipe.background)
    parts: scenes.Parts = {"train": Manifest(), "validation": clips, "test": Manifest()}
    what = scenes.scene(parts, "validation", {("speech", True): COPIES}, recipe, settings=scenes.mild(recipe.augment))
    with Progress().stage("hear", len(what.plans), "streams") as bar:
        return clips, store.build(place, what.plans, what.surroundings, FRONTS, workers=1, bar=bar)


def read(path: Path) -> tuple[Any, Scale | None]:
    """A model, and what it standardises the embedding by; None leaves it to the recordings."""
    if path.suffix != ".safetensors":
        return registry.load(Run.open(path).model_path), None
    found = backbone.read(path)
    model = registry.create(found.dims)
    found.begin(model)
    return model.eval(), found.scale


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    parser.add_argument("--speech", nargs="+", required=True, metavar="DIR")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        clips, features = heard(asked.speech, Path(place) / "features")
        print(f"| model | parameters | cosine | R2 | over {features.seconds / 3600:.2f} h, {len(clips)} recordings |")
        print("|---|---|---|---|---|")
        for path in asked.models:
            model, scale = read(path)
            geometry = Geometry(model.receptive_field, model.stride, 1)
            recipe = Recipe(phrase="none")
            sampler = Sampler(features, clips, "micro", geometry, recipe.train, recipe.augment, seed=1)
            found = teach.likeness(model, teach.Imitation.of(sampler, features, scale), features)
            name, size = path.stem if scale else path.name, registry.parameters(model)
            print(f"| {name} | {size:,} | {found['cosine']:.3f} | {found['r2']:.3f} | |", flush=True)


if __name__ == "__main__":
    main()
