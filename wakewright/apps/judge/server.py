"""The Judge over HTTP: /verify, /stream, /models, /health, /metrics and an OpenAPI page at /docs.

No route knows one model from another, and no request reaches a model before every limit was held against it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, Request, Response, WebSocket
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from wakewright import __version__
from wakewright.apps.judge import body
from wakewright.apps.judge.bench import Bench
from wakewright.apps.judge.connection import MOST_CONNECTIONS, SEE_DOCS
from wakewright.apps.judge.fair import Places
from wakewright.apps.judge.intake import Intake
from wakewright.apps.judge.keep import Keeper
from wakewright.apps.judge.keys import KeyRing
from wakewright.apps.judge.limits import Limits, Rates
from wakewright.apps.judge.log import Log, escaped
from wakewright.apps.judge.metrics import CONTENT_TYPE_LATEST, Metrics
from wakewright.apps.judge.refusal import Refusal
from wakewright.apps.judge.stream import converse
from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.errors import InputError
from wakewright.detect.detector import Detector
from wakewright.detect.judge import Judge, Verdict

OPEN = frozenset({"/health", "/docs", "/openapi.json"})
"""Routes that ask for no key."""


class Answer(BaseModel):
    """What the Judge says of a clip."""

    prediction: Literal[0, 1] = Field(description="1: the phrase is in it")
    confidence: float = Field(ge=0, le=1, description="Highest score anywhere in the clip")
    label: Literal["wakeword", "no_wakeword"]
    phrase: str
    threshold: float = Field(description="Confidence from which the prediction is 1")
    end_s: float = Field(ge=0, description="Seconds into the clip at which the confidence was reached")
    latency_ms: float = Field(ge=0, description="From the whole request to the answer")
    model: str


class ModelAbout(BaseModel):
    """A phrase that can be asked for."""

    phrase: str
    model: str
    threshold: float
    default: bool


class Health(BaseModel):
    """Alive, and how busy."""

    status: Literal["ok"]
    version: str
    uptime_s: float
    busy: int
    threads: int


class Problem(BaseModel):
    """Why a request was not answered."""

    what: str
    got: str
    do: str


class ProblemAnswer(BaseModel):
    """Every refusal looks like this."""

    error: Problem


@dataclasses.dataclass
class Court:
    """Everything a running Judge needs."""

    folders: tuple[Path, ...]
    limits: Limits = dataclasses.field(default_factory=Limits)
    keys: KeyRing | None = None
    keeper: Keeper | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        judges = [self._judges() for _ in range(self.threads or os.cpu_count() or 1)]
        self.bench: Bench[dict[str, Judge]] = Bench(judges, self.limits.waiting)
        # who may wait here waits with bytes, which the intake counts
        self.unpackers: Bench[None] = Bench([None] * len(judges), MOST_CONNECTIONS, "unpack")
        self.rates = Rates(self.limits)
        self.intake = Intake(self.limits.received_bytes)
        self.streams = Places(self.limits.streams)
        self.metrics = Metrics(lambda: self.bench.busy, lambda: len(self.streams))
        self.log = Log()
        self.started = time.monotonic()
        self._detectors: list[tuple[str, Detector]] = []
        self.about = [
            ModelAbout(phrase=j.phrase, model=j.name, threshold=j.threshold, default=i == 0)
            for i, j in enumerate(judges[0].values())
        ]
        self.phrases = dict(zip(judges[0], self.folders, strict=True))

    def _judges(self) -> dict[str, Judge]:
        judges = [Judge.load(folder) for folder in self.folders]
        named = {judge.phrase: judge for judge in judges}
        if len(named) < len(judges):
            raise InputError("two Judges of one phrase cannot be told apart", got=", ".join(j.phrase for j in judges))
        return named

    async def detector(self, phrase: str) -> Detector:
        """One for a stream, as if it were new: loading one takes longer than a client takes to ask for the next."""
        for at, (kept, detector) in enumerate(self._detectors):
            if kept == phrase:
                del self._detectors[at]
                detector.reset()
                return detector
        return await asyncio.to_thread(Detector.load, self.phrases[phrase])

    def keep_detector(self, phrase: str, detector: Detector) -> None:
        """For the next stream: one that nobody is using any more."""
        if len(self._detectors) < self.limits.streams:
            self._detectors.append((phrase, detector))

    def note(self, line: dict[str, Any], refused: Refusal | None, *, always: bool = True) -> None:
        """Log a line, and count it where it tells of a refusal."""
        if refused is not None:
            self.metrics.refused.labels(refused.reason).inc()
            self.log.limited(refused.reason, line | {"reason": refused.reason})
        elif always:
            self.log.line(line)
        else:
            self.log.limited("open", line)

    def note_refusal(self, refusal: Refusal, address: str) -> None:
        """Log and count what was refused before it became a request, or a stream."""
        line = {"event": "refused", "status": refusal.status, "what": refusal.what, "client": address}
        self.note(line, refusal)

    def phrase(self, wanted: str | None) -> str:
        """The phrase that is meant; the first where none is named. Raises Refusal 404."""
        if wanted is None:
            return self.about[0].phrase
        if wanted not in self.phrases:
            raise Refusal(
                404,
                "this Judge does not know that phrase",
                got=repr(wanted[:80]),
                do=f"ask for one of: {', '.join(self.phrases)}",
            )
        return wanted

    def admit(self, headers: Any, address: str) -> str:
        """Who asks. Raises Refusal 401 without a valid key where keys are needed, 429 for too much."""
        client = address
        if self.keys is not None:
            scheme, _, key = headers.get("authorization", "").partition(" ")
            reason = "missing" if not key else "wrong"
            holder = self.keys.holder(key.strip()) if scheme.lower() == "bearer" and key else None
            if holder is None:
                self.metrics.refused_keys.labels(reason).inc()
                raise Refusal(
                    401,
                    "this Judge answers only to who has a key",
                    got="no key" if reason == "missing" else "a key that is unknown or has expired",
                    do="send the header: Authorization: Bearer KEY",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            client = holder
        self.rates.take(client)
        return client


def create_app(court: Court) -> FastAPI:
    """The application; `court` is closed with it."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(court.unpackers.close)
        await asyncio.to_thread(court.bench.close)  # what was accepted is answered
        court.log.tell_left_out(at_once=True)

    app = FastAPI(
        title="wakewright Judge",
        version=__version__,
        description="Confirms whether a clip of some seconds holds a wake phrase, wherever in it.",
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,  # to wherever the Host of the request says
        responses={code: {"model": ProblemAnswer} for code in (401, 408, 429, 503)},
    )
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _no_such_thing)
    app.middleware("http")(_watched(court))

    @app.get("/health")
    async def health() -> Health:
        """Alive, and how busy."""
        uptime = round(time.monotonic() - court.started, 1)
        return Health(
            status="ok", version=__version__, uptime_s=uptime, busy=court.bench.busy, threads=court.bench.threads
        )

    @app.get("/models")
    async def models() -> list[ModelAbout]:
        """The phrases this Judge knows."""
        return court.about

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """For Prometheus."""
        return Response(court.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.post(
        "/verify",
        response_model=Answer,
        openapi_extra=body.openapi(list(court.phrases)),
        responses=_refusals(400, 404, 413, 415, 422),
    )
    async def verify(request: Request) -> Answer:
        """Is the phrase in this sound? One to three seconds around the word are best."""
        phrase = court.phrase(_only(request, "phrase"))
        client: str = request.state.client
        samples = await body.samples(request, client, court.limits, court.intake, court.unpackers)
        began = time.perf_counter()
        verdict, problem = await court.bench.run(
            client, lambda judges: _judged(judges[phrase], samples, court.keeper)
        )
        if problem is not None:
            court.log.limited("not kept", {"event": "not kept", "why": problem}, logging.ERROR)
        court.metrics.audio.inc(len(samples) / SAMPLE_RATE)
        court.metrics.verdicts.labels(phrase, int(verdict.prediction)).inc()
        request.state.verdict = verdict
        model = next(about.model for about in court.about if about.phrase == phrase)
        return answer(verdict, model, 1000 * (time.perf_counter() - began))

    @app.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        """Hear a stream: raw 16-bit samples in, detections out."""
        await converse(socket, court)

    @app.websocket("/{path:path}")
    async def elsewhere(socket: WebSocket) -> None:
        """There is one stream; what asks for another is refused like any request."""
        refusal = _nothing("GET", socket.url.path)
        court.note_refusal(refusal, socket.client.host if socket.client else "-")
        await socket.send_denial_response(refusal.response())

    return app


def answer(verdict: Verdict, model: str, latency_ms: float) -> Answer:
    """A verdict as it goes out."""
    return Answer(
        prediction=1 if verdict.prediction else 0,
        confidence=round(verdict.confidence, 4),
        label="wakeword" if verdict.prediction else "no_wakeword",
        phrase=verdict.phrase,
        threshold=round(verdict.threshold, 4),
        end_s=round(verdict.end_s, 3),
        latency_ms=round(latency_ms, 2),
        model=model,
    )


def _judged(judge: Judge, samples: Samples, keeper: Keeper | None) -> tuple[Verdict, str | None]:
    """The verdict, and why the sound could not be kept."""
    verdict = judge.verify(samples)
    return verdict, None if keeper is None else keeper.keep(samples, verdict, judge.name)


def _only(request: Request, name: str) -> str | None:
    given = request.query_params.getlist(name)
    if len(given) > 1:
        raise Refusal(400, f"{name} is named more than once", got=f"{len(given)} times", do="name one")
    return given[0] if given else None


def _refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": ProblemAnswer} for code in codes}


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    request.state.refusal = refusal
    return refusal.response()


async def _no_such_thing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await _refused(request, _nothing(request.method, request.url.path, error.status_code, error.headers))


def _nothing(method: str, path: str, status: int = 404, headers: Mapping[str, str] | None = None) -> Refusal:
    what = {404: "there is nothing at this address", 405: "this address takes another method"}
    return Refusal(
        status,
        what.get(status, "this request cannot be answered"),
        got=escaped(f"{method} {path}"[:200]),
        do=SEE_DOCS,
        headers=headers,
    )


def _watched(court: Court) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    """Admit or refuse, count, and write one line of the log for each request: never what was heard."""

    async def watch(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        began, path = time.perf_counter(), request.url.path
        request.state.client = request.client.host if request.client else "-"
        try:
            body.refuse_two_lengths(request)
            if path not in OPEN:
                request.state.client = court.admit(request.headers, request.state.client)
            response = await go_on(request)
        except Refusal as refusal:
            response = await _refused(request, refusal)
        except InputError as error:
            response = await _refused(request, Refusal(422, error.what, got=error.got, do=error.do))
        except Exception as error:
            court.log.limited("traceback", {"event": "failed", "path": escaped(path[:80])}, logging.ERROR, error)
            failed = Refusal(500, "the Judge failed", got="an error of its own", do="see its log, and report it")
            response = await _refused(request, failed)
        seconds = time.perf_counter() - began
        route = path if path in {"/verify", "/models", "/metrics", "/health"} else "other"
        court.metrics.requests.labels(route, response.status_code).inc()
        court.metrics.seconds.labels(route).observe(seconds)
        line = _line(request, response.status_code, seconds)
        court.note(line, getattr(request.state, "refusal", None), always=path not in OPEN)
        return response

    return watch


def _line(request: Request, status: int, seconds: float) -> dict[str, Any]:
    """What the log tells of a request."""
    line: dict[str, Any] = {
        "event": "request",
        "method": request.method[:20],
        "path": escaped(request.url.path[:80]),
        "status": status,
        "ms": round(1000 * seconds, 1),
        "client": request.state.client,
    }
    verdict = getattr(request.state, "verdict", None)
    if verdict is not None:
        line |= {"phrase": verdict.phrase, "prediction": verdict.prediction}
        line |= {"confidence": round(verdict.confidence, 4)}
    return line
