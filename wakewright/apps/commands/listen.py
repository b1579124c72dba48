"""`wakewright listen`: run the detector over recordings, or over a stream on standard input."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

if TYPE_CHECKING:
    from wakewright.core.audio import Samples
    from wakewright.detect.detector import Detection, Detector

BLOCK_BYTES = 2560
"""Raw audio is read in pieces of 80 ms."""


def listen(
    run: Annotated[Path, typer.Argument(help="The run, or a folder made by export.")],
    wav: Annotated[
        str,
        typer.Option(
            metavar="FILE|DIR|-",
            help="Recordings, or - for standard input: a WAV file, or raw 16 kHz 16-bit mono as it comes.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per detection.")] = False,
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Instead of the calibrated one.")] = None,
) -> None:
    """Tell where the phrase is heard."""
    from wakewright.core.audio import find_audio, load
    from wakewright.detect.detector import Detector

    detector = Detector.load(run.parent if run.is_file() else run, threshold=threshold)
    if wav == "-":
        _tell("-", detector, from_stream(sys.stdin.buffer), as_json)
        return
    for path in find_audio(wav):
        _tell(str(path), detector, iter([load(path)]), as_json)


def from_stream(stream: BinaryIO) -> Iterator[Samples]:
    """(n,) float32 pieces of what the stream brings: a WAV file whole, raw 16-bit samples as they come.

    Raises AudioError for a WAV that cannot be read.
    """
    import numpy as np

    from wakewright.core.audio import load
    from wakewright.core.errors import AudioError

    start = stream.read(4)
    if start == b"RIFF":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "stdin.wav")
            path.write_bytes(start + stream.read())
            try:
                yield load(path)
            except AudioError as error:
                what = error.what.replace(str(path), "the WAV on standard input")
                raise AudioError(what, got=error.got, do="send a whole WAV file, or raw 16-bit samples") from error
        return
    rest = start
    while True:
        whole = len(rest) // 2 * 2
        if whole:
            yield np.frombuffer(rest[:whole], "<i2").astype(np.float32) / np.float32(32768)
        read = getattr(stream, "read1", stream.read)  # what is there, without waiting for the rest
        more = read(BLOCK_BYTES)
        if not more:
            return
        rest = rest[whole:] + more


def _tell(name: str, detector: Detector, pieces: Iterator[Samples], as_json: bool) -> None:
    heard = 0
    for detection in detector.stream(pieces):
        heard += 1
        typer.echo(_line(name, detection, as_json))
        sys.stdout.flush()
    if not heard and not as_json:
        typer.echo(f"{name}: not heard")


def _line(name: str, detection: Detection, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {
                "file": name,
                "phrase": detection.phrase,
                "end_s": round(detection.end_s, 3),
                "score": round(detection.score, 4),
            },
            ensure_ascii=False,
        )
    return f"{name}: {detection.phrase} at {detection.end_s:.2f} s, score {detection.score:.3f}"
