"""Every wake gets exactly one answer, whatever becomes of the Judge."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from wakewright.core.audio import Samples, load
from wakewright.core.errors import InputError
from wakewright.core.manifest import Manifest
from wakewright.core.recipe import Cascade as Settings
from wakewright.core.recipe import Policy
from wakewright.detect import cascade as cascades
from wakewright.detect.cascade import Cascade, Event, open_judge
from wakewright.detect.detector import Detector
from wakewright.detect.judge import Judge, JudgeAway, Verdict
from wakewright.detect.listener import Listener
from wakewright.detect.policy import PolicyState


@pytest.fixture(scope="module")
def sound(spoken: Manifest) -> Samples:
    """Speech with pauses, twelve seconds of it."""
    rest = np.random.default_rng(0).normal(0, 0.002, 8000).astype(np.float32)
    parts = [np.tile(rest, 5)]
    for clip in spoken:
        parts += [load(clip.path), rest]
    return np.concatenate(parts)[: 12 * 16000]


@pytest.fixture(scope="module")
def sentry(exported: dict[str, Path], sound: Samples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Sentry that wakes a few times in the sound."""
    folder = tmp_path_factory.mktemp("sentry") / "run"
    shutil.copytree(exported["speech_embedding"], folder)
    threshold = float(np.quantile(Detector.load(folder).score(sound), 0.7))
    about = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps(about | {"threshold": threshold}))
    return folder


@pytest.fixture(scope="module", autouse=True)
def _rearms() -> Iterator[None]:
    """Weights are random and scores hover: a Sentry may wake again when they have fallen a little."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cascades, "REARM", 0.96)
        yield


def listens(sentry: Path) -> Listener:
    """What a cascade makes of its listener."""
    listener = Listener.load([sentry])
    for detector in listener.detectors:
        detector.rearm(cascades.REARM)
    return listener


class StandIn:
    """A Judge that answers as the test wants, and remembers what it heard."""

    name, phrase = "stand-in", "hey katya"

    def __init__(self, answer: Callable[[Samples], float]) -> None:
        self.answer, self.heard = answer, list[Samples]()

    def verify(self, samples: Samples) -> Verdict:
        self.heard.append(samples)
        confidence = self.answer(samples)
        return Verdict(self.phrase, confidence >= 0.5, confidence, 0.5, 0.0)


def until(moment_ms: int, samples: int, sound: Samples, after_ms: int = 350) -> Samples:
    """What the Judge is asked about so long after a wake at this sample: as much as when it was first asked."""
    return sound[max(0, samples - 48000) : samples + 16 * moment_ms][-48000 - 16 * after_ms :]


def run(cascade: Cascade, sound: Samples, size: int = 1280) -> list[Event]:
    events = [event for at in range(0, len(sound), size) for event in cascade.push(sound[at : at + size])]
    events += cascade.end()
    cascade.close()
    return events


def checked(events: list[Event], wakes: int) -> list[Event]:
    """The answers, after making sure that every wake has one, after it, and that there is no other."""
    assert [e.number for e in events if e.kind == "wake"] == list(range(wakes))
    answers = [e for e in events if e.kind != "wake"]
    assert sorted(e.number for e in answers) == list(range(wakes))
    for answer in answers:
        wake = next(e for e in events if e.kind == "wake" and e.number == answer.number)
        assert events.index(wake) < events.index(answer)
        assert wake.detection is answer.detection
    return answers


@pytest.fixture(scope="module")
def wakes(sentry: Path, sound: Samples, _rearms: None) -> int:
    count = len(list(listens(sentry).stream(sound)))
    assert count >= 3
    return count


def test_the_judge_confirms_or_cancels_each_wake(sentry: Path, sound: Samples, wakes: int) -> None:
    confidences = iter(np.linspace(0.1, 0.9, wakes).tolist())
    judge = StandIn(lambda _: next(confidences))
    cascade = Cascade(listens(sentry), {"hey katya": judge}, Settings(asks=1), say=pytest.fail, live=False)
    answers = checked(run(cascade, sound), wakes)
    assert [a.kind for a in answers] == ["confirmed" if (a.confidence or 0) >= 0.5 else "cancelled" for a in answers]
    assert {a.kind for a in answers} == {"confirmed", "cancelled"}
    assert {a.reason for a in answers} == {"judge"}
    strict = Settings(confirm=0.95)
    cascade = Cascade(listens(sentry), {"hey katya": StandIn(lambda _: 0.9)}, strict, say=pytest.fail)
    assert {a.kind for a in checked(run(cascade, sound), wakes)} == {"cancelled"}


@pytest.mark.parametrize("size", [333, 1280, 10**6])
def test_the_judge_hears_the_sound_before_and_after_the_wake(
    sentry: Path, sound: Samples, wakes: int, size: int
) -> None:
    judge = StandIn(lambda _: 1.0)
    settings = Settings(after_ms=300)
    cascade = Cascade(listens(sentry), {"hey katya": judge}, settings, say=pytest.fail, live=False)
    answers = checked(run(cascade, sound, size), wakes)
    for answer, heard in zip(answers, judge.heard, strict=True):
        end = answer.detection.sample
        np.testing.assert_array_equal(heard, sound[max(0, end - 48000) : end + 4800])


@pytest.mark.parametrize("size", [333, 1280, 10**6])
@pytest.mark.parametrize("live", [False, True])
def test_the_judge_is_asked_until_it_confirms(
    sentry: Path, sound: Samples, wakes: int, size: int, live: bool
) -> None:
    settings = Settings(after_ms=100, asks=4, again_ms=150, timeout_ms=60_000)
    first = next(iter(listens(sentry).stream(sound))).sample
    clips = [until(100 + 150 * i, first, sound, 100) for i in range(4)]
    for confirms in range(4):
        # the first wake is confirmed at its asking number `confirms`, the others never
        judge = StandIn(lambda heard, at=clips[confirms]: 0.9 if np.array_equal(heard, at) else 0.2)
        cascade = Cascade(listens(sentry), {"hey katya": judge}, settings, say=pytest.fail, live=live)
        answers = {a.number: a for a in checked(run(cascade, sound, size), wakes)}
        assert (answers[0].kind, answers[0].confidence) == ("confirmed", 0.9)
        assert {(a.kind, a.confidence, a.reason) for n, a in answers.items() if n} == {("cancelled", 0.2, "judge")}
        about_first = [h for h in judge.heard if any(np.array_equal(h, clip) for clip in clips)]
        assert len(about_first) == confirms + 1


def test_a_judge_that_denied_once_and_is_gone_has_denied(sentry: Path, sound: Samples, wakes: int) -> None:
    denied, said = list[Samples](), list[str]()

    def once(heard: Samples) -> float:
        if denied and len(heard) > len(denied[-1]):
            raise JudgeAway("the Judge at x does not answer", got="refused")
        denied.append(heard)
        return 0.3

    short = sound[: next(iter(listens(sentry).stream(sound))).sample + 16000]
    cascade = Cascade(listens(sentry), {"hey katya": StandIn(once)}, Settings(), say=said.append, live=False)
    first = run(cascade, short)[1]
    assert (first.kind, first.confidence, first.reason) == ("cancelled", 0.3, "judge")
    assert len(said) == 1


@pytest.mark.parametrize("on_timeout", ["accept", "reject"])
def test_a_judge_that_is_too_late_is_not_waited_for(
    sentry: Path, sound: Samples, wakes: int, on_timeout: str
) -> None:
    release, said = threading.Event(), list[str]()

    def slow(_: Samples) -> float:
        release.wait(20)
        return 0.0 if on_timeout == "accept" else 1.0

    settings = Settings(timeout_ms=20, after_ms=0, on_timeout=on_timeout)
    cascade = Cascade(listens(sentry), {"hey katya": StandIn(slow)}, settings, say=said.append)
    events = [event for at in range(0, len(sound), 1280) for event in cascade.push(sound[at : at + 1280])]
    events += cascade.end()
    release.set()
    time.sleep(0.05)
    events += cascade.answers()  # answers that come late are no second answers
    cascade.close()
    answers = checked(events, wakes)
    assert {(a.kind, a.reason) for a in answers} == {
        ("confirmed" if on_timeout == "accept" else "cancelled", "timeout")
    }
    assert len(said) == 1
    assert "did not answer within 20 ms; until it does, each wake is" in said[0]


def test_a_judge_that_goes_and_comes_back_is_said_once_each(sentry: Path, sound: Samples, wakes: int) -> None:
    number, said = iter(range(1000)), list[str]()

    def sometimes(_: Samples) -> float:
        if next(number) in (1, 2):
            raise JudgeAway("the Judge at x does not answer", got="refused")
        return 1.0

    cascade = Cascade(listens(sentry), {"hey katya": StandIn(sometimes)}, Settings(), say=said.append, live=False)
    sound = np.concatenate([sound, sound])
    count = len(list(listens(sentry).stream(sound)))
    answers = checked(run(cascade, sound), count)
    assert [a.reason for a in answers][:4] == ["judge", "away", "away", "judge"]
    assert said == [
        "the Judge at x does not answer (refused); until it does, each wake is confirmed without it",
        "the Judge for 'hey katya' answers again",
    ]


def test_a_judge_that_refuses_is_one_that_is_away_and_said_once_among_cascades(
    sentry: Path, sound: Samples, wakes: int
) -> None:
    away, said = set[str](), list[str]()

    def refuse(_: Samples) -> float:
        raise InputError("the Judge at x refuses: a key is needed", got="none", do="send one")

    for _ in range(2):
        judge = {"hey katya": StandIn(refuse)}
        cascade = Cascade(listens(sentry), judge, Settings(), say=said.append, live=False, away=away)
        assert {(a.kind, a.reason) for a in checked(run(cascade, sound), wakes)} == {("confirmed", "away")}
    assert said == [
        "the Judge at x refuses: a key is needed (none): no answer; until it does, each wake is confirmed without it"
    ]


@pytest.mark.parametrize("live", [False, True])
def test_a_judge_that_fails_costs_its_answer_and_not_the_listening(
    sentry: Path, sound: Samples, wakes: int, live: bool
) -> None:
    said, number = list[str](), iter(range(1000))

    def fail(_: Samples) -> float:
        if next(number) == 0:
            return float("nan")
        raise ZeroDivisionError("a fault of its own")

    judge = {"hey katya": StandIn(fail)}
    settings = Settings(on_timeout="reject")
    cascade = Cascade(listens(sentry), judge, settings, say=said.append, live=live)
    answers = checked(run(cascade, sound), wakes)
    assert {(a.kind, a.confidence) for a in answers} == {("cancelled", None)}
    assert {a.reason for a in answers} == {"away"}
    assert len(said) == 1
    assert "the Judge for 'hey katya' failed" in said[0]


def test_closing_waits_for_no_judge(sentry: Path, sound: Samples) -> None:
    asked, release, ended = threading.Event(), threading.Event(), threading.Event()

    def hang(_: Samples) -> float:
        asked.set()
        release.wait(60)
        ended.set()
        return 1.0

    cascade = Cascade(listens(sentry), {"hey katya": StandIn(hang)}, Settings(after_ms=0), say=lambda _: None)
    cascade.push(sound)
    assert asked.wait(20)
    cascade.close()
    assert not ended.is_set()
    release.set()


def test_a_judge_in_this_process_confirms_what_it_would_say_alone(
    sentry: Path, exported: dict[str, Path], sound: Samples, wakes: int
) -> None:
    judge = open_judge(str(exported["speech_embedding"]), "hey katya", Settings())
    cascade = Cascade(listens(sentry), {"hey katya": judge}, Settings(), say=pytest.fail, live=False)
    answers = checked(run(cascade, sound), wakes)
    alone = Judge.load(exported["speech_embedding"])
    for answer in answers:
        asked = [until(ms, answer.detection.sample, sound) for ms in (350, 650)]
        confidences = [alone.verify(clip).confidence for clip in asked]
        confirming = [c for c in confidences if c >= alone.threshold]
        assert answer.confidence == (confirming[0] if confirming else max(confidences))


def test_a_sentry_in_noise_wakes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cascades, "REARM", 0.8)
    # a word, then noise that scores half of the trigger, then another word
    scores = np.asarray([0, 0.5, 0.5, *[0.2] * 30, 0.5, 0.5, *[0.2] * 30], np.float32)
    policy = Policy(smoothing=1, warmup_ms=0, cooldown_ms=100)
    usual = PolicyState(policy, 30, 0.4).push(scores)[1]
    sentry = PolicyState(policy, 30, 0.4)
    sentry.rearm(cascades.REARM)
    assert [fire.step for fire in usual] == [1]
    assert [fire.step for fire in sentry.push(scores)[1]] == [1, 33]


def test_a_phrase_without_its_judge_is_refused(sentry: Path, exported: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"no Judge for a phrase\n  got: hey katya"):
        Cascade(listens(sentry), {}, Settings(), say=pytest.fail)
    with pytest.raises(InputError, match=r"for another phrase\n  got: 'hey katya', where the Sentry hears 'jarvis'"):
        open_judge(str(exported["speech_embedding"]), "jarvis", Settings())
    with pytest.raises(InputError, match="no address of a Judge"):
        open_judge("ftp://x", "hey katya", Settings())
