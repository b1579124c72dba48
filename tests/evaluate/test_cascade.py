"""What is measured of a pair is what its cascade does when it listens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from wakewright.core.audio import Samples, load
from wakewright.core.errors import InputError
from wakewright.core.manifest import Manifest
from wakewright.core.recipe import Cascade as Settings
from wakewright.detect.cascade import Cascade
from wakewright.detect.detector import Detector
from wakewright.detect.judge import Judge, Verdict
from wakewright.detect.listener import Listener
from wakewright.detect.policy import Fire
from wakewright.evaluate.calibrate import calibrate
from wakewright.evaluate.cascade import Tried, keeping, lowest, within
from wakewright.evaluate.metrics import Negatives, Operating, Trial, cut_trial, det_curve, no_negatives
from wakewright.evaluate.pair import CALLED, Asked, PairEar, Woken, trials_of


def listened(
    listener: Listener, judge: Judge | Opinion, settings: Settings, confirm: float, sound: Samples, ear: PairEar
) -> tuple[list[int], list[int]]:
    """Steps at which a cascade wakes, and those that its Judge confirms."""
    settings = settings.model_copy(update={"confirm": confirm})
    cascade = Cascade(listener, {"hey katya": judge}, settings, say=pytest.fail, live=False)
    events = [*cascade.push(sound), *cascade.end()]
    cascade.close()
    hop, first = round(ear.hop_s * 16000), round(ear.first_step_s * 16000)
    step = {e.number: (e.detection.sample - first) // hop for e in events if e.kind == "wake"}
    return sorted(step.values()), sorted(step[e.number] for e in events if e.kind == "confirmed")


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
    confirm = float(np.median(measured.confidences[measured.confidences > 0]))
    listener = Listener.load([folder], threshold=trigger)
    wakes, confirmed = listened(listener, Judge.load(folder), settings, confirm, sound, ear)
    assert wakes == measured.wakes(confirm).tolist()
    assert confirmed == measured.confirmed(confirm).tolist()
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
            found = keeping(woken, alone, [], rate)
            assert found is not None
            assert found.false_accepts == count
            assert found.threshold == pytest.approx(np.sort(woken.peaks)[-1 - count], abs=1e-6)
    assert keeping(heard([1.0, 1.0, 1.0], 4.0), heard([0.1] * 50, 4.0), [], 0.5) is None


def test_a_rate_that_cannot_be_counted_is_extrapolated_for_what_the_sentry_lets_through() -> None:
    rng = np.random.default_rng(0)
    alone = heard(np.sort(rng.beta(1, 6, 400)), 0.5)
    by_itself = calibrate([], alone, fa_per_hour=0.5).threshold
    few, many = (keeping(heard(alone.peaks[-n:] * 0.3, 0.5), alone, [], 0.5) for n in (1, 200))
    most = keeping(alone, alone, [], 0.5)
    assert few is not None
    assert many is not None
    assert most is not None
    assert few.threshold <= many.threshold <= most.threshold == by_itself
    assert few.threshold < by_itself
    sure = keeping(
        heard([0.999], 0.5), alone, [], 0.5
    )  # what was confirmed here counts, whatever the Judge alone needs
    assert sure is not None
    assert sure.false_accepts == 0
    assert sure.threshold > 0.999 > by_itself


def test_a_pair_gives_up_no_more_words_than_its_judge_alone_for_a_rate_that_nobody_can_tell() -> None:
    """With ten minutes of sound half an hour's rate is a guess: it once put the threshold above 70 % of the words."""
    rng = np.random.default_rng(0)
    alone = heard(np.sort(rng.beta(1, 1.5, 150)) * 0.9, 1 / 6)
    words = [Trial(np.asarray([peak], np.float32), 0.1, 0.0, "clip") for peak in np.linspace(0.5, 0.95, 200)]
    guessed, told = (keeping(alone, alone, said, 0.5) for said in ([], words))
    assert guessed is not None
    assert told is not None
    assert told.threshold == calibrate(words, alone, fa_per_hour=0.5).threshold
    missed = [sum(word.missed(at.threshold) for word in words) for at in (guessed, told)]
    assert missed[0] > 100
    assert missed[1] <= max(50, sum(word.missed(float(alone.peaks.max())) for word in words) + 1)


def test_what_a_judge_hears_where_the_sentry_sleeps_makes_the_pair_no_more_careful() -> None:
    rng = np.random.default_rng(0)
    usual = np.sort(rng.beta(4, 4, 500))
    woken = heard(usual[::4], 0.4)
    without, with_one = (keeping(woken, heard(np.sort([*usual, *more]), 0.4), [], 0.5) for more in ([], [0.98]))
    assert without is not None
    assert with_one is not None
    assert woken.peaks.max() < without.threshold < with_one.threshold < 0.95


def test_wakes_without_a_judge_are_those_that_it_is_asked_about(exported: dict[str, Path], spoken: Manifest) -> None:
    folder = exported["speech_embedding"]
    sound = np.concatenate([np.zeros(40000, np.float32), *(load(clip.path) for clip in list(spoken)[:4])])
    trigger = float(np.quantile(Detector.load(folder).score(sound), 0.8))
    ear = PairEar(Detector.load(folder), Judge.load(folder), Settings())
    unasked = ear.hear_at(sound, (trigger, 0.99), judged=False)
    for asked, woke in zip(ear.hear_at(sound, (trigger, 0.99)), unasked, strict=True):
        np.testing.assert_array_equal(asked.confidences > 0, woke.confidences > 0)
        np.testing.assert_array_equal(asked.held > 0, woke.held > 0)
        assert asked.calls == woke.calls


class Opinion:
    """A Judge that is as sure of each clip as its bytes say, so that wakes of one rise differ."""

    name, phrase = "stand-in", "hey katya"

    def verify(self, samples: Samples) -> Verdict:
        confidence = float(np.float32(hashlib.sha256(samples.tobytes()).digest()[0] / 256))
        return Verdict(self.phrase, confidence >= 0.5, confidence, 0.5, 0.0)


@pytest.mark.parametrize("rewake_ms", [None, 500, 1600])
def test_a_sentry_that_stays_awake_is_measured_as_it_listens(
    scripted: Callable[[Sequence[tuple[float, float, float]], float], Detector], rewake_ms: int | None
) -> None:
    """At each threshold of the Judge: what is asked about, what is confirmed, what counts as missed or accepted."""
    rng, settings = np.random.default_rng(5), Settings(rewake_ms=rewake_ms, asks=2)
    sound = rng.normal(0, 0.01, 24 * 16000).astype(np.float32)
    held = 0
    for _ in range(3):
        levels = [(float(t), t + 2.4, float(rng.choice([0.1, 0.5, 0.6]))) for t in np.arange(2.0, 22.0, 2.4)]
        ear = PairEar(scripted(levels, 0.4), Opinion(), settings)  # type: ignore[arg-type]
        (woken,) = ear.hear_at(sound, (0.4,))
        held += int(np.count_nonzero(woken.held))
        words = [(at, at + 8000) for at in range(16000 * 3, 16000 * 20, 24000)]

        def cut(scores: Samples, words: Sequence[tuple[int, int]] = words, ear: PairEar = ear) -> list[Trial]:
            return [cut_trial(scores, ear.hop_s, *one, first_step_s=ear.first_step_s) for one in words]

        trials = trials_of(woken, cut)
        curve = det_curve(trials, no_negatives())
        said = woken.confidences[woken.confidences > CALLED]
        for confirm in [0.05, *rng.choice(said, min(4, len(said)), replace=False)]:
            listener = Listener([scripted(levels, 0.4)])
            wakes, confirmed = listened(listener, Opinion(), settings, float(confirm), sound, ear)
            assert wakes == woken.wakes(float(confirm)).tolist()
            assert confirmed == woken.confirmed(float(confirm)).tolist()
            assert len(confirmed) == np.count_nonzero(woken.accepts >= np.float64(confirm))
            scores = np.zeros(len(woken.confidences), np.float32)
            scores[confirmed] = 1.0
            missed = [not one.scores.any() for one in cut(scores)]
            assert [one.missed(float(confirm)) for one in trials] == missed
            assert curve.at(float(confirm)).misses == sum(missed)
            asked = [one.confirmed_at(float(confirm)) is not None for one in ear.asked]
            assert sum(asked) == len(confirmed)
    assert (held > 0) == (rewake_ms is not None)


def test_of_wakes_between_which_the_score_has_not_fallen_one_is_accepted_at_most() -> None:
    fires = [Fire(1, 0.5), Fire(3, 0.5, again=True), Fire(5, 0.5, again=True), Fire(7, 0.5), Fire(9, 0.5, again=True)]
    woken = Woken.of(11, fires, {1: 0.5, 3: 0.25, 5: 0.75, 7: 0.0, 9: 0.25})
    np.testing.assert_array_equal(woken.held, np.float32([0, 0, 0, 0.5, 0, 0.5, 0, 0, 0, CALLED, 0]))
    np.testing.assert_array_equal(woken.accepts, np.float32([0, CALLED, 0, CALLED, 0, 0.75, 0, CALLED, 0, 0.25, 0]))
    assert woken.calls == 5
    assert woken.wakes(0.5).tolist() == [1, 7, 9]
    assert woken.wakes(0.6).tolist() == [1, 3, 5, 7, 9]
    assert [woken.confirmed(level).tolist() for level in (0.2, 0.5, 0.6, 0.8)] == [[1, 9], [1], [5], []]
    assert Woken.of(3, [], {}).accepts.tolist() == [0, 0, 0]
    assert [Asked(0.5, (0.25, 0.75)).confirmed_at(level) for level in (0.25, 0.5, 0.6, 0.8)] == [None, None, 1, None]
    assert Asked(0.0, (0.25, 0.75)).confirmed_at(0.0) == 0


def test_a_word_that_was_held_is_missed_where_the_wake_before_it_was_confirmed() -> None:
    fires = [Fire(1, 0.5), Fire(4, 0.5, again=True), Fire(6, 0.5)]
    for before, own, later, gap in (
        (0.3, 0.8, 0.0, (0.0, 0.3)),
        (0.3, 0.8, 0.2, (0.2, 0.3)),
        (0.3, 0.8, 0.5, (0.3, 0.3)),
        (0.6, 0.4, 0.0, (0.0, 0.4)),
        (0.6, 0.4, 0.5, (0.4, 0.4)),
    ):
        woken = Woken.of(9, fires if later else fires[:2], {1: before, 4: own, 6: later})
        (word,) = trials_of(woken, lambda scores: [Trial(scores[3:8], 0.0, 0.1, 0)])
        assert word.gap == pytest.approx(gap)
        for level in (0.1, 0.25, 0.35, 0.45, 0.55, 0.7, 0.9):
            heard = any(3 <= step < 8 for step in woken.confirmed(level))
            assert word.missed(level) is not heard
            assert (word.latency_s(level) is None) is not heard
            assert det_curve([word], no_negatives()).at(level).misses == (not heard)
