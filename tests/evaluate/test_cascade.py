"""What is measured of a pair is what its cascade does when it listens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wakewright.core.audio import Samples, load
from wakewright.core.errors import InputError
from wakewright.core.manifest import Manifest
from wakewright.core.recipe import Cascade as Settings
from wakewright.detect.cascade import Cascade
from wakewright.detect.detector import Detector
from wakewright.detect.judge import Judge
from wakewright.detect.listener import Listener
from wakewright.evaluate.cascade import PairEar, Tried, lowest


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
    # awake all the time at 0.1, too many calls at 0.3
    tried = [Tried(0.7, 5, 0.9), Tried(0.1, 2, 0.0), Tried(0.3, 100, 1.0), Tried(0.4, 40, 0.98), Tried(0.5, 20, 0.98)]
    assert lowest(tried, 60).trigger == 0.4
    assert lowest(tried, 30).trigger == 0.5
    assert lowest(tried, 10).trigger == 0.7
    with pytest.raises(InputError, match=r"wakes too often at any trigger\n  got: 2 an hour at least, where 1 are"):
        lowest(tried, 1)


def test_wakes_without_a_judge_are_those_that_it_is_asked_about(exported: dict[str, Path], spoken: Manifest) -> None:
    folder = exported["speech_embedding"]
    sound = np.concatenate([np.zeros(40000, np.float32), *(load(clip.path) for clip in list(spoken)[:4])])
    trigger = float(np.quantile(Detector.load(folder).score(sound), 0.8))
    ear = PairEar(Detector.load(folder), Judge.load(folder), Settings())
    for asked, woke in zip(ear.hear_at(sound, (trigger, 0.99)), ear.wakes_at(sound, (trigger, 0.99)), strict=True):
        np.testing.assert_array_equal(asked > 0, woke > 0)
