"""What is heard, told: lines or JSON, the user's command, and the sound around each detection."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

from wakewright.apps.hook import Hook
from wakewright.apps.meter import Meter
from wakewright.core.audio import Samples, write_wav
from wakewright.core.errors import DiskFull, InputError, RunError
from wakewright.core.files import require_writable
from wakewright.detect.around import Around
from wakewright.detect.cascade import POLL_S, Cascade, Event
from wakewright.detect.detector import Detection
from wakewright.detect.listener import Listener


def _json(name: str | None, one: Detection, event: Event | None) -> str:
    now = datetime.datetime.now().astimezone()
    about: dict[str, object] = {"time": now.isoformat(timespec="milliseconds")} if name is None else {"file": name}
    if event is not None:
        about |= {"event": event.kind, "wake": event.number}
    about |= {"phrase": one.phrase, "start_s": round(one.start_s, 3), "end_s": round(one.end_s, 3)}
    about["score"] = round(one.score, 4)
    if event is not None and event.kind != "wake":
        about |= {
            "confidence": None if event.confidence is None else round(event.confidence, 4),
            "reason": event.reason,
            "latency_ms": None if event.latency_ms is None else round(event.latency_ms, 1),
        }
    return json.dumps(about, ensure_ascii=False)


def _line(name: str | None, one: Detection, event: Event | None) -> str:
    where = f"{datetime.datetime.now():%H:%M:%S} " if name is None else f"{name}: "
    when = "" if name is None else f" at {one.end_s:.2f} s"
    if event is None or event.kind == "wake":
        return f"{where}{one.phrase}{when}, score {one.score:.3f}{'' if event is None else '?'}"
    why = f"confidence {event.confidence:.3f}" if event.confidence is not None else f"Judge {event.reason}"
    return f"{where}{one.phrase}{when} {event.kind}, {why}"


ROOM = "free some space, or name another folder for --save"
LONGEST_NAME = 200
"""Bytes of a file's name before its time and number: file systems take 255 in all."""


def _short(name: str) -> str:
    """The name, cut to LONGEST_NAME between two letters."""
    return name.encode()[:LONGEST_NAME].decode(errors="ignore")


def _free(path: Path) -> Path:
    """This name, or numbered where a file has it: recordings of one name in two folders are two recordings."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([path], numbered) if not one.exists())


@dataclasses.dataclass
class Teller:
    """Prints detections, runs the user's command and keeps the sound around them."""

    listener: Listener
    as_json: bool
    hook: Hook | None
    folder: Path | None
    meter: Meter | None = None
    cascade: Cascade | None = None
    _before: int = 0
    _heard: int = 0
    """Detections told of this stream."""
    _told: dict[int, Detection] = dataclasses.field(default_factory=dict)
    """Wakes that were told and whose sound is not kept yet, by identity."""
    _undecided: list[tuple[Detection, Samples]] = dataclasses.field(default_factory=list)
    """What the cascade holds, with its sound."""
    _alone: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    """For the cascade and what is printed, which sound and answers both come to."""

    @classmethod
    @contextlib.contextmanager
    def open(cls, listener: Listener, as_json: bool, command: str | None, folder: Path | None) -> Iterator[Teller]:
        """A teller that lets go of its threads and waits a moment for the user's command in the end.

        Raises InputError for a folder that nothing can be saved into; a disk that is full now need not stay so.
        """
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                require_writable(folder, ROOM)
            except DiskFull:
                pass
            except (OSError, RunError) as error:
                why = error.got if isinstance(error, RunError) else error.strerror or str(error)
                raise InputError(f"{folder} cannot be saved into", got=why, do="name a folder for --save") from error
        hook = None if command is None else Hook(command, apart=as_json)
        teller = cls(listener, as_json, hook, folder)
        try:
            yield teller
        finally:
            if teller.cascade is not None:
                teller.cascade.close()
            if hook is not None and (problem := hook.wait()):
                teller.say(problem)

    def say(self, line: str) -> None:
        """A remark, apart from the detections."""
        if self.meter is not None:
            self.meter.clear()
        typer.echo(line, err=True)

    def tell(self, name: str | None, pieces: Iterable[Samples], before: int = 0) -> None:
        """Hear one stream from a fresh start; a recording has a `name`, a microphone none.

        `before` samples of it are quiet put in front: times are told without them.
        """
        around, self._heard, self._before = Around(), 0, before
        self.listener.reset()
        try:
            with self._answers_told(name):
                for piece in pieces:
                    with self._alone:
                        self._keep(name, around.push(piece, self._hear(name, piece)))
                        if self.meter is not None:
                            self.meter.show(piece, self.listener.detectors)
        finally:
            if self.cascade is not None:
                self._print_events(name, self.cascade.end())
            self._keep(name, around.end())
        if not self._heard and name is not None and not self.as_json:
            typer.echo(f"{name}: not heard")

    def _hear(self, name: str | None, piece: Samples) -> list[Detection]:
        """Tell what is heard in this piece, and give it, with what the cascade may tell later."""
        if self.cascade is not None:
            self._print_events(name, self.cascade.push(piece))
            return self.cascade.heard
        found = self.listener.push(piece)
        for one in found:
            self._print(name, one)
        self._heard += len(found)
        return found

    @contextlib.contextmanager
    def _answers_told(self, name: str | None) -> Iterator[None]:
        """Tell a Judge's answers when they are due, though no sound may come: a pipe is paused, a cable pulled."""
        cascade, over = self.cascade, threading.Event()
        if cascade is None or not cascade.live:
            yield
            return

        def tell() -> None:
            # what cannot be printed is met by who prints next
            with contextlib.suppress(OSError):
                while not over.wait(POLL_S):
                    with self._alone:
                        self._print_events(name, cascade.answers())

        teller = threading.Thread(target=tell, name="answers", daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join()

    def _print(self, name: str | None, one: Detection, event: Event | None = None) -> None:
        if self.meter is not None:
            self.meter.clear()
        one = one.earlier(self._before)
        typer.echo(_json(name, one, event) if self.as_json else _line(name, one, event))
        sys.stdout.flush()
        confirmed = event is None or event.kind == "confirmed"
        if confirmed and self.hook is not None and (problem := self.hook.run(one)):
            self.say(problem)

    def _print_events(self, name: str | None, events: Iterable[Event]) -> None:
        for event in events:
            if event.kind == "wake":
                self._heard += 1
                self._told[id(event.detection)] = event.detection
            self._print(name, event.detection, event)

    def _keep(self, name: str | None, done: list[tuple[Detection, Samples]]) -> None:
        """Keep the sound of what was told; that of a wake which the cascade holds waits for what becomes of it."""
        whole, self._undecided = [*self._undecided, *done], []
        for one, sound in whole:
            if self.cascade is None or self._told.pop(id(one), None) is not None:
                if self.folder is not None:
                    self._save(self.folder, name, one, sound)
            elif self.cascade.holds(one):
                self._undecided.append((one, sound))

    def _save(self, folder: Path, name: str | None, one: Detection, sound: Samples) -> None:
        stem = f"{datetime.datetime.now():%Y%m%d-%H%M%S}" if name is None else Path(name).stem.strip("-") or "pipe"
        phrase = re.sub(r"\W+", "-", one.phrase).strip("-")
        moment = round(1000 * one.earlier(self._before).end_s)
        try:
            write_wav(_free(folder / f"{_short(f'{phrase}-{stem}')}-{moment}ms.wav"), sound, ROOM)
        except (DiskFull, OSError) as error:
            problem = (
                error
                if isinstance(error, DiskFull)
                else InputError(f"{folder} cannot be saved into", got=error.strerror or str(error), do=ROOM)
            )
            if name not in (None, "-"):
                raise problem from error
            # a full disk, or a card that turned read-only, is no reason to be deaf
            self.say(f"{problem}\n  listening goes on; this sound was not kept")
