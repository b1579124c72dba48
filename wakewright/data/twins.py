"""Recordings that are one recording: proposed by an index over fingerprints, decided on the waveforms.

The cost grows with the number of clips and with the pairs that are alike, never with all pairs.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import soxr
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, load_part
from wakewright.core.engine import map_processes
from wakewright.data.fingerprints import HEARD_S, HOP, RATE, WEAK_BITS, Fingerprint

ERRORS = 0.27
"""Share of the bits that may differ in a pair that is looked at more closely; unrelated sound differs in half."""
FRAMES = 20
"""Loud frames (160 ms) that two clips must have in common for their bits to say anything."""
CORRELATION = 0.8
"""Of the waveforms of one recording, however it was coded; two takes of one word by one voice stay below a half."""
LAGS = 4 * HOP
"""Samples at 8 kHz, 32 ms, that two waveforms are moved against one another from where their fingerprints fit."""
FINER = 4
"""Lags per sample."""
HOPELESS = 0.6
"""A correlation at whole samples that half a sample more or less does not bring up to CORRELATION."""
CROWD = 64
"""Clips that share a key from which on it is that of a hum or a tone, and tells nothing."""
AT_ONCE = 1000
"""Clips whose variants are looked up in one go: it bounds the memory."""
_WORTH_A_POOL = 300
"""Fewer pairs than this are decided here: starting processes would take longer."""

Indices = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Twins:
    """Two clips that hold one recording."""

    first: int
    second: int
    """Positions in the sequence of clips; `first` is the lower one."""
    offset_s: float
    """Where the beginning of `first` lies in `second`, in seconds."""
    correlation: float
    """Of the two waveforms at 8 kHz where both sound, 0 to 1."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Pair:
    first: int
    second: int
    offset: int
    """Frame of `second` less the frame of `first` at one moment of the recording."""
    errors: float


def find(paths: Sequence[str], prints: Sequence[Fingerprint], *, workers: int = 0) -> list[Twins]:
    """Pairs of clips that are one recording, in order; `prints` are those of `paths`.

    A clip that is a twin of several is named with as many of them as it takes to join the group.
    """
    pairs = list(_alike(prints))
    family = _Joined(len(paths))
    for pair in pairs:
        family.join(pair.first, pair.second)
    # one family after the other, so that a recording is decoded for one comparison and at hand for the others
    pairs.sort(key=lambda p: (family.root(p.first), p.first, p.second))
    work = functools.partial(_decide, paths=tuple(paths))
    several = workers if len(pairs) >= _WORTH_A_POOL else 1
    decided = zip(pairs, map_processes(work, pairs, several, chunk=256), strict=True)
    one = _Joined(len(paths))
    found = []
    for pair, correlated in sorted(decided, key=lambda d: (d[0].errors, d[0].first, d[0].second)):
        if correlated >= CORRELATION and one.join(pair.first, pair.second):
            found.append(Twins(pair.first, pair.second, pair.offset * HOP / RATE, round(correlated, 3)))
    return sorted(found, key=lambda t: (t.first, t.second))


class _Joined:
    """Which clips hang together."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def root(self, i: int) -> int:
        while self._above[i] != i:
            self._above[i] = self._above[self._above[i]]
            i = self._above[i]
        return i

    def join(self, first: int, second: int) -> bool:
        """Join two; False when they hang together already."""
        roots = self.root(first), self.root(second)
        self._above[roots[1]] = roots[0]
        return roots[0] != roots[1]


def _alike(prints: Sequence[Fingerprint]) -> Iterator[_Pair]:
    """Pairs whose bits agree where a key of theirs does, each at the place where they agree best."""
    best: dict[tuple[int, int], _Pair] = {}
    for first, second, offset in _proposed(prints):
        errors = bit_errors(prints[first], prints[second], offset)
        before = best.get((first, second))
        if errors <= ERRORS and (before is None or errors < before.errors):
            best[first, second] = _Pair(first, second, offset, errors)
    yield from best.values()


def bit_errors(first: Fingerprint, second: Fingerprint, offset: int) -> float:
    """Share of the bits that differ where both are loud, with frame i of `first` over i + offset of `second`.

    1.0 where fewer than FRAMES frames can be compared.
    """
    low, high = max(0, -offset), min(len(first.bits), len(second.bits) - offset)
    if high - low < FRAMES:
        return 1.0
    both = first.loud[low:high] & second.loud[low + offset : high + offset]
    count = int(both.sum())
    if count < FRAMES:
        return 1.0
    differ = (first.bits[low:high] ^ second.bits[low + offset : high + offset])[both]
    return float(np.unpackbits(differ.view(np.uint8)).sum()) / (32 * count)


def _proposed(prints: Sequence[Fingerprint]) -> Iterator[tuple[int, int, int]]:
    """(first, second, offset) of every two clips that share a key, a few weak bits apart."""
    sizes = [len(p.keys) for p in prints]
    if not sum(sizes):
        return
    owner = np.repeat(np.arange(len(prints)), sizes)
    frame = np.concatenate([p.keys for p in prints]).astype(np.int64)
    value = np.concatenate([p.bits[p.keys] for p in prints])
    weak = np.concatenate([p.weak for p in prints])
    order = np.argsort(value, kind="stable")
    table = value[order]
    starts = np.cumsum([0, *sizes])
    for begin in range(0, len(prints), AT_ONCE):
        asked = slice(starts[begin], starts[min(begin + AT_ONCE, len(prints))])
        keys = np.arange(asked.start, asked.stop)
        seen: list[Indices] = []
        for flipped in range(1 << WEAK_BITS):
            variant = value[asked].copy()
            for bit in range(WEAK_BITS):
                if flipped >> bit & 1:
                    variant ^= np.uint32(1) << weak[asked, bit].astype(np.uint32)
            seen.append(_matches(keys, variant, table, order, owner, frame))
        yield from map(tuple, np.unique(np.concatenate(seen), axis=0).tolist())


def _matches(
    keys: Indices,
    variant: NDArray[np.uint32],
    table: NDArray[np.uint32],
    order: Indices,
    owner: Indices,
    frame: Indices,
) -> Indices:
    """(pairs, 3) first, second, offset for every key whose variant stands in the table, but for a clip and itself."""
    low, high = np.searchsorted(table, variant, "left"), np.searchsorted(table, variant, "right")
    counts = np.where(high - low > CROWD, 0, high - low)
    mine = np.repeat(keys, counts)
    place = np.repeat(low - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    theirs = order[place]
    other = owner[mine] != owner[theirs]
    mine, theirs = mine[other], theirs[other]
    swap = owner[mine] > owner[theirs]
    mine, theirs = np.where(swap, theirs, mine), np.where(swap, mine, theirs)
    return np.stack([owner[mine], owner[theirs], frame[theirs] - frame[mine]], axis=1)


def _decide(pair: _Pair, paths: tuple[str, ...]) -> float:
    return correlation(paths[pair.first], paths[pair.second], pair.offset * HOP / RATE)


def correlation(first: str, second: str, offset_s: float) -> float:
    """How alike two recordings are as waveforms, 0 to 1, with the start of `first` at `offset_s` of `second`.

    At 8 kHz, over what both hold of their first HEARD_S seconds, at the best lag within LAGS.
    """
    one, two = _heard(first), _heard(second)
    shift = round(offset_s * RATE)
    one, two = one[max(0, -shift) :], two[max(0, shift) :]
    size = min(len(one), len(two))
    one, two = one[:size] - one[:size].mean(), two[:size] - two[:size].mean()
    power = float(np.sqrt(np.square(one).sum() * np.square(two).sum()))
    if not power > 0:
        return 0.0
    padded = 1 << (2 * size - 1).bit_length()
    spectrum = np.fft.rfft(one, padded).conj() * np.fft.rfft(two, padded)
    coarse = _highest(spectrum, padded, 1) / power
    # between the samples too: a cut at 16 or 44.1 kHz seldom falls onto a sample at 8
    return coarse if coarse < HOPELESS else _highest(spectrum, padded, FINER) / power


def _highest(spectrum: NDArray[np.complex128], padded: int, finer: int) -> float:
    """The largest correlation within LAGS, `finer` lags to a sample, not normalised."""
    lags = np.fft.irfft(spectrum, finer * padded) * finer
    return float(np.abs(np.concatenate([lags[: finer * LAGS + 1], lags[-finer * LAGS :]])).max())


@functools.lru_cache(maxsize=128)
def _heard(path: str) -> NDArray[np.float64]:
    samples = load_part(path, 0.0, HEARD_S)
    return np.asarray(soxr.resample(samples, SAMPLE_RATE, RATE, quality="MQ"), np.float64)


def among(
    paths: Sequence[str], digests: Sequence[str], prints: Sequence[Fingerprint], *, workers: int = 0
) -> tuple[list[list[int]], list[Twins]]:
    """Groups with the same samples, and pairs that are one recording among the rest and the first of each group."""
    exact = of_one_digest(digests)
    again = {i for group in exact for i in group[1:]}
    rest = [i for i in range(len(paths)) if i not in again]
    pairs = find([paths[i] for i in rest], [prints[i] for i in rest], workers=workers)
    return exact, [dataclasses.replace(p, first=rest[p.first], second=rest[p.second]) for p in pairs]


def groups(twins: Sequence[Twins]) -> list[list[int]]:
    """Clips that are one recording, each group in order."""
    found: dict[int, set[int]] = {}
    for pair in twins:
        both = found.get(pair.first, {pair.first}) | found.get(pair.second, {pair.second})
        found.update(dict.fromkeys(both, both))
    unique = {id(group): sorted(group) for group in found.values()}
    return sorted(unique.values())


def of_one_digest(digests: Sequence[str]) -> list[list[int]]:
    """Positions that share a digest, where there are several."""
    order = sorted(range(len(digests)), key=lambda i: (digests[i], i))
    grouped = (list(group) for _, group in itertools.groupby(order, key=lambda i: digests[i]))
    return sorted(group for group in grouped if len(group) > 1)
