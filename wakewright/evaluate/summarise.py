"""From trials and negatives to a Result: every number of the report, computed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wakewright.core.errors import InputError
from wakewright.core.manifest import Manifest
from wakewright.evaluate.bootstrap import REPLICATES, bootstrap_frr
from wakewright.evaluate.calibrate import SYNTHETIC_ALONE, Calibration
from wakewright.evaluate.groups import worst_groups
from wakewright.evaluate.metrics import DetCurve, Negatives, Trial, allowed_count, det_curve, no_negatives
from wakewright.evaluate.result import (
    Breakdown,
    Condition,
    Curve,
    Delay,
    Form,
    Group,
    Histogram,
    History,
    Licence,
    Point,
    Result,
    Silence,
    Source,
    rate,
    share,
)
from wakewright.evaluate.shares import equal_error_rate, latency, misses_by, partial_auc, worst_sources
from wakewright.evaluate.thresholds import threshold_table

RATES = (0.5, 1.0, 2.0)
"""False accepts per hour at which the miss rate is reported."""
CURVE_TOP = 20.0
"""The DET curve ends at this many false accepts per hour: nobody lives with more."""
CURVE_POINTS = 80
CONFUSIONS_SHOWN = 12
BINS = 40


def summarise(
    conditions: Mapping[str, Sequence[Trial]],
    negatives: Mapping[str, Negatives],
    threshold: float,
    *,
    phrase: str,
    model: str,
    calibration: Calibration | None = None,
    usual: Sequence[str] = (),
    rates: Sequence[float] = RATES,
    seed: int = 1,
    replicates: int = REPLICATES,
) -> Result:
    """Trials by condition and negatives by kind, at the calibrated threshold -> Result.

    The first of the negatives gives the hours for every DET curve. The threshold table has the conditions named in
    `usual`, or the first. History, recipe, advice, samples and date are added by the caller with
    dataclasses.replace. Raises InputError when there is no condition or no negatives.
    """
    if not conditions or not negatives:
        raise InputError(
            "nothing to evaluate",
            got=f"{len(conditions)} conditions with wake words and {len(negatives)} kinds of other sound",
            do="give recordings of the wake word and of other speech",
        )
    main = next(iter(negatives.values()))
    first, headline = next(iter(conditions.items()))
    return Result(
        phrase=phrase,
        model=model,
        threshold=float(threshold),
        threshold_origin=_origin(calibration),
        conditions=tuple(
            _condition(name, trials, main, threshold, rates, seed, replicates) for name, trials in conditions.items()
        ),
        silences=tuple(
            Silence(name, rate(heard.count(threshold), heard.hours), heard.real_hours)
            for name, heard in negatives.items()
        ),
        thresholds=threshold_table({name: conditions[name] for name in usual or [first]}, main, threshold),
        breakdowns=worst_groups(conditions, threshold),
        worst=tuple(
            Source(s.source, rate(s.count, s.hours))
            for s in worst_sources(sum(negatives.values(), no_negatives()), threshold)
        ),
        histogram=_histogram(headline, main),
        warnings=_warnings(headline, main, rates) + _notes(calibration, main),
    )


def _condition(
    name: str,
    trials: Sequence[Trial],
    negatives: Negatives,
    threshold: float,
    rates: Sequence[float],
    seed: int,
    replicates: int,
) -> Condition:
    """Everything about one condition."""
    curve = det_curve(trials, negatives)
    counts = _curve_counts(curve)
    targets = [*rates, *(count / curve.hours for count in counts)]
    bands = bootstrap_frr(trials, negatives, targets, seed=seed, replicates=replicates)
    points = []
    for target, band in zip(rates, bands, strict=False):
        at = curve.operating_at(target)
        points.append(
            Point(target, at.threshold, share(at.misses, at.positives, tuple(band)), rate(at.false_accepts, at.hours))
        )
    at = curve.at(threshold)
    chosen = Point(None, at.threshold, share(at.misses, at.positives), rate(at.false_accepts, at.hours))
    band = bands[len(rates) :]
    heights = np.asarray([trial.peak for trial in trials])
    measurable = heights.size > 0 and negatives.windows.size > 0
    found = latency(trials, threshold)
    return Condition(
        name=name,
        chosen=chosen,
        points=tuple(points),
        curve=Curve(
            false_accepts=tuple(counts),
            hours=curve.hours,
            frr=tuple(curve.frr_at(count / curve.hours) for count in counts),
            low=tuple(band[:, 0].tolist()),
            high=tuple(band[:, 1].tolist()),
        ),
        eer=equal_error_rate(heights, negatives.windows) if measurable else None,
        pauc=partial_auc(heights, negatives.windows) if measurable else None,
        delay=Delay(found.median_s, found.p90_s, found.detected) if found else None,
    )


def _curve_counts(curve: DetCurve) -> list[int]:
    """Numbers of false accepts the curve is drawn at: none, then evenly spread over the logarithm."""
    if curve.hours <= 0 or not curve.positives:
        return []
    top = max(1, allowed_count(CURVE_TOP, curve.hours))
    spread = np.unique(np.round(np.geomspace(1, top, CURVE_POINTS)).astype(int))
    return [0, *spread.tolist()]


def confusions(trials: Sequence[Trial], threshold: float, *, note: str = "") -> Breakdown | None:
    """Of near misses, which texts are taken for the phrase how often, most first; None without any near miss."""
    if not trials:
        return None
    rows = sorted(
        ((row.group, row.positives - row.misses, row.positives) for row in misses_by(trials, "text", threshold)),
        key=lambda row: (-row[1], -row[1] / row[2], row[0]),
    )
    shown = [row for row in rows if row[1]][:CONFUSIONS_SHOWN]
    groups = tuple(Group(text, share(count, of)) for text, count, of in shown)
    return Breakdown("near miss", groups, len(rows) - len(shown), note=note)


def _histogram(trials: Sequence[Trial], negatives: Negatives) -> Histogram | None:
    """Scores of both sides, or None when one is empty."""
    if not trials or not negatives.peaks.size:
        return None
    edges = np.linspace(0.0, 1.0, BINS + 1)
    words = np.histogram(np.clip([trial.peak for trial in trials], 0.0, 1.0), edges)[0]
    others = np.histogram(np.clip(negatives.peaks, 0.0, 1.0), edges)[0]
    return Histogram(tuple(edges.tolist()), tuple(words.tolist()), tuple(others.tolist()))


def _origin(calibration: Calibration | None) -> str:
    """How the threshold was chosen."""
    if calibration is None:
        return "given by hand"
    how = {
        "count": "by counting false accepts",
        "tail": "by extrapolating the tail of the highest peaks",
        "minimum": "as the minimum of 2 FAR + FRR",
    }[calibration.method]
    return f"chosen {how} on {calibration.hours:.2g} h of validation audio"


def _notes(calibration: Calibration | None, negatives: Negatives) -> tuple[str, ...]:
    """What the calibration has to say, but for what the measurement says already."""
    said = SYNTHETIC_ALONE if negatives.real_hours <= 0 else None
    return tuple(note for note in calibration.notes if note != said) if calibration else ()


def _warnings(trials: Sequence[Trial], negatives: Negatives, rates: Sequence[float]) -> tuple[str, ...]:
    """What a reader must know before believing the numbers."""
    found = []
    if negatives.real_hours <= 0:
        found.append(NEVER_REAL)
    elif negatives.real_hours < 0.9 * negatives.hours:
        found.append(
            f"Only {negatives.real_hours:.2g} of the {negatives.hours:.2g} h behind the false-accept figure are real."
        )
    blind = [f"{target:g}" for target in rates if allowed_count(target, negatives.hours) == 0]
    if blind:
        found.append(
            f"{negatives.hours:.2g} h cannot show {' or '.join(blind)} false accepts per hour: those columns give "
            "the miss rate with no false accept at all."
        )
    if 0 < len(trials) < 100:
        found.append(f"Only {len(trials)} wake words were tried: mind the intervals.")
    if not trials:
        found.append("No wake word was tried, so nothing is known about misses.")
    return tuple(found)


NEVER_REAL = (
    "This false-accept figure has never heard a real voice: it comes from synthetic speech and noise alone and says "
    "little about a home. Name folders of real speech and noise in the recipe (background.speech, background.noise)."
)
UNSTATED = "not stated"
"""Licence of clips that came without one, such as own recordings."""


def licences(clips: Manifest) -> tuple[Licence, ...]:
    """Every source and licence among the clips with its number of clips, by name."""
    counts = Counter((clip.source, clip.licence or UNSTATED) for clip in clips)
    return tuple(Licence(source, licence, count) for (source, licence), count in sorted(counts.items()))


def backbone_licences(about: Mapping[str, Any] | None) -> tuple[Licence, ...]:
    """Licences of what a run's backbone learnt from, by what the backbone says of itself; nothing without one."""
    stated = [*about.get("recordings", ()), *about.get("voices", ())] if about else []
    return tuple(Licence("backbone", licence, 0) for licence in stated)


HISTORY = {"loss": "loss", "val_frr": "missed on validation voices"}
"""Figures of metrics.jsonl that are drawn, and their names."""


FORMS = {"float32_frr": "in float32", "rounded_frr": "with the roundings of int8", "file_frr": "int8 file"}
"""Figures of the stage int8 by their names."""


def int8_forms(metrics: Sequence[Mapping[str, object]]) -> tuple[Form, ...]:
    """What int8 cost, from a run's metrics.jsonl; nothing for a model in float32."""
    rows = [row for row in metrics if row.get("stage") == "int8"]
    return tuple(Form(name, float(str(rows[-1][key]))) for key, name in FORMS.items()) if rows else ()


def training_history(metrics: Sequence[Mapping[str, object]]) -> tuple[History, ...]:
    """The curves of a run's metrics.jsonl: those of the model itself, not of its teacher."""
    curves = []
    for key, name in HISTORY.items():
        rows = [row for row in metrics if row.get("stage") == "model" and row.get(key) is not None]
        steps, values = [float(str(r["step"])) for r in rows], [float(str(r[key])) for r in rows]
        if rows:
            curves.append(History(name, tuple(steps), tuple(values)))
    return tuple(curves)
