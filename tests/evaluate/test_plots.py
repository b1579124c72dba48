"""The DET chart shows all that it speaks of."""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.figure import Figure

from wakewright.evaluate.metrics import Trial, collect_negatives
from wakewright.evaluate.plots import _caption, _dress, drawn
from wakewright.evaluate.result import Form, Result
from wakewright.evaluate.summarise import summarise


def _result(steps: int) -> Result:
    """Of 200 words and so many steps of 80 ms without one."""
    rng = np.random.default_rng(1)
    peaks = rng.uniform(0.5, 0.99, 200).astype(np.float32)
    trials = [Trial(np.array([p], np.float32), 0.0, 0.08, 0, str(i)) for i, p in enumerate(peaks)]
    sound = rng.uniform(0, 0.4, steps).astype(np.float32)
    negatives = collect_negatives(sound, 0.08, name="radio", real=True)
    return summarise(
        {"clean": trials}, {"speech": negatives}, 0.6, phrase="hey katya", model="mixednet", replicates=20
    )


def test_the_caption_says_how_this_model_was_counted() -> None:
    result = _result(90_000)
    shown = list(result.conditions)
    assert "in 2.0 h without the word; peaks within 2 s count once." in _caption(shown, device=False)
    told = _caption(shown, device=True)
    assert "in 2.0 h without the word, as the device's firmware would fire." in told
    assert "within 2 s" not in told
    words = [text.get_text() for text in drawn(dataclasses.replace(result, forms=(Form("int8 file", 0.1),))).texts]
    assert any("firmware" in word for word in words)


def test_where_there_is_no_curve_the_picture_says_so_as_the_page_does() -> None:
    figure = drawn(_result(100))
    assert figure.axes == []
    words = " ".join(" ".join(text.get_text() for text in figure.texts).split())
    assert "There is no curve: 6 s without the word hold too few sounds that come near to it." in words


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
