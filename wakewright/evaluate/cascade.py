"""A Sentry and a Judge as one detector: their thresholds chosen together."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np

from wakewright.core.engine import map_work
from wakewright.core.errors import InputError
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Cascade as Settings
from wakewright.core.run import Run
from wakewright.data import parts as scenes
from wakewright.data import streams
from wakewright.data.parts import Scene
from wakewright.data.splits import Parts
from wakewright.evaluate import hear
from wakewright.evaluate.calibrate import REACH, calibrate, expit, logit, tail_level
from wakewright.evaluate.metrics import Negatives, Operating, Scores, Trial, allowed_count, det_curve
from wakewright.evaluate.pair import Woken, calls_per_hour, pair_ear, trials_of

TRIGGERS = (0.02, 0.05, *(round(0.02 * step, 2) for step in range(5, 26)), 0.6, 0.7, 0.8, 0.9)
"""Scores at which a Sentry might wake. Low down a tenth more is half of the calls, so the steps are small there: with
larger ones a Judge that may be asked 60 times an hour was asked 20 to 30 times, and words were lost for nothing."""
LEAD_S = 3.0
"""Background before each word, in which the Sentry warms up."""
COUNTED_AT = 40.0
"""Accepts per hour at which the share that a Sentry lets through is counted: some twenty in half an hour."""


def triggers_of(settings: Settings) -> tuple[float, ...]:
    """The triggers to try: the one that is set, or all."""
    return TRIGGERS if settings.trigger is None else (settings.trigger,)


@dataclasses.dataclass(frozen=True, slots=True)
class Tried:
    """What a trigger does on validation audio."""

    trigger: float
    calls_per_hour: float
    """Wakes per hour of sound without the phrase: what the Judge is asked at most, where it confirms none."""
    caught: float
    """Share of the words that the Sentry wakes at."""
    kept: Operating | None = None
    """The lowest threshold of the Judge at which the pair keeps to the rate; None for none, or too many calls."""


@dataclasses.dataclass(frozen=True)
class Pairing:
    """Two thresholds chosen together, and what they do on the audio they were chosen on."""

    trigger: float
    confirm: float
    """The Judge's threshold."""
    at_confirm: Operating
    """Misses and false accepts of the pair at it."""
    tried: tuple[Tried, ...]
    """The triggers there were to choose from."""


def choose(
    sentry: Run, judge: Run, *, settings: Settings, fa_per_hour: float, most_calls: float, progress: Progress
) -> Pairing:
    """Both thresholds together, on the Sentry's validation part.

    For each trigger that calls at most `most_calls` times an hour the lowest threshold of the Judge is looked for at
    which the pair keeps to `fa_per_hour` (see `keeping`). Of the pairs that do, the one whose Sentry catches most
    words is taken, of equals the one with the lowest trigger; a trigger in the settings is the only one tried. An
    early stage is to let next to nothing be lost, and what it lets through is the next one's to reject (P. Viola and
    M. Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", CVPR 2001): people score lower than
    the voices of validation, so that the pair that misses fewest of these loses people whom no Judge can bring back.

    Clips that the Judge was trained on, and those that either run's guard left out, are not heard. Raises InputError
    for two phrases, where no trigger calls so seldom, or where no pair keeps to the rate.
    """
    if sentry.recipe.phrase != judge.recipe.phrase:
        raise InputError(
            "Sentry and Judge are of two phrases",
            got=f"{sentry.recipe.phrase!r} and {judge.recipe.phrase!r}",
            do="name runs of one phrase",
        )
    parts = _unknown_to(judge, sentry)
    spoken = _apart(scenes.word_scene(parts, "validation", sentry.recipe))
    silent = scenes.other_scene(parts, "validation", sentry.recipe)
    pair = (str(sentry.folder), str(judge.folder), settings)
    triggers = triggers_of(settings)
    wakes = [
        _heard(f"Sentry on {name}", what, sentry, pair, triggers, progress)
        for name, what in (("words", spoken), ("others", silent))
    ]
    tried = [_tried(trigger, i, *wakes) for i, trigger in enumerate(triggers)]
    asked = tuple(one.trigger for one in within(tried, most_calls))
    alone = _alone("others", judge, silent, progress)
    negatives = hear.add([hear.negatives_in(one, silent.manifest, f"stream {i}") for i, one in enumerate(alone)])
    heard_alone = [
        t for one in _alone("words", judge, spoken, progress) for t in hear.trials_in(one, spoken.manifest)
    ]
    others = _heard("pairs on others", silent, sentry, pair, asked, progress, judged=True)
    keeps = {
        trigger: keeping(_silence(others, i), negatives, heard_alone, fa_per_hour) for i, trigger in enumerate(asked)
    }
    tried = [dataclasses.replace(one, kept=keeps.get(one.trigger)) for one in tried]
    chosen = lowest(tried, fa_per_hour)
    words = _heard("pair on words", spoken, sentry, pair, (chosen.trigger,), progress, judged=True)
    curve = det_curve(_trials(words, 0), _silence(others, asked.index(chosen.trigger)))
    assert chosen.kept is not None
    return Pairing(chosen.trigger, chosen.kept.threshold, curve.at(chosen.kept.threshold), tuple(tried))


def within(tried: Sequence[Tried], most_calls: float) -> list[Tried]:
    """The triggers that call at most so often. Raises InputError for none."""
    allowed = [one for one in tried if one.calls_per_hour <= most_calls]
    if not allowed:
        raise InputError(
            "the Sentry wakes too often at any trigger",
            got=f"{min(one.calls_per_hour for one in tried):.0f} an hour at least, where {most_calls:g} are allowed",
            do="allow more with --calls, or train the Sentry longer",
        )
    return allowed


def lowest(tried: Sequence[Tried], fa_per_hour: float) -> Tried:
    """Of the pairs that keep to the rate, the one with the lowest trigger of those whose Sentry catches most words.

    A Sentry that everything keeps awake, and that waits until its score has fallen, wakes seldom too: far down it
    catches less. Raises InputError for none.
    """
    pairs = [one for one in tried if one.kept is not None]
    if not pairs:
        raise InputError(
            "no pair keeps to the rate of false accepts",
            got=f"a Judge as sure as can be of sound without the phrase, where {fa_per_hour:g} an hour are allowed",
            do="allow more with --fa-per-hour, or train the Judge longer",
        )
    return max(pairs, key=lambda one: (one.caught, -one.trigger))


def _unknown_to(judge: Run, sentry: Run) -> Parts:
    known = {clip.path for clip in judge.clips("train")}
    known |= {clip for run in (judge, sentry) for clip in run.suspects()}
    validation = sentry.clips("validation")
    kept = Manifest(tuple(clip for clip in validation if clip.path not in known or clip.kind == "rir"))
    return {"validation": kept}


def _apart(what: Scene) -> Scene:
    """Each word in a stream of its own: said one after another they would be one long wake to a Sentry."""
    plans = [dataclasses.replace(plan, lead_s=LEAD_S, items=(item,)) for plan in what.plans for item in plan.items]
    return dataclasses.replace(what, plans=plans)


@dataclasses.dataclass(frozen=True)
class _Stream:
    """What came of one stream at one trigger."""

    woken: Woken
    heard: hear.Heard
    """With the confidences as scores."""


_Heard = tuple[list[list[_Stream]], Manifest]


def _hear(
    stream: streams.StreamPlan,
    *,
    surroundings: streams.Surroundings,
    pair: tuple[str, str, Settings],
    triggers: tuple[float, ...],
    judged: bool,
) -> list[_Stream]:
    samples, events = streams.render(stream, surroundings)
    ear = pair_ear(*pair)
    found = ear.hear_at(samples, triggers, judged=judged)
    return [_Stream(one, hear.Heard(one.confidences, ear.hop_s, ear.first_step_s, events)) for one in found]


def _heard(
    name: str,
    what: Scene,
    sentry: Run,
    pair: tuple[str, str, Settings],
    triggers: tuple[float, ...],
    progress: Progress,
    *,
    judged: bool = False,
) -> _Heard:
    work = functools.partial(_hear, surroundings=what.surroundings, pair=pair, triggers=triggers, judged=judged)
    with progress.stage(name, len(what.plans), "streams") as bar:
        workers = sentry.workers(f"{pair[1]}/metadata.json")
        return list(map_work(work, what.plans, workers=workers, chunk=2, progress_bar=bar)), what.manifest


def _alone(name: str, judge: Run, what: Scene, progress: Progress) -> list[hear.Heard]:
    """What the Judge says where it hears everything."""
    with progress.stage(f"Judge alone on {name}", len(what.plans), "streams") as bar:
        heard = hear.hear_all(what.plans, what.surroundings, judge.folder, workers=judge.workers(), bar=bar)
    return [dataclasses.replace(one, rule=None) for one in heard]  # no firmware decides for a Judge


def _let_through(silence: Negatives, alone: Negatives) -> float:
    """The share of what the Judge alone would accept that the Sentry lets through to it, never quite nothing.

    Counted where the Judge alone accepts COUNTED_AT an hour, and taken to be the same where it accepts less.
    """
    level = det_curve([], alone).operating_at(COUNTED_AT).threshold
    return min(1.0, (silence.count(level) + 0.5) / (alone.count(level) + 0.5))


def _cut(heard: hear.Heard, manifest: Manifest, scores: Scores) -> list[Trial]:
    return hear.trials_in(dataclasses.replace(heard, scores=scores), manifest)


def _trials(words: _Heard, index: int) -> list[Trial]:
    """The words as heard at the index-th of the triggers."""
    at = [stream[index] for stream in words[0]]
    return [t for one in at for t in trials_of(one.woken, functools.partial(_cut, one.heard, words[1]))]


def _silence(others: _Heard, index: int) -> Negatives:
    at = [stream[index] for stream in others[0]]
    told = [dataclasses.replace(one.heard, scores=one.woken.accepts) for one in at]
    return hear.add([hear.negatives_in(one, others[1], f"stream {i}") for i, one in enumerate(told)])


def _tried(trigger: float, index: int, words: _Heard, others: _Heard) -> Tried:
    """The index-th of the triggers that were tried."""
    trials = _trials(words, index)
    caught = float(np.mean([trial.peak > 0 for trial in trials])) if trials else 0.0
    calls = sum(stream[index].woken.calls for stream in others[0])
    return Tried(trigger, calls_per_hour(calls, _silence(others, index)), caught)


def keeping(silence: Negatives, alone: Negatives, words: Sequence[Trial], fa_per_hour: float) -> Operating | None:
    """The lowest threshold of the Judge at which a pair keeps to the rate, and its false accepts; None for no such.

    `silence` is what the pair would accept of sound without the phrase, `alone` what the Judge would if it heard
    everything, and `words` how it hears the phrase then. Where the audio is too short to count the rate, the
    threshold is one at which the Judge alone would accept so much that what the Sentry lets through of it keeps to
    the rate: at most what the Judge would need alone, who gives up no more words for a rate that nobody can tell,
    and above all that was confirmed here.
    """
    curve = det_curve([], silence)
    counted = curve.operating_at(fa_per_hour).threshold
    if counted > 1.0:
        return None
    if allowed_count(fa_per_hour, silence.hours):
        return curve.at(counted)
    share = _let_through(silence, alone)
    most = calibrate(words, alone, fa_per_hour=fa_per_hour).threshold
    # what the Judge hears where the Sentry does not wake is no reason to be careful, so no peak of it is a bound
    tail = tail_level(logit(alone.peaks), alone.hours, max(fa_per_hour / share, 1 / (REACH * alone.hours)))
    return curve.at(max(counted, most if tail is None else min(expit(tail.level), most)))


def table(chosen: Pairing, say: Callable[[str], None]) -> None:
    """What every trigger would do, the chosen one marked, and what the pair does."""
    say("trigger  calls/h  Sentry wakes at  confirmed from")
    for one in chosen.tried:
        mark = "  <" if one.trigger == chosen.trigger else ""
        kept = "-" if one.kept is None else f"{one.kept.threshold:.3f}"
        say(f"{one.trigger:7.2f}  {one.calls_per_hour:7.1f}  {one.caught:15.1%}  {kept:>14}{mark}")
    found = chosen.at_confirm
    say(
        f"confirmed from {chosen.confirm:.3f} on: missed {found.misses} of {found.positives} ({found.frr:.1%}), "
        f"{found.false_accepts} false accepts in {found.hours:.2f} h of validation"
    )
