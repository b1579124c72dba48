"""Speaking many utterances: in several processes, checked, and kept so that nothing is spoken twice."""

from __future__ import annotations

import functools
import logging
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from wakewright.core.audio import SAMPLE_RATE, Samples, write_wav
from wakewright.core.engine import Workers, agreeing, map_work
from wakewright.core.errors import NoVoice
from wakewright.core.files import cache_dir
from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.data.voices.clean import clean
from wakewright.data.voices.engines import engine_named
from wakewright.data.voices.protocol import BatchEngine, Engine, Utterance

FAILURES_ALLOWED = 0.2
"""Share of an engine's utterances that may fail before the engine is taken to be broken."""
_CHUNK = 32
"""Utterances given to a process at a time: few enough that progress moves, enough for a batch engine's start."""
_WORTH_A_POOL = 24
"""Fewer than this are spoken here: starting processes would take longer."""
_WAV_HEADER = 44

Progress = Callable[[int, int], None]
"""Called with (clips done, clips in all)."""
Failure = tuple[Utterance, str]

log = logging.getLogger(__name__)


def speak_all(
    utterances: Sequence[Utterance], kind: Kind, workers: Workers = 0, progress: Progress | None = None
) -> Manifest:
    """Speak every utterance; clips in the order of the utterances, 16-bit WAV in the cache.

    What the cache has is not spoken again. An utterance that fails twice is left out and logged. `workers` share the
    work; with 1 process, or little to do, it is done in this one. What fails on a cluster is tried here too, so that
    what is left out never depends on who was asked.

    Raises NoVoice naming the engine when more than a fifth of its utterances fail, EnvironmentProblem when a process
    dies.
    """
    folder = cache_dir() / "speech"
    seconds = {u.fingerprint: cached_seconds(clip_path(folder, u)) for u in utterances}
    missing = list({u.fingerprint: u for u in utterances if seconds[u.fingerprint] is None}.values())
    total, done = len(seconds), len(seconds) - len(missing)
    asked = Counter(u.engine for u in utterances)
    failed: Counter[str] = Counter()
    if progress:
        progress(done, total)
    speak = functools.partial(speak_chunk, folder=folder)
    several = agreeing(workers, functools.partial(_installed, sorted(asked))) if len(missing) >= _WORTH_A_POOL else 1
    for spoken, failures in map_work(speak, _chunks(missing), several):
        if failures and not isinstance(several, int):
            here, failures = speak([utterance for utterance, _ in failures])
            spoken |= here
        done += len(spoken) + len(failures)
        seconds.update(spoken)
        for utterance, reason in failures:
            log.warning("left out: %s", reason.replace("\n", " "))
            failed[utterance.engine] += 1
            if failed[utterance.engine] > FAILURES_ALLOWED * asked[utterance.engine]:
                raise _broken(utterance.engine, failed[utterance.engine], asked[utterance.engine], reason)
        if progress:
            progress(done, total)
    return Manifest(tuple(_clip(folder, u, kind, s) for u in utterances if (s := seconds[u.fingerprint]) is not None))


def _installed(engines: Sequence[str]) -> dict[str, str]:
    """Whether these engines are there."""
    return {f"the voices of {e}": "installed" if engine_named(e).installed() else "not installed" for e in engines}


def clip_path(folder: Path, utterance: Utterance) -> Path:
    """Where the utterance's clip lies in the speech cache `folder`."""
    name = utterance.fingerprint
    return folder / name[:2] / f"{name}.wav"


def cached_seconds(path: Path) -> float | None:
    """Length of a clip in the cache; None when it is not there, or not whole."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(_WAV_HEADER)
    except OSError:
        return None
    if size <= _WAV_HEADER or header[36:] != b"data" + struct.pack("<I", size - _WAV_HEADER):
        return None
    return (size - _WAV_HEADER) / 2 / SAMPLE_RATE


def speak_chunk(utterances: Sequence[Utterance], folder: Path) -> tuple[dict[str, float], list[Failure]]:
    """Speak utterances of one engine into the cache; seconds by fingerprint, and what failed twice, with why."""
    engine = engine_named(utterances[0].engine)
    seconds: dict[str, float] = {}
    failures: list[Failure] = []
    left = list(utterances)
    for _attempt in range(2):
        failures = []
        for utterance, spoken in zip(left, _attempted(engine, left), strict=True):
            if isinstance(spoken, NoVoice):
                failures.append((utterance, str(spoken)))
                continue
            write_wav(clip_path(folder, utterance), spoken)
            seconds[utterance.fingerprint] = len(spoken) / SAMPLE_RATE
        left = [utterance for utterance, _ in failures]
        if not left:
            break
    return seconds, failures


def _attempted(engine: Engine, utterances: Sequence[Utterance]) -> Iterator[Samples | NoVoice]:
    batch = engine.speak_batch(utterances) if isinstance(engine, BatchEngine) else None
    for i, utterance in enumerate(utterances):
        try:
            spoken = batch[i] if batch is not None else engine.speak(utterance)
            yield spoken if isinstance(spoken, NoVoice) else clean(spoken, utterance)
        except NoVoice as error:
            yield error


def _chunks(utterances: Sequence[Utterance]) -> list[list[Utterance]]:
    """Up to `_CHUNK` utterances of one engine each, the engines taking turns so that a broken one shows early."""
    by_engine: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        by_engine.setdefault(utterance.engine, []).append(utterance)
    numbered = [
        (start, name, theirs[start : start + _CHUNK])
        for name, theirs in by_engine.items()
        for start in range(0, len(theirs), _CHUNK)
    ]
    return [chunk for _, _, chunk in sorted(numbered, key=lambda entry: entry[:2])]


def _clip(folder: Path, utterance: Utterance, kind: Kind, seconds: float) -> Clip:
    return Clip(
        path=str(clip_path(folder, utterance)),
        kind=kind,
        seconds=seconds,
        speaker=utterance.speaker,
        source=utterance.engine,
        text=utterance.text,
        licence=utterance.licence,
        real=False,
        foreign=utterance.foreign,
    )


def _broken(engine: str, failed: int, asked: int, reason: str) -> NoVoice:
    return NoVoice(
        f"{engine} fails too often",
        got=f"{failed} of {asked} utterances; the last: {reason}",
        do="repair its installation, or leave it out: voices.engines",
    )
