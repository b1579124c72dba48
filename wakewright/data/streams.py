"""Training sound as it will be heard: continuous streams, not clips.

Spoken phrases, near misses, sentences and real speech are shuffled and laid one after another, with or without
pauses, into streams of some twenty seconds; each stream is then heard in one room, over one background, through one
microphone. Front ends run over whole streams, so they are as warm at a word as they will be on the device, and
nothing about a word's surroundings tells its label.

Draw, then apply: `plan` decides everything, `render` carries it out and knows no chance.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples, load, load_part, rms
from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.core.recipe import Augment
from wakewright.data import augment
from wakewright.data.babble import BabblePlan
from wakewright.data.channel import GainPlan
from wakewright.data.rooms import load_rirs, simulate_rooms, synthetic_noise
from wakewright.data.scene import MixPlan, RoomPlan, word_bounds

STREAM_S = 20.0
"""A stream is closed once it is this long."""
LEAD_S = (1.2, 1.8)
"""Background before the first words, so that front ends and receptive fields are filled."""
PIECE_S = 5.0
"""Longer speech, noise and music is cut into pieces of this length; the phrase and its near misses never are."""
LEVEL_DB = (-8.0, 0.0)
"""Level of one utterance relative to its stream."""
KEPT_S = 3600
"""Seconds of noise and music a process keeps in memory (230 MB)."""
BABBLE_KEPT_S = 900
"""Seconds of speech for babble that it keeps besides (58 MB)."""
SYNTHETIC_NOISES = 24
"""Noises made when no folder of noise is named."""

KINDS: tuple[Kind, ...] = ("positive", "near_miss", "speech", "noise", "music", "rir", "hard_negative")
EVENT = np.dtype([("kind", np.int8), ("real", np.bool_), ("start", np.int64), ("end", np.int64), ("clip", np.int32)])
"""One utterance: index into KINDS, real or synthetic, first and one-past-last sample, index into the manifest."""
Events = NDArray[np.void]


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One utterance in a stream."""

    clip: Clip
    index: int
    """Place of the clip in the manifest."""
    offset_s: float
    """Where the piece begins in the clip."""
    seconds: float
    """Length of the piece."""
    pause_s: float
    """Silence before it."""
    level_db: float
    """Level relative to the stream."""
    voice: augment.ChainPlan
    """Speed and equaliser."""


@dataclasses.dataclass(frozen=True, slots=True)
class StreamPlan:
    """Everything about one stream."""

    lead_s: float
    items: tuple[Item, ...]
    surroundings: augment.ChainPlan
    level: int | None = None
    """How loud its background may be, 0 the faintest; None without `augment.schedule`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Drawn:
    """What a stream was given to be heard in, as it was drawn and not as it can be estimated afterwards."""

    room: bool
    """Heard in a room, or dry."""
    snr_db: float | None
    """Active speech of the whole stream above the background; None without one."""
    peak_db: float | None
    """Loudest sample relative to full scale; None where the level was left as it is."""


def drawn(stream: StreamPlan) -> Drawn:
    """Room, background and level of a stream, read from its plan."""
    steps = [s.inner if isinstance(s, augment.SometimesPlan) else s for s in stream.surroundings.steps]
    steps = [s.inner if isinstance(s, augment.PartlyPlan) else s for s in steps]
    return Drawn(
        room=any(isinstance(step, RoomPlan) for step in steps),
        snr_db=min((step.snr_db for step in steps if isinstance(step, MixPlan | BabblePlan)), default=None),
        peak_db=next((step.peak_db for step in steps if isinstance(step, GainPlan)), None),
    )


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What the streams are heard in: picklable, and loaded once per process."""

    settings: Augment
    seed: int
    rirs: tuple[str, ...]
    """Measured room impulse responses."""
    backgrounds: tuple[str, ...]
    """Noise and music files; synthetic noise when there is none."""
    voices: tuple[str, ...] = ()
    """Files of speech that babble is made of; none where the settings have no babble."""

    def chain(self, level: int | None = None) -> augment.Chain:
        """The transforms, with rooms and backgrounds loaded; drawn from at this level of the schedule."""
        return _chain(self, level)


class _Files(Sequence[Samples]):
    """Recordings read when they are first wanted; very quiet ones are brought to a usable level."""

    def __init__(self, paths: tuple[str, ...], kept_s: int | None = None) -> None:
        self._paths = paths
        self._kept_s = kept_s
        self._kept: dict[int, Samples] = {}
        self._held = 0

    def _read(self, index: int) -> Samples:
        samples = load(self._paths[index])
        level = rms(samples)
        return samples * np.float32(0.02 / level) if 0 < level < 0.02 else samples

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Samples:  # type: ignore[override]
        if index not in self._kept:
            self._kept[index] = self._read(index)
            self._held += len(self._kept[index])
            while self._held > (self._kept_s or KEPT_S) * SAMPLE_RATE and len(self._kept) > 1:
                oldest = next(iter(self._kept))
                self._held -= len(self._kept.pop(oldest))
        return self._kept[index]


@functools.lru_cache(maxsize=32)
def _chain(surroundings: Surroundings, level: int | None) -> augment.Chain:
    return augment.surroundings(augment.at_level(surroundings.settings, level), *_sounds(surroundings))


@functools.lru_cache(maxsize=4)
def _sounds(surroundings: Surroundings) -> tuple[list[Samples], Sequence[Samples], Sequence[Samples]]:
    """Impulse responses, backgrounds, and speech for babble."""
    settings = surroundings.settings
    rooms = simulate_rooms(settings.rooms, surroundings.seed) if settings.rooms else []
    # as many measured rooms as simulated ones, so that one kind does not drown the other
    rooms = [*rooms, *load_rirs(surroundings.rirs)]
    backgrounds: Sequence[Samples] = _Files(surroundings.backgrounds)
    if not len(backgrounds):
        rng = np.random.default_rng([surroundings.seed, 7])
        backgrounds = [synthetic_noise(rng, STREAM_S) for _ in range(SYNTHETIC_NOISES)]
    return rooms, backgrounds, _Files(surroundings.voices, BABBLE_KEPT_S)


def _pieces(clip: Clip) -> list[tuple[float, float]]:
    if clip.kind in ("positive", "near_miss") or clip.seconds <= PIECE_S:
        return [(0.0, clip.seconds)]
    count = int(np.ceil(clip.seconds / PIECE_S))
    return [(i * clip.seconds / count, clip.seconds / count) for i in range(count)]


def plan(
    manifest: Manifest,
    copies: dict[tuple[Kind, bool], int],
    surroundings: Surroundings,
    rng: np.random.Generator,
    *,
    apart_s: float = 0.0,
) -> list[StreamPlan]:
    """Draw the streams in which every clip is said `copies[kind, real]` times (clips of absent kinds are left out).

    Pauses: half of the utterances follow at once (30 to 400 ms), half after 0.4 to 1.8 s; `apart_s` more each. With
    a schedule, each stream is of one level, and a clip's copies are of one level after the other.
    """
    schedule = surroundings.settings.schedule
    said: list[tuple[int | None, int, tuple[float, float]]] = [
        (None if schedule is None else (index + copy) % schedule.levels, index, piece)
        for index, clip in enumerate(manifest)
        for piece in _pieces(clip)
        for copy in range(copies.get((clip.kind, clip.real), 0))
    ]
    levels: Sequence[int | None] = [None] if schedule is None else range(schedule.levels)
    return [
        stream
        for level in levels
        for stream in _laid(
            [(at, piece) for of, at, piece in said if of == level], manifest, surroundings, level, rng, apart_s
        )
    ]


def _laid(
    said: Sequence[tuple[int, tuple[float, float]]],
    manifest: Manifest,
    surroundings: Surroundings,
    level: int | None,
    rng: np.random.Generator,
    apart_s: float,
) -> list[StreamPlan]:
    """Pieces of clips, by their place in the manifest, in an order drawn by chance."""
    voice, chain = augment.voice(surroundings.settings), surroundings.chain(level)
    streams: list[StreamPlan] = []
    items: list[Item] = []
    lead = length = float(rng.uniform(*LEAD_S))
    for at in rng.permutation(len(said)):
        index, (offset, seconds) = said[at]
        pause = apart_s + float(rng.uniform(0.03, 0.4) if rng.random() < 0.5 else rng.uniform(0.4, 1.8))
        db = float(rng.uniform(*LEVEL_DB))
        items.append(Item(manifest.clips[index], index, offset, seconds, pause, db, voice.draw(rng)))
        length += pause + seconds
        if length >= STREAM_S:
            streams.append(StreamPlan(lead, tuple(items), chain.draw(rng), level))
            items, lead = [], float(rng.uniform(*LEAD_S))
            length = lead
    if items:
        streams.append(StreamPlan(lead, tuple(items), chain.draw(rng), level))
    return streams


def render(stream: StreamPlan, surroundings: Surroundings) -> tuple[Samples, Events]:
    """Carry a plan out: (samples,) float32 16 kHz, and where each utterance lies in them."""
    voice = augment.voice(surroundings.settings)
    parts: list[Samples] = [np.zeros(int(stream.lead_s * SAMPLE_RATE), np.float32)]
    at, rows = len(parts[0]), []
    for item in stream.items:
        pause = int(item.pause_s * SAMPLE_RATE)
        said = voice.apply(_piece(item), item.voice)
        level = rms(said)
        said = said * np.float32(0.1 / level * 10 ** (item.level_db / 20)) if level > 0 else said
        # what is synthesised is trimmed; a person's recording of the phrase goes on for a second after it
        own = item.clip.real and item.clip.kind == "positive"
        first, last = word_bounds(said) if own else (0, len(said))
        rows.append((KINDS.index(item.clip.kind), item.clip.real, at + pause + first, at + pause + last, item.index))
        parts += [np.zeros(pause, np.float32), said]
        at += pause + len(said)
    parts.append(np.zeros(SAMPLE_RATE, np.float32))
    return surroundings.chain(stream.level).apply(np.concatenate(parts), stream.surroundings), np.array(rows, EVENT)


def _piece(item: Item) -> Samples:
    if item.seconds == item.clip.seconds:
        return load(item.clip.path)
    return load_part(item.clip.path, item.offset_s, item.seconds)
