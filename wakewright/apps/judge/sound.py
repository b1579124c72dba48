"""From what was sent to samples: every limit held before memory is spent on it."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import soundfile
from numpy.typing import NDArray

from wakewright.apps.judge.refusal import Refusal
from wakewright.core.audio import SAMPLE_RATE, Samples, forward, resample

FORMATS = ("WAV", "WAVEX", "FLAC", "OGG", "MP3", "RF64", "W64")
"""Of libsndfile's formats those that are heard; OGG holds Vorbis or Opus."""
RATES = (4000, 192_000)
MOST_CHANNELS = 8
MOST_VALUES = 4_000_000
"""Values that a file may unpack to: ten seconds of eight channels at 48 kHz, some 16 MB."""
TYPES = "wav, flac, ogg or mp3 in a multipart field `file`, or as the body; or audio/L16;rate=16000"
WHOLE_FILES = frozenset(
    f"audio/{name}" for name in ("wav", "x-wav", "wave", "vnd.wave", "flac", "x-flac", "ogg", "opus", "mpeg", "mp3")
) | {"application/ogg", "application/octet-stream"}
"""Types of a body that is a file of its own; the file itself tells which."""


BEGINNINGS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"ID3", b"\xff")
"""Of files of these formats: libsndfile's readers of all others are not shown anything that came from outside."""


def from_file(content: bytes, longest_s: float) -> Samples:
    """(n,) float32 16 kHz of a file's content. Raises Refusal: 413 for too much, 422 for what cannot be heard."""
    if not content:
        raise Refusal(400, "there is no sound in the form", got="an empty file", do=f"send {TYPES}")
    if not content.startswith(BEGINNINGS):
        raise _unheard("a file of another format")
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            if file.format not in FORMATS:
                raise _unheard(f"a file of the format {file.format}")
            _refuse_layout(file.samplerate, file.channels)
            limit = _most_frames(file.samplerate, file.channels, longest_s)
            values = forward(file).read(limit + 1, dtype="float32", always_2d=True)
            rate = file.samplerate
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
        raise _unheard(str(error).split(":")[-1].strip().rstrip(".") or "a damaged file") from error
    return _samples(values, rate, limit, longest_s)


def is_plain(parameters: Mapping[str, str]) -> bool:
    """Whether these raw samples are heard as they are, which takes no time worth a thread."""
    return _whole(parameters, "rate", SAMPLE_RATE) == SAMPLE_RATE and _whole(parameters, "channels", 1) == 1


def from_l16(content: bytes, parameters: Mapping[str, str], longest_s: float) -> Samples:
    """(n,) float32 16 kHz of raw 16-bit samples.

    `parameters` are those of audio/L16: rate, channels, and endianness. Microcontrollers send little-endian samples,
    so that is what it is taken for unless `endianness=big-endian` is said, whatever RFC 2586 has to say. Raises
    Refusal as `from_file` does, and 415 for other parameters.
    """
    rate, channels = _whole(parameters, "rate", SAMPLE_RATE), _whole(parameters, "channels", 1)
    _refuse_layout(rate, channels)
    order = parameters.get("endianness", "little-endian").lower()
    if order not in ("little-endian", "big-endian"):
        raise _unsupported(f"endianness={order}")
    if len(content) % (2 * channels):
        raise _unheard(f"{len(content)} bytes, which are no whole number of samples")
    limit = _most_frames(rate, channels, longest_s)
    content = content[: 2 * channels * (limit + 1)]  # one more than may be tells that it is too long
    values = np.frombuffer(content, "<i2" if order == "little-endian" else ">i2").astype(np.float32)
    shaped = values.reshape(-1, channels) / np.float32(32768)
    return _samples(shaped, rate, limit, longest_s)


def _whole(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 8):
        raise _unsupported(f"{name}={text[:20]}")
    return int(text)


def _most_frames(rate: int, channels: int, longest_s: float) -> int:
    return min(round(rate * longest_s), MOST_VALUES // channels)


def _refuse_layout(rate: int, channels: int) -> None:
    if not RATES[0] <= rate <= RATES[1] or not 1 <= channels <= MOST_CHANNELS:
        raise Refusal(
            422,
            "this sound has a layout that is not heard",
            got=f"{channels} channels at {rate} Hz",
            do=f"send 1 to {MOST_CHANNELS} channels at {RATES[0]} to {RATES[1]} Hz; 16 kHz mono is best",
        )


def _samples(values: NDArray[np.float32], rate: int, limit: int, longest_s: float) -> Samples:
    if len(values) > limit:
        raise Refusal(
            413,
            "this sound is too long",
            got=f"more than {limit / rate:.1f} s",
            do=f"send the one to three seconds around the word; {longest_s:g} s at most",
        )
    if not np.isfinite(values).all():
        raise _unheard("values that are NaN or infinite")
    return resample(np.clip(values, -1.0, 1.0, out=values).mean(axis=1, dtype=np.float32), rate)


def _unheard(got: str) -> Refusal:
    return Refusal(422, "this cannot be heard as sound", got=got[:200], do=f"send {TYPES}")


def _unsupported(got: str) -> Refusal:
    return Refusal(415, "this kind of content is not heard", got=got[:200], do=f"send {TYPES}")


def unsupported(content_type: str) -> Refusal:
    """For a body of another type."""
    return _unsupported(content_type or "no Content-Type")
