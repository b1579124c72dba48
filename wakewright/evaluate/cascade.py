"""A Sentry and a Judge as one detector: their thresholds chosen together.

A cascade's score at a step is the Judge's confidence where the Sentry wakes and 0 elsewhere, so that misses and
false accepts are counted as those of any detector, over the Judge's threshold.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.engine import map_processes
from wakewright.core.errors import InputError
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Cascade as Settings
from wakewright.core.run import Run
from wakewright.data import parts as scenes
from wakewright.data import streams
from wakewright.data.parts import Parts, Scene
from wakewright.detect.cascade import looked_at, moments_s
from wakewright.detect.detector import BEFORE_S, Detector
from wakewright.detect.judge import Judge
from wakewright.detect.policy import PolicyState
from wakewright.evaluate import hear
from wakewright.evaluate.calibrate import calibrate
from wakewright.evaluate.metrics import Negatives, Operating, Scores, allowed_count, det_curve

TRIGGERS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Scores at which a Sentry might wake."""
LEAD_S = 3.0
"""Background before each word, in which the Sentry warms up."""
COUNTED_AT = 40.0
"""Accepts per hour at which the share that a Sentry lets through is counted: some twenty in half an hour."""
CALLED = 1e-30
"""Score of a wake that the Judge is sure is none: more than 0, which stands for no wake."""


def triggers_of(settings: Settings) -> tuple[float, ...]:
    """The triggers to try: the one that is set, or all."""
    return TRIGGERS if settings.trigger is None else (settings.trigger,)


class PairEar:
    """Hears a stream as the pair would, for several triggers of the Sentry at once."""

    def __init__(self, sentry: Detector, judge: Judge, settings: Settings) -> None:
        self.sentry, self.judge, self._settings = sentry, judge, settings
        self.hop_s, self.first_step_s = sentry.hop_s, sentry.first_step_s
        self.judged_s: list[float] = []
        """Seconds that each verdict took."""
        self.answers: list[tuple[float, ...]] = []
        """Confidences of each wake's verdicts, in the order of asking, as if none had confirmed."""

    def hear_at(self, samples: Samples, triggers: Sequence[float]) -> list[Scores]:
        """(n,) from a fresh start -> for each trigger (steps,) the Judge's confidence where the Sentry wakes.

        Of the several times that it is asked about a wake, the highest: it is asked until it confirms.
        """
        self.sentry.reset()
        frames = self.sentry.raw_scores(samples)
        verdicts: dict[int, float] = {}
        found = []
        for trigger in triggers:
            policy = PolicyState(self.sentry.policy, self.hop_s * 1000, trigger)
            smoothed, fires = policy.push(frames)
            scores = np.zeros(len(smoothed), np.float32)
            for fire in fires:
                if fire.step not in verdicts:
                    verdicts[fire.step] = self._verdict(samples, fire.step)
                # a confidence of 0 is still a call
                scores[fire.step] = max(verdicts[fire.step], CALLED)
            found.append(scores)
        return found

    def _verdict(self, samples: Samples, step: int) -> float:
        end = round((self.first_step_s + step * self.hop_s) * SAMPLE_RATE)
        start = max(0, end - round(BEFORE_S * SAMPLE_RATE))
        found = []
        for moment in moments_s(self._settings):
            clip = looked_at(samples[start : end + round(moment * SAMPLE_RATE)], self._settings)
            began = time.perf_counter()
            found.append(self.judge.verify(clip).confidence)
            self.judged_s.append(time.perf_counter() - began)
            if end + round(moment * SAMPLE_RATE) >= len(samples):
                break  # the stream is over: there is no more to ask about
        self.answers.append(tuple(found))
        return max(found)


@dataclasses.dataclass(frozen=True)
class Pairing:
    """One choice of the two thresholds, and what it does on the audio it was chosen on."""

    trigger: float
    calls_per_hour: float
    """Wakes per hour of sound without the phrase: what the Judge is asked."""
    caught: float
    """Share of the words that the Sentry wakes at."""
    confirm: float
    """The Judge's threshold."""
    at_confirm: Operating
    """Misses and false accepts of the pair at it."""


@functools.lru_cache(maxsize=2)
def pair_ear(sentry: str, judge: str, settings: Settings) -> PairEar:
    """The ear of a pair of folders as they were trained, loaded once per process."""
    return PairEar(Detector.load(sentry, gain_db=0.0), Judge.load(judge, gain_db=0.0), settings)


def _hear(
    stream: streams.StreamPlan, *, surroundings: streams.Surroundings, pair: tuple[str, str, Settings]
) -> list[hear.Heard]:
    samples, events = streams.render(stream, surroundings)
    ear = pair_ear(*pair)
    return [hear.Heard(s, ear.hop_s, ear.first_step_s, events) for s in ear.hear_at(samples, triggers_of(pair[2]))]


def choose(
    sentry: Run, judge: Run, *, settings: Settings, fa_per_hour: float, most_calls: float, progress: Progress
) -> list[Pairing]:
    """Both thresholds together, on the Sentry's validation part: every pairing, the chosen one first.

    Chosen is the one that misses least among those that call at most `most_calls` times an hour; of equals the one
    that calls less. A trigger in the settings stays as it is. Clips that the Judge was trained on are left out.
    Raises InputError for two phrases, or where no pairing calls so seldom.
    """
    if sentry.recipe.phrase != judge.recipe.phrase:
        raise InputError(
            "Sentry and Judge are of two phrases",
            got=f"{sentry.recipe.phrase!r} and {judge.recipe.phrase!r}",
            do="name runs of one phrase",
        )
    parts = _unknown_to(judge, sentry)
    pair = (str(sentry.folder), str(judge.folder), settings)
    spoken = _apart(scenes.word_scene(parts, "validation", sentry.recipe))
    silent = scenes.other_scene(parts, "validation", sentry.recipe)
    words = _heard("pair on words", spoken, sentry, pair, progress)
    others = _heard("pair on others", silent, sentry, pair, progress)
    alone = _alone(judge, silent, progress)
    triggers = triggers_of(settings)
    pairings = [_pairing(trigger, i, words, others, fa_per_hour, alone) for i, trigger in enumerate(triggers)]
    allowed = [pairing for pairing in pairings if pairing.calls_per_hour <= most_calls]
    if not allowed:
        raise InputError(
            "the Sentry wakes too often at any trigger",
            got=f"{min(p.calls_per_hour for p in pairings):.0f} an hour at least, where {most_calls:g} are allowed",
            do="allow more with --calls, or train the Sentry longer",
        )
    best = min(allowed, key=lambda p: (p.at_confirm.frr, p.calls_per_hour))
    return [best, *(pairing for pairing in pairings if pairing is not best)]


def lowest(pairings: Sequence[Pairing], most_calls: float) -> Pairing:
    """Of the pairings that call at most so often, the one whose trigger is lowest and that catches most words.

    A Sentry that everything keeps awake wakes seldom too: far down it catches less.
    """
    allowed = [pairing for pairing in pairings if pairing.calls_per_hour <= most_calls]
    return max(allowed, key=lambda pairing: (pairing.caught, -pairing.trigger))


def _unknown_to(judge: Run, sentry: Run) -> Parts:
    known = {clip.path for clip in Manifest.read(judge.require("manifest-train.jsonl"))}
    validation = Manifest.read(sentry.require("manifest-validation.jsonl"))
    kept = Manifest(tuple(clip for clip in validation if clip.path not in known or clip.kind == "rir"))
    return {"validation": kept}


def _apart(what: Scene) -> Scene:
    """Each word in a stream of its own: said one after another they would be one long wake to a Sentry."""
    plans = [dataclasses.replace(plan, lead_s=LEAD_S, items=(item,)) for plan in what.plans for item in plan.items]
    return dataclasses.replace(what, plans=plans)


_Heard = tuple[list[list[hear.Heard]], Manifest]


def _heard(name: str, what: Scene, sentry: Run, pair: tuple[str, str, Settings], progress: Progress) -> _Heard:
    work = functools.partial(_hear, surroundings=what.surroundings, pair=pair)
    with progress.stage(name, len(what.plans), "streams") as bar:
        workers = sentry.recipe.engine.workers
        return list(map_processes(work, what.plans, workers=workers, chunk=2, progress_bar=bar)), what.manifest


def _alone(judge: Run, what: Scene, progress: Progress) -> Negatives:
    """What the Judge would accept if it heard everything."""
    with progress.stage("Judge alone", len(what.plans), "streams") as bar:
        workers = judge.recipe.engine.workers
        heard = hear.hear_all(what.plans, what.surroundings, judge.folder, workers=workers, bar=bar)
    return hear.add([hear.negatives_in(one, what.manifest, f"stream {i}") for i, one in enumerate(heard)])


def _let_through(silence: Negatives, alone: Negatives) -> float:
    """The share of what the Judge alone would accept that the Sentry lets through to it, never quite nothing.

    Counted where the Judge alone accepts COUNTED_AT an hour, and taken to be the same where it accepts less.
    """
    level = det_curve([], alone).operating_at(COUNTED_AT).threshold
    return min(1.0, (silence.count(level) + 0.5) / (alone.count(level) + 0.5))


def _pairing(
    trigger: float, index: int, words: _Heard, others: _Heard, fa_per_hour: float, alone: Negatives
) -> Pairing:
    """One trigger, the index-th of those that were tried, and the Judge's threshold for it.

    Where the audio is too short to count the rate, the Judge's threshold is one at which it alone would accept so
    much that what the Sentry lets through of it keeps to the rate; or one above all that was confirmed here.
    """
    trials = [trial for heard in words[0] for trial in hear.trials_in(heard[index], words[1])]
    silence = hear.add(
        [hear.negatives_in(heard[index], others[1], f"stream {i}") for i, heard in enumerate(others[0])]
    )
    curve = det_curve(trials, silence)
    confirm = min(1.0, curve.operating_at(fa_per_hour).threshold)
    if not allowed_count(fa_per_hour, silence.hours):
        share = _let_through(silence, alone)
        confirm = max(confirm, calibrate([], alone, fa_per_hour=fa_per_hour / share).threshold)
    caught = float(np.mean([trial.peak > 0 for trial in trials])) if trials else 0.0
    return Pairing(trigger, calls_per_hour(silence), caught, confirm, curve.at(confirm))


def calls_per_hour(silence: Negatives) -> float:
    """How often the Judge is asked in an hour of sound without the phrase; calls close together count once."""
    return float(np.sum(silence.heights > 0)) / silence.hours if silence.hours else 0.0


def table(pairings: Iterable[Pairing], say: Callable[[str], None]) -> None:
    """What every trigger would do, the chosen one marked."""
    say("trigger  calls/h  Sentry wakes at  confirm  missed  false accepts")
    for rank, pairing in sorted(enumerate(pairings), key=lambda ranked: ranked[1].trigger):
        found = pairing.at_confirm
        say(
            f"{pairing.trigger:7.2f}  {pairing.calls_per_hour:7.1f}  {pairing.caught:15.1%}  {pairing.confirm:7.3f}  "
            f"{found.frr:6.1%}  {found.false_accepts} in {found.hours:.2f} h{'  <' if rank == 0 else ''}"
        )
