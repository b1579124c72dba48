"""When a Judge is best asked about a wake, on validation audio alone.

    python benchmarks/asking.py SENTRY_RUN JUDGE_RUN --trigger 0.3

The Sentry wakes at the trigger in the streams that `wakewright cascade` chooses its thresholds on. The Judge is asked
about each wake after each of MOMENTS, with quiet behind the clip, as it is, and without; a row of the table takes the
highest confidence at some of these. Missed is what the pair misses where so many false accepts are left.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from wakewright.core.audio import SAMPLE_RATE
from wakewright.core.recipe import Cascade as Settings
from wakewright.core.run import Run
from wakewright.data import parts as scenes
from wakewright.data import streams
from wakewright.data.parts import Scene
from wakewright.detect.cascade import REARM, looked_at
from wakewright.detect.detector import BEFORE_S, Detector
from wakewright.detect.judge import Judge
from wakewright.detect.policy import PolicyState
from wakewright.evaluate import cascade, hear
from wakewright.evaluate.metrics import det_curve
from wakewright.evaluate.pair import Woken

MOMENTS = (0.2, 0.35, 0.5, 0.65, 0.8, 1.1)
"""Seconds after the wake."""
PLANS = ((0.2, 0.5, 0.8), (0.35, 0.65), (0.35, 0.65, 1.1), (0.5, 0.8), (0.5, 0.8, 1.1))
"""When it is asked until it confirms."""
COUNTS = (0, 1, 2, 4, 8)
"""False accepts in all of the sound."""
Plan = tuple[str, tuple[float, ...]]


def answers(sound, end: int, judges: dict[str, Judge]) -> dict[tuple[str, float], float]:
    """The confidence of each judge after each of MOMENTS of a wake at the sample `end`."""
    start, settings, found = max(0, end - round(BEFORE_S * SAMPLE_RATE)), Settings(), {}
    for moment in MOMENTS:
        clip = looked_at(sound[start : end + round(moment * SAMPLE_RATE)], settings)
        found |= {(name, moment): judge.verify(clip).confidence for name, judge in judges.items()}
    return found


def heard(what: Scene, sentry: Detector, judges: dict[str, Judge], trigger: float, plans: list[Plan]) -> dict:
    """Of each plan what came of each stream, as `wakewright.evaluate.cascade` has it."""
    found = {plan: [] for plan in plans}
    for stream in what.plans:
        sound, events = streams.render(stream, what.surroundings)
        sentry.reset()
        frames = sentry.raw_scores(sound)
        state = PolicyState(sentry.policy, sentry.hop_s * 1000, trigger)
        state.rearm(REARM, Settings().rewake_ms)
        smoothed, fires = state.push(frames)
        ends = {fire.step: round((sentry.first_step_s + fire.step * sentry.hop_s) * SAMPLE_RATE) for fire in fires}
        told = {step: answers(sound, end, judges) for step, end in ends.items()}
        for name, moments in plans:
            best = {step: max(one[name, moment] for moment in moments) for step, one in told.items()}
            woken = Woken.of(len(smoothed), fires, best)
            scores = hear.Heard(woken.confidences, sentry.hop_s, sentry.first_step_s, events)
            found[name, moments].append([cascade._Stream(woken, scores)])
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentry", type=Path)
    parser.add_argument("judge", type=Path)
    parser.add_argument("--trigger", type=float, required=True)
    asked = parser.parse_args()
    sentry, judge = Run.open(asked.sentry), Run.open(asked.judge)
    parts = cascade._unknown_to(judge, sentry)
    spoken = cascade._apart(scenes.word_scene(parts, "validation", sentry.recipe))
    silent = scenes.other_scene(parts, "validation", sentry.recipe)
    ear = Detector.load(sentry.folder, gain_db=0.0)
    judges = {name: Judge.load(judge.folder, gain_db=0.0) for name in ("quiet behind", "nothing behind")}
    before, after = judges["nothing behind"]._quiet
    judges["nothing behind"]._quiet = before, after[:0]
    plans = [(name, moments) for name in judges for moments in PLANS]
    words, others = (heard(what, ear, judges, asked.trigger, plans) for what in (spoken, silent))
    print(f"| clip | asked after, s | missed % at {', '.join(map(str, COUNTS))} false accepts |\n|---|---|---|")
    for name, moments in plans:
        silence = cascade._silence((others[name, moments], silent.manifest), 0)
        curve = det_curve(cascade._trials((words[name, moments], spoken.manifest), 0), silence)
        missed = " / ".join(f"{100 * curve.frr_at((count + 0.01) / silence.hours):.1f}" for count in COUNTS)
        print(f"| {name} | {', '.join(map(str, moments))} | {missed} |")


if __name__ == "__main__":
    main()
