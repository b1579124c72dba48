"""A Sentry that stays awake wakes again only where the wake before was cancelled: a word is confirmed once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from wakewright.core.audio import Samples
from wakewright.core.recipe import Cascade as Settings
from wakewright.detect.cascade import ASKED_AT_ONCE, MOST_HELD, Cascade, Event
from wakewright.detect.detector import Detector
from wakewright.detect.judge import JudgeAway, Verdict
from wakewright.detect.listener import Listener

Scripted = Callable[[Sequence[tuple[float, float, float]], float], Detector]
TRIGGER = 0.4
AWAKE = [(3.0, 12.0, 0.6)]
"""Noise that keeps the Sentry awake for nine seconds."""
PATIENT = Settings(after_ms=200, asks=3, timeout_ms=60_000)
"""The last asking is 0.8 s after a wake."""
SIZES = pytest.mark.parametrize("size", [333, 1280, 10**6])


def sound_of(*words_s: float, seconds: float = 16.0) -> Samples:
    """Silence with a mark where each word ends."""
    sound = np.zeros(round(16000 * seconds), np.float32)
    for word_s in words_s:
        sound[round(16000 * word_s) - 800 : round(16000 * word_s)] = 0.5
    return sound


class StandIn:
    """A Judge that knows the mark of a whole word, once a test lets it answer."""

    name, phrase = "stand-in", "hey katya"

    def __init__(self) -> None:
        self.asked, self.lets = 0, threading.Event()
        self.lets.set()

    def verify(self, samples: Samples) -> Verdict:
        self.asked += 1
        assert self.lets.wait(60)
        confidence = 0.9 if np.count_nonzero(samples == 0.5) >= 800 else 0.1
        return Verdict(self.phrase, confidence >= 0.5, confidence, 0.5, 0.0)


class Away(StandIn):
    """One that is never there."""

    def verify(self, samples: Samples) -> Verdict:
        self.asked += 1
        raise JudgeAway("the Judge at x does not answer", got="refused")


def cascade_of(sentry: Detector, judge: StandIn, settings: Settings, *, live: bool = False) -> Cascade:
    return Cascade(Listener([sentry]), {"hey katya": judge}, settings, say=lambda _: None, live=live)


def settle(cascade: Cascade) -> list[Event]:
    """What a Judge says that answers at once, live."""
    events = []
    while any(rise.told and (rise.told.answer or rise.told.sounds) for rise in cascade._open):
        events += cascade.answers()
    return events


def hear(cascade: Cascade, sound: Samples, size: int = 1280) -> list[Event]:
    events = []
    for at in range(0, len(sound), size):
        events += [*cascade.push(sound[at : at + size]), *settle(cascade)]
    events += cascade.end()
    cascade.close()
    return events


def told(events: Sequence[Event]) -> list[tuple[str, int, int, float | None, str]]:
    return [(e.kind, e.number, e.detection.sample, e.confidence, e.reason) for e in events]


def by_time(events: Sequence[Event]) -> list[tuple[int, str, float | None, str]]:
    """Without numbers and order, which are by the clock where a wake was held, live."""
    return sorted((e.detection.sample, e.kind, e.confidence, e.reason) for e in events)


def answered(events: Sequence[Event]) -> list[Event]:
    """The answers, after making sure that each wake has one, after it, and that there is no other."""
    wakes = [e for e in events if e.kind == "wake"]
    assert [e.number for e in wakes] == list(range(len(wakes)))
    answers = [e for e in events if e.kind != "wake"]
    assert sorted(e.number for e in answers) == list(range(len(wakes)))
    for answer in answers:
        assert events.index(wakes[answer.number]) < events.index(answer)
        assert wakes[answer.number].detection is answer.detection
    return answers


def apart_s(events: Sequence[Event]) -> list[float]:
    """Seconds of sound from wake to wake."""
    return np.diff([e.detection.end_s for e in events if e.kind == "wake"]).round(2).tolist()


def held(cascade: Cascade) -> int:
    return sum(len(rise.held) for rise in cascade._open)


@SIZES
@pytest.mark.parametrize("live", [False, True])
def test_a_word_that_comes_after_the_noise_is_asked_about_and_confirmed_once(
    scripted: Scripted, size: int, live: bool
) -> None:
    judge, sound = StandIn(), sound_of(5.5, 14.5)
    sentry = scripted([*AWAKE, (14.0, 15.5, 0.9)], TRIGGER)
    events = hear(cascade_of(sentry, judge, PATIENT, live=live), sound, size)
    assert len(answered(events)) == 3
    once = hear(cascade_of(scripted([*AWAKE, (14.0, 15.5, 0.9)], TRIGGER), StandIn(), PATIENT), sound)
    assert [a.kind for a in answered(once)] == ["cancelled", "confirmed", "confirmed"]
    assert apart_s(once)[0] == pytest.approx(1.6, abs=sentry.hop_s)
    assert by_time(events) == by_time(once)
    assert live or told(events) == told(once)


@SIZES
@pytest.mark.parametrize("live", [False, True])
def test_a_word_whose_score_stays_up_for_seconds_is_confirmed_once(scripted: Scripted, size: int, live: bool) -> None:
    # the mark lies within the clips of the first four wakes
    judge, sound = StandIn(), sound_of(3.2)
    events = hear(cascade_of(scripted(AWAKE, TRIGGER), judge, PATIENT, live=live), sound, size)
    assert [e.kind for e in events] == ["wake", "confirmed"]


def test_without_the_setting_it_wakes_again_when_the_score_has_fallen(scripted: Scripted) -> None:
    settings = PATIENT.model_copy(update={"rewake_ms": None})
    events = hear(cascade_of(scripted(AWAKE, TRIGGER), StandIn(), settings), sound_of(5.5))
    assert [e.kind for e in events] == ["wake", "cancelled"]


def test_it_wakes_each_time_after_the_pause_that_is_set(scripted: Scripted) -> None:
    sentry = scripted(AWAKE, TRIGGER)
    settings = PATIENT.model_copy(update={"rewake_ms": 2400})
    events = hear(cascade_of(sentry, StandIn(), settings), sound_of())
    assert {a.kind for a in answered(events)} == {"cancelled"}
    assert apart_s(events) == pytest.approx([2.4] * 3, abs=sentry.hop_s)


@pytest.mark.parametrize("word_s", [3.2, 5.5])
def test_a_wake_is_held_until_the_one_before_is_answered(scripted: Scripted, word_s: float) -> None:
    judge = StandIn()
    judge.lets.clear()
    cascade = cascade_of(scripted(AWAKE, TRIGGER), judge, PATIENT, live=True)
    sound = sound_of(word_s)
    events = [e for at in range(0, 16000 * 7, 1280) for e in cascade.push(sound[at : at + 1280])]
    assert [e.kind for e in events] == ["wake"]
    assert held(cascade) == 2
    assert cascade.holds(cascade._open[0].held[0].detection)
    assert not cascade.holds(events[0].detection)
    judge.lets.set()
    events += settle(cascade)
    events += [e for at in range(16000 * 7, len(sound), 1280) for e in cascade.push(sound[at : at + 1280])]
    events += cascade.end()
    cascade.close()
    assert [a.kind for a in answered(events)] == (["confirmed"] if word_s == 3.2 else ["cancelled", "confirmed"])
    once = hear(cascade_of(scripted(AWAKE, TRIGGER), StandIn(), PATIENT), sound)
    assert by_time(events) == by_time(once)


@pytest.mark.parametrize("on_timeout", ["accept", "reject"])
def test_a_wake_that_the_clock_answered_holds_as_its_answer_says(scripted: Scripted, on_timeout: str) -> None:
    judge, now = StandIn(), [0.0]
    judge.lets.clear()
    settings = Settings(on_timeout=on_timeout, timeout_ms=2500)
    cascade = Cascade(
        Listener([scripted([*AWAKE, (13.0, 15.0, 0.9)], TRIGGER)]),
        {"hey katya": judge},
        settings,
        say=lambda _: None,
        clock=lambda: now[0],
    )
    events, sound = [], sound_of()
    for at in range(0, len(sound), 1280):
        now[0] = (at + 1280) / 16000
        events += cascade.push(sound[at : at + 1280])
    while cascade.waiting:
        now[0] += 0.1
        events += cascade.answers()
    judge.lets.set()
    time.sleep(0.05)
    events += cascade.answers()  # what comes too late is no second answer
    assert judge.asked <= ASKED_AT_ONCE  # what waited behind the questions that hang is not asked any more
    cascade.close()
    answers = answered(events)
    assert {(a.kind, a.reason) for a in answers} == {
        ("confirmed" if on_timeout == "accept" else "cancelled", "timeout")
    }
    rises = [e.detection.again for e in events if e.kind == "wake"]
    if on_timeout == "accept":
        assert rises == [False, False]
    else:
        assert rises.count(False) == 2
        assert rises.count(True) >= 3


@SIZES
@pytest.mark.parametrize("on_timeout", ["accept", "reject"])
def test_a_judge_that_is_away_answers_each_wake_as_is_set(scripted: Scripted, on_timeout: str, size: int) -> None:
    settings = PATIENT.model_copy(update={"on_timeout": on_timeout})
    events = hear(cascade_of(scripted(AWAKE, TRIGGER), Away(), settings), sound_of(5.5), size)
    assert {a.reason for a in answered(events)} == {"away"}
    kinds = [a.kind for a in answered(events)]
    assert kinds == (["confirmed"] if on_timeout == "accept" else ["cancelled"] * 6)


@SIZES
def test_wakes_of_a_second_rise_do_not_wait_for_the_first(scripted: Scripted, size: int) -> None:
    """The first wake is asked about for 4.7 s: the second is held meanwhile, and the score falls and rises."""
    settings = PATIENT.model_copy(update={"rewake_ms": 500, "asks": 10, "again_ms": 500})
    rises = [(3.0, 4.2, 0.6), (5.0, 6.0, 0.6)]
    events = hear(cascade_of(scripted(rises, TRIGGER), StandIn(), settings), sound_of(), size)
    assert {a.kind for a in answered(events)} == {"cancelled"}
    assert [e.detection.again for e in events if e.kind == "wake"] == [False, False, True, True, True]
    assert told(events) == told(hear(cascade_of(scripted(rises, TRIGGER), StandIn(), settings), sound_of()))


def test_a_judge_that_hangs_for_long_leaves_no_more_than_some_to_ask_about(scripted: Scripted) -> None:
    judge = StandIn()
    judge.lets.clear()
    cascade = cascade_of(scripted([(3.0, 60.0, 0.6)], TRIGGER), judge, PATIENT, live=True)
    events = cascade.push(sound_of(seconds=30.0))
    assert held(cascade) == MOST_HELD
    judge.lets.set()
    events += cascade.end()
    cascade.close()
    assert [a.kind for a in answered(events)] == ["cancelled"] * (1 + MOST_HELD)
    assert apart_s(events)[1:] == pytest.approx([1.6] * (MOST_HELD - 1), abs=0.08)


def test_another_stream_begins_afresh(scripted: Scripted) -> None:
    cascade = cascade_of(scripted(AWAKE, TRIGGER), StandIn(), PATIENT)
    sound, events = sound_of(3.2), list[Event]()
    for _ in range(2):
        events += [*cascade.push(sound[: 16000 * 8]), *cascade.end()]
        cascade.reset()
    cascade.close()
    assert [a.kind for a in answered(events)] == ["confirmed"] * 2


def test_scores_that_stay_up_wake_again_however_they_are_cut(scripted: Scripted) -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        levels = [(float(t), t + 0.9, float(rng.choice([0.1, 0.35, 0.5, 0.8]))) for t in np.arange(0, 16, 0.9)]
        sentry = scripted(levels, TRIGGER)
        sentry.rearm(0.8, 1600)
        sound = sound_of()
        whole = list(sentry.stream(sound))
        parts = list(sentry.stream(np.array_split(sound, 37)))
        assert [(one.sample, one.again) for one in whole] == [(one.sample, one.again) for one in parts]
        assert len(whole) > 2
