"""Whether the device's own way of counting moves the cutoff: int8 runs calibrated both ways on the same scores.

    python benchmarks/device_rule.py RUN...

Hears the validation audio of each run without the phrase once. Peaks within two seconds count as one false accept, or
each time counts that ESPHome's firmware would fire, cool-off included. Prints, of both: events in all, the threshold
that calibration chooses, the cutoff it becomes, and how often the device would fire at it.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.data import parts as scenes
from wakewright.data import splits
from wakewright.detect.device_rule import cutoff_of, on_device
from wakewright.evaluate import hear
from wakewright.evaluate.calibrate import calibrate


def compare(run: Run) -> None:
    """Print both calibrations of a run."""
    gone = set(run.suspects())
    listed = Manifest.read(run.folder / "manifest-validation.jsonl")
    clips = Manifest(tuple(clip for clip in listed if clip.path not in gone)).of(*splits.OTHERS, "rir")
    what = scenes.other_scene({"validation": clips}, "validation", run.recipe)
    with Progress().stage("hear", len(what.plans), "streams") as bar:
        heard = hear.hear_all(what.plans, what.surroundings, run.folder, workers=run.workers(), bar=bar)
    window, settings = run.recipe.policy.smoothing, run.recipe.calibrate
    device = hear.add([hear.negatives_in(one, what.manifest, f"stream {i}") for i, one in enumerate(heard)])
    for name, plain in (("peaks 2 s apart", True), ("the device's rule", False)):
        parts = [dataclasses.replace(one, rule=None) if plain else one for one in heard]
        found = hear.add([hear.negatives_in(one, what.manifest, f"stream {i}") for i, one in enumerate(parts)])
        chosen = calibrate([], found, rule=settings.rule, fa_per_hour=settings.fa_per_hour).threshold
        cutoff, fires = cutoff_of(chosen, window), device.count(on_device(chosen, window))
        events = f"{found.peaks.size} in {found.hours:.2f} h"
        print(f"| {run.folder.name} | {name} | {events} | {chosen:.4f} | {cutoff} | {fires} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    for path in parser.parse_args().runs:
        compare(Run.open(path))


if __name__ == "__main__":
    main()
