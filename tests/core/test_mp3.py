"""MP3 heard while it comes gives what the whole file would have given."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
import soundfile

from wakewright.core import mp3
from wakewright.core.audio import Samples
from wakewright.core.errors import AudioError
from wakewright.core.pcm import Resampler

SECONDS = 9
"""Some groups of frames at every rate."""


def coded(rate: int, channels: int = 1, mode: str = "CONSTANT", level: float = 0.5) -> bytes:
    t = np.arange(rate * SECONDS) / rate
    tone = 0.3 * np.sin(2 * np.pi * (300 + 200 * np.sin(t)) * t)
    sound = tone[:, None] + np.random.default_rng(0).normal(0, 0.02, (len(t), channels))
    file = io.BytesIO()
    soundfile.write(
        file,
        sound,
        rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode=mode,
        compression_level=level,
    )
    return file.getvalue()


def heard(data: bytes, size: int | None = None) -> Samples:
    class Drip(io.BytesIO):
        def read1(self, wanted: int | None = -1, /) -> bytes:
            return super().read1(wanted if size is None else size)

    return np.concatenate([*mp3.read_mp3(Drip(data)), np.zeros(0, np.float32)])


def whole(data: bytes) -> Samples:
    sound, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return Resampler(rate).push(sound, last=True)


def apart(one: Samples, other: Samples, edge: int = 1600) -> float:
    """Largest difference, once the two are laid over each other."""
    size = 1 << 19
    likeness = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)))
    shift = int(np.argmax(likeness))
    shift -= size if shift > size // 2 else 0
    one, other = one[max(0, shift) :], other[max(0, -shift) :]
    length = min(len(one), len(other)) - edge
    assert length > 16000
    return float(np.abs(one[edge:length] - other[edge:length]).max())


# rates whose frames are whole numbers of samples at 16 kHz: beside those of 44.1 kHz the filter stands elsewhere
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (32_000, 2), (24_000, 2), (16_000, 1), (8_000, 1)])
def test_groups_of_frames_give_what_the_file_gives(
    rate: int, channels: int, mode: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = coded(rate, channels, mode)
    assert mp3.is_mp3(data[:4])
    ours = heard(data)
    assert len(ours) == pytest.approx(SECONDS * 16_000, abs=6000)
    assert apart(ours, whole(data)) < 1e-5
    np.testing.assert_array_equal(heard(data, 417), ours)
    assert capfd.readouterr().err == "", "the decoder has nothing to complain of"


@pytest.mark.parametrize("level", [0.1, 0.9])
def test_44_khz_at_a_high_and_a_low_rate_is_heard_to_the_end(level: float) -> None:
    data = coded(44_100, 2, level=level)
    assert apart(heard(data), whole(data)) < 0.05
    at_the_end = heard(data)[-8000:-3000]
    assert np.sqrt(np.mean(at_the_end**2)) > 0.1


def test_a_stream_may_begin_anywhere_and_hold_what_is_none(capfd: pytest.CaptureFixture[str]) -> None:
    data = coded(48_000)
    joined = heard(data[10_123:])
    assert apart(joined, whole(data)) < 1e-5
    between = data[:50_000] + bytes(1500) + b"StreamTitle='x';" * 30 + data[50_000:]
    assert len(heard(between)) == pytest.approx(len(heard(data)), abs=2000)
    cover = b"\xff\xfb\x90\x64 and no frame behind it" * 4000
    size = bytes(len(cover) >> shift & 0x7F for shift in (21, 14, 7, 0))
    tagged = b"ID3\x04\x00\x00" + size + cover + data
    assert mp3.is_mp3(tagged[:4])
    np.testing.assert_array_equal(heard(tagged), heard(data))
    assert apart(heard(data[:70_001]), whole(data)) < 1e-5, "cut off within a frame"
    assert capfd.readouterr().err == ""


def test_the_rate_may_change() -> None:
    both = heard(coded(48_000) + coded(32_000))
    assert len(both) == pytest.approx(2 * SECONDS * 16_000, abs=6000)


def test_memory_does_not_grow_with_the_stream() -> None:
    class Endless(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.chunks = itertools.cycle([data[at : at + 5000] for at in range(0, len(data), 5000)])

        def read(self, size: int = -1, /) -> bytes:
            return next(self.chunks)

    pieces = list(itertools.islice(mp3.read_mp3(Endless(coded(16_000))), 60))  # type: ignore[arg-type]
    assert sum(map(len, pieces)) > 200 * 1000
    assert max(map(len, pieces)) < 120 * 1152


@pytest.mark.parametrize("data", [b"", bytes(70_000), b"\xff\xf1\x50\x80" * 20_000, b"<html>" * 20_000, b"ID3"])
def test_what_is_no_mp3_is_said(data: bytes) -> None:
    with pytest.raises(AudioError, match="cannot be heard as MP3"):
        heard(data)
