"""Wake words trained from text alone, measured on recordings of real people.

    python benchmarks/real_voices.py --speech DIR [--words alexa computer] [--models speech_embedding mixednet]
        [--voices pip main all] [--seeds 1 2 3] [--out runs/real_voices]

DIR holds manifest.csv (path, use, kind, label, seconds, speaker, corpus, licence). Training sees only clips marked
`background`, the figures come only from clips marked `evaluate`; no recording of a wake word is trained on, and
thresholds called "calibrated" come from validation audio alone. Every finished cell is kept under --out and not
computed again; the table is printed from what is there. Other projects' models that ship in the packages
pymicro-wakeword and pyopen-wakeword are rows of the same table where they know the word.

A model is a name of the registry, tiny ones by the preset esp32, or another preset for a device (esp32-s3); two of
them joined by + are a cascade (mixednet+speech_embedding), put together from cells that are there. What
ships as int8 is measured three times over, unless --file-only: the file, the trained model with its roundings, and
in float32. --again trains nothing: of cells that are there it writes the int8 file anew, as this version does, and
measures that, in rows of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import functools
import itertools
import json
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peers

from wakewright import pipeline
from wakewright.core.compose import load_recipe
from wakewright.core.engine import map_processes
from wakewright.core.files import write_json
from wakewright.core.progress import Progress
from wakewright.core.recipe import Cascade, Recipe
from wakewright.core.run import Run
from wakewright.evaluate import cascade as pairs
from wakewright.evaluate import real
from wakewright.evaluate.bootstrap import bootstrap_frr
from wakewright.evaluate.cascade_real import measure as measure_pair
from wakewright.evaluate.metrics import Negatives, Trial, det_curve
from wakewright.evaluate.pair import CALLED
from wakewright.evaluate.result import rate
from wakewright.evaluate.shares import latency
from wakewright.export import onnx, tflite
from wakewright.models import quantised, registry

WORDS = ("alexa", "computer", "jarvis", "amelia")
RATES = (0.5, 1.0, 2.0)
VOICES = {
    "pip": ("espeak",),
    "main": ("espeak", "flite", "festival"),
    "all": ("espeak", "flite", "festival", "pico", "mbrola", "rhvoice"),
}
APART = ("saa_accents",)
CALLS = 60.0
"""Wakes an hour that a Judge may be asked about."""
KINDS = {"speech": "speech", "noise": "noise", "music": "music", "room_impulse_response": "rirs"}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training."""

    word: str
    model: str
    voices: str
    seed: int

    @property
    def name(self) -> str:
        """File-safe."""
        return f"{self.word}-{self.model}-{self.voices}-{self.seed}"


def features(word: str, voices: str, seed: int, out: Path) -> Path:
    """Where features are kept until every model has been trained on them."""
    return out / "features" / f"{word}-{voices}-{seed}"


def background_rows(speech: Path) -> list[dict[str, str]]:
    """The manifest's clips marked `background`."""
    with (speech / "manifest.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["use"] == "background" and row["kind"] in KINDS]


def lay_out(rows: Sequence[dict[str, str]], speech: Path, folder: Path) -> list[str]:
    """Links to these clips as folders by kind, corpus and speaker; returns the recipe's settings."""
    roots: dict[str, set[str]] = {kind: set() for kind in KINDS.values()}
    for row in rows:
        source = (speech / row["path"]).resolve()
        root = folder / KINDS[row["kind"]] / row["corpus"]
        target = root / re.sub(r"\W", "_", row["speaker"] or source.stem) / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # laid out before, or by a benchmark running beside this one
            target.symlink_to(source)
        roots[KINDS[row["kind"]]].add(str(root))
    return [f"background.{kind}={json.dumps(sorted(found))}" for kind, found in roots.items()]


PRESETS: dict[str, list[str]] = {"speech_embedding": [], "esp32-s3": ["esp32-s3"], "rp2040": ["rp2040"]}
"""Layers of the recipe by model; any other is a tiny model by the preset esp32."""


def recipe_of(cell: Cell, background: Sequence[str], out: Path, settings: Sequence[str]) -> Recipe:
    """From the text alone. Models of the same clips share features."""
    kept = f"engine.features={json.dumps(str(features(cell.word, cell.voices, cell.seed, out)))}"
    engines = f"voices.engines={json.dumps(list(VOICES[cell.voices]))}"
    name = [] if cell.model in PRESETS else [f"model.name={cell.model}"]
    words = [*name, *background, engines, kept, f"seed={cell.seed}", *settings]
    return load_recipe(None, words, cell.word, layers=PRESETS.get(cell.model, ["esp32"]))


def train(cell: Cell, background: Sequence[str], out: Path, settings: Sequence[str]) -> tuple[Run, float]:
    """Train a cell; returns the run and the seconds it took."""
    recipe = recipe_of(cell, background, out, settings)
    started = time.monotonic()
    run = pipeline.train(recipe, output_dir=out / "runs" / cell.name, progress=Progress())
    return run, time.monotonic() - started


def figures(words: dict[str, list[Trial]], others: dict[str, Negatives], threshold: float) -> dict[str, Any]:
    """Everything the table shows about one detector."""
    negatives = others["speech"]
    rows = {}
    for condition, trials in words.items():
        curve = det_curve(trials, negatives)
        bands = bootstrap_frr(trials, negatives, RATES, seed=1)
        at = curve.at(threshold)
        delay = latency(trials, threshold)
        rows[condition] = {
            "words": len(trials),
            "frr": [curve.frr_at(r) for r in RATES],
            "misses": [curve.operating_at(r).misses for r in RATES],
            "bands": [list(map(float, band)) for band in bands],
            "calibrated": {"frr": at.frr, "misses": at.misses},
            "latency_s": None if delay is None else delay.median_s,
        }
    silence = {}
    for kind, found in others.items():
        count = found.count(threshold)
        silence[kind] = dataclasses.asdict(rate(count, found.hours)) | {
            "at_1_per_hour": found.count(det_curve(words["as recorded"], negatives).operating_at(1.0).threshold)
        }
    return {"threshold": threshold, "conditions": rows, "silence": silence}


def peer_work(job: tuple[str, real.Stretch], *, package: str, word: str) -> tuple[str, list[Trial] | Negatives]:
    """One stream through another project's detector."""
    ear = peers.ear(package, word)
    name, stretch = job
    return name, real.hear_words(stretch, ear) if name.startswith("words/") else real.hear_others(stretch, ear)


def peer_cells(word: str, speech: Path, out: Path) -> None:
    """Measure what other projects ship for this word, on the same streams."""
    material = real.read_material(speech, word, apart=APART)
    for package in peers.PACKAGES:
        path = out / f"{word}-{package}.json"
        if path.exists() or not peers.knows(package, word):
            continue
        work = functools.partial(peer_work, package=package, word=word)
        words, others = real.collect(map_processes(work, real.jobs(material), workers=0))
        threshold = peers.threshold(package, word)
        write_json(
            path, {"word": word, "model": package, "voices": "-", "seed": 0} | figures(words, others, threshold)
        )


def run_cell(
    cell: Cell, speech: Path, background: Sequence[str], out: Path, settings: Sequence[str], *, forms: bool = True
) -> None:
    """Train and measure one cell, unless it is there; what ships as int8 in its other forms too."""
    path = out / f"{cell.name}.json"
    if path.exists():
        return
    run, seconds = train(cell, background, out, settings)
    material = real.read_material(speech, cell.word, apart=APART)
    for form, folder in other_forms(run) if forms else ():
        about = dataclasses.asdict(cell) | {"model": f"{cell.model} {form}"}
        write_json(out / f"{cell.name}-{form}.json", about | measured(folder, material, run))
    about = dataclasses.asdict(cell) | {"train_seconds": seconds, "settings": list(settings)}
    write_json(path, about | measured(run.folder, material, run))


def run_pair(cell: Cell, speech: Path, out: Path) -> None:
    """Put the runs of two cells together, as `wakewright cascade` does, and measure them, unless it is done."""
    path = out / f"{cell.name}.json"
    if path.exists():
        return
    sentry, judge = (
        Run.latest(out / "runs" / dataclasses.replace(cell, model=model).name) for model in cell.model.split("+")
    )
    settings = Cascade()
    chosen = pairs.choose(sentry, judge, settings=settings, fa_per_hour=0.5, most_calls=CALLS, progress=Progress())
    pairs.table(chosen, print)
    material = real.read_material(speech, cell.word, apart=APART)
    workers = sentry.recipe.engine.workers
    heard = measure_pair(material, sentry.folder, judge.folder, chosen.trigger, settings, workers=workers)
    wakes = latency(heard.words["as recorded"], CALLED / 2)
    about = dataclasses.asdict(cell) | {
        "trigger": chosen.trigger,
        "calls_per_hour": heard.calls_per_hour("speech"),
        "confirmed_at": heard.confirmed_at(chosen.confirm, settings.asks),
        "wake_s": None if wakes is None else wakes.median_s,
    }
    write_json(path, about | figures(heard.words, heard.others, chosen.confirm))


def run_again(cell: Cell, speech: Path, out: Path) -> None:
    """Measure the int8 file of a cell's run as this version writes it, at the threshold of the file it holds."""
    path = out / f"{cell.name}-again.json"
    if path.exists():
        return
    run = Run.latest(out / "runs" / cell.name)
    folder = form_folder(run, "again", "model.tflite")
    tflite.write(registry.load(run.model_path), folder / "model.tflite")
    about = dataclasses.asdict(cell) | {"model": f"{cell.model} again"}
    write_json(path, about | measured(folder, real.read_material(speech, cell.word, apart=APART), run))


def measured(folder: Path, material: real.Material, run: Run) -> dict[str, object]:
    """Figures of the detector in a folder; a folder has the threshold it was calibrated with."""
    words, others = real.measure(material, folder, workers=run.recipe.engine.workers)
    return figures(words, others, json.loads((folder / "metadata.json").read_text())["threshold"])


def other_forms(run: Run) -> Iterable[tuple[str, Path]]:
    """Of a run that ships int8: the trained model with its roundings, and in float32, as folders with a detector."""
    if not run.tflite_path.is_file():
        return
    for form, rounds in (("rounded", True), ("float32", False)):
        model = registry.load(run.model_path)
        quantised.set_rounding(model, rounds=rounds, watches=False)
        folder = form_folder(run, form, "model.onnx")
        onnx.write(model, folder / "model.onnx")
        yield form, folder


def form_folder(run: Run, form: str, model: str) -> Path:
    """A folder that is a detector once it holds the file `model`, with the threshold of the run."""
    folder = run.folder / "forms" / form
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "metadata.json", json.loads(run.metadata_path.read_text()) | {"model": model})
    return folder


def table(out: Path) -> Iterable[str]:
    """The cells under `out` as Markdown."""
    cells = [json.loads(p.read_text()) for p in sorted(out.glob("*.json"))]
    cells.sort(key=lambda c: (c["model"], c["voices"], c["word"], c["seed"]))
    yield "| model | voices | word | seed | condition | n | FRR % at 0.5 / 1 / 2 FA/h [95 % at 1] | calibrated |"
    yield "|---|---|---|---|---|---|---|---|"
    for cell in cells:
        head = f"| {cell['model']} | {cell['voices']} | {cell['word']} | {cell['seed']} |"
        speech = cell["silence"]["speech"]
        for condition, row in cell["conditions"].items():
            frr = " / ".join(f"{100 * f:.1f}" for f in row["frr"])
            low, high = (100 * b for b in row["bands"][1])
            calibrated = f"FRR {100 * row['calibrated']['frr']:.1f} %, {speech['count']} in {speech['hours']:.2f} h"
            yield f"{head} {condition} | {row['words']} | {frr} [{low:.1f}, {high:.1f}] | {calibrated} |"
    yield ""
    yield "| model | voices | word | seed | false accepts at the calibrated threshold: kind, count, hours, 95 % |"
    yield "|---|---|---|---|---|"
    for cell in cells:
        kinds = "; ".join(
            f"{kind} {s['count']} in {s['hours']:.2f} h [{s['low']:.1f}, {s['high']:.1f}]"
            for kind, s in cell["silence"].items()
        )
        yield f"| {cell['model']} | {cell['voices']} | {cell['word']} | {cell['seed']} | {kinds} |"
    yield ""
    yield from delays(cells)
    yield ""
    yield from means(cells)


def delays(cells: Sequence[dict]) -> Iterable[str]:  # type: ignore[type-arg]
    """How long after the word each cell detects at its own threshold, and what a cascade's Sentry does."""
    yield "| model | voices | word | seed | ms from the end of the word, by condition | cascade |"
    yield "|---|---|---|---|---|---|"
    for cell in cells:
        waits = [row["latency_s"] for row in cell["conditions"].values()]
        told = " / ".join("-" if wait is None else f"{1000 * wait:.0f}" for wait in waits)
        pair = ""
        if "trigger" in cell:
            pair = (
                f"trigger {cell['trigger']:g}, confirm {cell['threshold']:.3f}, {cell['calls_per_hour']:.1f} wakes/h,"
                f" {100 * cell['confirmed_at'][0]:.0f} % of the confirmed at the first asking, "
                f"wakes at {1000 * cell['wake_s']:.0f} ms as recorded"
            )
        yield f"| {cell['model']} | {cell['voices']} | {cell['word']} | {cell['seed']} | {told} | {pair} |"


def means(cells: Sequence[dict]) -> Iterable[str]:  # type: ignore[type-arg]
    """Mean FRR at 1 FA/h over seeds, by word, and over words."""
    rates = "mean FRR % at 0.5 / 1 / 2 FA/h"
    yield f"| model | voices | condition | {rates} | calibrated | by word at 1 FA/h: mean (seeds) |"
    yield "|---|---|---|---|---|---|"
    groups = sorted({(c["model"], c["voices"]) for c in cells})
    for model, voices in groups:
        mine = [c for c in cells if (c["model"], c["voices"]) == (model, voices)]
        for condition in mine[0]["conditions"]:
            by_word = {}
            for word in dict.fromkeys(c["word"] for c in mine):
                by_word[word] = [c["conditions"][condition]["frr"] for c in mine if c["word"] == word]
            overall = np.mean([np.mean(v, axis=0) for v in by_word.values()], axis=0)
            words = "; ".join(
                f"{w} {100 * np.mean([s[1] for s in v]):.1f} ({', '.join(f'{100 * s[1]:.1f}' for s in v)})"
                for w, v in by_word.items()
            )
            own = {
                w: [c["conditions"][condition]["calibrated"]["frr"] for c in mine if c["word"] == w] for w in by_word
            }
            calibrated = 100 * np.mean([np.mean(v) for v in own.values()])
            rates = " / ".join(f"{100 * f:.1f}" for f in overall)
            yield f"| {model} | {voices} | {condition} | {rates} | {calibrated:.1f} | {words} |"


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--words", nargs="*", default=list(WORDS))
    parser.add_argument("--models", nargs="*", default=["speech_embedding", "mixednet"])
    parser.add_argument("--voices", nargs="*", default=list(VOICES), choices=list(VOICES))
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--out", type=Path, default=Path("runs/real_voices"))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="recipe settings for every cell")
    parser.add_argument("--file-only", action="store_true", help="no rows for the other forms of an int8 model")
    parser.add_argument("--again", action="store_true", help="write anew and measure the int8 files that are there")
    parser.add_argument("--table-only", action="store_true")
    asked = parser.parse_args()
    if not asked.table_only:
        asked.out.mkdir(parents=True, exist_ok=True)
        speech = asked.speech.resolve()
        background = lay_out(background_rows(speech), speech, (asked.out / "background").resolve())
        for word in asked.words:
            peer_cells(word, asked.speech, asked.out)
        # models on the micro front end first: their features hold the embedding too, but not the other way round
        models = sorted(asked.models, key=lambda model: ("+" in model, model == "speech_embedding"))
        for seed, voices, word in itertools.product(asked.seeds, asked.voices, asked.words):
            for model in models:
                cell = Cell(word, model, voices, seed)
                if "+" in model:
                    run_pair(cell, asked.speech, asked.out)
                elif asked.again:
                    run_again(cell, asked.speech, asked.out)
                else:
                    run_cell(cell, asked.speech, background, asked.out, asked.set, forms=not asked.file_only)
            if not asked.again and not all("+" in model for model in models):
                shutil.rmtree(features(word, voices, seed, asked.out), ignore_errors=True)
    print("\n".join(table(asked.out)))


if __name__ == "__main__":
    main()
