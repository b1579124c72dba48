"""Sound that comes piece by piece: a microphone's blocks, raw samples on a pipe, a WAV file still being sent."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from wakewright.core.audio import HIGHEST_RATE, LOWEST_RATE, SAMPLE_RATE, UNKNOWN_BYTES, Samples
from wakewright.core.errors import AudioError

BLOCK_S = 0.08
"""Sound is read in pieces of this length."""
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
"""Format tags of a WAV file whose samples are plain integers, plain floats, or tell further on what they are."""
FOREIGN = {b"fLaC": "FLAC", b"OggS": "Ogg", b"FORM": "AIFF", b"RF64": "RF64", b"RIFX": "RIFX", b"caff": "CAF"}
"""Files by their first four bytes, which as raw samples would be noise."""
OWN_SIZE = 8
"""Bytes of a chunk's name and size."""


class Source(Protocol):
    """What bytes can be read from; where it has `read1`, what is there is taken without waiting for more."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, or all of them; none at the end."""
        ...


class Resampler:
    """(n,) or (n, channels) at any rate, in pieces of any size -> (m,) 16 kHz; channels are averaged."""

    def __init__(self, rate: int) -> None:
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def push(self, samples: NDArray[np.float32], *, last: bool = False) -> Samples:
        """What these samples complete; the filter holds some 10 ms back until more come, or until the `last`."""
        mono = samples.mean(axis=1, dtype=np.float32) if samples.ndim == 2 else samples
        if self._stream is None:
            return mono
        return np.asarray(self._stream.resample_chunk(np.ascontiguousarray(mono), last=last), np.float32)


Kind = tuple[int, int]
"""Of plain samples: the format tag, PCM or FLOAT, and bytes per sample."""
RAW: Kind = (PCM, 2)
SCALES: dict[Kind, tuple[str, float, float]] = {
    (PCM, 1): ("u1", 128.0, 128.0),
    RAW: ("<i2", 0.0, 32768.0),
    (PCM, 3): ("u1", 0.0, 2147483648.0),
    (PCM, 4): ("<i4", 0.0, 2147483648.0),
    (FLOAT, 4): ("<f4", 0.0, 1.0),
    (FLOAT, 8): ("<f8", 0.0, 1.0),
}
"""By kind: type of a number, offset and full scale."""


def decoded(raw: bytes, kind: Kind) -> NDArray[np.float32]:
    """(n,) whole samples of a kind in SCALES. Raises AudioError for floats that are none."""
    name, offset, full = SCALES[kind]
    values = np.frombuffer(raw, name)
    if kind == (PCM, 3):  # numpy has no such numbers: these are the upper three bytes of one of four
        wide = np.zeros((len(values) // 3, 4), np.uint8)
        wide[:, 1:] = values.reshape(-1, 3)
        values = wide.view("<i4")[:, 0]
    if kind[0] == FLOAT and not np.isfinite(values).all():
        raise _unreadable("values that are NaN or infinite")
    return (values.astype(np.float32) - np.float32(offset)) / np.float32(full)


def read_raw(
    stream: Source, rate: int = SAMPLE_RATE, channels: int = 1, begun: bytes = b"", kind: Kind = RAW
) -> Iterator[Samples]:
    """(n,) 16 kHz pieces of little-endian samples, signed 16-bit unless of another `kind`, as they come.

    Channels are interleaved. `begun` was read already. Half a sample at the end is dropped.
    """
    resampler, frame = Resampler(rate), kind[1] * channels
    size = max(1, round(rate * BLOCK_S)) * frame
    rest, ended = begun, False
    while not ended:
        more = _what_is_there(stream, size)
        ended = not more
        rest += more
        whole = len(rest) // frame * frame
        values = decoded(rest[:whole], kind)
        rest = rest[whole:]
        piece = resampler.push(values.reshape(-1, channels) if channels > 1 else values, last=ended)
        if len(piece):
            yield piece


def read_pipe(stream: Source, rate: int = SAMPLE_RATE) -> Iterator[Samples]:
    """(n,) 16 kHz pieces of what a pipe brings: a WAV file, or raw 16-bit mono samples at `rate`, as they come.

    WAV of whole numbers or floats is heard while it comes; another kind is read to its end first. Raises AudioError
    for a WAV that is cut off or cannot be read, and for files of other formats.
    """
    begun = stream.read(4)
    if (name := FOREIGN.get(begun, "MP3" if begun[:3] == b"ID3" else None)) is not None:
        raise AudioError(
            f"what comes on standard input is {name}",
            got="neither WAV nor raw samples",
            do="name the file with --wav, or send 16-bit WAV",
        )
    if begun != b"RIFF":
        yield from read_raw(stream, rate, begun=begun)
        return
    head = begun + stream.read(8)
    layout: bytes | None = None
    while True:
        chunk = stream.read(OWN_SIZE)
        if len(chunk) < OWN_SIZE:
            raise _unreadable("no sound in it")
        size = struct.unpack("<I", chunk[4:])[0]
        head += chunk
        if chunk[:4] == b"data":
            break
        content = stream.read(size + size % 2)
        head += content
        if chunk[:4] == b"fmt ":
            layout = content
    if layout is None or len(layout) < 16:
        raise _unreadable("a header that does not tell its format")
    tag, channels, own_rate, _, block, bits = struct.unpack("<HHIIHH", layout[:16])
    if tag == EXTENSIBLE and len(layout) >= 26:
        tag = struct.unpack("<H", layout[24:26])[0]
    if not LOWEST_RATE <= own_rate <= HIGHEST_RATE:
        raise _unreadable(f"{own_rate} Hz")
    sound, kind = _Counted(stream, size if 0 < size < UNKNOWN_BYTES else None), (tag, bits // 8)
    if kind in SCALES and bits % 8 == 0 and channels and block in (0, channels * kind[1]):
        yield from read_raw(sound, own_rate, channels, kind=kind)
        sound.refuse_cut_off()
        return
    rest = stream.read()
    sound.count(rest)
    yield from _whole(head + rest)


def _what_is_there(stream: Source, size: int) -> bytes:
    """At most `size` bytes, without waiting for the rest of them."""
    found: bytes = getattr(stream, "read1", stream.read)(size)
    return found


class _Counted:
    """A stream's next `size` bytes, or all of them where that is not known."""

    def __init__(self, stream: Source, size: int | None) -> None:
        self._stream, self._size, self._read = stream, size, 0

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, as many as are there."""
        wanted = size if self._size is None else min(size, self._size - self._read)
        found = _what_is_there(self._stream, wanted) if wanted else b""
        self._read += len(found)
        return found

    def count(self, rest: bytes) -> None:
        """All there was, which somebody else has read. Raises AudioError when it is less than was promised."""
        self._read += len(rest)
        self.refuse_cut_off()

    def refuse_cut_off(self) -> None:
        """Raise AudioError when there was less than the header promised."""
        if self._size is not None and self._read < self._size:
            raise _unreadable(f"{self._read} of {self._size} bytes of sound")


def _whole(content: bytes) -> Iterator[Samples]:
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, samples = file.samplerate, file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise _unreadable(str(error).split(":")[-1].strip().rstrip(".")) from error
    yield Resampler(rate).push(samples, last=True)


def _unreadable(got: str) -> AudioError:
    return AudioError(
        "the WAV on standard input cannot be heard", got=got, do="send a whole WAV file, or raw 16-bit samples"
    )
