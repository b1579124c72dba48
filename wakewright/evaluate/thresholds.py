"""The threshold table: what other thresholds would have done on the sound that the report's figures come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from wakewright.evaluate.metrics import Negatives, Trial, det_curve
from wakewright.evaluate.result import Operation, ThresholdTable, rate, share

STEPS_LOGIT = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0)
"""How far the other thresholds lie from the chosen one. Scores are probabilities, so they are spread in logits: near
0 and 1, where thresholds lie, the steps become small."""
ENDS = (0.001, 0.999)


def ladder(threshold: float) -> list[float]:
    """Eleven thresholds or fewer, rising: the chosen one as it is, and rounded ones below and above it."""
    centre = min(max(threshold, ENDS[0]), ENDS[1])
    logit = math.log(centre / (1 - centre))
    others = {_rounded(1 / (1 + math.exp(-(logit + step)))) for step in STEPS_LOGIT}
    apart = {value for value in others if ENDS[0] <= value <= ENDS[1] and value != threshold}
    return sorted({threshold, *apart})


def _rounded(value: float) -> float:
    """To two digits of the distance to the nearer of 0 and 1: 0.31, 0.976, 0.0045."""
    near = min(value, 1 - value)
    digits = 1 - math.floor(math.log10(near))
    return round(value, digits)


def threshold_table(
    conditions: Mapping[str, Sequence[Trial]], negatives: Negatives, threshold: float
) -> ThresholdTable:
    """Misses of every condition, and false accepts, at each threshold of the ladder."""
    curves = {name: det_curve(trials, negatives) for name, trials in conditions.items()}
    rows = []
    for value in ladder(threshold):
        at = [curve.at(value) for curve in curves.values()]
        missed = tuple(share(one.misses, one.positives) for one in at)
        rows.append(Operation(value, missed, rate(negatives.count(value), negatives.hours)))
    return ThresholdTable(tuple(curves), tuple(rows))
