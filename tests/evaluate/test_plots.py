"""The DET chart shows all that it speaks of."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from wakewright.evaluate.metrics import Trial, collect_negatives
from wakewright.evaluate.plots import _dress
from wakewright.evaluate.summarise import summarise


def test_a_threshold_that_misses_more_than_the_band_is_still_on_the_chart() -> None:
    rng = np.random.default_rng(1)
    peaks = rng.uniform(0.5, 0.99, 200).astype(np.float32)
    trials = [Trial(np.array([p], np.float32), 0.0, 0.08, 0, str(i)) for i, p in enumerate(peaks)]
    negatives = collect_negatives(rng.uniform(0, 0.4, 90_000).astype(np.float32), 0.08, name="radio", real=True)
    result = summarise({"clean": trials}, {"speech": negatives}, 0.95, phrase="hey katya", model="mixednet")
    shown = list(result.conditions)
    missed = shown[0].chosen.missed.share
    assert missed is not None
    assert missed > max(shown[0].curve.high)
    axes = Figure().subplots()
    axes.plot([1.0], [1.0], label="clean")
    _dress(axes, shown, 0.1)
    assert axes.get_ylim()[1] > 100 * missed
