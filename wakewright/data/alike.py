"""Does a clip sound like the phrase? Asked of every clip by a judge that has not learnt from that clip.

Labels are doubted as in C. Northcutt, L. Jiang and I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset
Labels", JAIR 2021: what a model says of a clip that it was not fitted on is held against the clip's label. The model
is a ridge regression on the shared speech embedding, three steps side by side; it is fitted from sums over the
clips, so that leaving a fifth of them out costs a subtraction, whatever their number.

A positive far below the other positives sounds like none of them; a negative as high as they are holds the phrase.
"""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples, duration, load_part, pieces, resample
from wakewright.core.engine import map_processes
from wakewright.core.progress import Progress
from wakewright.dsp.embedding import CHANNELS, HOP, SpeechEmbedding
from wakewright.dsp.frontend import Frames

FOLDS = 5
"""Parts the clips are divided into; each is judged by what the other four teach."""
STEPS = 3
"""Embeddings side by side: with what each looks back on, 0.94 s."""
RIDGE = 1e-3
"""Added to the diagonal of the correlations, as a share of their mean."""
FEW = 20
"""Clips that there must be of the phrase, and of anything else, for this to say anything."""
LEAD_S = 0.8
"""Hiss before each clip, as long as an embedding looks back: no clip is heard through the one before it."""
TAIL_S = 0.24
"""Hiss behind it, as the last of the phrase is seen a few steps later."""
FLOOR = 1e-4
"""RMS of that hiss."""
PEAK = 0.5
"""Every clip is brought to this peak: how loud it was recorded says nothing about what it says."""
WORD_DB = 25.0
"""What is this far below a clip's loudest frame comes after the phrase."""
AROUND_S = (-0.02, 0.2)
"""Steps that see the phrase end: they are complete so long after its end."""
PIECE_S = 30.0
"""Seconds heard at once."""
BATCH = 16
"""Clips in one stream."""
WORTH_A_POOL = 64
"""Fewer clips than this are heard in this process."""


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """A clip as the embedding hears it."""

    frames: NDArray[np.float16]
    """(steps, 96)."""
    ends_s: float
    """Seconds into the clip at which the first step is complete."""
    word_end_s: float
    """Seconds into the clip at which its sound ends."""

    @property
    def windows(self) -> Frames:
        """(steps - STEPS + 1, STEPS * 96 + 1) float32: embeddings side by side, and a one."""
        frames = self.frames.astype(np.float32)
        if len(frames) < STEPS:
            frames = np.pad(frames, ((STEPS - len(frames), 0), (0, 0)))
        count = len(frames) - STEPS + 1
        side_by_side = np.concatenate([frames[i : i + count] for i in range(STEPS)], axis=1)
        return np.concatenate([side_by_side, np.ones((count, 1), np.float32)], axis=1)

    def word_windows(self) -> Frames:
        """Those of the windows that see the phrase end: of a positive the ones that count."""
        windows = self.windows
        ends = self.ends_s + (np.arange(len(windows)) + STEPS - 1) * HOP / SAMPLE_RATE - self.word_end_s
        inside = (ends >= AROUND_S[0]) & (ends <= AROUND_S[1])
        if not inside.any():
            inside[np.argmin(np.abs(ends - np.mean(AROUND_S)))] = True
        return windows[inside]

    def time_of(self, window: int) -> float:
        """Seconds into the clip at which a window ends."""
        return max(0.0, self.ends_s + (window + STEPS - 1) * HOP / SAMPLE_RATE)


@dataclasses.dataclass(frozen=True)
class Likeness:
    """How much each clip sounds like the phrase, to a model that has not learnt from it."""

    positives: NDArray[np.float64]
    """(positives,) around 1 for the phrase, around -1 for anything else."""
    others: NDArray[np.float64]
    """(others,) the highest value anywhere in the clip."""
    at_s: NDArray[np.float64]
    """(others,) seconds into the clip at which that was."""


@functools.lru_cache(maxsize=1)
def _embedding() -> SpeechEmbedding:
    return SpeechEmbedding()


@functools.lru_cache(maxsize=4)
def _hiss(seconds: float) -> Samples:
    drawn = np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE), np.float32)
    return drawn * np.float32(FLOOR)


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """A clip and what is heard around it: other clips, or hiss where there is none."""

    path: str
    before: str = ""
    after: str = ""


def hear(clips: Sequence[Said]) -> list[Heard]:
    """The clips one after the other in one stream, as they cost half of what each for itself would."""
    embedding = _embedding()
    embedding.reset()
    places: list[tuple[int, int]] = []
    word_ends: list[float] = []
    frames: list[Frames] = []
    waiting: list[Samples] = []
    position = 0

    def push(samples: Samples) -> None:
        nonlocal position, waiting
        waiting.append(samples)
        position += len(samples)
        if sum(map(len, waiting)) > PIECE_S * SAMPLE_RATE:
            frames.append(embedding.push(np.concatenate(waiting)))
            waiting = []

    for clip in clips:
        push(_around(clip.before, LEAD_S, end=True))
        start, word_end = position, 0.0
        for stored, rate in pieces(clip.path, PIECE_S):
            samples = _levelled(resample(stored.mean(axis=1, dtype=np.float32), rate))
            word_end = (position - start) / SAMPLE_RATE + _sound_end(samples)
            push(samples)
        push(_around(clip.after, TAIL_S, end=False))
        places.append((start, position))
        word_ends.append(word_end)
    frames.append(embedding.push(np.concatenate([*waiting, _hiss(2 * HOP / SAMPLE_RATE)])))
    heard = np.concatenate(frames).astype(np.float16)
    return [_cut(heard, *place, word_end) for place, word_end in zip(places, word_ends, strict=True)]


def _around(path: str, seconds: float, *, end: bool) -> Samples:
    """The end or the beginning of a clip, filled up with hiss to `seconds`; hiss alone for no clip."""
    if not path:
        return _hiss(seconds)
    size = round(seconds * SAMPLE_RATE)
    samples = _levelled(load_part(path, max(0.0, duration(path) - seconds) if end else 0.0, seconds))[:size]
    rest = _hiss(seconds)[: size - len(samples)]
    return np.concatenate([rest, samples] if end else [samples, rest])


def _levelled(samples: Samples) -> Samples:
    return samples * np.float32(PEAK / max(FLOOR, float(np.abs(samples).max(initial=0.0))))


def _cut(heard: NDArray[np.float16], start: int, stop: int, word_end_s: float) -> Heard:
    """The steps that are complete between two moments of the stream, in samples; at least one."""
    first_end = SpeechEmbedding.first_end
    first = max(0, -(-(start - first_end) // HOP))
    last = min(len(heard), max(first + 1, (stop - first_end) // HOP + 1))
    first = min(first, last - 1)
    return Heard(heard[first:last], (first_end + first * HOP - start) / SAMPLE_RATE, word_end_s)


def _sound_end(samples: Samples) -> float:
    """Seconds at which the last 10 ms that is not quiet ends."""
    size = SAMPLE_RATE // 100
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    if not len(frames):
        return len(samples) / SAMPLE_RATE
    power = frames.var(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-WORD_DB / 10))
    return float((loud[-1] + 1) * size / SAMPLE_RATE) if len(loud) else len(samples) / SAMPLE_RATE


class _Kept:
    """Embeddings of many clips in a file that is gone when this is: hours of them need not fit in memory."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close
        self._places: list[tuple[int, int, float, float]] = []

    def add(self, heard: Heard) -> None:
        self._places.append((self._file.tell(), len(heard.frames), heard.ends_s, heard.word_end_s))
        self._file.write(heard.frames.tobytes())

    def __iter__(self) -> Iterator[Heard]:
        for place, steps, ends_s, word_end_s in self._places:
            self._file.seek(place)
            raw = self._file.read(steps * CHANNELS * 2)
            yield Heard(np.frombuffer(raw, np.float16).reshape(steps, CHANNELS), ends_s, word_end_s)

    def close(self) -> None:
        self._file.close()


def judge(
    positives: Sequence[str], others: Sequence[str], folder: Path, progress: Progress, *, workers: int = 0
) -> Likeness:
    """Hold every clip against what the other clips teach; files are those of readable clips.

    Embeddings are kept in a file in `folder` until it is done.
    """
    asked = [Said(path) for path in positives], _among(positives, others), [Said(path) for path in others]
    kept = [_Kept(folder) for _ in asked]
    try:
        with progress.stage("listen", sum(map(len, asked)), "clips") as bar:
            for clips, store in zip(asked, kept, strict=True):
                batches = [clips[i : i + BATCH] for i in range(0, len(clips), BATCH)]
                several = workers if len(clips) >= WORTH_A_POOL else 1
                for batch, heard in zip(batches, map_processes(hear, batches, several), strict=True):
                    for one in heard:
                        store.add(one)
                    bar.advance(len(batch))
        return _held_out(*kept)
    finally:
        for store in kept:
            store.close()


def _among(positives: Sequence[str], others: Sequence[str]) -> list[Said]:
    """The positives among other clips, as a phrase in the midst of speech is heard.

    A clip's neighbours are of its own fold: whoever judges them has not learnt from it either.
    """
    said = []
    for i, path in enumerate(positives):
        theirs = others[i % FOLDS :: FOLDS]
        said.append(Said(path, theirs[(2 * i) % len(theirs)], theirs[(2 * i + 1) % len(theirs)]))
    return said


def _held_out(alone: _Kept, among: _Kept, others: _Kept) -> Likeness:
    models = _models((alone, among), others)
    mine = [(heard.word_windows() @ models[i % FOLDS]).max() for i, heard in enumerate(alone)]
    theirs, at = [], []
    for i, heard in enumerate(others):
        values = heard.windows @ models[i % FOLDS]
        theirs.append(values.max())
        at.append(heard.time_of(int(np.argmax(values))))
    return Likeness(np.array(mine), np.array(theirs), np.array(at))


def _models(positives: Sequence[_Kept], others: _Kept) -> list[NDArray[np.float64]]:
    """For each fold the weights learnt from the others: (STEPS * 96 + 1,), targets 1 and -1, both weighing one."""
    size = STEPS * CHANNELS + 1
    squares = np.zeros((2, FOLDS, size, size))
    sums = np.zeros((2, FOLDS, size))
    counts = np.zeros((2, FOLDS))
    for side, store in ((0, positives[0]), (0, positives[1]), (1, others)):
        for i, heard in enumerate(store):
            windows = (heard.word_windows() if side == 0 else heard.windows).astype(np.float64)
            squares[side, i % FOLDS] += windows.T @ windows
            sums[side, i % FOLDS] += windows.sum(axis=0)
            counts[side, i % FOLDS] += len(windows)
    models = []
    for fold in range(FOLDS):
        left = [k for k in range(FOLDS) if k != fold]
        correlated = np.zeros((size, size))
        wanted = np.zeros(size)
        mean = sums[1, left].sum(axis=0) / counts[1, left].sum()
        for side, sign in ((0, 1.0), (1, -1.0)):
            total = counts[side, left].sum()
            correlated += squares[side, left].sum(axis=0) / total
            wanted += sign * sums[side, left].sum(axis=0) / total
        # the ridge acts on the spread, not on where the embedding's origin happens to lie
        spread = np.trace(correlated[:-1, :-1]) / (size - 1) - float(mean[:-1] @ mean[:-1]) / (size - 1)
        ridge = np.eye(size) * RIDGE * max(spread, 1e-6)
        ridge[-1, -1] = 0.0
        models.append(np.linalg.solve(correlated + ridge, wanted))
    return models
