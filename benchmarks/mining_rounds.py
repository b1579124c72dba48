"""What rounds of mining gain: false accepts per hour before and after, at the same share of missed words.

    python benchmarks/mining_rounds.py RUN --speech DIR [--rounds 2] [--out DIR] [--set engine.workers=1]

DIR holds manifest.csv (see evaluate/real). Its speech, noise and music marked `background`, less what the run's guard
suspects of holding the phrase, is parted in two halves by speaker (by file, where that is not known). One is mined
through the detector and learnt from: `mine`, `review`, `train --from RUN --mined`, each round from the run before.
None of it holds the phrase, so everything found there, false accepts and near misses from half the threshold on, is
confirmed as negative; what the guard of a later run suspects is left out. The other half is never mined. What the run
keeps for validation and the test can only be there; the remainder of it the run, and every run after it, has among
its background in training. The speech marked `evaluate` is measured too.

Each run hears all of it, and the words marked `evaluate`. Rates are compared at equal misses: at the highest
threshold that misses no more of the words as recorded than RUN did at its calibrated threshold, and at 1 and 10 false
accepts per hour of the speech to evaluate. RUN is only read. What is done is kept under --out and not done again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import heard
import numpy as np
import real_voices
from heard import Heard

from wakewright.apps.commands.train import further
from wakewright.core.errors import InputError
from wakewright.core.files import write_json
from wakewright.core.manifest import Manifest
from wakewright.core.mined import Mined
from wakewright.core.run import Run
from wakewright.evaluate import mine, real, sources
from wakewright.evaluate.real import Recording
from wakewright.evaluate.result import rate, share
from wakewright.evaluate.wording import rate_text, share_text

KINDS = ("speech", "noise", "music")
SNRS_DB = (None, 10.0)
RATES = (1.0, 10.0)
"""False accepts per hour of RUN at which misses are made equal; the second so that there is something to count."""
MINED, FAMILIAR, KEPT = "mined half", "other half, in training", "other half, held out"
"""The halves of the background; the other one apart by whether training has it."""


@dataclasses.dataclass(frozen=True)
class Piece:
    """A recording of the background."""

    recording: Recording
    seconds: float
    part: str
    """train, validation or test of the run; train for what the run did not know."""


@dataclasses.dataclass(frozen=True)
class Halves:
    """The background, parted."""

    mined: tuple[Piece, ...]
    familiar: tuple[Piece, ...]
    kept: tuple[Piece, ...]
    suspects: tuple[str, ...]
    """Files that are in none of them."""

    def named(self) -> dict[str, tuple[Recording, ...]]:
        """What is measured, by name; without the names of what is empty."""
        groups = {MINED: self.mined, FAMILIAR: self.familiar, KEPT: self.kept}
        return {name: tuple(piece.recording for piece in pieces) for name, pieces in groups.items() if pieces}


def background(speech: Path, run: Run) -> list[Piece]:
    """Every recording marked `background` that is no room, with the part of the run's data that it is in."""
    known = {
        Path(clip.path).resolve(): (part, clip.speaker)
        for part in ("train", "validation", "test")
        for clip in Manifest.read(run.require(f"manifest-{part}.jsonl"))
        if clip.real and clip.kind in KINDS
    }
    pieces = []
    for row in heard.manifest_rows(speech, "background"):
        if row["kind"] not in KINDS:
            continue
        path = (speech / row["path"]).resolve()
        part, speaker = known.get(path, ("train", row["speaker"] or str(path)))
        recording = Recording(str(path), row["corpus"], row["speaker"] or speaker)
        pieces.append(Piece(recording, float(row["seconds"]), part))
    if not pieces:
        raise InputError(f"{speech} has nothing to mine", got="no row with use=background", do="name another folder")
    return pieces


def parted(pieces: Sequence[Piece], suspects: Collection[str], rng: np.random.Generator) -> Halves:
    """Two halves by speaker, in order of chance; who is kept for validation or the test is in the second.

    The first is filled, speaker by speaker, until it has half of all seconds, or nobody is left who may be mined.
    """
    doubted = {str(Path(path).resolve()) for path in suspects}
    good = [piece for piece in pieces if piece.recording.path not in doubted]

    def person(piece: Piece) -> tuple[str, str]:
        return piece.recording.corpus, piece.recording.speaker

    held = {person(piece) for piece in good if piece.part != "train"}
    people = sorted({person(piece) for piece in good} - held)
    half = sum(piece.seconds for piece in good) / 2
    chosen: set[tuple[str, str]] = set()
    have = 0.0
    for i in rng.permutation(len(people)):
        if have >= half:
            break
        chosen.add(people[i])
        have += sum(piece.seconds for piece in good if person(piece) == people[i])
    return Halves(
        tuple(piece for piece in good if person(piece) in chosen),
        tuple(piece for piece in good if person(piece) not in chosen | held),
        tuple(piece for piece in good if person(piece) in held),
        tuple(sorted(piece.recording.path for piece in pieces if piece.recording.path in doubted)),
    )


def find(run: Run, halves: Halves, mined: Mined, asked: argparse.Namespace) -> dict[str, Any]:
    """Mine the first half through a run's detector and confirm what was found; returns the counts."""
    search = mine.Search.of(run.folder)
    wanted = sources.material([piece.recording.path for piece in halves.mined])
    totals = mine.mine(search, wanted, mined, workers=run.recipe.engine.workers, say=print)
    doubted = {str(Path(path).resolve()) for path in run.suspects()}
    found = mined.found()
    sure = [one.id for one in found if one.source not in doubted]
    if sure:
        mined.label(sure, "negative", "all")
    return {
        "threshold": search.threshold,
        "near": search.near,
        "hours": totals.seconds / 3600,
        "false_accepts": totals.false_accepts,
        "near_misses": totals.near_misses,
        "sounds": len(found),
        "confirmed": len(sure),
    }


def learn(run: Run, mined: Mined, folder: Path, settings: Sequence[str]) -> Run:
    """`train --from RUN --mined`: the run that goes on from this one."""
    recipe = further(str(run.folder), "", ["engine.features=null", *settings], str(mined.folder))
    return heard.carried_out(recipe, folder)


def stage(number: int, run: Run, material: real.Material, about: Mapping[str, Any], path: Path) -> None:
    """Measure a run and keep it; 0 is the run before any round."""
    kept = {
        "round": number,
        "run": str(run.folder),
        "commit": run.record["git"],
        "model": run.recipe.model.name,
        "phrase": run.recipe.phrase,
        "heard": Heard.measured(run, material, SNRS_DB).to_json(),
    }
    write_json(path, kept | about)


def study(asked: argparse.Namespace) -> None:
    """Measure the run, then mine, learn and measure in turn; what is kept is not done again."""
    run = Run.open(asked.run)
    halves = parted(background(asked.speech, run), run.suspects(), np.random.default_rng(asked.seed))
    material = real.read_material(asked.speech, run.recipe.phrase, apart=real_voices.APART)
    material = dataclasses.replace(material, others={**material.others, **halves.named()})
    first = asked.out / "round-0.json"
    if not first.exists():
        stage(0, run, material, {"suspects": halves.suspects, "seed": asked.seed}, first)
    for number in range(1, asked.rounds + 1):
        path = asked.out / f"round-{number}.json"
        if path.exists():
            run = Run.open(json.loads(path.read_text(encoding="utf-8"))["run"])
            continue
        mined = Mined((asked.out / f"mined-{number}").resolve())
        found = find(run, halves, mined, asked)
        if not found["confirmed"]:
            print(f"round {number}: nothing was found, so nothing can be learnt")
            return
        started = time.monotonic()
        run = learn(run, mined, asked.out / "runs" / f"round-{number}", asked.set)
        about = {"found": found, "train_seconds": time.monotonic() - started, "settings": asked.set}
        stage(number, run, material, about, path)


def table(out: Path) -> Iterable[str]:
    """What is kept under `out` as Markdown."""
    stages = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob("round-*.json"))]
    all_heard = [Heard.of_json(kept["heard"]) for kept in stages]
    before = all_heard[0]
    clean = next(iter(before.words))
    levels = {"its calibrated threshold": before.threshold}
    levels |= {f"{target:g} FA/h in speech": before.threshold_at(target) for target in RATES}
    yield f"{stages[0]['phrase']}, {stages[0]['model']}; {len(stages[0]['suspects'])} suspects left out: " + " ".join(
        Path(path).name for path in stages[0]["suspects"]
    )
    yield ""
    yield "| equal to RUN at | sound | hours | " + " | ".join(_stage_name(kept) for kept in stages) + " |"
    yield "|---|---|---|" + "---|" * len(stages)
    for level, cut in levels.items():
        misses = int(before.missed(clean, cut).sum())
        cuts = [one.threshold_missing(misses, clean) for one in all_heard]
        for condition in before.words:
            lost = [one.missed(condition, t) for one, t in zip(all_heard, cuts, strict=True)]
            told = " | ".join(share_text(share(int(m.sum()), len(m))) for m in lost)
            yield f"| {level} | missed, {condition} | - | {told} |"
        for kind, quiet in before.others.items():
            told = " | ".join(_false_accepts(one, kind, t) for one, t in zip(all_heard, cuts, strict=True))
            yield f"| {level} | {kind} | {quiet.total_hours:.2f} | {told} |"
    for kind, quiet in before.others.items():
        told = " | ".join(_false_accepts(one, kind, one.threshold) for one in all_heard)
        yield f"| each at its own threshold | {kind} | {quiet.total_hours:.2f} | {told} |"
    for condition in before.words:
        lost = [one.missed(condition, one.threshold) for one in all_heard]
        told = " | ".join(share_text(share(int(m.sum()), len(m))) for m in lost)
        yield f"| each at its own threshold | missed, {condition} | - | {told} |"
        lost = [one.missed(condition, one.threshold_at(1.0)) for one in all_heard]
        told = " | ".join(share_text(share(int(m.sum()), len(m))) for m in lost)
        yield f"| each at 1 FA/h in speech | missed, {condition} | - | {told} |"
    yield ""
    yield "| round | mined, h | false accepts | near misses, from | different sounds | confirmed | threshold then |"
    yield "|---|---|---|---|---|---|---|"
    for kept, one in zip(stages[1:], all_heard[1:], strict=True):
        f = kept["found"]
        yield (
            f"| {kept['round']} | {f['hours']:.2f} | {f['false_accepts']} at {f['threshold']:.3f} | "
            f"{f['near_misses']}, {f['near']:.3f} | {f['sounds']} | {f['confirmed']} | {one.threshold:.3f} |"
        )


def _stage_name(kept: Mapping[str, Any]) -> str:
    return f"after round {kept['round']}" if kept["round"] else "before"


def _false_accepts(one: Heard, kind: str, threshold: float) -> str:
    quiet = one.others[kind]
    return rate_text(rate(quiet.count(threshold), quiet.total_hours))


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/mining_rounds"))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="recipe settings for every round")
    parser.add_argument("--table-only", action="store_true")
    asked = parser.parse_args()
    asked.speech = asked.speech.resolve()
    if not asked.table_only:
        asked.out.mkdir(parents=True, exist_ok=True)
        study(asked)
    print("\n".join(table(asked.out)))


if __name__ == "__main__":
    main()
