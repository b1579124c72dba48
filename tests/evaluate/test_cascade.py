"""What is measured of a pair is what its cascade does when it listens."""

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
from wakewright.evaluate.cascade import PairEar, Pairing, lowest
from wakewright.evaluate.metrics import Operating


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


def test_the_lowest_trigger_catches_most_within_the_calls_that_are_allowed() -> None:
    def pairing(trigger: float, calls: float, caught: float) -> Pairing:
        return Pairing(trigger, calls, caught, 0.5, Operating(0.5, 0, 10, 0, 1.0))

    # awake all the time at 0.1, too many calls at 0.3
    tried = [pairing(0.7, 5, 0.9), pairing(0.1, 2, 0.0), pairing(0.3, 100, 1.0), pairing(0.4, 40, 0.98)]
    tried.append(pairing(0.5, 20, 0.98))
    assert lowest(tried, 60).trigger == 0.4
    assert lowest(tried, 30).trigger == 0.5
    assert lowest(tried, 10).trigger == 0.7
