"""What a general beginning gains from telling phonemes beside imitating the speech embedding.

    python benchmarks/backbone_aims.py FOLDER --out DIR [--weights 0 0.3] [--steps 15000] [--width 0.375]

FOLDER was made by `wakewright backbone train`: what it heard is learnt from again, once for each weight of the
phonetic aim (`train.pretrain.phonemes`; 0 leaves it out), with the same seed and steps. Prints the cosine and R2 to
the embedding over the people that FOLDER kept unheard, and how long the steps took; each backbone is left in DIR, to
be begun from by train.pretrain.backbone. A weight that DIR has already is not learnt again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

from wakewright.backbone import FRONTS, NO_PHRASE
from wakewright.core.compose import load_recipe
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.data.store import Store
from wakewright.models import backbone
from wakewright.train import general


def heard(folder: Path, name: str) -> Store:
    """A store of FOLDER, whole."""
    place = folder / "features" / name
    store = Store.open(place, json.loads((place / "store.json").read_text())["key"], FRONTS)
    assert store is not None, f"{place} is not whole"
    return store


def learn(folder: Path, out: Path, weight: float, steps: int, width: float) -> dict[str, float]:
    """Train one backbone, unless it is there; returns its figures."""
    path = out / f"mixednet-{width:g}-phonemes-{weight:g}.safetensors"
    if not path.is_file():
        words = [f"model.width={width}", f"train.pretrain.steps={steps}"]
        words += [f"train.pretrain.phonemes={weight}"] if weight else []
        recipe = load_recipe(None, words, NO_PHRASE, layers=["backbone"])
        settings = recipe.train.pretrain
        assert settings is not None
        started = time.monotonic()
        clips = Manifest.read(folder / "manifest-train.jsonl")
        body, likeness = general.learn(
            recipe,
            settings,
            clips,
            heard(folder, "train"),
            heard(folder, "unheard"),
            path.with_suffix(".pt"),
            Progress(),
        )
        about = likeness | {"steps": steps, "phonemes": weight, "minutes": (time.monotonic() - started) / 60}
        backbone.write(path, dataclasses.replace(body, about=about))
    return backbone.read(path).about


def main() -> None:
    """Learn with each weight and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", nargs="+", type=float, default=[0.0, 0.3])
    parser.add_argument("--steps", type=int, default=15000)
    parser.add_argument("--width", type=float, default=0.375)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    print("| weight of phonemes | steps | cosine | R2 | minutes |\n|---|---|---|---|---|")
    for weight in asked.weights:
        about = learn(asked.folder, asked.out, weight, asked.steps, asked.width)
        figures = f"{about['cosine']:.3f} | {about['r2']:.3f} | {about['minutes']:.1f}"
        print(f"| {weight:g} | {about['steps']:,} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
