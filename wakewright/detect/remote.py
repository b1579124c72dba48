"""A Judge somewhere else, asked over HTTP: with a deadline, one more try, and a breaker for when it is away."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from wakewright.core.audio import SAMPLE_RATE, Samples, to_int16
from wakewright.core.errors import InputError
from wakewright.detect.judge import JudgeAway, Verdict

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


class RemoteJudge:
    """Asks the Judge at `url`; the same questions and answers as a Judge in this process."""

    def __init__(self, url: str, phrase: str, *, key: str | None, timeout_s: float) -> None:
        """`timeout_s` is for the whole of a question. Raises InputError for what is no address."""
        try:
            base = httpx2.URL(url.rstrip("/"))
        except httpx2.InvalidURL as error:
            raise InputError(f"{url} is no address of a Judge", got=str(error), do="name http://HOST:PORT") from error
        if base.scheme not in ("http", "https") or not base.host:
            raise InputError(
                f"{url} is no address of a Judge", got=f"scheme {base.scheme!r}", do="name http://HOST:PORT"
            )
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self.name, self.phrase = str(base), phrase
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
            response = self._ask(to_int16(samples).astype("<i2").tobytes())
        except httpx2.HTTPError as error:
            self._breaker.failed()
            raise JudgeAway(
                f"the Judge at {self.name} does not answer", got=str(error) or type(error).__name__
            ) from error
        try:
            self._refuse_absence(response)
        except JudgeAway:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return self._verdict(response)

    def check(self) -> None:
        """Raises JudgeAway when it is not there now, InputError for a key or a phrase that it does not know."""
        try:
            response = self._client.get("/models")
        except httpx2.HTTPError as error:
            raise JudgeAway(f"the Judge at {self.name} does not answer", got=str(error)) from error
        self._refuse_absence(response)
        if response.status_code == 401:
            raise InputError(
                f"the Judge at {self.name} asks for a key",
                got="none, or one that it does not know",
                do="set WAKEWRIGHT_JUDGE_KEY to a key that `wakewright judge key add` made",
            )
        known = self._phrases(response)
        if self.phrase not in known:
            raise InputError(
                f"the Judge at {self.name} does not know {self.phrase!r}",
                got=", ".join(known),
                do="serve its run too",
            )

    def _refuse_absence(self, response: httpx2.Response) -> None:
        """What a busy Judge says, or a proxy before one that is away: it may answer later."""
        if response.status_code in (408, 429) or response.status_code >= 500:
            raise JudgeAway(f"the Judge at {self.name} cannot answer now", got=f"status {response.status_code}")

    def _ask(self, content: bytes) -> httpx2.Response:
        for attempt in range(TRIES):
            try:
                return self._client.post("/verify", content=content, headers=RAW, params={"phrase": self.phrase})
            except (httpx2.ConnectError, httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.WriteError):
                if attempt + 1 == TRIES:
                    raise
        raise AssertionError("unreachable")

    def _phrases(self, response: httpx2.Response) -> list[str]:
        with self._only_a_judge(response):
            told = self._told(response)
            return [str(model["phrase"]) for model in told]

    def _verdict(self, response: httpx2.Response) -> Verdict:
        with self._only_a_judge(response):
            told = self._told(response)
            return Verdict(
                str(told["phrase"]),
                bool(told["prediction"]),
                float(told["confidence"]),
                float(told["threshold"]),
                float(told["end_s"]),
            )

    def _told(self, response: httpx2.Response) -> Any:
        told = response.json()
        if response.status_code == 200:
            return told
        error = told["error"]
        raise InputError(f"the Judge at {self.name} refuses: {error['what']}", got=error["got"], do=error["do"])

    @contextlib.contextmanager
    def _only_a_judge(self, response: httpx2.Response) -> Iterator[None]:
        """Raises InputError for an answer that has not the form of a Judge's."""
        try:
            yield
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"what answers at {self.name} is no Judge",
                got=f"status {response.status_code}: {response.text[:80]!r}",
                do="name the address that `wakewright judge serve` printed",
            ) from error

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()
