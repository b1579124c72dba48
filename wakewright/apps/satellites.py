"""A Wyoming wake-word service: satellites of Home Assistant send sound, and are told when a phrase was heard.

Each satellite has detectors of its own; they share the cores, a few milliseconds at a time, so that a slow or silent
one never delays another.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import re
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

import numpy as np
from numpy.typing import NDArray
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_read_event
from wyoming.info import Attribution, Describe, Info, WakeModel, WakeProgram
from wyoming.ping import Ping, Pong
from wyoming.server import AsyncEventHandler, AsyncServer
from wyoming.wake import Detect, Detection, NotDetected

from wakewright import __version__
from wakewright.core.audio import LOWEST_RATE, SAMPLE_RATE
from wakewright.core.errors import EnvironmentProblem, InputError
from wakewright.core.pcm import PCM, Resampler, decoded
from wakewright.detect import detector
from wakewright.detect.cascade import POLL_S, Cascade
from wakewright.detect.listener import Listener

LOG = logging.getLogger("wakewright.wyoming")
MOST_CLIENTS = 64
"""Connected at once; another is told so and sent away."""
LONGEST_CHUNK = 1 << 20
"""Bytes of one piece of sound: half a minute at 16 kHz."""
TURN_S = 0.5
"""Of a longer piece so much sound is heard at a time, and then another satellite's."""
ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 3}
"""Seconds of silence after which a satellite is asked whether it is there, between askings, and how many: one that
lost its power says no goodbye, and would take a place for ever."""
MOST_HZ = 192_000
"""No satellite sends more."""
WIDTHS = (1, 2, 4)
"""Bytes per sample."""
ATTRIBUTION = Attribution(name="wakewright", url="")


class OpenCascade(Protocol):
    """Puts a Judge behind a listener; what becomes of it is told to `say`."""

    def __call__(self, listener: Listener, *, say: Callable[[str], None], check: bool, away: set[str]) -> Cascade: ...


@dataclasses.dataclass
class Service:
    """What every satellite is served from."""

    folders: tuple[Path, ...]
    threshold: float | None = None
    confirm: OpenCascade | None = None
    """Puts a Judge behind a listener."""
    away: set[str] = dataclasses.field(default_factory=set)
    """Phrases whose Judge does not answer: said once, not once for each satellite."""
    clients: int = 0

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(max(1, os.cpu_count() or 1), thread_name_prefix="hear")
        listener = self.listener(None)  # what cannot be loaded is said now
        self.models = {name_of(d.phrase): d.phrase for d in listener.detectors}
        self.languages = {d.phrase: d.language for d in listener.detectors}
        if self.confirm is not None:  # and so is a Judge that refuses
            self.confirm(listener, say=LOG.warning, check=True, away=self.away).close()

    def listener(self, names: Sequence[str] | None) -> Listener:
        """Detectors of these models, all of them for None."""
        found = [detector.Detector.load(folder, threshold=self.threshold) for folder in self.folders]
        return Listener([d for d in found if names is None or name_of(d.phrase) in names])

    def info(self) -> Info:
        """What Home Assistant shows."""
        models = [
            WakeModel(
                name=name,
                phrase=phrase,
                languages=[self.languages[phrase].split("-")[0]],
                attribution=ATTRIBUTION,
                installed=True,
                description=phrase,
                version=__version__,
            )
            for name, phrase in self.models.items()
        ]
        program = WakeProgram(
            name="wakewright",
            description="Wake words trained from text",
            attribution=ATTRIBUTION,
            installed=True,
            version=__version__,
            models=models,
        )
        return Info(wake=[program])


def name_of(phrase: str) -> str:
    """The name of a phrase's model: letters, digits and underscores."""
    return re.sub(r"\W+", "_", phrase.casefold()).strip("_")


class _Bounded:
    """A reader that takes no more at once than an event may hold: its length is what the other side says it is."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def readline(self) -> bytes:
        return await self._reader.readline()

    async def readexactly(self, count: int) -> bytes:
        if not 0 <= count <= LONGEST_CHUNK:
            raise ValueError(f"an event of {count} bytes")
        return await self._reader.readexactly(count)

    def feed_eof(self) -> None:
        self._reader.feed_eof()


class Satellite(AsyncEventHandler):
    """One connection."""

    def __init__(self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(_Bounded(reader), writer)  # type: ignore[arg-type]
        self._service = service
        self._names: list[str] | None = None
        self._listener: Listener | None = None
        self._cascade: Cascade | None = None
        self._resampler: Resampler | None = None
        self._layout = (SAMPLE_RATE, 2, 1)
        self._began_ms: int | None = None
        self._told = False
        self._alone = asyncio.Lock()
        """For the cascade, which is pushed into and polled."""
        self._meanwhile: asyncio.Task[None] | None = None
        """Polls the cascade while a wake has no answer."""
        service.clients += 1
        _find_out_when_gone(writer.get_extra_info("socket"))

    async def run(self) -> None:
        """Serve it until it goes; what it sends that is no Wyoming ends its connection and nothing else."""
        try:
            if self._service.clients > MOST_CLIENTS:
                await self._refuse(f"more than {MOST_CLIENTS} satellites", "busy")
                return
            await self._serve()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it is gone
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            UnicodeDecodeError,
            RecursionError,
            asyncio.LimitOverrunError,
        ) as error:
            LOG.warning("a satellite sent what is no Wyoming event: %s", str(error)[:200])
            with contextlib.suppress(ConnectionError):
                await self._refuse("this is no Wyoming event", "bad-event")
        finally:
            self._service.clients -= 1
            await self.disconnect()
            self.writer.close()

    async def _serve(self) -> None:
        # the library's own loop hangs up before what went wrong can be told
        self._is_running = True
        while self._is_running:
            event = await async_read_event(self.reader)
            if event is None or not await self.handle_event(event):
                break

    async def disconnect(self) -> None:
        """Let go of what was held for it."""
        if self._meanwhile is not None:
            self._meanwhile.cancel()
            self._meanwhile = None
        if self._cascade is not None:
            self._cascade.close()
            self._cascade = None

    async def handle_event(self, event: Event) -> bool:
        """Answer one event; False ends the connection."""
        if AudioChunk.is_type(event.type):
            return await self._chunk(AudioChunk.from_event(event))
        if Describe.is_type(event.type):
            await self.write_event(self._service.info().event())
        elif Detect.is_type(event.type):
            await self._choose(Detect.from_event(event).names)
        elif AudioStart.is_type(event.type):
            start = AudioStart.from_event(event)
            layout = (start.rate, start.width, start.channels)
            if not can_be_heard(*layout):
                return await self._refuse_sound(f"sound of {layout}")
            await self._start(*layout, start.timestamp)
        elif AudioStop.is_type(event.type):
            await self._stop()
        elif Ping.is_type(event.type):
            await self.write_event(Pong(text=Ping.from_event(event).text).event())
        return True

    async def _choose(self, names: list[str] | None) -> None:
        unknown = [name for name in names or [] if name_of(name) not in self._service.models]
        if unknown:
            there = ", ".join(self._service.models)
            await self._refuse(f"no model {', '.join(unknown)}; there is {there}", "unknown-model")
        # names that are all unknown are no wish to hear everything
        self._names = [name_of(name) for name in names if name not in unknown] if names else None
        await self.disconnect()
        self._listener = None

    async def _start(self, rate: int, width: int, channels: int, timestamp: int | None) -> None:
        if not isinstance(timestamp, int | float | None):
            raise TypeError(f"a time of {timestamp!r}")
        self._layout, self._told = (rate, width, channels), False
        self._began_ms = None if timestamp is None else round(timestamp)
        self._resampler = Resampler(rate)
        if self._names == []:
            return
        if self._listener is None:
            self._listener = await self._work(self._service.listener, self._names)
            if self._service.confirm is not None:
                # a Judge that refuses since the start is one that does not answer: no reason to hang up
                confirm = partial(self._service.confirm, say=LOG.warning, check=False, away=self._service.away)
                self._cascade = await self._work(confirm, self._listener)
        else:
            self._listener.reset()

    async def _chunk(self, chunk: AudioChunk) -> bool:
        layout = (chunk.rate, chunk.width, chunk.channels)
        if not can_be_heard(*layout):
            return await self._refuse_sound(f"{len(chunk.audio)} bytes of {layout}")
        if self._listener is None or self._resampler is None or layout != self._layout:
            await self._start(*layout, chunk.timestamp)  # some satellites begin without a start
        if self._names == []:
            return True
        turn = round(TURN_S * chunk.rate) * chunk.width * chunk.channels
        for at in range(0, len(chunk.audio), turn):
            await self._hear(chunk.audio[at : at + turn])
        return True

    async def _hear(self, audio: bytes) -> None:
        """Hear a little of the stream, and tell what is heard; others are heard before the next."""
        async with self._alone:
            for heard in await self._work(self._heard, audio):
                await self._tell(heard)
        if (
            self._cascade is not None
            and self._cascade.waiting
            and (self._meanwhile is None or self._meanwhile.done())
        ):
            self._meanwhile = asyncio.create_task(self._tell_answers(self._cascade))

    async def _tell_answers(self, cascade: Cascade) -> None:
        """Tell what the Judge says until every wake has its answer, though no sound may come meanwhile."""
        with contextlib.suppress(ConnectionError):  # who is gone is found to be by its reader
            while cascade.waiting:
                async with self._alone:
                    for event in cascade.answers():
                        if event.kind == "confirmed":
                            await self._tell(event.detection)
                await asyncio.sleep(POLL_S)

    async def _tell(self, heard: detector.Detection) -> None:
        self._told = True
        when = None if self._began_ms is None else self._began_ms + round(1000 * heard.end_s)
        await self.write_event(Detection(name=name_of(heard.phrase), timestamp=when).event())

    def _heard(self, audio: bytes) -> list[detector.Detection]:
        assert self._listener is not None
        assert self._resampler is not None
        samples = self._resampler.push(decode(audio, *self._layout[1:]))
        if self._cascade is None:
            return self._listener.push(samples)
        return [event.detection for event in self._cascade.push(samples) if event.kind == "confirmed"]

    async def _stop(self) -> None:
        if self._cascade is not None:
            async with self._alone:
                self._cascade.finish()
            await self._tell_answers(self._cascade)  # holds no thread that others hear with
        if not self._told:
            await self.write_event(NotDetected().event())
        self._resampler = None

    async def _refuse_sound(self, what: str) -> bool:
        await self._refuse(f"sound that is not heard: {what}", "bad-audio")
        return False

    async def _refuse(self, text: str, code: str) -> None:
        await self.write_event(Error(text=text, code=code).event())

    async def _work(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._service.pool, partial(function, *arguments))


def _find_out_when_gone(connection: Any) -> None:
    """Have the system ask a silent satellite whether it is there yet; None and a local socket need no asking."""
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in ALIVE.items():
        if hasattr(socket, name):  # else the system's own, which are hours
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def can_be_heard(rate: int, width: int, channels: int) -> bool:
    """Whether sound of such a rate in Hz, bytes per sample and channels can be heard; they may be of any type."""
    whole = all(isinstance(value, int) for value in (rate, width, channels))
    return whole and LOWEST_RATE <= rate <= MOST_HZ and width in WIDTHS and 1 <= channels <= 8


def decode(audio: bytes, width: int, channels: int) -> NDArray[np.float32]:
    """Samples of `width` bytes, channels interleaved -> (n, channels) float32; half a frame at the end is dropped."""
    whole = len(audio) // (width * channels) * width * channels
    return decoded(audio[:whole], (PCM, width)).reshape(-1, channels)


async def serve(service: Service, uri: str, discovery: str | None, ready: Callable[[], None]) -> None:
    """Serve at `uri` until told to stop. `discovery` is the name that Home Assistant finds it by, None for none.

    Raises InputError for what is no address, EnvironmentProblem where it cannot be listened on.
    """
    try:
        server = AsyncServer.from_uri(uri)
    except ValueError as error:
        raise InputError(f"{uri} is no address to serve at", got=str(error), do="name tcp://0.0.0.0:10400") from error
    announced = await _announce(uri, discovery) if discovery is not None else None
    asyncio.get_running_loop().call_later(0.05, ready)
    try:
        await server.run(partial(Satellite, service))
    except OSError as error:
        raise EnvironmentProblem(
            f"{uri} cannot be served at",
            got=error.strerror or str(error),
            do="end what else listens there, or name another --uri",
        ) from error
    finally:
        if announced is not None:
            await announced._aiozc.async_close()
        service.pool.shutdown(cancel_futures=True)


async def _announce(uri: str, name: str) -> Any:
    """Tell the network by mDNS; without one the service is found by its address alone."""
    from wyoming.zeroconf import HomeAssistantZeroconf

    parts = urlparse(uri)
    if parts.scheme != "tcp" or parts.port is None:
        raise InputError("only tcp can be discovered", got=uri, do="leave --zeroconf out, or name tcp://HOST:PORT")
    host = parts.hostname if parts.hostname not in ("0.0.0.0", "::") else None
    try:
        announced = HomeAssistantZeroconf(port=parts.port, name=name, host=host)
        await announced.register_server()
    except OSError as error:
        LOG.warning("cannot be discovered (%s): give Home Assistant the address %s", error, uri)
        return None
    return announced


def run(service: Service, uri: str, discovery: str | None, ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises what `serve` raises."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(service, uri, discovery, ready))
