"""A Judge somewhere else, asked over HTTP: with a deadline, one more try, and a breaker for when it is away."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from wakewright.core.audio import SAMPLE_RATE, Samples, to_int16
from wakewright.core.errors import InputError
from wakewright.detect.judge import JudgeAway, Verdict

MOST_BYTES = 1 << 18
"""Of an answer; a Judge's are some hundreds."""
RAW = {"Content-Type": f"audio/L16;rate={SAMPLE_RATE}"}
TRIES = 2
"""A connection that was kept open may have died unnoticed: what fails at once is tried once more."""
FAILURES = 3
"""In a row, after which the Judge is left alone for a while."""
REST_S = 5.0
"""How long it is left alone; then one question tries it again."""


class Breaker:
    """Keeps from asking who does not answer (circuit breaker: closed, open, and half-open for one try)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._failures, self._open_until = clock, 0, 0.0

    def allows(self) -> bool:
        """Whether to ask now."""
        return self._clock() >= self._open_until

    def succeeded(self) -> None:
        """It answered."""
        self._failures, self._open_until = 0, 0.0

    def failed(self) -> None:
        """It did not."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._open_until = self._clock() + REST_S


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: bytes


def _authorization(key: str | None) -> dict[str, str]:
    """The header for a key, which may end with its line; none for an empty one."""
    key = (key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError(
            "the key of the Judge cannot be sent",
            got="letters that stand in no key",
            do="give the key as `wakewright judge key add` showed it",
        )
    return {"Authorization": f"Bearer {key}"} if key else {}


class RemoteJudge:
    """Asks the Judge at `url`; the same questions and answers as a Judge in this process."""

    def __init__(self, url: str, phrase: str, *, key: str | None, timeout_s: float) -> None:
        """`timeout_s` is for each wait, and for all that follows the head of an answer.

        Raises InputError for what is no address, and for a key that cannot be sent.
        """
        try:
            base = httpx2.URL(url.rstrip("/"))
        except httpx2.InvalidURL as error:
            raise InputError(f"{url} is no address of a Judge", got=str(error), do="name http://HOST:PORT") from error
        if base.scheme not in ("http", "https") or not base.host:
            raise InputError(
                f"{url} is no address of a Judge", got=f"scheme {base.scheme!r}", do="name http://HOST:PORT"
            )
        headers = {"Accept-Encoding": "identity"} | _authorization(key)
        self.name, self.phrase, self._timeout_s = str(base), phrase, timeout_s
        self._client = httpx2.Client(base_url=base, timeout=timeout_s, headers=headers)
        self._breaker = Breaker()

    def verify(self, samples: Samples) -> Verdict:
        """(n,) float32 16 kHz -> its verdict.

        Raises JudgeAway when there is none to be had now, InputError when it refuses: for a missing key, another
        phrase, or a sound that it cannot use.
        """
        if not self._breaker.allows():
            raise JudgeAway(f"the Judge at {self.name} does not answer", got="left alone for some seconds")
        try:
            answer = self._ask(to_int16(samples).astype("<i2").tobytes())
            self._refuse_absence(answer)
        except JudgeAway:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return self._verdict(answer)

    def check(self) -> None:
        """Raises JudgeAway when it is not there now, InputError for a key or a phrase that it does not know."""
        with self._only_there():
            answer = self._answer("GET", "/models")
        self._refuse_absence(answer)
        if answer.status == 401:
            raise InputError(
                f"the Judge at {self.name} asks for a key",
                got="none, or one that it does not know",
                do="set WAKEWRIGHT_JUDGE_KEY to a key that `wakewright judge key add` made",
            )
        known = self._phrases(answer)
        if self.phrase not in known:
            raise InputError(
                f"the Judge at {self.name} does not know {self.phrase!r}",
                got=", ".join(known),
                do="serve its run too",
            )

    @contextlib.contextmanager
    def _only_there(self) -> Iterator[None]:
        """Raises JudgeAway where nobody answers; a name that cannot be looked up is a UnicodeError."""
        try:
            yield
        except (httpx2.HTTPError, UnicodeError) as error:
            got = str(error) or type(error).__name__
            raise JudgeAway(f"the Judge at {self.name} does not answer", got=got) from error

    def _refuse_absence(self, answer: _Answer) -> None:
        """What a busy Judge says, or a proxy before one that is away: it may answer later."""
        if answer.status in (408, 429) or answer.status >= 500:
            raise JudgeAway(f"the Judge at {self.name} cannot answer now", got=f"status {answer.status}")

    def _ask(self, content: bytes) -> _Answer:
        with self._only_there():
            for attempt in range(TRIES):
                try:
                    about: dict[str, Any] = {"headers": RAW, "params": {"phrase": self.phrase}}
                    return self._answer("POST", "/verify", content=content, **about)
                except (httpx2.ConnectError, httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.WriteError):
                    if attempt + 1 == TRIES:
                        raise
        raise AssertionError("unreachable")

    def _answer(self, method: str, path: str, **asked: Any) -> _Answer:
        """An answer, whole: one that drips would keep a thread of the cascade's, one without end fill the memory."""
        until, content = time.monotonic() + self._timeout_s, b""
        with self._client.stream(method, path, **asked) as response:
            for piece in response.iter_bytes():
                content += piece
                if len(content) > MOST_BYTES:
                    raise httpx2.DecodingError(f"an answer of more than {MOST_BYTES} bytes")
                if time.monotonic() > until:
                    raise httpx2.ReadTimeout(f"an answer that is not whole after {self._timeout_s:g} s")
            return _Answer(response.status_code, content)

    def _phrases(self, answer: _Answer) -> list[str]:
        with self._only_a_judge(answer):
            told = self._told(answer)
            return [str(model["phrase"]) for model in told]

    def _verdict(self, answer: _Answer) -> Verdict:
        with self._only_a_judge(answer):
            told = self._told(answer)
            confidence, threshold = float(told["confidence"]), float(told["threshold"])
            if told["phrase"] != self.phrase or not 0 <= confidence <= 1 or not math.isfinite(threshold):
                raise ValueError("no verdict on this phrase")
            return Verdict(self.phrase, bool(told["prediction"]), confidence, threshold, float(told["end_s"]))

    def _told(self, answer: _Answer) -> Any:
        told = json.loads(answer.content)
        if answer.status == 200:
            return told
        error = told["error"]
        raise InputError(f"the Judge at {self.name} refuses: {error['what']}", got=error["got"], do=error["do"])

    @contextlib.contextmanager
    def _only_a_judge(self, answer: _Answer) -> Iterator[None]:
        """Raises InputError for an answer that has not the form of a Judge's."""
        try:
            yield
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise InputError(
                f"what answers at {self.name} is no Judge",
                got=f"status {answer.status}: {answer.content[:80].decode('utf-8', 'replace')!r}",
                do="name the address that `wakewright judge serve` printed",
            ) from error

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()
