"""/stream: a stream of samples is heard as it comes, and each detection is told at once."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from wakewright.apps.judge.fair import Place, end_wait, lost_stream
from wakewright.apps.judge.refusal import Refusal
from wakewright.apps.judge.sound import RATES
from wakewright.core.audio import SAMPLE_RATE
from wakewright.core.pcm import Resampler
from wakewright.detect.detector import Detection, Detector

if TYPE_CHECKING:
    from wakewright.apps.judge.server import Court

CLOSE_POLICY, CLOSE_BUSY, CLOSE_BAD = 1008, 1013, 1003
"""WebSocket's codes for: not allowed, try again later, data that cannot be used."""
PIECE_S = 2
"""Sound that is heard in one go: a message may hold half a minute, and others wait."""
CLOSE_OF = {401: CLOSE_POLICY, 429: CLOSE_BUSY, 503: CLOSE_BUSY}


async def converse(socket: WebSocket, court: Court) -> None:
    """Serve one client: binary messages of raw 16-bit little-endian mono samples at `?rate=`, JSON texts back.

    A refusal is told as JSON, then the stream is closed with a code that means it.
    """
    client = socket.client.host if socket.client else "-"
    await socket.accept()
    began, heard, refused = time.perf_counter(), Heard(), None
    try:
        client = court.admit(socket.headers, client)
        with court.streams.place(client) as place:
            await _converse(socket, court, client, place, heard)
    except Refusal as refusal:
        refused = refusal
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.send_json(refusal.content())
            await socket.close(CLOSE_OF.get(refusal.status, CLOSE_BAD))
    except WebSocketDisconnect:
        pass
    finally:
        court.metrics.audio.inc(heard.seconds)
        seconds = round(time.perf_counter() - began, 1)
        line = {"event": "stream", "client": client, "seconds": seconds, "heard_s": round(heard.seconds, 1)}
        court.note(line, refused)


async def _converse(socket: WebSocket, court: Court, client: str, place: Place, heard: Heard) -> None:
    phrase, rate = court.phrase(socket.query_params.get("phrase")), _rate(socket.query_params.get("rate"))
    detector = await court.detector(phrase)
    await socket.send_json({"event": "ready", "phrase": phrase, "rate": rate, "client": client})
    ear = Ear(detector, Resampler(rate), round(rate * PIECE_S))
    async for content in _messages(socket, court.limits.idle_s, place):
        ear.rest += content
        # the next message is read when this one was heard: a client that sends faster waits
        while len(ear.rest) > 1:
            detections, seconds = await court.bench.run(client, lambda _: ear.hear())
            heard.seconds += seconds
            for detection in detections:
                await socket.send_json(told(detection))
    court.keep_detector(phrase, detector)


@dataclasses.dataclass
class Heard:
    """How much of a stream was heard, however it ends."""

    seconds: float = 0.0


@dataclasses.dataclass
class Ear:
    """What hears one stream, and what it has not heard yet."""

    detector: Detector
    resampler: Resampler
    most: int
    """Samples that are heard in one go."""
    rest: bytes = b""
    """16-bit samples, and perhaps half of one."""

    def hear(self) -> tuple[list[Detection], float]:
        """The detections in the next samples, and how many seconds these were."""
        whole = min(len(self.rest) // 2, self.most) * 2
        raw, self.rest = self.rest[:whole], self.rest[whole:]
        samples = self.resampler.push(np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32768))
        return self.detector.push(samples), len(samples) / SAMPLE_RATE


async def _messages(socket: WebSocket, idle_s: float, place: Place) -> AsyncIterator[bytes]:
    """What the client sends until it ends. Raises Refusal for silence, what are no samples, and a lost place."""
    while not place.is_lost():
        try:
            async with asyncio.timeout(idle_s) as limit:
                place.on_loss = lambda at=limit: end_wait(at)
                try:
                    message: dict[str, Any] = dict(await socket.receive())
                finally:
                    place.on_loss = None
        except TimeoutError:
            if place.is_lost():
                break
            got = f"nothing in {idle_s:g} s"
            raise Refusal(408, "the stream is silent", got=got, do="send sound, or close the stream") from None
        if message["type"] == "websocket.disconnect":
            return
        content = message.get("bytes")
        if content is None:
            raise Refusal(
                415, "a stream is binary messages of samples", got="a text message", do="send 16-bit samples"
            )
        yield content
    raise lost_stream()


def told(detection: Detection) -> dict[str, object]:
    """A detection as it goes out."""
    return {
        "event": "detection",
        "phrase": detection.phrase,
        "score": round(detection.score, 4),
        "start_s": round(detection.start_s, 3),
        "end_s": round(detection.end_s, 3),
    }


def _rate(text: str | None) -> int:
    if text is None:
        return SAMPLE_RATE
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and RATES[0] <= int(text) <= RATES[1]):
        raise Refusal(415, "this rate is not heard", got=text[:20], do=f"name one of {RATES[0]} to {RATES[1]} Hz")
    return int(text)
