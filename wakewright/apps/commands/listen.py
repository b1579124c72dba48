"""`wakewright listen`: run detectors on a microphone, over recordings, or over a stream on standard input."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wakewright.apps.commands.options import CascadeSettings, Threshold

if TYPE_CHECKING:
    from wakewright.apps.teller import Teller


def listen(
    run: Annotated[
        list[Path] | None,
        typer.Argument(help="Runs or exported folders, several at once; or a file made by cascade."),
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
        typer.Option(
            "--exec", metavar="CMD", help="Run on each detection, with WAKEWRIGHT_PHRASE, _SCORE and _TIME set."
        ),
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the sound around each detection.")] = None,
    threshold: Threshold = None,
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
    settings: CascadeSettings = None,
) -> None:
    """Tell where the phrase is heard, live or in recordings."""
    from wakewright.apps.confirm import gate_of, open_cascade, wish_of
    from wakewright.apps.teller import Teller
    from wakewright.core.errors import InputError
    from wakewright.detect.listener import Listener

    if list_devices:
        _list_devices()
        return
    if not run:
        raise InputError("there is nothing to listen for", got="no run", do="name one, see: wakewright runs")
    if wav is not None and device is not None:
        raise InputError("a microphone or recordings, not both", got="--device and --wav", do="leave one out")
    wish = wish_of(run, threshold, judge, settings or [])
    listener = Listener.load(wish.folders, threshold=wish.threshold, gate=gate_of(gate))
    with Teller.open(listener, as_json, run_command, save) as teller:
        if wish.judge is not None:
            live = wav is None or wav == "-"
            teller.cascade = open_cascade(listener, wish.judge, wish.pair, say=teller.say, live=live)
        if wav is None:
            _live(teller, device, rate)
        else:
            _recorded(teller, wav, rate)


def _recorded(teller: Teller, wav: str, rate: int | None) -> None:
    """Hear recordings, each with quiet around it: a clip may be no longer than the word, and a detector warms up."""
    from wakewright.core.audio import SAMPLE_RATE, find_audio, load
    from wakewright.core.pcm import read_pipe
    from wakewright.detect.judge import AFTER_S, quiet

    if wav == "-":
        teller.tell("-", read_pipe(sys.stdin.buffer, rate or SAMPLE_RATE))
        return
    warmup_ms = max(detector.policy.warmup_ms for detector in teller.listener.detectors)
    before, after = quiet(warmup_ms / 1000), quiet(AFTER_S)
    for path in find_audio(wav):
        teller.tell(str(path), [before, load(path), after], len(before))


def _list_devices() -> None:
    from wakewright.detect.microphone import devices

    found = devices()
    for one in found:
        mark = " (default)" if one.default else ""
        typer.echo(f"{one.index}: {one.name}, {one.rate} Hz, {one.channels} channels{mark}")
    if not found:
        typer.echo("no microphone")


def _live(teller: Teller, device: str | None, rate: int | None) -> None:
    """Hear the microphone until Ctrl-C."""
    from wakewright.apps.meter import Meter
    from wakewright.detect.microphone import Microphone

    microphone = Microphone(device, rate=rate, say=teller.say)
    phrases = ", ".join(d.phrase for d in teller.listener.detectors)
    teller.say(f"listening for {phrases} on {microphone.device.name!r}; end with Ctrl-C")
    teller.meter = Meter(sys.stderr) if sys.stderr.isatty() else None
    with contextlib.suppress(KeyboardInterrupt):
        teller.tell(None, microphone)
