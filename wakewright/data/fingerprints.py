"""The same recording under another name: a fingerprint that survives other formats, other gain and a slight trim.

After J. Haitsma and T. Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002: every frame gives 32 bits,
each the sign of how the energy difference of two neighbouring bands changes in time. Gain does not change them, and
coding noise flips few. Ours differ in what short clips need: shorter frames, a longer way back in time, and an index
over the frames whose weakest bit is surest, asked for with its few weakest bits both ways.

The index only proposes. Two clips are the same recording when their waveforms, laid over one another where the
fingerprints fit, correlate: two takes of one word by one voice are alike in their bits, and never in their waveform.
"""

from __future__ import annotations

import base64
import dataclasses
import itertools

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples

RATE = 8_000
"""Hz the fingerprint is taken at, so that telephone speech has one too."""
FRAME = 1024
"""Samples of a frame, 128 ms."""
HOP = 64
"""Samples from frame to frame, 8 ms: a trimmed copy is never more than half of that beside the original's frames."""
BACK = 6
"""Frames that a frame is compared with back in time, 48 ms."""
BANDS_HZ = (250.0, 3400.0)
"""Lowest and highest edge of the 33 bands, logarithmically spaced."""
HEARD_S = 10.0
"""Seconds at the beginning of a recording that the fingerprint covers."""
QUIET_DB = 30.0
"""Frames this far below the loudest hold coding noise rather than the recording, and are left out."""
KEYS = 24
"""Frames of a clip that go into the index, the surest in each stretch of the clip."""
WEAK_BITS = 5
"""Bits of a frame that are tried both ways when the index is asked."""

Bits = NDArray[np.uint32]
"""(frames,) one 32-bit word per frame."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fingerprint:
    """The bits of a recording and how to find them."""

    bits: Bits
    """(frames,) uint32."""
    loud: NDArray[np.bool_]
    """(frames,) whether the frame holds more than quiet."""
    keys: NDArray[np.int32]
    """(k,) frames that are indexed."""
    weak: NDArray[np.uint8]
    """(k, WEAK_BITS) which bits of these frames are weakest."""

    def packed(self) -> str:
        """As text that `unpack` reads."""
        loud = np.packbits(self.loud)
        head = np.array([len(self.bits), len(self.keys)], "<u4")
        parts = (head, self.bits.astype("<u4"), self.keys.astype("<u2"), self.weak, loud)
        return base64.b64encode(b"".join(part.tobytes() for part in parts)).decode()


def unpack(text: str) -> Fingerprint:
    """The fingerprint that `packed` wrote. Raises ValueError for anything else."""
    raw = base64.b64decode(text, validate=True)
    frames, keys = np.frombuffer(raw, "<u4", 2).tolist()
    sizes = np.cumsum([8, 4 * frames, 2 * keys, WEAK_BITS * keys, -(-frames // 8)])
    if sizes[-1] != len(raw):
        raise ValueError("the fingerprint is not whole")
    bits, where, weak, loud = (raw[a:b] for a, b in itertools.pairwise(sizes))
    return Fingerprint(
        np.frombuffer(bits, "<u4"),
        np.unpackbits(np.frombuffer(loud, np.uint8), count=frames).astype(bool),
        np.frombuffer(where, "<u2").astype(np.int32),
        np.frombuffer(weak, np.uint8).reshape(keys, WEAK_BITS),
    )


def _bands() -> NDArray[np.float32]:
    """(bins, 33) float32: which bins a band sums."""
    edges = np.geomspace(*BANDS_HZ, 34) * FRAME / RATE
    centres = np.arange(FRAME // 2 + 1)[:, None]
    # a bin counts to a band by the part of it that lies there: the lowest bands are two bins wide
    inside = np.minimum(centres + 0.5, edges[1:]) - np.maximum(centres - 0.5, edges[:-1])
    return np.asarray(np.clip(inside, 0.0, 1.0), np.float32)


_BANDS = _bands()
_WINDOW = np.hanning(FRAME).astype(np.float32)
_POWERS = (np.uint32(1) << np.arange(32, dtype=np.uint32)).astype(np.uint32)


def take(samples: Samples) -> Fingerprint:
    """(n,) float32 16 kHz -> the fingerprint of its first HEARD_S seconds; of silence it has no loud frame."""
    heard = soxr.resample(samples[: round(HEARD_S * SAMPLE_RATE)], SAMPLE_RATE, RATE, quality="MQ")
    padded = np.pad(np.asarray(heard, np.float32), FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP] * _WINDOW
    spectrum = scipy.fft.rfft(frames, axis=1)  # NumPy's takes four times as long for float32
    power = (spectrum.real**2 + spectrum.imag**2) @ _BANDS
    level = 10 * np.log10(power.sum(axis=1) + 1e-12)
    loud = (level > level.max() - QUIET_DB) & (level > -60.0)
    # the change of a ratio, not of a difference: a loud band would decide the bits of all its neighbours in time
    steps = np.diff(np.log(power + 1e-7 * power.max(initial=1e-9)), axis=1)
    change = np.zeros_like(steps)
    change[BACK:] = steps[BACK:] - steps[:-BACK]
    loud[:BACK] = False
    bits = ((change > 0) * _POWERS).sum(axis=1, dtype=np.uint32)
    keys, weak = _surest(np.abs(change), loud)
    return Fingerprint(bits, loud, keys, weak)


def _surest(sure: NDArray[np.float32], loud: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """The frames to index: those whose bits beyond the weakest few are surest, spread over the clip."""
    where = np.flatnonzero(loud)
    if not len(where):
        return np.zeros(0, np.int32), np.zeros((0, WEAK_BITS), np.uint8)
    order = np.argsort(sure[where], axis=1)
    strength = np.take_along_axis(sure[where], order[:, WEAK_BITS : WEAK_BITS + 1], axis=1)[:, 0]
    best = [
        piece[np.argmax(strength[piece])] for piece in np.array_split(np.arange(len(where)), min(KEYS, len(where)))
    ]
    chosen = np.asarray(best)
    return where[chosen].astype(np.int32), order[chosen, :WEAK_BITS].astype(np.uint8)
