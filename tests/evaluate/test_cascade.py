"""What is measured of a pair is what its cascade does when it listens."""

from __future__ import annotations

from collections.abc import Sequence
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
from wakewright.evaluate.calibrate import calibrate
from wakewright.evaluate.cascade import PairEar, Tried, keeping, lowest, within
from wakewright.evaluate.metrics import Negatives, Operating


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


def kept(at: float) -> Operating:
    return Operating(at, 0, 0, 0, 1.0)


def test_the_lowest_trigger_catches_most_within_the_calls_that_are_allowed() -> None:
    # awake all the time at 0.1, too many calls at 0.3
    tried = [
        Tried(trigger, calls, caught, kept(0.9))
        for trigger, calls, caught in ((0.7, 5, 0.9), (0.1, 2, 0), (0.3, 100, 1), (0.4, 40, 0.98), (0.5, 20, 0.98))
    ]
    assert [lowest(within(tried, most), 0.5).trigger for most in (60, 30, 10)] == [0.4, 0.5, 0.7]
    with pytest.raises(InputError, match=r"wakes too often at any trigger\n  got: 2 an hour at least, where 1 are"):
        within(tried, 1)


def test_only_pairs_that_keep_to_the_rate_are_chosen_from() -> None:
    tried = [Tried(0.4, 40, 0.98), Tried(0.5, 20, 0.97, kept(0.8)), Tried(0.6, 10, 0.97, kept(0.3))]
    assert lowest(tried, 0.5).trigger == 0.5
    with pytest.raises(InputError, match=r"no pair keeps to the rate.*\n.*where 0.5 an hour are allowed"):
        lowest(tried[:1], 0.5)


def heard(peaks: Sequence[float], hours: float) -> Negatives:
    heights = np.asarray(peaks, np.float32)
    return Negatives(heights, np.zeros(len(heights), np.int64), ("x",), np.asarray([hours]), heights)


def test_the_judge_threshold_is_the_lowest_that_keeps_the_pair_to_the_rate() -> None:
    """Of the pair and not of the Judge alone, which may hear less in a stream than in the clip of a wake, or more."""
    woken = heard([0.2, 0.7, 0.9, 0.95], 4.0)
    for alone in (heard([0.1] * 50, 4.0), heard([0.999] * 50, 4.0)):
        for rate, count in ((0.25, 1), (0.5, 2), (0.75, 3)):
            found = keeping(woken, alone, rate)
            assert found is not None
            assert found.false_accepts == count
            assert found.threshold == pytest.approx(np.sort(woken.peaks)[-1 - count], abs=1e-6)
    assert keeping(heard([1.0, 1.0, 1.0], 4.0), heard([0.1] * 50, 4.0), 0.5) is None


def test_a_rate_that_cannot_be_counted_is_extrapolated_for_what_the_sentry_lets_through() -> None:
    rng = np.random.default_rng(0)
    alone = heard(np.sort(rng.beta(1, 6, 400)), 0.5)
    by_itself = calibrate([], alone, fa_per_hour=0.5).threshold
    few, many = (keeping(heard(alone.peaks[-n:] * 0.3, 0.5), alone, 0.5) for n in (1, 200))
    most = keeping(alone, alone, 0.5)
    assert few is not None
    assert many is not None
    assert most is not None
    assert few.threshold <= many.threshold <= most.threshold == by_itself
    assert few.threshold < by_itself
    sure = keeping(heard([0.999], 0.5), alone, 0.5)  # what was confirmed here counts, whatever the Judge alone needs
    assert sure is not None
    assert sure.false_accepts == 0
    assert sure.threshold > 0.999 > by_itself


def test_wakes_without_a_judge_are_those_that_it_is_asked_about(exported: dict[str, Path], spoken: Manifest) -> None:
    folder = exported["speech_embedding"]
    sound = np.concatenate([np.zeros(40000, np.float32), *(load(clip.path) for clip in list(spoken)[:4])])
    trigger = float(np.quantile(Detector.load(folder).score(sound), 0.8))
    ear = PairEar(Detector.load(folder), Judge.load(folder), Settings())
    for asked, woke in zip(ear.hear_at(sound, (trigger, 0.99)), ear.wakes_at(sound, (trigger, 0.99)), strict=True):
        np.testing.assert_array_equal(asked > 0, woke > 0)
