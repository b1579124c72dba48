"""A Sentry that wakes early, and a Judge that confirms or cancels each wake.

Every wake is answered by exactly one confirmation or cancellation, whatever becomes of the Judge. While the Sentry's
score stays up it may wake again, since noise may have woken it and the word come later; but only where the wake
before was cancelled, so that a word is confirmed once however long the score stays up.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, Protocol

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.errors import InputError
from wakewright.core.listening import Cascade as Settings
from wakewright.detect.around import Around
from wakewright.detect.detector import BEFORE_S, Detection
from wakewright.detect.judge import Judge, JudgeAway, Verdict
from wakewright.detect.listener import Listener

REARM = 0.8
"""Share of its trigger below which a Sentry may wake again. A low trigger lies near what noise scores: with the usual
hysteresis noise would keep the Sentry awake, and no word would wake it any more."""
POLL_S = 0.02
"""Between two looks for answers, where no sound comes that would bring them along."""
ASKED_AT_ONCE = 4
"""Questions under way at a time."""
MOST_HELD = 8
"""Wakes that wait, live, for what becomes of the one before; of more the oldest is let go, which came long ago."""


class Confirms(Protocol):
    """A Judge, in this process or elsewhere."""

    name: str
    phrase: str

    def check(self) -> None:
        """Raises JudgeAway when it is not there now, InputError when it would refuse."""
        ...

    def verify(self, samples: Samples) -> Verdict:
        """(n,) float32 16 kHz -> its verdict. Raises JudgeAway when there is none to be had."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """What a cascade tells."""

    kind: Literal["wake", "confirmed", "cancelled"]
    number: int
    """Of the wake, counted from 0; its answer has the same."""
    detection: Detection
    """What the Sentry heard."""
    confidence: float | None = None
    """The Judge's, where it gave one: the highest, where it was asked more than once."""
    reason: Literal["", "judge", "timeout", "away"] = ""
    """Who decided: the Judge, or the setting for a Judge that was too late or not there."""
    latency_ms: float | None = None
    """From the wake to this answer, by the clock."""


def open_judge(where: str, phrase: str, settings: Settings, key: str | None = None) -> Confirms:
    """The Judge for a phrase at `where`: a run, an exported folder, or the address of a server and its `key`.

    Raises RunError for a folder without a Judge, InputError for one of another phrase or what is no address,
    MissingPackage for a server's without the extra `cascade`.
    """
    if "://" in where:
        if not where.startswith(("http://", "https://")):
            raise InputError(f"{where} is no address of a Judge", got="not http", do="name http://HOST:PORT")
        from wakewright.detect.remote import RemoteJudge

        return RemoteJudge(where, phrase, key=key, timeout_s=settings.timeout_ms / 1000)
    judge = Judge.load(where)
    if judge.phrase != phrase:
        raise InputError(
            f"the Judge at {where} is for another phrase",
            got=f"{judge.phrase!r}, where the Sentry hears {phrase!r}",
            do="name one that was trained for it",
        )
    return judge


def moments_s(settings: Settings) -> list[float]:
    """(asks,) seconds after a wake at which the Judge is asked about it, until it confirms."""
    return [(settings.after_ms + i * settings.again_ms) / 1000 for i in range(settings.asks)]


def looked_at(samples: Samples, settings: Settings) -> Samples:
    """(n,) all sound up to a moment of asking -> its end, which the Judge is asked about."""
    return samples[-math.ceil((BEFORE_S + settings.after_ms / 1000) * SAMPLE_RATE) :]


def _complete(one: Detection, sound: Samples) -> int:
    """The sample of the stream that this sound around a detection ends with."""
    return one.sample + len(sound) - len(one.audio)


@dataclasses.dataclass
class _Wake:
    detection: Detection
    to_come: int
    """Sounds that are not complete yet."""
    number: int = -1
    """Once it is told."""
    began: float = 0.0
    """By the clock, when it was told."""
    sounds: deque[Samples] = dataclasses.field(default_factory=deque)
    """To ask about, the next first."""
    answer: Future[Verdict] | None = None
    """Of the question under way."""
    asked: int = 0
    """Questions so far."""
    denied: float | None = None
    """The highest confidence of the answers so far, none of which confirmed."""


@dataclasses.dataclass
class _Rise:
    """The wakes of a phrase between which the Sentry's score has not fallen; at most one of them is confirmed."""

    held: deque[_Wake]
    """Heard while the one before has no answer, and told only if that is cancelled; the next first."""
    told: _Wake | None = None
    """The one that has no answer yet."""
    confirmed: bool = False


class Cascade:
    """Push sound in, take events out."""

    def __init__(
        self,
        listener: Listener,
        judges: Mapping[str, Confirms],
        settings: Settings,
        *,
        say: Callable[[str], None],
        live: bool = True,
        clock: Callable[[], float] = time.monotonic,
        away: set[str] | None = None,
    ) -> None:
        """`judges` by phrase. What is not `live` is heard faster than it was said: answers are waited for.

        `say` is told once when a Judge is away and once when it is back; cascades that share `away`, the phrases
        whose Judge is, tell it once among them. Raises InputError for a phrase without one.
        """
        lacking = [d.phrase for d in listener.detectors if d.phrase not in judges]
        if lacking:
            raise InputError(
                "there is no Judge for a phrase", got=", ".join(lacking), do="name a Judge that knows it"
            )
        for detector in listener.detectors:
            detector.rearm(REARM, settings.rewake_ms)
        self.listener, self._judges, self._settings = listener, judges, settings
        self.live = live
        self._say, self._clock = say, clock
        self._pool = ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="ask")
        self._numbers = itertools.count()
        self._around = Around(*moments_s(settings))
        self._newest: dict[str, _Rise] = {}
        self._open: list[_Rise] = []
        self._away = set[str]() if away is None else away
        self.heard: list[Detection] = []
        """What woke the Sentry in the last push, whether it was told, is held or was let go."""

    def push(self, samples: Samples) -> list[Event]:
        """(n,) float32 16 kHz, any n -> wakes that they complete, and answers that have come meanwhile."""
        self.heard = self.listener.push(samples)
        whole = self._around.push(samples, self.heard)
        # in the order of the stream, so that events are the same however it was cut
        moments: list[tuple[int, Detection, Samples | None]] = [(one.sample, one, None) for one in self.heard]
        moments += [(_complete(*one), *one) for one in whole]
        events = []
        for _, one, sound in sorted(moments, key=lambda moment: moment[0]):
            if sound is None:
                events += self._woken(one)
                continue
            self._take(one, sound)
            if not self.live:
                events += self.answers()
        return events + self.answers()

    def answers(self) -> list[Event]:
        """Answers that have come since, those that are overdue, and wakes that were held until then.

        Call it when no sound comes.
        """
        events = []
        for rise in list(self._open):
            while rise.told is not None and (event := self._answered(rise.told)) is not None:
                events.append(event)
                rise.told = None
                if event.kind == "confirmed":
                    rise.confirmed = True
                    rise.held.clear()
                elif rise.held:
                    events.append(self._tell(rise, rise.held.popleft()))
            if rise.told is None:
                self._open.remove(rise)
        return events

    @property
    def waiting(self) -> bool:
        """Whether a wake has no answer yet."""
        return bool(self._open)

    def holds(self, one: Detection) -> bool:
        """Whether this may become a wake yet, since the one before has no answer."""
        return any(wake.detection is one for rise in self._open for wake in rise.held)

    def finish(self) -> None:
        """The stream is over: what is left is asked about, for `answers` to give. Another stream may follow."""
        for one, sound in self._around.end():
            self._take(one, sound)
        for wake in self._unanswered():
            wake.to_come = 0

    def end(self) -> Iterator[Event]:
        """The stream is over: ask about what is left, and wait for every answer. Another stream may follow."""
        self.finish()
        while self.waiting:
            yield from self.answers()
            time.sleep(0.002)

    def reset(self) -> None:
        """Start a new stream; call `end` first."""
        self.listener.reset()

    def close(self) -> None:
        """Let go of its threads, without waiting for a question that is under way: its Judge may hang."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _woken(self, one: Detection) -> list[Event]:
        """The Sentry woke: tell it, hold it, or let it go."""
        rise = self._newest.get(one.phrase) if one.again else None
        if rise is None:
            rise = self._newest[one.phrase] = _Rise(deque(maxlen=MOST_HELD if self.live else None))
        wake = _Wake(one, self._settings.asks)
        if rise.told is not None:
            rise.held.append(wake)
            return []
        if rise.confirmed:
            return []
        self._open.append(rise)
        return [self._tell(rise, wake)]

    def _tell(self, rise: _Rise, wake: _Wake) -> Event:
        wake.number, wake.began, rise.told = next(self._numbers), self._clock(), wake
        return Event("wake", wake.number, wake.detection)

    def _unanswered(self) -> Iterator[_Wake]:
        """Wakes that are told or held."""
        for rise in self._open:
            yield from (wake for wake in (rise.told, *rise.held) if wake is not None)

    def _take(self, one: Detection, sound: Samples) -> None:
        """Sound that is complete up to a moment of asking; that of a wake which is answered already is of no use."""
        for wake in self._unanswered():
            if wake.detection is one:
                wake.sounds.append(looked_at(sound, self._settings))
                wake.to_come -= 1

    def _answered(self, wake: _Wake) -> Event | None:
        """Ask what is to be asked, one question at a time, and give the wake's answer once there is one."""
        while True:
            if wake.answer is None and wake.sounds:
                wake.answer = self._pool.submit(self._judges[wake.detection.phrase].verify, wake.sounds.popleft())
                wake.asked += 1
                if not self.live:
                    wake.answer.exception()  # wait for it
            passed_ms = 1000 * (self._clock() - wake.began)
            if wake.answer is None or not wake.answer.done():
                return self._overdue(wake, passed_ms)
            answer, wake.answer = wake.answer, None
            event = self._told(wake, answer, passed_ms)
            if event is not None:
                return event

    def _overdue(self, wake: _Wake, passed_ms: float) -> Event | None:
        """The answer without the Judge, when its time is up; it cannot be asked before the sound has come."""
        settings, under_way = self._settings, wake.answer is not None
        question = wake.asked - 1 if under_way else wake.asked
        due_ms = settings.after_ms + question * settings.again_ms + settings.timeout_ms
        if not self.live or passed_ms <= due_ms:
            return None
        late = f"the Judge did not answer within {settings.timeout_ms} ms" if under_way else None
        return self._without_judge(wake, "timeout", late, passed_ms)

    def _told(self, wake: _Wake, answer: Future[Verdict], passed_ms: float) -> Event | None:
        """What an answer of the Judge's makes of a wake; None when it will be asked again."""
        phrase = wake.detection.phrase
        try:
            verdict = answer.result()
            if math.isnan(verdict.confidence):
                raise ArithmeticError("its confidence is no number")
        except (JudgeAway, InputError) as error:
            what = f"{error.what} ({error.got})" if error.got else error.what
            refused = isinstance(error, InputError)
            return self._without_judge(wake, "away", f"{what}: no answer" if refused else what, passed_ms)
        except Exception as error:  # a fault of the Judge's own is told, and whoever listens goes on
            what = f"the Judge for {phrase!r} failed ({type(error).__name__}: {error}): no answer"
            return self._without_judge(wake, "away", what, passed_ms)
        if phrase in self._away:
            self._away.discard(phrase)
            self._say(f"the Judge for {phrase!r} answers again")
        level = verdict.threshold if self._settings.confirm is None else self._settings.confirm
        if verdict.confidence >= level:
            return Event("confirmed", wake.number, wake.detection, verdict.confidence, "judge", passed_ms)
        wake.denied = max(verdict.confidence, wake.denied or 0.0)
        return None if wake.sounds or wake.to_come else self._denied(wake, passed_ms)

    @staticmethod
    def _denied(wake: _Wake, passed_ms: float) -> Event:
        return Event("cancelled", wake.number, wake.detection, wake.denied, "judge", passed_ms)

    def _without_judge(
        self, wake: _Wake, reason: Literal["timeout", "away"], what: str | None, passed_ms: float
    ) -> Event:
        """The setting decides, unless the Judge has denied this wake before."""
        if what is not None:
            self._tell_away(wake, what)
        if wake.answer is not None:
            wake.answer.cancel()  # nobody needs it now, and a Judge that hangs has others to come
        if wake.denied is not None:
            return self._denied(wake, passed_ms)
        kind: Literal["confirmed", "cancelled"] = (
            "confirmed" if self._settings.on_timeout == "accept" else "cancelled"
        )
        return Event(kind, wake.number, wake.detection, None, reason, passed_ms)

    def _tell_away(self, wake: _Wake, what: str) -> None:
        phrase = wake.detection.phrase
        if phrase not in self._away:
            self._away.add(phrase)
            does = "confirmed" if self._settings.on_timeout == "accept" else "cancelled"
            self._say(f"{what}; until it does, each wake is {does} without it")
