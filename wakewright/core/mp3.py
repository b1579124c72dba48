"""MP3 while it comes: a radio's stream, begun anywhere and without an end.

Decoded by libsndfile, which wants whole files: so the stream is cut between its frames (ISO/IEC 11172-3, 2.4.1 and
2.4.2; 13818-3 for the lower rates), and each group is decoded behind the last frames of the one before it, whose
sound is dropped. A frame's sound hangs on earlier ones through the overlap of its transform and at most 511 bytes of
reservoir, so what is kept is what one long file would have given. Before each group stands a frame that tells how
many there are (Xing's), since libsndfile guesses it from their size otherwise, and hears no more than it guessed.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
from collections.abc import Iterator

import numpy as np
import soundfile
from numpy.typing import NDArray

from wakewright.core.audio import Samples
from wakewright.core.errors import AudioError
from wakewright.core.pcm import Resampler, Source

GROUP = 100
"""Frames decoded at a time: 2.6 s at 44.1 kHz."""
LEAD = 16
"""Frames decoded again before them: the reservoir of the last is full at 8 kbit/s, the lowest rate."""
LONGEST_SEARCH = 1 << 16
"""Bytes in which a frame must begin, else it is something else."""
READ = 1 << 13
HEADER = 4
TAG = 10
"""Bytes of a tag's header."""
_KBPS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By the number in the header; of MPEG-1 and of the lower rates."""
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Hz by MPEG version (1, 2, 2.5) and the number in the header."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """What a header says of its frame."""

    length: int
    """Bytes."""
    samples: int
    rate: int
    side: slice
    """Where its side information lies; what is behind that is the reservoir's."""

    @classmethod
    def at(cls, data: bytes, place: int) -> Frame | None:
        """The frame that begins there; None where none of layer III does, or not enough is there to tell."""
        head = data[place : place + HEADER]
        if len(head) < HEADER or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
            return None
        version, bitrate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
        if version not in _RATES or bitrate in (0, 15) or rate == 3:
            return None
        first, mono = version == 3, head[3] >> 6 == 3
        hertz, kbps = _RATES[version][rate], _KBPS[first][bitrate]
        length = (144_000 if first else 72_000) * kbps // hertz + (head[2] >> 1 & 1)
        begins = HEADER + (0 if head[1] & 1 else 2)  # behind a checksum
        side = (17 if mono else 32) if first else (9 if mono else 17)
        return cls(length, 1152 if first else 576, hertz, slice(begins, begins + side))

    def reaches_back(self, data: bytes) -> int:
        """Bytes of earlier frames that the sound of this one, `data`, begins in."""
        side = int.from_bytes(data[self.side.start : self.side.start + 2], "big")
        return side >> 7 if self.samples == 1152 else side >> 8

    def silent(self, data: bytes, there: int) -> bytes:
        """`data` with no sound in it, which only hands on the reservoir: its own bytes and the `there` before it."""
        side = bytearray(self.side.stop - self.side.start)
        if self.samples == 1152:
            side[:2] = (min(there, 511) << 7).to_bytes(2, "big")
        else:
            side[0] = min(there, 255)
        return data[: self.side.start] + bytes(side) + data[self.side.stop :]


def is_mp3(begun: bytes) -> bool:
    """Whether a stream whose first four bytes are these begins as MP3: with a tag, or with a frame."""
    return begun[:3] == b"ID3" or Frame.at(begun, 0) is not None


def read_mp3(stream: Source) -> Iterator[Samples]:
    """(n,) 16 kHz pieces of an MP3 stream, as they come; half a frame at the end is dropped.

    What lies between frames, a tag or what was lost on the way, is passed over. Raises AudioError when no frame
    comes, or one cannot be decoded.
    """
    for rate, groups in itertools.groupby(_groups(stream), key=lambda group: group.rate):
        resampler = Resampler(rate)
        for group in groups:
            yield resampler.push(_decoded(group.file)[-group.samples :])
        yield resampler.push(np.zeros(0, np.float32), last=True)


Piece = tuple[Frame, bytes]


@dataclasses.dataclass(frozen=True)
class _Group:
    """Frames of one rate as a file of their own."""

    file: bytes
    samples: int
    """So many at its end are the group's; before them are those of the frames that lead to it."""
    rate: int

    @classmethod
    def of(cls, lead: list[Piece], own: list[Piece]) -> _Group:
        return cls(_file(lead + own), sum(frame.samples for frame, _ in own), own[0][0].rate)


def _groups(stream: Source) -> Iterator[_Group]:
    """The stream, GROUP frames at a time or as many as have the same rate."""
    for _, pieces in itertools.groupby(_frames(stream), key=lambda piece: piece[0].rate):
        lead: list[Piece] = []
        while own := list(itertools.islice(pieces, GROUP)):
            yield _Group.of(lead, own)
            lead = own[-LEAD:]


def _file(pieces: list[Piece]) -> bytes:
    """These frames behind one that counts them; silent are those whose sound begins before the first of them."""
    first, data = pieces[0]
    count = bytearray(first.length)
    count[:HEADER] = data[:HEADER]
    count[1] |= 1  # no checksum
    tag = first.side.stop - first.side.start + HEADER
    count[tag : tag + 12] = b"Xing" + (1).to_bytes(4, "big") + len(pieces).to_bytes(4, "big")
    whole, there = [bytes(count)], 0
    for frame, data in pieces:
        if frame.reaches_back(data) > there:
            data = frame.silent(data, there)
        whole.append(data)
        there += len(data) - frame.side.stop
    return b"".join(whole)


def _frames(stream: Source) -> Iterator[Piece]:
    """The stream's frames one by one."""
    read = getattr(stream, "read1", stream.read)
    data, skipped, any_yet, ended = _behind_tag(stream), 0, False, False
    while True:
        frame = Frame.at(data, 0)
        if not ended and len(data) < (0 if frame is None else frame.length) + HEADER:
            more = read(READ)
            data, ended = data + more, not more
        elif frame is not None and (len(data) == frame.length or Frame.at(data, frame.length) is not None):
            yield frame, data[: frame.length]
            data, skipped, any_yet = data[frame.length :], 0, True
        else:  # no frame, or what looks like one in the middle of something
            here = _first(data, 1)
            if ended and here is None:
                break
            passed = len(data) - (HEADER - 1) if here is None else here
            data, skipped = data[passed:], skipped + passed
            if skipped > LONGEST_SEARCH:
                raise _foreign(f"{skipped:,} bytes without a frame")
    if not any_yet:
        raise _foreign("an end before the first frame")


def _behind_tag(stream: Source) -> bytes:
    """The first bytes of the stream that are none of an ID3v2 tag, which may hold pictures of any size."""
    begun = stream.read(TAG)
    if begun[:3] != b"ID3" or len(begun) < TAG:
        return begun
    left = sum((byte & 0x7F) << shift for byte, shift in zip(begun[6:], (21, 14, 7, 0), strict=True))
    left += TAG if begun[5] & 0x10 else 0  # the same again at its end
    while left > 0 and (passed := stream.read(min(left, READ))):
        left -= len(passed)
    return b""


def _first(data: bytes, start: int = 0) -> int | None:
    """Where the first two frames one behind the other begin, from `start` on."""
    at = data.find(b"\xff", start)
    while at >= 0:
        frame = Frame.at(data, at)
        behind = None if frame is None else Frame.at(data, at + frame.length)
        if frame is not None and behind is not None and behind.rate == frame.rate:
            return at
        at = data.find(b"\xff", at + 1)
    return None


def _decoded(group: bytes) -> NDArray[np.float32]:
    """(n, channels)"""
    try:
        sound, _ = soundfile.read(io.BytesIO(group), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise _foreign(str(error).split(":")[-1].strip().rstrip(".")) from error
    return np.asarray(sound, np.float32)


def _foreign(got: str) -> AudioError:
    return AudioError("the stream cannot be heard as MP3", got=got, do="check the address, or record it to a file")
