"""`wakewright listen`: run detectors on a microphone, over recordings, or over a stream on standard input."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wakewright.apps.hook import Hook
    from wakewright.apps.meter import Meter
    from wakewright.core.audio import Samples
    from wakewright.detect.cascade import Cascade, Event
    from wakewright.detect.detector import Detection
    from wakewright.detect.listener import Listener


def listen(
    run: Annotated[
        list[Path] | None, typer.Argument(help="Runs, or folders made by export; several are heard at once.")
    ] = None,
    wav: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|DIR|-",
            help="Recordings instead of a microphone, or - for standard input: a WAV file, or raw 16-bit mono.",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="The microphone: its number, or a part of its name.")] = None,
    rate: Annotated[
        int | None, typer.Option(min=4000, max=384_000, help="Of the microphone or of raw samples, in Hz.")
    ] = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="List the microphones, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per detection.")] = False,
    run_command: Annotated[
        str | None,
        typer.Option("--exec", metavar="CMD", help="Run on each detection, with WAKEWRIGHT_PHRASE and _SCORE set."),
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the sound around each detection.")] = None,
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Instead of the calibrated one.")] = None,
    gate: Annotated[
        str | None,
        typer.Option(metavar="energy|silero", help="Compute nothing while nobody speaks; energy=-60 sets its level."),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|URL",
            help="A Judge that confirms or cancels each wake: a run, or a server's address, whose key is taken from "
            "WAKEWRIGHT_JUDGE_KEY.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--cascade", metavar="KEY=VALUE", help="confirm, after_ms, timeout_ms or on_timeout=reject."),
    ] = None,
) -> None:
    """Tell where the phrase is heard, live or in recordings."""
    from wakewright.apps.confirm import gate_of, open_cascade, read_pair, settings_of
    from wakewright.core.errors import InputError
    from wakewright.detect.listener import Listener

    if list_devices:
        _list_devices()
        return
    if not run:
        raise InputError("there is nothing to listen for", got="no run", do="name one, see: wakewright runs")
    pair = settings_of(settings or [])
    if run[0].suffix in (".yaml", ".yml"):
        pair = read_pair(run[0], settings or [])
        run, judge = [Path(pair.sentry or "")], judge or pair.judge
        threshold = pair.trigger if threshold is None else threshold
    folders = [path.parent if path.is_file() else path for path in run]
    listener = Listener.load(folders, threshold=threshold, gate=gate_of(gate))
    with _Teller.open(listener, as_json, run_command, save) as teller:
        if judge is not None:
            teller.cascade = open_cascade(listener, judge, pair, say=teller.say, live=wav is None or wav == "-")
        if wav is None:
            _live(teller, device, rate)
        else:
            for name, pieces in _sources(wav, rate):
                teller.tell(name, pieces)


def _sources(wav: str, rate: int | None) -> Iterator[tuple[str, Iterable[Samples]]]:
    from wakewright.core.audio import SAMPLE_RATE, find_audio, load
    from wakewright.core.pcm import read_pipe

    if wav == "-":
        yield "-", read_pipe(sys.stdin.buffer, rate or SAMPLE_RATE)
        return
    for path in find_audio(wav):
        yield str(path), [load(path)]


def _list_devices() -> None:
    from wakewright.detect.microphone import devices

    found = devices()
    for one in found:
        mark = " (default)" if one.default else ""
        typer.echo(f"{one.index}: {one.name}, {one.rate} Hz, {one.channels} channels{mark}")
    if not found:
        typer.echo("no microphone")


def _live(teller: _Teller, device: str | None, rate: int | None) -> None:
    """Hear the microphone until Ctrl-C."""
    from wakewright.apps.meter import Meter
    from wakewright.detect.microphone import Microphone

    microphone = Microphone(device, rate=rate, say=teller.say)
    phrases = ", ".join(d.phrase for d in teller.listener.detectors)
    teller.say(f"listening for {phrases} on {microphone.device.name!r}; end with Ctrl-C")
    teller.meter = Meter(sys.stderr) if sys.stderr.isatty() else None
    with contextlib.suppress(KeyboardInterrupt):
        teller.tell(None, microphone)


def _json(name: str | None, one: Detection, event: Event | None) -> str:
    now = datetime.datetime.now().astimezone()
    about: dict[str, object] = {"time": now.isoformat(timespec="milliseconds")} if name is None else {"file": name}
    if event is not None:
        about |= {"event": event.kind, "wake": event.number}
    about |= {"phrase": one.phrase, "start_s": round(one.start_s, 3), "end_s": round(one.end_s, 3)}
    about["score"] = round(one.score, 4)
    if event is not None and event.kind != "wake":
        about |= {"confidence": event.confidence, "reason": event.reason, "latency_ms": event.latency_ms}
    return json.dumps(about, ensure_ascii=False)


def _line(name: str | None, one: Detection, event: Event | None) -> str:
    where = f"{datetime.datetime.now():%H:%M:%S} " if name is None else f"{name}: "
    when = "" if name is None else f" at {one.end_s:.2f} s"
    if event is None or event.kind == "wake":
        return f"{where}{one.phrase}{when}, score {one.score:.3f}{'' if event is None else '?'}"
    why = f"confidence {event.confidence:.3f}" if event.confidence is not None else f"Judge {event.reason}"
    return f"{where}{one.phrase}{when} {event.kind}, {why}"


@dataclasses.dataclass
class _Teller:
    """Prints detections, runs the user's command and keeps the sound around them."""

    listener: Listener
    as_json: bool
    hook: Hook | None
    folder: Path | None
    meter: Meter | None = None
    cascade: Cascade | None = None

    @classmethod
    @contextlib.contextmanager
    def open(cls, listener: Listener, as_json: bool, command: str | None, folder: Path | None) -> Iterator[_Teller]:
        from wakewright.apps.hook import Hook

        hook = None if command is None else Hook(command)
        teller = cls(listener, as_json, hook, folder)
        try:
            yield teller
        finally:
            if teller.cascade is not None:
                teller.cascade.close()
            if hook is not None:
                hook.wait()

    def say(self, line: str) -> None:
        """A remark, apart from the detections."""
        if self.meter is not None:
            self.meter.clear()
        typer.echo(line, err=True)

    def tell(self, name: str | None, pieces: Iterable[Samples]) -> None:
        """Hear one stream from a fresh start; a recording has a `name`, a microphone none."""
        from wakewright.detect.around import Around

        around, heard = Around(), 0
        self.listener.reset()
        try:
            for piece in pieces:
                if self.cascade is None:
                    found = self.listener.push(piece)
                    for one in found:
                        self._print(name, one)
                else:
                    events = self.cascade.push(piece)
                    found = [event.detection for event in events if event.kind == "wake"]
                    self._print_events(name, events)
                heard += len(found)
                self._keep(name, around.push(piece, found))
                if self.meter is not None:
                    self.meter.show(piece, self.listener.detectors)
        finally:
            if self.cascade is not None:
                self._print_events(name, self.cascade.end())
            self._keep(name, around.end())
        if not heard and name is not None and not self.as_json:
            typer.echo(f"{name}: not heard")

    def _print(self, name: str | None, one: Detection, event: Event | None = None) -> None:
        if self.meter is not None:
            self.meter.clear()
        typer.echo(_json(name, one, event) if self.as_json else _line(name, one, event))
        sys.stdout.flush()
        confirmed = event is None or event.kind == "confirmed"
        if confirmed and self.hook is not None and (problem := self.hook.run(one)):
            self.say(problem)

    def _print_events(self, name: str | None, events: Iterable[Event]) -> None:
        for event in events:
            self._print(name, event.detection, event)

    def _keep(self, name: str | None, done: list[tuple[Detection, Samples]]) -> None:
        from wakewright.core.audio import write_wav
        from wakewright.core.errors import DiskFull

        for one, sound in done if self.folder is not None else ():
            assert self.folder is not None
            stem = (
                f"{datetime.datetime.now():%Y%m%d-%H%M%S}" if name is None else Path(name).stem.strip("-") or "pipe"
            )
            phrase = re.sub(r"\W+", "-", one.phrase).strip("-")
            path = self.folder / f"{phrase}-{stem}-{round(1000 * one.end_s)}ms.wav"
            try:
                write_wav(path, sound)
            except DiskFull as error:
                if name is not None:
                    raise
                self.say(
                    f"{error}\n  listening goes on; this sound was not kept"
                )  # a full disk is no reason to be deaf
