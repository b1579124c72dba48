"""Sound that comes piece by piece: the same samples however the bytes are cut, and clear words for broken ones."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from wakewright.core.audio import resample
from wakewright.core.errors import AudioError
from wakewright.core.pcm import Resampler, read_pipe, read_raw

RAMP = np.linspace(-0.9, 0.9, 4001).astype(np.float32)


class Trickle(io.RawIOBase):
    """A pipe that gives as many bytes as it likes, as a pipe does."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content, self._sizes, self._at = content, [size or 1 for size in sizes], 0

    def read1(self, size: int) -> bytes:
        given = min(size, self._sizes[self._at % len(self._sizes)])
        self._at += 1
        piece, self._content = self._content[:given], self._content[given:]
        return piece

    def read(self, size: int = -1, /) -> bytes:
        size = len(self._content) if size < 0 else size
        piece, self._content = self._content[:size], self._content[size:]
        return piece


def wav(samples: np.ndarray, rate: int = 16000, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format="WAV")
    return file.getvalue()


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=8))
def test_raw_samples_are_the_same_however_the_bytes_are_cut(sizes: list[int]) -> None:
    content = (RAMP * 32768).astype("<i2").tobytes() + b"\x01"  # half a sample at the end
    heard = np.concatenate(list(read_raw(Trickle(content, sizes))))
    np.testing.assert_allclose(heard, RAMP, atol=1e-4)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_wav_on_a_pipe_is_what_the_file_is(subtype: str, rate: int) -> None:
    rng = np.random.default_rng(0)
    stereo = (rng.standard_normal((rate, 2)) * 0.1).astype(np.float32)
    heard = np.concatenate(list(read_pipe(io.BytesIO(wav(stereo, rate, subtype)))))
    expected = resample(stereo.mean(axis=1), rate)
    assert abs(len(heard) - len(expected)) <= 1
    shorter = min(len(heard), len(expected))
    coarse = {"PCM_U8": 1e-2, "ULAW": 2e-2}
    np.testing.assert_allclose(heard[:shorter], expected[:shorter], atol=coarse.get(subtype, 2e-3))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wav_of_plain_samples_is_heard_while_it_comes(subtype: str) -> None:
    """Microphones of small boards give 32 bits and nothing else; a recorder's pipe has no end."""
    pieces = read_pipe(Trickle(wav(RAMP, subtype=subtype), [500]))
    assert len(next(iter(pieces))) <= 1280
    heard = np.concatenate(list(read_pipe(Trickle(wav(RAMP, subtype=subtype), [1, 500, 7]))))
    np.testing.assert_allclose(heard, RAMP, atol=1e-2 if subtype == "PCM_U8" else 1e-4)


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "AIFF", "CAF", "RF64", "MP3"])
def test_a_file_that_is_no_wav_is_named_and_not_heard_as_noise(kind: str) -> None:
    file = io.BytesIO(b"")
    if kind == "MP3":
        file.write(b"ID3\x04\x00\x00\x00\x00\x00\x00")
    else:
        soundfile.write(file, RAMP, 16000, format=kind)
    with pytest.raises(AudioError, match=f"standard input is {kind.capitalize() if kind == 'OGG' else kind}"):
        list(read_pipe(io.BytesIO(file.getvalue())))


def at_rate(rate: int) -> bytes:
    return wav(RAMP)[:24] + rate.to_bytes(4, "little") + wav(RAMP)[28:]


def test_a_header_of_unknown_length_is_read_to_the_end() -> None:
    content = wav(RAMP)
    for size in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f"):
        at = content.index(b"data") + 4
        heard = np.concatenate(list(read_pipe(io.BytesIO(content[:at] + size + content[at + 4 :]))))
        np.testing.assert_allclose(heard, RAMP, atol=1e-4)


def test_what_follows_the_sound_is_not_heard() -> None:
    heard = np.concatenate(list(read_pipe(io.BytesIO(wav(RAMP) + b"LIST\x04\x00\x00\x00abcd"))))
    assert len(heard) == len(RAMP)


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"RIFF but no more", "no sound in it"),
        (b"RIFF\x00\x00\x00\x00WAVEdata\x04\x00\x00\x00abcd", "does not tell its format"),
        (wav(RAMP)[:-100], "7902 of 8002 bytes of sound"),
        (wav(RAMP, subtype="PCM_24")[:-100], " of 12003 bytes of sound"),
        (wav(RAMP, subtype="ULAW")[:-100], " of 4001 bytes of sound"),
        (wav(np.full(100, np.nan, np.float32), subtype="FLOAT"), "values that are NaN"),
        (at_rate(1), "1 Hz"),
        (at_rate(4_294_967_295), "4294967295 Hz"),
        (b"RIFF\x04\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(16) + b"data\x04\x00\x00\x00abcd", ""),
    ],
)
def test_a_broken_wav_is_said(content: bytes, got: str) -> None:
    with pytest.raises(AudioError, match="the WAV on standard input") as broken:
        list(read_pipe(io.BytesIO(content)))
    assert got in str(broken.value)


def test_nothing_is_no_error() -> None:
    assert list(read_pipe(io.BytesIO(b""))) == []


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_an_hour_at_another_rate_neither_drifts_nor_loses_a_sample(rate: int) -> None:
    resampler, total = Resampler(rate), 0
    block = np.zeros(rate // 10 + 7, np.float32)
    count = 3600 * rate // len(block)
    for _ in range(count):
        total += len(resampler.push(block))
    total += len(resampler.push(block[:0], last=True))
    assert abs(total - count * len(block) * 16000 / rate) <= 1
