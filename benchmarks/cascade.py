"""A Sentry that calls a Judge: what the pair misses, against the Judge alone.

    python benchmarks/cascade.py --speech DIR --pair SENTRY_RUN JUDGE_RUN [--pair ...] [--calls 20 40] [--out FILE]

Both runs are of one phrase. The Sentry's threshold is set where it calls so many times per hour of the speech without
the phrase; the Judge then scores the time around each call, and its score there is the pair's. Misses are counted at
thresholds of the Judge's that allow 0.5 and 1 false accept per hour of the same speech, as `real_voices.py` counts
them: clips marked `evaluate`, words as recorded and in noise.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from real_voices import APART, RATES

from wakewright.core.audio import Samples
from wakewright.core.engine import map_processes
from wakewright.core.files import write_json
from wakewright.core.run import Run
from wakewright.detect.detector import Detector
from wakewright.evaluate import real
from wakewright.evaluate.bootstrap import bootstrap_frr
from wakewright.evaluate.metrics import Negatives, Scores, Trial, det_curve

BEFORE_S, AFTER_S = 1.0, 1.0
"""The Judge's scores this long before and after a step in which the Sentry calls are the pair's."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two detectors as one, in the Judge's steps."""

    sentry: Detector
    judge: Detector
    threshold: float
    """The Sentry's; 0 lets the Judge hear everything."""

    @property
    def hop_s(self) -> float:
        """Seconds from step to step."""
        return self.judge.hop_s

    @property
    def first_step_s(self) -> float:
        """Seconds behind the first step."""
        return self.judge.first_step_s

    def hear(self, samples: Samples) -> Scores:
        """(n,) -> (steps,) the Judge's smoothed scores near a call, and 0 elsewhere."""
        self.judge.reset()
        scores = self.judge.score(samples)
        if self.threshold <= 0:
            return scores
        self.sentry.reset()
        calls = np.flatnonzero(self.sentry.score(samples) >= self.threshold)
        heard = np.zeros(len(scores), bool)
        for call in calls * self.sentry.hop_s + self.sentry.first_step_s - self.judge.first_step_s:
            low, high = (call - BEFORE_S) / self.hop_s, (call + AFTER_S) / self.hop_s
            heard[max(0, int(np.ceil(low))) : max(0, int(high) + 1)] = True
        return np.where(heard, scores, np.float32(0.0))


@functools.lru_cache(maxsize=4)
def pair(sentry: str, judge: str, threshold: float) -> Pair:
    """The two, loaded once per process; the Sentry as its device computes."""
    return Pair(Detector.load(sentry, threshold=1.0, reference=True), Detector.load(judge, threshold=1.0), threshold)


def work(
    job: tuple[str, real.Stretch], *, sentry: str, judge: str, threshold: float
) -> tuple[str, list[Trial] | Negatives]:
    """One stream through the pair."""
    name, stretch = job
    ear = pair(sentry, judge, threshold)
    return name, real.hear_words(stretch, ear) if name.startswith("words/") else real.hear_others(stretch, ear)


def figures(words: dict[str, list[Trial]], negatives: Negatives) -> dict[str, object]:
    """Misses by condition at each rate, with their bands at 1 per hour."""
    found = {}
    for condition, trials in words.items():
        curve = det_curve(trials, negatives)
        band = bootstrap_frr(trials, negatives, RATES, seed=1)[1]
        found[condition] = {
            "words": len(trials),
            "frr": [curve.frr_at(rate) for rate in RATES],
            "band": list(map(float, band)),
        }
    return found


def measure(speech: Path, sentry: Path, judge: Path, calls: Sequence[float], workers: int) -> list[dict[str, object]]:
    """Rows: the Sentry alone, the Judge alone, and the pair at each number of calls per hour."""
    word = Run.open(judge).recipe.phrase
    material = real.read_material(speech, word, apart=APART)
    alone = {}
    for name, run in (("sentry", sentry), ("judge", judge)):
        words, others = real.measure(material, run, workers=workers)
        alone[name] = words, others["speech"]
    rows: list[dict[str, object]] = [
        {"word": word, "what": f"{name} alone"} | figures(*alone[name]) for name in ("sentry", "judge")
    ]
    heights = alone["sentry"][1].heights
    for rate in calls:
        count = round(rate * alone["sentry"][1].hours)
        threshold = float(heights[-count]) if count <= len(heights) else 0.0
        hear = functools.partial(work, sentry=str(sentry), judge=str(judge), threshold=threshold)
        words, others = real.collect(map_processes(hear, real.jobs(material), workers=workers))
        rows.append({"word": word, "what": f"{rate:g} calls per hour"} | figures(words, others["speech"]))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--pair", nargs=2, type=Path, action="append", required=True, metavar=("SENTRY", "JUDGE"))
    parser.add_argument("--calls", nargs="*", type=float, default=[20.0, 40.0])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep the rows as JSON")
    asked = parser.parse_args()
    rows = [
        row
        for sentry, judge in asked.pair
        for row in measure(asked.speech, sentry, judge, asked.calls, asked.workers)
    ]
    if asked.out:
        write_json(asked.out, rows)
    print("| word | what listens | condition | n | FRR % at 0.5 / 1 / 2 FA/h [95 % at 1] |\n|---|---|---|---|---|")
    for row in rows:
        for condition, found in row.items():
            if isinstance(found, dict):
                frr = " / ".join(f"{100 * f:.1f}" for f in found["frr"])
                low, high = (100 * b for b in found["band"])
                head = f"| {row['word']} | {row['what']} | {condition} | {found['words']} |"
                print(f"{head} {frr} [{low:.1f}, {high:.1f}] |")
    summary(rows)


def summary(rows: Sequence[dict[str, object]]) -> None:
    """Means over the words."""
    print("\n| what listens | condition | mean FRR % at 0.5 / 1 / 2 FA/h |\n|---|---|---|")
    for what in dict.fromkeys(row["what"] for row in rows):
        mine = [row for row in rows if row["what"] == what]
        for condition in [key for key, value in mine[0].items() if isinstance(value, dict)]:
            mean = np.mean([row[condition]["frr"] for row in mine], axis=0)  # type: ignore[index]
            print(f"| {what} | {condition} | {' / '.join(f'{100 * f:.1f}' for f in mean)} |")


if __name__ == "__main__":
    main()
