"""What a setting does for voices and accents that training never heard: the place to choose settings.

    python benchmarks/unseen_voices.py --phrase computer --background DIR --speech DIR [--set KEY=VALUE ...]

Trains on some synthesisers and some accents and measures on others, against real speech that is not trained on. DIR
are folders of real speech: --background is trained with, --speech is only measured on. No recording of a wake word
is touched, so choosing here leaves recordings of real people to measure with.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from wakewright import pipeline
from wakewright.core.compose import load_recipe
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.data import parts, spoken
from wakewright.evaluate import hear, real
from wakewright.evaluate.metrics import Negatives, Trial, det_curve

TRAIN_ENGINES = ("espeak", "flite", "festival", "mbrola")
TEST_ENGINES = ("pico", "rhvoice")
TRAIN_ACCENTS = ("ro", "fi", "hu", "tr", "id", "ca", "da", "nb", "sk", "lv", "sw")
TEST_ACCENTS = ("de", "nl", "it", "es", "sv", "pl", "pt", "fr-fr", "cs")
RATES = (1.0, 2.0, 5.0)


def quoted(key: str, values: Sequence[str]) -> str:
    """`key=[...]` for a recipe."""
    return f"{key}={json.dumps(list(values))}"


def unseen(phrase: str, settings: Sequence[str], count: int) -> tuple[Recipe, Manifest]:
    """The phrase said by voices that training does not use."""
    amounts = [f"voices.positives={count}", "voices.near_misses=0", "voices.sentences=0", "seed=77"]
    recipe = load_recipe(None, [*amounts, *settings], phrase)
    return recipe, spoken.speak(recipe, Progress(quiet=True))


def trials(run: Run, recipe: Recipe, clips: Manifest) -> list[Trial]:
    """These words, in mild surroundings, through the run's detector."""
    scene = parts.word_scene({"test": clips}, "test", recipe)
    heard = hear.hear_all(scene.plans, scene.surroundings, run.folder, workers=0)
    return [trial for one in heard for trial in hear.trials_in(one, clips)]


def negatives(run: Run, folders: Sequence[Path]) -> Negatives:
    """Real speech, as recorded, through the run's detector."""
    found = [real.read_material(folder, run.recipe.phrase).others["speech"] for folder in folders]
    material = real.Material((), {"speech": tuple(r for group in found for r in group)}, ())
    return real.measure(material, run.folder)[1]["speech"]


def main() -> None:
    """Train and print one row per seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phrase", required=True)
    parser.add_argument("--background", type=Path, nargs="+", required=True)
    parser.add_argument("--speech", type=Path, nargs="+", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--count", type=int, default=400, help="clips of the phrase to measure on, of each kind")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=Path("runs/unseen_voices"))
    asked = parser.parse_args()
    engines = unseen(asked.phrase, [quoted("voices.engines", TEST_ENGINES), "voices.accent_share=0"], asked.count)
    accents = unseen(
        asked.phrase,
        [
            quoted("voices.engines", ("espeak", "pico")),
            quoted("voices.accents", TEST_ACCENTS),
            "voices.accent_share=1",
        ],
        asked.count,
    )
    print(
        f"| settings | seed | unseen engines, FRR % at {RATES} FA/h | unseen accents | hours |\n|---|---|---|---|---|"
    )
    for seed in asked.seeds:
        words = [
            quoted("voices.engines", TRAIN_ENGINES),
            quoted("voices.accents", TRAIN_ACCENTS),
            quoted("background.speech", [str(folder) for folder in asked.background]),
            f"seed={seed}",
            *asked.set,
        ]
        run = pipeline.train(load_recipe(None, words, asked.phrase), output_dir=asked.out, progress=Progress())
        others = negatives(run, asked.speech)
        cells = []
        for recipe, clips in (engines, accents):
            found = trials(run, recipe, clips)
            curve = det_curve(found, others)
            cells.append(" / ".join(f"{100 * curve.frr_at(rate):.1f}" for rate in RATES) + f" of {len(found)}")
        print(
            f"| {' '.join(asked.set) or 'default'} | {seed} | {cells[0]} | {cells[1]} | {others.hours:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
