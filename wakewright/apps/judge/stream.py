"""/stream: a stream of samples is heard as it comes, and each detection is told at once."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from wakewright.apps.judge.refusal import Refusal
from wakewright.apps.judge.sound import RATES
from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.pcm import Resampler
from wakewright.detect.detector import Detection, Detector

if TYPE_CHECKING:
    from wakewright.apps.judge.server import Court

LOG = logging.getLogger("wakewright.judge")
CLOSE_POLICY, CLOSE_BUSY, CLOSE_BAD = 1008, 1013, 1003
"""WebSocket's codes for: not allowed, try again later, data that cannot be used."""
CLOSE_OF = {401: CLOSE_POLICY, 429: CLOSE_BUSY, 503: CLOSE_BUSY}


async def converse(socket: WebSocket, court: Court) -> None:
    """Serve one client: binary messages of raw 16-bit little-endian mono samples at `?rate=`, JSON texts back.

    A refusal is told as JSON, then the stream is closed with a code that means it.
    """
    address = socket.client.host if socket.client else "-"
    await socket.accept()
    began, heard = time.perf_counter(), Heard()
    court.streams += 1
    court.metrics.streams.inc()
    try:
        client = court.admit(socket.headers, address)
        if court.streams > court.limits.streams:
            raise Refusal(503, "too many streams at once", got=str(court.streams), do="try again later")
        phrase, rate = court.phrase(socket.query_params.get("phrase")), _rate(socket.query_params.get("rate"))
        detector = await asyncio.to_thread(Detector.load, court.phrases[phrase])
        await socket.send_json({"event": "ready", "phrase": phrase, "rate": rate, "client": client})
        await _hear(socket, court, detector, Resampler(rate), heard)
    except Refusal as refusal:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.send_json(refusal.content())
            await socket.close(CLOSE_OF.get(refusal.status, CLOSE_BAD))
    except WebSocketDisconnect:
        pass
    finally:
        court.streams -= 1
        court.metrics.streams.dec()
        court.metrics.audio.inc(heard.seconds)
        seconds = round(time.perf_counter() - began, 1)
        line = {"event": "stream", "client": address, "seconds": seconds, "heard_s": round(heard.seconds, 1)}
        LOG.info(json.dumps(line))


@dataclasses.dataclass
class Heard:
    """How much of a stream was heard, however it ends."""

    seconds: float = 0.0


async def _hear(socket: WebSocket, court: Court, detector: Detector, resampler: Resampler, heard: Heard) -> None:
    """Hear until the client ends. Raises Refusal for silence, and for what are no samples."""
    rest = b""
    while True:
        try:
            async with asyncio.timeout(court.limits.idle_s):
                message: dict[str, Any] = dict(await socket.receive())
        except TimeoutError:
            got = f"nothing in {court.limits.idle_s:g} s"
            raise Refusal(408, "the stream is silent", got=got, do="send sound, or close the stream") from None
        if message["type"] == "websocket.disconnect":
            return
        content = message.get("bytes")
        if content is None:
            raise Refusal(
                415, "a stream is binary messages of samples", got="a text message", do="send 16-bit samples"
            )
        rest += content
        whole = len(rest) // 2 * 2
        raw, rest = rest[:whole], rest[whole:]
        samples = resampler.push(np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32768))
        heard.seconds += len(samples) / SAMPLE_RATE
        # the next message is read when this one was heard: a client that sends faster waits
        for detection in await court.bench.run(_pushes(detector, samples)):
            await socket.send_json(told(detection))


def _pushes(detector: Detector, samples: Samples) -> Callable[[object], list[Detection]]:
    return lambda _: detector.push(samples)


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
