"""Windows of features for training, drawn per step from the seed, so that any step can be drawn again.

Every window ends at an anchor frame. Anchors are drawn by class (positives, near misses, mined hard negatives, real
speech, the rest), each word as often as any other however long it is; with `augment.schedule` from clean streams
first. A window is a little longer than the model's receptive field and so gives several steps at once, each with its
own label.
"""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE
from wakewright.core.manifest import Kind, Manifest
from wakewright.core.recipe import Augment, Train
from wakewright.data.changes import BANDED, Changes
from wakewright.data.pools import Pool, chances
from wakewright.data.store import Store, Track, decode
from wakewright.data.streams import KINDS
from wakewright.dsp.frontend import Frames, kind_of

IGNORE, NEGATIVE, POSITIVE = -1, 0, 1
EARLY_S = 0.06
"""A step this long before the end of the word may already fire."""
SURE_S = 0.45
"""For this long after the end of the word a step must fire; long enough for the smoothing to fill up."""
LATE_S = 0.7
"""And for this long while the receptive field still holds all of it: a peak that lasts survives the smoothing."""
SEEN_SHARE = 0.5
"""Once this share of the word is heard a step is no longer held against the model."""
FRAMES_AT_ONCE = 1200
"""Frames that are read, warped and hidden in part together, in whole windows: so many fit into a core's cache."""


@dataclasses.dataclass(frozen=True)
class Geometry:
    """What a model asks of its windows."""

    receptive_field: int
    """Frames behind one output."""
    stride: int
    """Frames from output to output."""
    steps: int
    """Outputs per window."""

    @property
    def frames(self) -> int:
        """Frames per window."""
        return self.receptive_field + (self.steps - 1) * self.stride


@dataclasses.dataclass(frozen=True)
class Blend:
    """Who is mixed with whom in a batch."""

    partner: NDArray[np.int64]
    """(batch,) the other example."""
    share: NDArray[np.float32]
    """(batch,) how much of an example stays, the rest being its partner's."""
    labels: bool
    """Whether the labels are mixed as the frames are; else partners have the same."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """One training step's windows."""

    frames: Frames
    """(batch, frames, channels) float32."""
    labels: NDArray[np.int8]
    """(batch, steps) IGNORE, NEGATIVE or POSITIVE."""
    ends: NDArray[np.int64]
    """(batch, steps) frame of the track at which each output ends."""
    origin: NDArray[np.int64]
    """(batch, frames) frame of the track that each frame of the windows is; -1 for what lies before its stream."""
    blend: Blend | None = None
    """How the labels are to be mixed; None for windows as they were drawn."""


def label_frames(
    store: Store, track: Track, receptive_field: int, left_out: frozenset[int] = frozenset()
) -> NDArray[np.int8]:
    """(frames,) what a step that ends at each frame should say.

    POSITIVE around the end of a positive; IGNORE while a good part of one is heard, while all of it still is
    in the receptive field afterwards, while anything is heard of a clip that is left out (by its place in the
    manifest), and at the start of each stream, where the receptive field is not full.
    """
    labels = np.zeros(int(track.starts[-1]), np.int8)
    heard = receptive_field * track.hop + track.first_end
    for event in store.events[np.isin(store.events["clip"], sorted(left_out))] if left_out else ():
        _mark(labels, track, event, int(event["start"]), int(event["end"]) + heard, IGNORE)
    positives = store.events[store.events["kind"] == KINDS.index("positive")]
    for event in positives:
        length = int(event["end"] - event["start"])
        still_whole = int(event["start"]) + heard
        _mark(labels, track, event, int(event["start"]) + int(SEEN_SHARE * length), still_whole, IGNORE)
    for event in positives:
        end = int(event["end"])
        whole = min(int(event["start"]) + heard, end + int(LATE_S * SAMPLE_RATE))
        last = max(whole, end + int(SURE_S * SAMPLE_RATE))
        _mark(labels, track, event, end - int(EARLY_S * SAMPLE_RATE), last, POSITIVE)
    for start in track.starts[:-1]:
        labels[start : start + receptive_field - 1] = IGNORE
    return labels


def _mark(labels: NDArray[np.int8], track: Track, event: np.void, first: int, last: int, value: int) -> None:
    low, high = frames_between(track, event, first, last)
    labels[low:high] = value


def frames_between(track: Track, event: np.void, first: int, last: int) -> tuple[int, int]:
    """Frames of the event's stream that are complete between two samples of it (half open)."""
    begin, end = (int(track.starts[event["stream"] + i]) for i in (0, 1))
    low = begin + max(0, -(-(first - track.first_end) // track.hop))
    return min(low, end), min(end, max(low, begin + (last - track.first_end) // track.hop + 1))


def _events(store: Store, kind: Kind, real: bool | None) -> NDArray[np.void]:
    chosen = store.events["kind"] == KINDS.index(kind)
    wanted: NDArray[np.void] = store.events[chosen if real is None else chosen & (store.events["real"] == real)]
    return wanted


def inside(store: Store, track: Track, kind: Kind, *, real: bool | None = None) -> NDArray[np.bool_]:
    """(frames,) True during the utterances of this kind and half a second after."""
    marks = np.zeros(int(track.starts[-1]), np.bool_)
    for event in _events(store, kind, real):
        low, high = frames_between(track, event, int(event["start"]), int(event["end"]) + SAMPLE_RATE // 2)
        marks[low:high] = True
    return marks


class Sampler:
    """Draws batches from one track of a store."""

    def __init__(
        self,
        store: Store,
        manifest: Manifest,
        name: str,
        geometry: Geometry,
        train: Train,
        augment: Augment,
        *,
        seed: int,
        own_share: float = 0.0,
        left_out: frozenset[int] = frozenset(),
    ) -> None:
        self.track, self.geometry, self.train, self.augment = store.tracks[name], geometry, train, augment
        self.seed, self.own_share = seed, own_share
        self.labels = label_frames(store, self.track, geometry.receptive_field, left_out)
        self._levels = store.levels
        self._schedule = None if store.levels is None else augment.schedule
        self._words = self._spans(store, "positive", real=False)
        self._own = self._spans(store, "positive", real=True)
        self._near = self._spans(store, "near_miss")
        self.near = inside(store, self.track, "near_miss")
        """(frames,) True while a near miss is heard."""
        self._manifest, self._events = manifest, store.events
        real = np.flatnonzero(
            (self.labels == NEGATIVE)
            & np.logical_or.reduce(
                [inside(store, self.track, k, real=True) for k in ("speech", "noise", "music", "hard_negative")]
            )
        )
        rest = np.flatnonzero(self.labels == NEGATIVE)
        self._real, self._rest = self._pool(real, real), self._pool(rest, rest)
        sample = self.track.frames[:: max(1, len(self.track.frames) // 4096)]
        self._kind = kind_of(name)
        # what a masked stripe is filled with: silence for the micro front end, the mean for every other
        self._blank = np.zeros(sample.shape[1], np.float32) if name == "micro" else decode(name, sample).mean(axis=0)
        self.hard = np.zeros(0, np.int64)
        """Frames mined as hard negatives; set by the training loop."""

    def _pool(self, values: NDArray[np.int64], frames: NDArray[np.int64]) -> Pool:
        """These values, each at the level of the stream that its frame lies in."""
        if self._schedule is None or self._levels is None:
            return Pool(values)
        return Pool(values, self._levels[np.searchsorted(self.track.starts, frames, side="right") - 1])

    def _spans(self, store: Store, kind: Kind, *, real: bool | None = None) -> Pool:
        """(events, 2) usable frames around the end of each utterance of this kind."""
        wanted = POSITIVE if kind == "positive" else NEGATIVE
        rows = []
        for event in _events(store, kind, real):
            end = int(event["end"])
            low, high = frames_between(
                self.track, event, end - int(EARLY_S * SAMPLE_RATE), end + int(LATE_S * SAMPLE_RATE)
            )
            usable = np.flatnonzero(self.labels[low:high] == wanted)
            if usable.size:
                rows.append((low + usable[0], low + usable[-1] + 1))
        spans = np.array(rows, np.int64).reshape(-1, 2)
        return self._pool(spans, spans[:, 0])

    def drawing(self, train: Train) -> Sampler:
        """This sampler, but for the batch's size and shares, and of all levels from the first step on.

        What has been mined is not shared.
        """
        other = copy.copy(self)
        other.train, other._schedule = train, None
        return other

    def clips_in(self, streams: NDArray[np.int64]) -> list[str]:
        """Paths of the clips in these streams, at most twelve."""
        clips = np.unique(self._events["clip"][np.isin(self._events["stream"], streams)])
        return [self._manifest.clips[i].path for i in clips[:12]]

    def batch(self, step: int) -> Batch:
        """The batch of this step: the same for the same seed, step and hard negatives."""
        rng = np.random.default_rng([self.seed, step])
        anchors = self._anchors(rng, step)
        late = rng.integers(0, self.geometry.steps, len(anchors))
        return self.windows(anchors + late * self.geometry.stride, rng)

    def _anchors(self, rng: np.random.Generator, step: int = 0) -> NDArray[np.int64]:
        size, train = self.train.batch_size, self.train
        levels = None if self._schedule is None else chances(self._schedule, step / train.steps)
        mined = self._pool(self.hard, self.hard)
        positives = max(1, round(size * train.positive_share))
        own = round(positives * self.own_share) if len(self._own) else 0
        if not len(self._words):
            own = positives
        near = round(size * train.near_miss_share) if len(self._near) else 0
        hard = round(size * train.hard_share) if len(mined) else 0
        left = max(0, size - positives - near - hard)
        real = left * 2 // 3 if len(self._real) else 0
        return np.concatenate(
            [
                _within(self._words.draw(positives - own, rng, levels), rng),
                _within(self._own.draw(own, rng, levels), rng),
                _within(self._near.draw(near, rng, levels), rng),
                mined.draw(hard, rng, levels),
                self._real.draw(real, rng, levels),
                self._rest.draw(left - real, rng, levels),
            ]
        )

    def windows(self, ends: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
        """Windows ending at these frames; with `rng`, stretched, warped and hidden in part as the recipe says."""
        geometry, count = self.geometry, len(ends)
        ends = np.minimum(ends, len(self.labels) - 1)
        back = np.arange(geometry.frames)[::-1][None, :]
        changes = Changes()
        if rng is not None:
            if self._kind != "speech_embedding":
                low, high = (math.log(f) for f in self.augment.tempo)
                back = np.rint(back / np.exp(rng.uniform(low, high, (count, 1)))).astype(np.int64)
            changes = Changes.draw(
                self.augment, (count, geometry.frames, len(self._blank)), self._kind in BANDED, rng
            )
        wanted = ends[:, None] - back
        frames = self._heard(np.maximum(wanted, 0), changes)
        # a step that reaches over the start of its stream counts as the stream's first frame, which has neither
        # label nor teacher
        first = self.track.starts[np.searchsorted(self.track.starts, ends, side="right") - 1][:, None]
        origin = np.where(wanted < first, -1, wanted)
        whole, step_ends = reached(origin, geometry.steps, geometry.stride)
        step_ends = np.where(whole, step_ends, first)
        return Batch(frames, self.labels[step_ends], step_ends, origin)

    def _heard(self, wanted: NDArray[np.int64], changes: Changes) -> Frames:
        """(batch, frames) frames of the track -> (batch, frames, channels) what they hold after the changes.

        A few windows at a time: they stay in a core's cache from the store to where the batch has them.
        """
        frames = np.empty((*wanted.shape, len(self._blank)), np.float32)
        stored = np.asarray(self.track.frames)
        count = max(1, FRAMES_AT_ONCE // wanted.shape[1])
        for at in range(0, len(wanted), count):
            rows = slice(at, at + count)
            heard = decode(self.track.name, stored.take(wanted[rows], axis=0))
            changes.apply(heard, rows, self._blank, frames[rows])
        return frames


def reached(origin: NDArray[np.int64], count: int, stride: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """What the last `count` outputs over a batch's windows, `stride` frames apart, hear of their streams.

    Of `origin` (batch, frames) gives two arrays (batch, count): whether an output hears its stream alone, and the
    frame of the track at which it ends. The last output ends with the window, and the first begins with it.
    """
    reach = origin.shape[1] - (count - 1) * stride
    begins = origin[:, : count * stride : stride][:, :count]
    return begins >= 0, origin[:, reach - 1 :: stride]


def whole_steps(first: int, last: int, reach: int, stride: int) -> int:
    """The frame before which a stream from `first` to before `last` fills whole steps; `first` where it fills none.

    Models take whole strides: with a frame too many a strided shortcut would be read one frame too late.
    """
    return first + reach + (last - first - reach) // stride * stride if last - first >= reach else first


def _within(spans: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """One frame each from spans (n, 2)."""
    return np.asarray(rng.integers(spans[:, 0], spans[:, 1]), np.int64)
