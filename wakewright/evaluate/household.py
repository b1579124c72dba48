"""Fitting a finished run to a room and its people: a threshold and an input gain, without training.

Some ten utterances and some minutes of the room are little, so the two kinds of evidence are not equal:

- The room may raise the threshold as far as it must: what already wakes the detector there will do so again.
- It may lower it no further than the run's own validation audio allows (see `lowest_of`): five minutes without a
  false accept bound nothing below 36 per hour. And no further than the utterances gain by it: where a lower
  threshold catches no more of them, the run's own stays.

Of the gains, the one with which fewest utterances are missed at its threshold is taken; of several, the one nearest
to none. Since few utterances choose two numbers, the report counts each by a fit to the others as well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wakewright import __version__
from wakewright.core import record
from wakewright.core.files import write_json
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.detect import household, metadata
from wakewright.detect.device_rule import on_device
from wakewright.evaluate import measure
from wakewright.evaluate.calibrate import calibrate, expit, logit
from wakewright.evaluate.metrics import Negatives, allowed_count, just_above
from wakewright.evaluate.result import rate, share
from wakewright.evaluate.room import Heard, Material, hear_all
from wakewright.evaluate.wording import number, rate_text, share_text

CLIPPED_SHARE = 0.1
"""A gain that drives more of the utterances than this beyond full scale is not taken."""
PHRASE_QUANTILE = 0.25
"""What scores like the better three quarters of the utterances may be the phrase itself."""
PHRASE_TIMES = 2
"""So often in the room's sound it is told: once may be a chance."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """A gain and a threshold, and what they do on the household's recordings."""

    gain_db: float
    threshold: float
    misses: int
    positives: int
    false_accepts: int
    hours: float

    def told(self) -> str:
        """A line for the report."""
        missed, woken = share(self.misses, self.positives), rate(self.false_accepts, self.hours)
        return (
            f"gain {self.gain_db:+g} dB, threshold {self.threshold:.3f}: missed {share_text(missed)}; "
            f"false accepts {rate_text(woken)}"
        )


@dataclasses.dataclass(frozen=True)
class Fit:
    """What was fitted, and the evidence."""

    before: Setting
    """The run as it was trained and calibrated."""
    after: Setting
    others_missed: int
    """Utterances missed when each is heard by a fit to the others: what may be expected of further ones."""
    fa_per_hour: float
    """What was asked for."""
    lowest: float
    """The threshold could not go below this."""
    validation: tuple[int, float] | None
    """False accepts of the threshold in how many hours of the run's own validation audio, heard without a gain; None
    where that is not there."""
    fitted_to: str
    """Of which model (see household.fitted_to)."""
    notes: tuple[str, ...]

    def report(self) -> list[str]:
        """Lines for people."""
        total = self.before.positives
        lines = [
            f"before: {self.before.told()}",
            f"after:  {self.after.told()}",
            "each utterance heard by a fit to the others: missed " + share_text(share(self.others_missed, total)),
        ]
        if self.validation is not None:
            lines.append(f"on the run's own validation audio: false accepts {rate_text(rate(*self.validation))}")
        return lines + [f"! {note}" for note in self.notes]

    def stored(self) -> dict[str, Any]:
        """household.json, but for the time."""
        return {
            "format": household.FORMAT,
            "threshold": self.after.threshold,
            "gain_db": self.after.gain_db,
            "wakewright": __version__,
            **dataclasses.asdict(self),
            "notes": list(self.notes),
            "validation": None if self.validation is None else list(self.validation),
        }


def fit(run: Run, material: Material, *, fa_per_hour: float | None = None, progress: Progress) -> Fit:
    """Choose gain and threshold. `fa_per_hour` None takes what the run was calibrated to. Raises RunError."""
    about = metadata.read(run.require("metadata.json").parent)
    model, target = run.require(about["model"]), fa_per_hour or run.recipe.calibrate.fa_per_hour
    everything = hear_all(run, material, progress)
    validation = measure.validation_negatives(run, progress)
    before = float(about["threshold"])
    lowest, notes = lowest_of(validation, before, target)
    window = run.recipe.policy.smoothing if model.suffix == ".tflite" else None
    bounds = _bounds(everything, target, lowest)
    chosen = _choose(everything, bounds, before, window)
    plain = next(heard for heard in everything if heard.gain_db == 0)
    after = next(heard for heard in everything if heard.gain_db == chosen[0])
    return Fit(
        _setting(plain, before),
        _setting(after, chosen[1]),
        _missed_by_others(everything, bounds, before, window),
        target,
        lowest,
        None if validation is None else (validation.count(chosen[1]), validation.hours),
        household.fitted_to(model),
        (*notes, *_phrase_in_room(plain, before), *_too_short(after, chosen[1], target)),
    )


def lowest_of(validation: Negatives | None, threshold: float, fa_per_hour: float) -> tuple[float, list[str]]:
    """How low a household may set the threshold, and what to say about it.

    As low as the run's validation audio puts it for this rate; where that is extrapolated, one standard error lower,
    but above everything heard there. Without that audio, as low as it is.
    """
    if validation is None or not validation.peaks.size:
        return threshold, [
            "The run's validation audio is not there any more: the threshold can only be raised, not lowered."
        ]
    found = calibrate([], validation, fa_per_hour=fa_per_hour)
    if found.standard_error is None:
        return found.threshold, []
    level = float(logit(np.asarray(found.threshold))) - found.standard_error
    return max(float(just_above(validation.heights[-1])), expit(level)), []


def _bounds(everything: Sequence[Heard], fa_per_hour: float, lowest: float) -> dict[float, float]:
    """By gain, the threshold that room and run together ask for; gains that clip are left out."""
    usable = [heard for heard in everything if heard.gain_db <= 0 or heard.clipped <= CLIPPED_SHARE]
    return {
        heard.gain_db: max(lowest, calibrate([], heard.negatives, fa_per_hour=fa_per_hour).threshold)
        for heard in usable
    }


def threshold_for(peaks: Sequence[float], bound: float, before: float) -> float:
    """The threshold for utterances of these peaks: `before`, `bound` where that is higher, or between the two.

    Lower than `before` only where that catches more; then half way, in log odds, from the bound to the lowest
    utterance that is caught, since others will be a little lower.
    """
    if bound >= before:
        return bound
    caught = min((peak for peak in peaks if peak >= bound), default=before)
    if caught >= before:
        return before
    return expit(float(logit(np.asarray([bound, caught])).mean()))


def _choose(
    everything: Sequence[Heard], bounds: dict[float, float], before: float, window: int | None, left_out: int = -1
) -> tuple[float, float]:
    """(gain, threshold) with fewest misses, of those the gain nearest to none; one utterance may be left out."""
    tried = []
    for heard in everything:
        if heard.gain_db in bounds:
            peaks = [peak for i, peak in enumerate(heard.peaks) if i != left_out]
            threshold = threshold_for(peaks, bounds[heard.gain_db], before)
            if window is not None and threshold != before:
                threshold = on_device(threshold, window)
            misses = sum(peak < threshold for peak in peaks)
            tried.append((misses, abs(heard.gain_db), heard.gain_db, threshold))
    return min(tried)[2:]


def _setting(heard: Heard, threshold: float) -> Setting:
    missed = sum(peak < threshold for peak in heard.peaks)
    count = heard.negatives.count(threshold)
    return Setting(heard.gain_db, threshold, missed, len(heard.peaks), count, heard.negatives.hours)


def _missed_by_others(
    everything: Sequence[Heard], bounds: dict[float, float], before: float, window: int | None
) -> int:
    """Utterances that a fit to the others misses."""
    missed = 0
    for left_out in range(len(everything[0].peaks)):
        gain, threshold = _choose(everything, bounds, before, window, left_out)
        missed += next(heard for heard in everything if heard.gain_db == gain).peaks[left_out] < threshold
    return missed


def _phrase_in_room(plain: Heard, before: float) -> list[str]:
    """What to say of a room in which the phrase itself seems to be said."""
    level = max(before, float(np.quantile(plain.peaks, PHRASE_QUANTILE)))
    like = [(Path(path).name, seconds) for score, path, seconds in plain.moments if score >= level]
    if len(like) < PHRASE_TIMES:
        return []
    places = ", ".join(f"{name} at {int(s) // 60}:{int(s) % 60:02d}" for name, s in like[:5])
    return [
        f"The room's sound scores like the phrase {len(like)} times ({places}{', ...' if len(like) > 5 else ''}): if "
        "somebody says it there, cut that out and fit again, for the threshold was raised above it."
    ]


def _too_short(after: Heard, threshold: float, fa_per_hour: float) -> list[str]:
    """What so little of the room leaves open."""
    woken = rate(after.negatives.count(threshold), after.negatives.hours)
    if woken.high is None or woken.high <= fa_per_hour or allowed_count(fa_per_hour, woken.hours):
        return []
    return [
        f"{60 * woken.hours:.0f} minutes of the room bound the rate at no less than {number(woken.high)} per hour; "
        f"for {fa_per_hour:g} per hour the run's own audio stands."
    ]


def store(run: Run, found: Fit) -> Path:
    """Write household.json into the run, and a line into its history; the same fit again adds none.

    Raises RunError while another process holds the run.
    """
    with run.held():
        _note(run, gain_db=found.after.gain_db, threshold=found.after.threshold, fitted_to=found.fitted_to)
        write(run.folder / household.FILE, found)
    return run.folder / household.FILE


def write(path: Path, found: Fit) -> None:
    """Write the fit as JSON, atomically."""
    write_json(path, found.stored() | {"created": record.now()})


def reset(run: Run) -> bool:
    """Take what was fitted away from the run; False when there was nothing. Raises RunError as `store` does."""
    with run.held():
        there = (run.folder / household.FILE).is_file()
        if there:
            _note(run, gain_db=None, threshold=None, fitted_to=None)
            (run.folder / household.FILE).unlink()
    return there


def _note(run: Run, **values: Any) -> None:
    """A line in metrics.jsonl, unless the last of its kind says the same: a kill may have come after it."""
    lines = [line for line in run.metrics() if line.get("stage") == "household"]
    if not lines or {name: lines[-1].get(name) for name in values} != values:
        run.log(stage="household", time=record.now(), **values)
