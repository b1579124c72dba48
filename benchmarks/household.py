"""What fitting a run to a household gains, on recordings of real people: some are fitted to, the rest is measured.

    python benchmarks/household.py RUN [RUN ...] --speech DIR [--words 10] [--minutes 5] [--level-db 0 -24] [--seed 1]

DIR holds manifest.csv (see evaluate/real). As a user would, `calibrate` is given a few recordings of the phrase,
named in the output and left out of the measurement, and some minutes of a room: recordings marked `background`, of
noise and of speech in turn. A level below 0 dB makes all of it as soft as a microphone turned down would. The runs
stay as they are. Measured are the remaining recordings of the phrase as recorded, and other speech marked `evaluate`;
a run may have been trained with what is marked `background`. Nothing may be chosen by what this prints.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wakewright import Detector
from wakewright.core.audio import SAMPLE_RATE, Samples, load, write_wav
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.dsp.frontend import amplify
from wakewright.evaluate import household, real, room
from wakewright.evaluate.metrics import Scores, det_curve
from wakewright.evaluate.result import rate, share
from wakewright.evaluate.wording import rate_text, share_text


class SoftEar:
    """A detector behind a microphone that is turned down."""

    def __init__(self, detector: Detector, level_db: float) -> None:
        self._detector, self._level_db = detector, level_db
        self.hop_s, self.first_step_s = detector.hop_s, detector.first_step_s

    def hear(self, samples: Samples) -> Scores:
        """(n,) from a fresh start -> (steps,) smoothed scores."""
        self._detector.reset()
        scores: Scores = self._detector.score(amplify(samples, self._level_db))
        return scores


def room_of(folder: Path, minutes: float, seed: int) -> Samples:
    """So many minutes of noise and speech in turn, from recordings that are free to be trained with."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if row["use"] == "background"]
    rng = np.random.default_rng(seed)
    kinds = [[row["path"] for row in rows if row["kind"] == kind] for kind in ("noise", "speech")]
    parts: list[Samples] = []
    wanted, have, turn = round(60 * minutes * SAMPLE_RATE), 0, 0
    while have < wanted:
        parts.append(load(folder / rng.choice(kinds[turn % 2])))
        have, turn = have + len(parts[-1]), turn + 1
    room_sound: Samples = np.concatenate(parts)[:wanted]
    return room_sound


def study(run: Run, folder: Path, asked: argparse.Namespace, level_db: float, place: Path) -> None:
    """Fit a copy of the run, and measure it before and after."""
    material = real.read_material(folder, run.recipe.phrase)
    order = np.random.default_rng(asked.seed).permutation(len(material.words))
    mine = [material.words[i] for i in sorted(order[: asked.words])]
    rest = [material.words[i] for i in sorted(order[asked.words :])]
    for number, one in enumerate(mine):
        write_wav(place / "people" / f"{number}.wav", amplify(load(one.path), level_db))
    write_wav(place / "room.wav", amplify(room_of(folder, asked.minutes, asked.seed), level_db))
    copied = Run.open(shutil.copytree(run.folder, place / "run", ignore=shutil.ignore_patterns("checkpoints")))
    print(f"\n{run.recipe.phrase}, {run.recipe.model.name}, at {level_db:g} dB; fitted to {len(mine)} recordings:")
    print("  " + " ".join(str(Path(one.path).relative_to(folder)) for one in mine))
    given = room.read_material(place / "people", [place / "room.wav"], copied)
    found = household.fit(copied, given, progress=Progress(quiet=True))
    household.store(copied, found)
    for line in found.report():
        print("  " + line)
    words = real.stretches(rest, real.GAP_WORDS_S)
    others = real.stretches(material.others["speech"], real.GAP_OTHERS_S)[: asked.streams]
    told(Detector.load(copied.folder, gain_db=0.0), level_db, words, others, "  the rest, before")
    told(Detector.load(copied.folder), level_db, words, others, "  the rest, after ")


def told(
    detector: Detector,
    level_db: float,
    words: Sequence[real.Stretch],
    others: Sequence[real.Stretch],
    name: str,
) -> None:
    """Misses and false accepts of a detector at its threshold."""
    ear = SoftEar(detector, level_db)
    trials = [trial for stretch in words for trial in real.hear_words(stretch, ear)]
    heard = [real.hear_others(stretch, ear) for stretch in others]
    curve = det_curve(trials, sum(heard[1:], heard[0]))
    at = curve.at(detector.threshold)
    woken = rate_text(rate(at.false_accepts, at.hours))
    print(f"{name}: missed {share_text(share(at.misses, at.positives))}; false accepts {woken}", flush=True)


def main() -> None:
    """Study each run at each level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--words", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--streams", type=int, default=6, help="of ten minutes, of other speech, to measure on")
    parser.add_argument("--level-db", type=float, nargs="+", default=[0.0, -24.0])
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for path in asked.runs:
        for level_db in asked.level_db:
            with tempfile.TemporaryDirectory() as place:
                study(Run.open(path), asked.speech, asked, level_db, Path(place))


if __name__ == "__main__":
    main()
