"""Sound in and out: anything libsndfile reads becomes 16 kHz mono float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from wakewright.core.errors import AudioError
from wakewright.core.files import replacing

SAMPLE_RATE = 16_000
"""Samples per second everywhere inside wakewright."""

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64"})
"""File endings that are taken for audio when a folder is searched."""

Samples = NDArray[np.float32]
"""(samples,) float32, 16 kHz mono, full scale 1.0."""


def resample(samples: NDArray[np.float32], rate: int) -> Samples:
    """(samples,) or (samples, channels) at `rate` Hz -> the same at 16 kHz, by soxr's high quality filter."""
    if rate == SAMPLE_RATE:
        return samples
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE), dtype=np.float32)


def load(path: Path | str, *, mono: bool = True) -> Samples:
    """Read a recording as 16 kHz float32: (samples,), or (samples, channels) with mono=False.

    Channels are averaged. Raises AudioError for a file that is missing, empty, not audio, cut off, or that holds
    values which are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"no recording at {path}", got="no such file", do="check the path")
    if path.stat().st_size == 0:
        raise AudioError(f"{path} cannot be used", got="an empty file of 0 bytes", do="remove it or record it again")
    try:
        with soundfile.SoundFile(path) as file:
            declared, rate = file.frames, file.samplerate
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = str(error).split(":")[-1].strip().rstrip(".")
        raise AudioError(
            f"{path} cannot be read as audio",
            got=reason,
            do="convert it to WAV or FLAC, or remove it",
        ) from error
    if len(samples) == 0:
        raise AudioError(f"{path} cannot be used", got="0 samples", do="remove it or record it again")
    if 0 < len(samples) < declared < 2**62:
        raise AudioError(
            f"{path} is cut off",
            got=f"{len(samples)} of {declared} samples",
            do="copy it again from where it came, or remove it",
        )
    if not np.isfinite(samples).all():
        raise AudioError(
            f"{path} cannot be used",
            got=f"{int((~np.isfinite(samples)).sum())} values that are NaN or infinite",
            do="export it again from the program that made it, or remove it",
        )
    if mono:
        return resample(samples.mean(axis=1, dtype=np.float32), rate)
    return resample(samples, rate)


def write_wav(path: Path | str, samples: Samples) -> None:
    """Write (samples,) float32 as 16-bit 16 kHz WAV, atomically; values beyond full scale are clipped."""
    with replacing(path) as temporary:
        soundfile.write(temporary, to_int16(samples), SAMPLE_RATE, subtype="PCM_16", format="WAV")


def to_int16(samples: Samples) -> NDArray[np.int16]:
    """(samples,) float32 in -1..1 -> int16, rounded, clipped."""
    return np.clip(np.rint(samples * 32767.0), -32768, 32767).astype(np.int16)


def find_audio(folder: Path | str) -> list[Path]:
    """Every audio file below `folder` in sorted order, or the file itself when `folder` is one.

    Raises AudioError when there is nothing.
    """
    folder = Path(folder)
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise AudioError(f"no audio at {folder}", got="no such file or folder", do="check the path")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
    if not found:
        raise AudioError(
            f"no audio in {folder}",
            got="no file ending in " + ", ".join(sorted(AUDIO_SUFFIXES)),
            do="name a folder that holds recordings",
        )
    return found


def rms(samples: Samples) -> float:
    """Root mean square of the samples, 0.0 for none."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
