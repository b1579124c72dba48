"""What a few own recordings gain: the same training with twenty of them and without, measured on all the others.

    python benchmarks/own_recordings.py --speech DIR [--words computer amelia] [--models mixednet speech_embedding]
        [--count 20] [--people 3] [--seeds 1] [--voices all] [--without DIR] [--out runs/own_recordings]

DIR holds manifest.csv (see evaluate/real). Of the recordings of a word marked `evaluate`, --count are drawn by the
seed, named in the output, and left out of every measurement. Where it is known who speaks, they are drawn from
--people persons who have said it often enough that as many of theirs are left to measure: a household. Else they are
drawn by chance and laid out as if --people persons had recorded them; which of the two it was is told. The training
with them is `wakewright train RECIPE --audio FOLDER`, a folder per person, by the recipe of the run without them.
That is a run of benchmarks/real_voices.py, from its folder (--without), or is trained here the same way.

Both are measured on the remaining recordings, as recorded and over noise. The difference has two 95 % intervals, both
paired: over words (over people, where they are known) at the thresholds as they are, and over words and recordings of
other speech with the thresholds found anew. Every finished cell is kept under --out and not computed again.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import heard
import numpy as np
import real_voices
from heard import Heard
from real_voices import Cell

from wakewright.apps.commands.train import compose
from wakewright.core.errors import InputError, RunError
from wakewright.core.files import write_json
from wakewright.core.manifest import Manifest
from wakewright.core.run import Run
from wakewright.evaluate import real
from wakewright.evaluate.real import Recording
from wakewright.evaluate.result import rate, share
from wakewright.evaluate.wording import rate_text, share_text

RATES = (0.5, 1.0, 2.0)
SNRS_DB = (None, 10.0)
ALL, THEIRS, OTHERS = "all the rest", "people among the drawn", "other people"


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The recordings that are given to the training."""

    by_person: Mapping[str, tuple[Recording, ...]]
    """Folder name -> recordings."""
    known: bool
    """Whether the folders are people, or the recordings were drawn by chance and dealt out to them."""

    @property
    def recordings(self) -> list[Recording]:
        """All of them."""
        return [one for theirs in self.by_person.values() for one in theirs]


def draw(words: Sequence[Recording], count: int, people: int, rng: np.random.Generator) -> Drawn:
    """`count` of the recordings, from so many people where enough of them said it often enough; else by chance.

    A person says it often enough when no fewer recordings are left than are drawn. Raises InputError when nothing
    would be left to measure.
    """
    if count >= len(words):
        raise InputError("too few recordings", got=f"{len(words)} of the word", do=f"draw fewer than {count}")
    by_speaker: dict[str, list[Recording]] = {}
    for one in words:
        by_speaker.setdefault(one.speaker, []).append(one)
    shares = [count // people + (i < count % people) for i in range(people)]
    often = [name for name, theirs in by_speaker.items() if len(theirs) >= 2 * shares[0]]
    if len(often) < people:
        order = rng.permutation(len(words))[:count].tolist()
        dealt = {f"person-{i + 1}": tuple(words[k] for k in sorted(order[i::people])) for i in range(people)}
        return Drawn(dealt, known=False)
    household = [often[i] for i in rng.permutation(len(often))[:people]]
    chosen = {}
    for name, number in zip(household, shares, strict=True):
        theirs = by_speaker[name]
        chosen[name] = tuple(theirs[k] for k in sorted(rng.permutation(len(theirs))[:number].tolist()))
    return Drawn(chosen, known=True)


def lay_out(drawn: Drawn, folder: Path) -> None:
    """A folder per person with links to what they said, and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    for number, (person, theirs) in enumerate(drawn.by_person.items()):
        place = folder / (re.sub(r"\W", "_", person) if drawn.known else person)
        if place.exists():
            place = folder / f"{place.name}-{number}"
        place.mkdir(parents=True)
        for one in theirs:
            source = Path(one.path).resolve()
            (place / f"{source.parent.name}-{source.name}").symlink_to(source)


def run_without(cell: Cell, asked: argparse.Namespace) -> Run:
    """The run from the text alone: one that real_voices.py has finished, or one trained here."""
    if asked.without is not None:
        folder = asked.without / "runs" / cell.name
        whole = [run for run in map(Run.open, Run.all(folder, cell.word)) if run.status == "complete"]
        if not whole:
            raise RunError(
                f"no finished run in {folder}", got="nothing to hold the other against", do="train it: real_voices.py"
            )
        return whole[-1]
    speech = asked.speech.resolve()
    background = real_voices.lay_out(
        real_voices.background_rows(speech), speech, (asked.out / "background").resolve()
    )
    recipe = real_voices.recipe_of(cell, background, asked.out.resolve(), asked.set)
    return heard.carried_out(recipe, asked.out / "runs" / f"{cell.name}-without")


def run_with(cell: Cell, plain: Run, folder: Path, asked: argparse.Namespace) -> Run:
    """The run by the same recipe with these recordings; what it hears is kept for the next model."""
    features = json.dumps(str(kept_features(cell, asked.out)))
    recipe = compose(str(plain.recipe_path), [f"engine.features={features}", *asked.set], audio=[str(folder)])
    return heard.carried_out(recipe, asked.out / "runs" / f"{cell.name}-with")


def kept_features(cell: Cell, out: Path) -> Path:
    """Where the features of one word's recordings are kept until every model has been trained on them."""
    return (out / "features" / f"{cell.word}-{cell.voices}-{cell.seed}-own").resolve()


def run_cell(cell: Cell, asked: argparse.Namespace) -> None:
    """Draw, train with and without, and measure both, unless it was done."""
    path = asked.out / f"{cell.name}.json"
    if path.exists():
        return
    material = real.read_material(asked.speech, cell.word, apart=real_voices.APART)
    drawn = draw(material.words, asked.count, asked.people, np.random.default_rng(cell.seed))
    gone = {one.path for one in drawn.recordings}
    rest = tuple(one for one in material.words if one.path not in gone)
    folder = (asked.out / "own" / f"{cell.word}-{cell.seed}-{asked.count}-{asked.people}").resolve()
    lay_out(drawn, folder)
    plain = run_without(cell, asked)
    started = time.monotonic()
    own = run_with(cell, plain, folder, asked)
    seconds = time.monotonic() - started
    material = dataclasses.replace(material, words=rest)
    runs = {"without": plain, "with": own}
    relative = {p: [named(one.path, asked.speech) for one in theirs] for p, theirs in drawn.by_person.items()}
    write_json(
        path,
        dataclasses.asdict(cell)
        | {
            "settings": asked.set,
            "drawn": relative,
            "speakers_known": drawn.known,
            "parts": parts_of(own),
            "train_seconds": seconds,
            "runs": {name: str(run.folder) for name, run in runs.items()},
            "commits": {name: run.record["git"] for name, run in runs.items()},
            "heard": {name: Heard.measured(run, material, SNRS_DB).to_json() for name, run in runs.items()},
        },
    )


def named(path: str, speech: Path) -> str:
    """A recording as manifest.csv names it."""
    return str(Path(path).relative_to(speech))


def parts_of(run: Run) -> dict[str, int]:
    """How many own recordings each part of the data holds."""
    return {
        part: sum(clip.real for clip in Manifest.read(run.folder / f"manifest-{part}.jsonl").of("positive"))
        for part in ("train", "validation", "test")
    }


def groups(cell: Mapping[str, Any], one: Heard) -> dict[str, list[int]]:
    """The places of the words that are told apart, by name."""
    places = list(range(len(one.names)))
    if not cell["speakers_known"]:
        return {ALL: places}
    theirs = [i for i in places if one.speakers[i] in cell["drawn"]]
    return {ALL: places, THEIRS: theirs, OTHERS: [i for i in places if one.speakers[i] not in cell["drawn"]]}


def rows(cell: Mapping[str, Any]) -> Iterable[str]:
    """A cell's rows: misses by condition and group at each rate, and at the calibrated thresholds."""
    both = [Heard.of_json(cell["heard"][name]) for name in ("without", "with")]
    head = f"| {cell['model']} | {cell['word']} | {cell['seed']} |"
    for condition, (group, places) in itertools.product(both[0].words, groups(cell, both[0]).items()):
        if not places:
            continue
        for target in (*RATES, None):
            cut = [one.threshold if target is None else one.threshold_at(target) for one in both]
            missed = [one.missed(condition, t)[places] for one, t in zip(both, cut, strict=True)]
            told = " | ".join(share_text(share(int(m.sum()), len(m))) for m in missed)
            apart, low, high = heard.difference(*missed, [both[0].speakers[i] for i in places])
            wide = "-"
            if target is not None:
                ends = heard.difference_at(*both, condition, target, places)
                wide = f"[{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}]"
            at = "calibrated" if target is None else f"{target:g} FA/h"
            yield (
                f"{head} {condition} | {group} | {at} | {told} | "
                f"{100 * apart:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] | {wide} | "
                f"{int((missed[0] & ~missed[1]).sum())} / {int((~missed[0] & missed[1]).sum())} |"
            )


def table(out: Path) -> Iterable[str]:
    """The cells under `out` as Markdown."""
    cells = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob("*.json"))]
    yield (
        "| model | word | seed | condition | words | at | missed without | missed with | "
        "difference, points [95 % over words] | [95 % over words and speech] | mended / spoilt |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for cell in cells:
        yield from rows(cell)
    yield ""
    yield "| model | word | seed | kind | hours | false accepts without, at its threshold | with |"
    yield "|---|---|---|---|---|---|---|"
    for cell in cells:
        both = [Heard.of_json(cell["heard"][name]) for name in ("without", "with")]
        for kind, quiet in both[0].others.items():
            told = " | ".join(
                rate_text(rate(o.others[kind].count(o.threshold), o.others[kind].total_hours)) for o in both
            )
            yield f"| {cell['model']} | {cell['word']} | {cell['seed']} | {kind} | {quiet.total_hours:.2f} | {told} |"
    for cell in cells:
        yield ""
        yield f"{cell['model']}, {cell['word']}, seed {cell['seed']}: " + drawn_text(cell)


def drawn_text(cell: Mapping[str, Any]) -> str:
    """Which recordings were given, and how they came about."""
    count, people = sum(map(len, cell["drawn"].values())), len(cell["drawn"])
    how = (
        f"from {people} people"
        if cell["speakers_known"]
        else f"by chance, since it is not known who speaks, and laid out as {people} people's"
    )
    parts = ", ".join(f"{number} in {part}" for part, number in cell["parts"].items())
    thresholds = " and ".join(f"{cell['heard'][name]['threshold']:.3f} {name}" for name in ("without", "with"))
    files = "; ".join(f"{person}: {' '.join(theirs)}" for person, theirs in cell["drawn"].items())
    return f"{count} drawn {how} ({parts}); calibrated to {thresholds}. {files}"


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--words", nargs="*", default=list(real_voices.WORDS))
    parser.add_argument("--models", nargs="*", default=["mixednet", "speech_embedding"])
    parser.add_argument("--voices", default="all", choices=list(real_voices.VOICES))
    parser.add_argument("--seeds", nargs="*", type=int, default=[1])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--without", type=Path, metavar="DIR", help="the --out of real_voices.py; nothing is written")
    parser.add_argument("--out", type=Path, default=Path("runs/own_recordings"))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="recipe settings for every run")
    parser.add_argument("--table-only", action="store_true")
    asked = parser.parse_args()
    if asked.without is not None and any(not word.startswith("engine.") for word in asked.set):
        parser.error("with --without the settings are those of its runs; only engine.* can be set")
    if not asked.table_only:
        asked.out.mkdir(parents=True, exist_ok=True)
        # models on the micro front end first: their features hold the embedding too, but not the other way round
        models = sorted(asked.models, key=lambda model: model == "speech_embedding")
        for seed, word in itertools.product(asked.seeds, asked.words):
            cells = [Cell(word, model, asked.voices, seed) for model in models]
            for cell in cells:
                run_cell(cell, asked)
            for folder in {kept_features(cell, asked.out) for cell in cells}:
                shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(table(asked.out)))


if __name__ == "__main__":
    main()
