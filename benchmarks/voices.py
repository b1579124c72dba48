"""How many clips a second each installed speech engine makes on one core: spoken, trimmed, checked and written.

python benchmarks/voices.py --clips 100 --text "hey katya"
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from wakewright.core.recipe import Recipe
from wakewright.data.voices import Engine, all_engines, plan, speak_all


def cpu_seconds() -> float:
    """CPU time of this process and of the programs it has run; on Windows of this process alone."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(engine: Engine, recipe: Recipe, count: int) -> str:
    """One row of the table."""
    voices = engine.voices(recipe.language)
    speakers = sum(len(voice.speakers) for voice in voices)
    utterances = plan([recipe.phrase], count, [engine], recipe, np.random.default_rng(recipe.seed))
    speak_all(utterances[:1], "positive", workers=1)  # lists and libraries are read once
    wall, cpu = time.perf_counter(), cpu_seconds()
    manifest = speak_all(utterances[1:], "positive", workers=1)
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    wall_again = time.perf_counter()
    speak_all(utterances, "positive", workers=1)
    wall_again = time.perf_counter() - wall_again
    made = len(manifest)
    return (
        f"{engine.name:10} {len(voices):6} {speakers:8} {made / cpu:10.1f} {made / wall:10.1f} "
        f"{len(utterances) / wall_again:10.0f} {manifest.seconds / max(made, 1):8.2f}"
    )


def main() -> None:
    """Measure every engine that is installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100, help="clips per engine")
    parser.add_argument("--text", default="hey katya", help="what they say")
    parser.add_argument("--language", default="en-us")
    parser.add_argument("--piper-dir", default=None, help="folder with Piper voices")
    given = parser.parse_args()
    values = {"phrase": given.text, "language": given.language, "voices": {"piper_dir": given.piper_dir}}
    recipe = Recipe.model_validate(values)
    titles = ("engine", "voices", "speakers", "clips/CPUs", "clips/s", "cached/s", "mean s")
    print("{:10} {:>6} {:>8} {:>10} {:>10} {:>10} {:>8}".format(*titles))
    for engine in all_engines(recipe):
        if not engine.installed():
            print(f"{engine.name:10} not installed: {engine.how_to_get}")
        elif not engine.voices(recipe.language):
            print(f"{engine.name:10} does not speak {recipe.language}")
        else:
            with tempfile.TemporaryDirectory() as folder:
                os.environ["WAKEWRIGHT_CACHE"] = str(Path(folder))
                print(measure(engine, recipe, given.clips), flush=True)


if __name__ == "__main__":
    main()
