"""A Sentry that calls a Judge so many times an hour, beside the Judge alone.

    python benchmarks/judge_calls.py CELLS --speech DIR --out DIR [--words alexa computer jarvis amelia]
        [--sentry mixednet] [--judge speech_embedding] [--voices all] [--seeds 1 2 3] [--judge-seed 1]
        [--calls 20 40] [--cascade after_ms=200 asks=3 rewake_ms=null]

CELLS is the folder that real_voices.py left its runs in (its --out). The Sentry's threshold is the lowest at which it
calls at most so many times an hour of the speech without the phrase that is measured: like the threshold at 1 false
accept per hour it is a point of a curve, not a choice. Calls are those of the cascade as it ships: the Sentry's
policy, the clips and times of asking of `detect/cascade`; each wake is one, as if the Judge confirmed none. A pair's
score of a word is the Judge's highest confidence about its calls. What is there in --out is not computed again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from heard import Heard, difference_at
from real_voices import APART, RATES, Cell

from wakewright.apps.confirm import settings_of
from wakewright.core.files import write_json
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.evaluate import cascade_real, real
from wakewright.evaluate.metrics import Negatives, Trial
from wakewright.evaluate.pair import PairEar, pair_ear

SNRS_DB = (None, 10.0)
KIND = "speech"
TRIGGERS = tuple(float(t) for t in 1 / (1 + np.exp(-np.arange(-5.0, 5.01, 0.25))))
"""What the threshold is chosen from, evenly in logits."""


def called(pair: PairEar, streams: Sequence[real.Stretch]) -> list[float]:
    """Calls an hour at each of TRIGGERS."""
    calls, hours = np.zeros(len(TRIGGERS)), 0.0
    with Progress().stage("find the triggers", len(streams), "streams") as bar:
        for stretch in streams:
            found = cascade_real.hear_others(stretch, pair, TRIGGERS, judged=False)
            calls += [woken.calls for woken, _ in found]
            hours += found[0][1].hours
            bar.advance(1)
    return list(map(float, calls / hours))


def lowest(calls: Sequence[float], most: float) -> float:
    """The lowest trigger from which on upward it calls at most so often."""
    quiet = [one <= most for one in calls]
    return TRIGGERS[next(i for i in range(len(quiet)) if all(quiet[i:]))]


def measured(pair: PairEar, material: real.Material, triggers: tuple[float, ...]) -> list[Heard]:
    """What the pair scores at each trigger."""
    jobs = [job for job in real.jobs(material, SNRS_DB) if job[0].split("/")[1] in (*conditions(), KIND)]
    found: list[list[tuple[str, list[Trial] | Negatives]]] = [[] for _ in triggers]
    with Progress().stage("hear the pair", len(jobs), "streams") as bar:
        for name, stretch in jobs:
            told: Sequence[list[Trial] | Negatives]
            if name.startswith("words/"):
                told = cascade_real.hear_words(stretch, pair, triggers)
            else:
                told = [silence for _, silence in cascade_real.hear_others(stretch, pair, triggers)]
            for kept, one in zip(found, told, strict=True):
                kept.append((name, one))
            bar.advance(1)
    return [Heard.of(material, real.collect(one), 0.5) for one in found]


def conditions() -> tuple[str, ...]:
    """Their names."""
    return tuple(real.condition_of(real.Stretch((), 0.0, 0, snr)) for snr in SNRS_DB)


def kept_pair(
    cell: Cell, judge: Run, asked: argparse.Namespace, material: real.Material
) -> tuple[list[float], list[Heard]]:
    """Triggers and scores for each of the asked calls, computed or kept."""
    settings = settings_of(asked.cascade)
    asking = f"{settings.after_ms}ms-{settings.asks}x{settings.again_ms}ms-{settings.rewake_ms or 'no'}"
    name = f"{cell.name}-{asked.judge}-{asked.judge_seed}-{asking}"
    path = asked.out / f"{name}-{'-'.join(f'{c:g}' for c in asked.calls)}.json"
    if not path.is_file():
        sentry = Run.latest(asked.cells / "runs" / cell.name)
        pair = pair_ear(str(sentry.folder), str(judge.folder), settings)
        streams = [stretch for label, stretch in real.jobs(material, ()) if label == f"others/{KIND}"]
        calls = called(pair, streams)
        triggers = tuple(lowest(calls, most) for most in asked.calls)
        scores = measured(pair, material, triggers)
        write_json(path, {"triggers": triggers, "heard": [one.to_json() for one in scores]})
    kept = json.loads(path.read_text())
    return kept["triggers"], [Heard.of_json(one) for one in kept["heard"]]


def kept_alone(name: str, run: Run, asked: argparse.Namespace, material: real.Material) -> Heard:
    """A detector by itself, computed or kept."""
    path = asked.out / f"{name}-alone.json"
    if not path.is_file():
        write_json(path, Heard.measured(run, material, SNRS_DB).to_json())
    return Heard.of_json(json.loads(path.read_text()))


def shares(one: Heard, condition: str) -> list[float]:
    """Missed % at each of RATES."""
    return [100 * float(one.missed(condition, one.threshold_at(rate)).mean()) for rate in RATES]


def row(word: str, seed: int, what: str, heard: Heard, condition: str, judge: Heard | None) -> str:
    """A line of the table; beside the Judge alone where one is given."""
    cells = [word, str(seed), what, condition, " / ".join(f"{one:.1f}" for one in shares(heard, condition))]
    for rate in RATES[:2]:
        if judge is None:
            cells.append("")
            continue
        low, high = difference_at(judge, heard, condition, rate, range(len(judge.names)))
        cells.append(f"[{100 * low:+.1f}, {100 * high:+.1f}]")
    return "| " + " | ".join(cells) + " |"


def table(asked: argparse.Namespace) -> Iterable[str]:
    """Every word and seed, and the means."""
    told = "missed % at 0.5 / 1 / 2 FA/h | more than the Judge alone, points at 0.5, 95 % | the same at 1"
    yield f"| word | Sentry's seed | what listens | condition | {told} |"
    yield "|---|---|---|---|---|---|---|"
    means: dict[tuple[str, str], list[list[float]]] = {}
    for word in asked.words:
        material = real.read_material(asked.speech, word, apart=APART)
        of_judge = Cell(word, asked.judge, asked.voices, asked.judge_seed)
        judge = Run.latest(asked.cells / "runs" / of_judge.name)
        alone = kept_alone(of_judge.name, judge, asked, material)
        for seed in asked.seeds:
            cell = Cell(word, asked.sentry, asked.voices, seed)
            sentry = kept_alone(cell.name, Run.latest(asked.cells / "runs" / cell.name), asked, material)
            triggers, pairs = kept_pair(cell, judge, asked, material)
            rows = [("Sentry alone", sentry), ("Judge alone", alone)]
            for most, trigger, one in zip(asked.calls, triggers, pairs, strict=True):
                rows.append((f"pair, {most:g} calls an hour", one))
                caught = {c: 100 * float((one.words[c] > 0).mean()) for c in conditions()}
                told = ", ".join(f"{share:.1f} % of the words {c}" for c, share in caught.items())
                print(f"{cell.name}: trigger {trigger:.3f} for {most:g} calls an hour wakes at {told}", flush=True)
            for condition in conditions():
                for what, one in rows:
                    means.setdefault((condition, what), []).append(shares(one, condition))
                    yield row(word, seed, what, one, condition, alone if what.startswith("pair") else None)
    for (condition, what), found in means.items():
        told = " / ".join(f"{one:.1f}" for one in np.mean(found, axis=0))
        yield f"| mean of {len(found)} | | {what} | {condition} | {told} | | |"


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", type=Path)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--words", nargs="+", default=["alexa", "computer", "jarvis", "amelia"])
    parser.add_argument("--sentry", default="mixednet")
    parser.add_argument("--judge", default="speech_embedding")
    parser.add_argument("--voices", default="all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--judge-seed", type=int, default=1)
    parser.add_argument("--calls", nargs="+", type=float, default=[20.0, 40.0])
    parser.add_argument("--cascade", nargs="+", default=[], metavar="SETTING=VALUE")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for line in list(table(asked)):
        print(line)


if __name__ == "__main__":
    main()
