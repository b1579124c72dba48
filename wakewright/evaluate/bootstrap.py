"""How much the miss rate at a false-accept rate would move with other speakers and other hours of sound.

Cluster bootstrap (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8): whole sources
are drawn with replacement, since clips of one speaker fail together; percentiles are taken over the replicates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wakewright.evaluate.intervals import LEVEL, share_interval
from wakewright.evaluate.metrics import Negatives, Trial, det_curve

REPLICATES = 1000


def _trial_units(trials: Sequence[Trial]) -> NDArray[np.int64]:
    """(trials,) number of the unit each trial is drawn with: its source, or itself when there is only one source."""
    names = {source: i for i, source in enumerate(dict.fromkeys(trial.source for trial in trials))}
    if len(names) < 2:
        return np.arange(len(trials))
    return np.asarray([names[trial.source] for trial in trials], dtype=np.int64)


def _negative_units(negatives: Negatives) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(events,) unit of each peak, and (units,) hours of each; single peaks when there is one source."""
    if len(negatives.sources) < 2:
        events = max(1, negatives.peaks.size)
        return np.arange(negatives.peaks.size), np.full(events, negatives.hours / events)
    return negatives.owner, negatives.source_hours


def bootstrap_frr(
    trials: Sequence[Trial],
    negatives: Negatives,
    rates: Sequence[float],
    *,
    seed: int,
    replicates: int = REPLICATES,
) -> NDArray[np.float64]:
    """(rates, 2): 95 % interval of the miss rate at each false-accept rate per hour.

    The threshold is found anew in every replicate. Where the misses are so few that resampling cannot show them, the
    exact interval of the count is the wider one, and is given: no interval is narrower than Clopper and Pearson's.
    (0, 1) without trials or hours.
    """
    wanted = np.asarray(rates, dtype=np.float64)
    if not trials or negatives.hours <= 0:
        return np.tile([0.0, 1.0], (len(wanted), 1))
    rng = np.random.default_rng(seed)
    peaks = np.asarray([trial.peak for trial in trials])
    rising = np.argsort(peaks, kind="stable")
    peaks, units = peaks[rising], _trial_units(trials)[rising]
    gaps = np.asarray([trials[i].gap for i in rising])
    falling = np.argsort(-negatives.peaks, kind="stable")
    heights = negatives.peaks[falling].astype(np.float64)
    owners, hours = _negative_units(negatives)
    owners = owners[falling]
    unit_count = int(units.max()) + 1
    missed = np.empty((replicates, len(wanted)))
    for row in missed:
        weights = np.bincount(rng.integers(unit_count, size=unit_count), minlength=unit_count)
        drawn = np.bincount(rng.integers(hours.size, size=hours.size), minlength=hours.size)
        below = np.concatenate(([0], np.cumsum(weights[units])))
        accepted = np.cumsum(drawn[owners])
        allowed = np.floor(wanted * float(drawn @ hours) + 1e-9)
        place = np.searchsorted(accepted, allowed, side="right")
        barred = np.append(heights, -np.inf)[place]  # the highest peak that must not pass; -inf: all may
        # the threshold is just above what is barred
        lost = weights[units] @ ((gaps[:, :1] <= barred) & (barred < gaps[:, 1:]))
        row[:] = (below[np.searchsorted(peaks, barred, side="right")] + lost) / below[-1]
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.percentile(missed, [tail, 100.0 - tail], axis=0)
    curve = det_curve(trials, negatives)
    exact = np.asarray([share_interval(p.misses, p.positives) for p in map(curve.operating_at, wanted.tolist())])
    return np.stack((np.minimum(low, exact[:, 0]), np.maximum(high, exact[:, 1])), axis=1)
