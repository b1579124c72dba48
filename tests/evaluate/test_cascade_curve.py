"""A pair's curve goes through its thresholds, and what is measured there is what the cascade does when it listens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wakewright.core.audio import Samples, load
from wakewright.core.manifest import Manifest
from wakewright.core.recipe import Cascade as Settings
from wakewright.detect.cascade import Cascade
from wakewright.detect.detector import Detector
from wakewright.detect.judge import Judge
from wakewright.detect.listener import Listener
from wakewright.evaluate.cascade import PairEar
from wakewright.evaluate.cascade_curve import Curve


@pytest.mark.parametrize(("trigger", "lowest"), [(0.8, 0.4), (0.5, 0.5), (0.9, 0.05), (0.3, 0.28)])
def test_the_trigger_that_was_set_is_among_those_tried(trigger: float, lowest: float) -> None:
    curve = Curve(trigger, 0.7, lowest)
    triggers = curve.triggers()
    assert triggers == sorted(set(triggers))
    assert triggers.count(trigger) == 1
    assert triggers[0] == pytest.approx(lowest)
    assert triggers[-1] > trigger


def test_a_wake_is_as_high_as_the_nearer_of_the_two_thresholds() -> None:
    curve = Curve(0.5, 0.5, 0.5)  # log odds of 0: shifts are 0, 0.5 and 1
    nothing = np.zeros(3, np.float32)

    def height(shift: float) -> float:
        return float(1 / (1 + np.exp(-shift)))

    def confidence(level: float) -> np.ndarray:  # of a wake at the second step
        return np.asarray([0.0, height(level), 0.0], np.float32)

    found = curve.heights([confidence(3.0), confidence(3.0), nothing])
    np.testing.assert_allclose(found, [0, height(0.5), 0])  # the Sentry would not wake with the trigger higher up
    found = curve.heights([confidence(0.2), confidence(0.2), confidence(0.2)])
    np.testing.assert_allclose(found, [0, height(0.2), 0], atol=1e-6)  # the Judge would not confirm
    found = curve.heights([confidence(-2.0), nothing, nothing])
    np.testing.assert_allclose(found, [0, height(-2.0), 0], atol=1e-6)  # the trigger stays, the Judge's goes down
    assert not curve.heights([nothing, nothing, nothing]).any()


def test_what_is_measured_is_what_the_cascade_does(exported: dict[str, Path], spoken: Manifest) -> None:
    rest = np.random.default_rng(0).normal(0, 0.002, 8000).astype(np.float32)
    sound: Samples = np.concatenate([np.tile(rest, 5), *(p for c in spoken for p in (load(c.path), rest))])[
        : 12 * 16000
    ]
    folder, settings = exported["speech_embedding"], Settings(asks=2, again_ms=250)
    scores = Detector.load(folder).score(sound)
    # weights are random: a trigger that is crossed now and then, and a Judge's threshold in the midst of what it says
    trigger = float(np.quantile(scores, 0.9))
    ear = PairEar(Detector.load(folder, threshold=trigger), Judge.load(folder), settings)
    measured = ear.hear_at(sound, [trigger])[0]
    confirm = float(np.median(measured[measured > 0]))
    cascade = Cascade(
        Listener.load([folder], threshold=trigger),
        {"hey katya": Judge.load(folder)},
        settings.model_copy(update={"confirm": confirm}),
        say=pytest.fail,
        live=False,
    )
    events = [*cascade.push(sound), *cascade.end()]
    cascade.close()
    hop, first = round(ear.hop_s * 16000), round(ear.first_step_s * 16000)
    wakes = {e.number: (e.detection.sample - first) // hop for e in events if e.kind == "wake"}
    assert sorted(wakes.values()) == np.flatnonzero(measured).tolist()
    confirmed = sorted(wakes[e.number] for e in events if e.kind == "confirmed")
    assert confirmed == np.flatnonzero(measured >= np.float32(confirm)).tolist()
    assert confirmed
