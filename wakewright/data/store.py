"""Features on disk: rendered once, memory-mapped by every epoch.

A store is a folder with one array of frames per front end, laid end to end over all streams, the utterances in
them, and `store.json`, written last: with it the store is whole, without it what was written of it is gone on from
(`data/growing.py`). It holds a checksum of every file and of itself, and a store of which one is not as it was
written is made again. A front end that a later training wants is added to those that are there. It may be deleted at
any time when nobody trains on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import shutil
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples, load
from wakewright.core.engine import Workers, map_work
from wakewright.core.errors import RunError
from wakewright.core.files import cache_dir, disk_errors, fingerprint, write_bytes, write_json
from wakewright.core.lock import exclusive
from wakewright.core.manifest import Clip
from wakewright.core.progress import Bar
from wakewright.data import growing, streams
from wakewright.data.growing import Growing
from wakewright.dsp import frontend, micro
from wakewright.dsp.frontend import Frames, Frontend

VERSION = 3
"""Raised whenever stored features would come out differently."""
LATER = ("wet", "overload_share", "babble", "schedule", "codec", "dropouts", "stretch", "trim_share")
"""Settings that came after stores were first kept: at its default one of them does not count in a store's key."""
LOCATED = np.dtype([*streams.EVENT.descr, ("stream", np.int32)])
"""An utterance and the stream it is said in."""


def encode(name: str, front: Frontend, samples: Samples) -> NDArray[Any]:
    """Frames as they are stored: int8 for "micro" (the device's own), float16 for every other."""
    front.reset()
    if isinstance(front, micro.MicroFrontend):
        return front.push_quantised(samples)
    return front.push(samples).astype(np.float16)


def decode(name: str, stored: NDArray[Any]) -> Frames:
    """Stored frames -> float32 as the front end gives them."""
    return micro.dequantise(stored) if name == "micro" else stored.astype(np.float32)


@functools.lru_cache(maxsize=4)
def _front(name: str) -> Frontend:
    return frontend.create(name)


def _work(
    stream: streams.StreamPlan, *, surroundings: streams.Surroundings, fronts: tuple[str, ...]
) -> tuple[dict[str, NDArray[Any]], streams.Events, int]:
    samples, events = streams.render(stream, surroundings)
    return {name: encode(name, _front(name), samples) for name in fronts}, events, len(samples)


def as_recorded(clip: Clip) -> NDArray[Any]:
    """(frames, 96) float16 speech embedding of a clip alone, with enough hiss around it to fill receptive fields.

    Kept in the cache: every wake word listens to the same background. Raises AudioError, DiskFull.
    """
    kept = cache_dir() / "heard" / f"{fingerprint(VERSION, clip.path, _stamp(clip.path))}.npy"
    try:
        frames: NDArray[Any] = np.load(kept)
    except (OSError, ValueError, EOFError):  # not there yet, or cut off by whatever ended the machine
        frames = _alone(clip)
        buffer = io.BytesIO()
        np.save(buffer, frames)
        write_bytes(kept, buffer.getvalue())
    return frames


def _alone(clip: Clip) -> NDArray[Any]:
    hiss = np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE, np.float32) * np.float32(1e-4)
    lead, tail = np.split(hiss, [5 * SAMPLE_RATE // 2])
    return encode("speech_embedding", _front("speech_embedding"), np.concatenate([lead, load(clip.path), tail]))


@dataclasses.dataclass(frozen=True)
class Track:
    """The frames of one front end over all streams."""

    name: str
    frames: NDArray[Any]
    """(frames, channels) as stored, memory-mapped."""
    starts: NDArray[np.int64]
    """(streams + 1,) first frame of each stream, then the number of frames."""
    hop: int
    """Samples per frame."""
    first_end: int
    """Samples of a stream that are needed for its first frame."""

    def ends(self) -> NDArray[np.int64]:
        """(frames,) the sample of its stream at which each frame is complete."""
        counts = np.diff(self.starts)
        within = np.arange(self.starts[-1]) - np.repeat(self.starts[:-1], counts)
        return within * self.hop + self.first_end


@dataclasses.dataclass(frozen=True)
class Store:
    """Features of many streams and what is said in them."""

    tracks: dict[str, Track]
    events: NDArray[np.void]
    """Events with their stream: fields of streams.EVENT and `stream`."""
    seconds: float
    """Total length of the sound."""
    levels: NDArray[np.int8] | None = None
    """(streams,) how loud each one's background may be, 0 the faintest; None without a schedule."""

    @classmethod
    def open(cls, folder: Path, key: str, fronts: Sequence[str] = ()) -> Store | None:
        """The store in `folder` if it is whole, was made for `key` and has these front ends at least; else None."""
        about = _index(folder)
        if about.get("key") != key or not about["tracks"].keys() >= set(fronts):
            return None
        if any(_checksum(folder / name) != wanted for name, wanted in about.get("checksums", {}).items()):
            return None
        tracks = {
            name: Track(
                name,
                np.load(folder / f"{name}.npy", mmap_mode="r"),
                np.load(folder / f"{name}-starts.npy"),
                track["hop"],
                track["first_end"],
            )
            for name, track in about["tracks"].items()
        }
        levels = np.array(about["levels"], np.int8) if "levels" in about else None
        return cls(tracks, np.load(folder / "events.npy"), about["seconds"], levels)


Make = Callable[[tuple[str, ...], int], Any]
"""What `_work` gives of each stream but so many first ones, for these front ends, in order; it can be closed."""


def _index(folder: Path) -> dict[str, Any]:
    """store.json of a store; nothing where there is none, or it is not as it was written."""
    try:
        about = json.loads((folder / "store.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(about, dict):
        return {}
    seal = about.pop("seal", None)  # stores of earlier versions have none
    return about if seal in (None, fingerprint(about)) else {}


def _checksum(path: Path) -> int | None:
    """CRC-32 of a file; None where it is gone."""
    found = 0
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                found = zlib.crc32(piece, found)
    except FileNotFoundError:
        return None
    return found


def key_of(plans: Sequence[streams.StreamPlan], surroundings: streams.Surroundings) -> str:
    """Fingerprint of everything a store's sound depends on; files that are not ours count with size and time."""
    real = {item.clip.path for plan in plans for item in plan.items if item.clip.real}
    files = sorted(real | set(surroundings.backgrounds) | set(surroundings.rirs))
    settings, usual = surroundings.settings, type(surroundings.settings)()
    if surroundings.voices:
        files = sorted({*files, *surroundings.voices})
    return fingerprint(
        VERSION,
        [_told(p) for p in plans],
        settings.model_dump(exclude={name for name in LATER if getattr(settings, name) == getattr(usual, name)}),
        surroundings.seed,
        surroundings.rirs,
        surroundings.backgrounds,
        [_stamp(path) for path in files],
        *([surroundings.voices] if surroundings.voices else []),
    )


def _told(plan: streams.StreamPlan) -> dict[str, Any]:
    """A plan as its fields; the level where it has one."""
    fields = dataclasses.asdict(plan)
    for item in fields["items"]:
        del item["clip"]["part"]  # it is heard the same in every part
    if plan.level is None:
        del fields["level"]
    return fields


def _stamp(path: str) -> tuple[int, int]:
    """(size, time of change) of a file; zeros when it is gone, which reading it will tell."""
    try:
        about = Path(path).stat()
    except OSError:
        return 0, 0
    return about.st_size, about.st_mtime_ns


def build(
    folder: Path,
    plans: Sequence[streams.StreamPlan],
    surroundings: streams.Surroundings,
    fronts: tuple[str, ...],
    *,
    workers: Workers,
    bar: Bar | None = None,
    shared: bool = False,
) -> Store:
    """Render the streams and store their features, or open the store when it is there already.

    A front end that a whole store lacks is added to it; what is there is not heard again, neither in a whole store
    nor in one whose maker was killed or ran out of disk. Memory does not grow with the store. Work is spread over the
    workers and comes out the same for any number of them, here or on a cluster. A `shared` folder holds many stores,
    each by its key, for runs that may come at the same time. Raises DiskFull, RunError when another run is making
    this very store.
    """
    key = key_of(plans, surroundings)
    levels = [plan.level for plan in plans]
    about = {"key": key} | ({} if None in levels or not levels else {"levels": levels})

    def make(lacking: tuple[str, ...], done: int) -> Any:
        if bar is not None and done:
            bar.already(done)
        work = functools.partial(_work, surroundings=surroundings, fronts=lacking)
        return map_work(work, plans[done:], workers=workers, chunk=4, progress_bar=bar)

    if not shared:
        return _opened_or_made(folder, about, fronts, make)
    place = folder / key
    with exclusive(place.with_suffix(".lock")) as held:
        if not held:
            raise RunError(f"another run is making {place}", got="it is locked", do="wait for that run to end")
        return _opened_or_made(place, about, fronts, make)


def _opened_or_made(folder: Path, about: dict[str, Any], fronts: tuple[str, ...], make: Make) -> Store:
    """The whole store in `folder`, with what it lacks of the front ends added, or a new one, of what `make` gives.

    `about`, its key in it, goes into the index.
    """
    key = about["key"]
    if (whole := Store.open(folder, key, fronts)) is not None:
        if (grown := growing.told(folder)) and whole.tracks.keys() >= set(grown["fronts"]):
            growing.tidy(folder)  # its maker was killed at the very end
        return whole
    before = _index(folder) if Store.open(folder, key) is not None else {}
    lacking = tuple(name for name in fronts if name not in before.get("tracks", {}))
    grows = {"version": VERSION, "key": key, "fronts": sorted(lacking), "events": not before}
    if not before:
        _make_room(folder, grows)
    written = _write(folder, grows, lacking, make)
    for part in ("tracks", "checksums"):
        written[part] = dict(sorted((before.get(part, {}) | written[part]).items()))
    index = about | written
    write_json(folder / "store.json", index | {"seal": fingerprint(index)})
    growing.tidy(folder)
    store = Store.open(folder, key)
    assert store is not None
    return store


def _make_room(folder: Path, grows: dict[str, Any]) -> None:
    """Empty the folder of all but this very store, where it was begun there."""
    if growing.begun(folder, grows):
        (folder / "store.json").unlink(missing_ok=True)
        return
    shutil.rmtree(folder, ignore_errors=True)
    with disk_errors(folder):
        folder.mkdir(parents=True)


def _write(folder: Path, grows: dict[str, Any], fronts: tuple[str, ...], make: Make) -> dict[str, Any]:
    """Store the frames of these front ends, and what is said where that is not there yet: it is the same.

    Returns what the index says of them. Streams that an earlier start wrote are not heard again.
    """
    # there may be no stream at all: what no sound gives has the form of the others
    empty = {name: encode(name, _front(name), np.zeros(0, np.float32)) for name in fronts}
    if grows["events"]:
        empty["events"] = np.zeros(0, LOCATED)
    for left in folder.glob(".store-*.json"):  # of an index that was being written
        left.unlink()
    with Growing.open(folder, grows, empty) as arrays:
        with contextlib.closing(make(fronts, len(arrays.notes))) as results:
            for stream, (tracks, rows, length) in enumerate(results, len(arrays.notes)):
                arrays.add(length, {**tracks, "events": _located(rows, stream)})
        arrays.finish()
        about: dict[str, Any] = {"seconds": sum(arrays.notes) / SAMPLE_RATE, "tracks": {}, "checksums": {}}
        with disk_errors(folder):
            for name in fronts:
                _save(folder / f"{name}-starts.npy", np.cumsum([0, *arrays.rows(name)], dtype=np.int64))
    for name in fronts:
        about["tracks"][name] = {"hop": _front(name).hop, "first_end": _front(name).first_end}
    for file in (f"{name}.npy" for name in (*empty, *(f"{front}-starts" for front in fronts))):
        about["checksums"][file] = _checksum(folder / file)
    return about


def _located(rows: streams.Events, stream: int) -> NDArray[np.void]:
    located = np.zeros(len(rows), LOCATED)
    for field in streams.EVENT.names or ():
        located[field] = rows[field]
    located["stream"] = stream
    return located


def _save(path: Path, array: NDArray[Any]) -> None:
    """Write an array as numpy.save does, which on a full disk raises an error that does not say so (no errno)."""
    with path.open("wb") as file:
        file.write(growing.header(array, len(array)))
        file.write(array.tobytes())
