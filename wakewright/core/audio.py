"""Sound in and out: anything libsndfile reads becomes 16 kHz mono float32."""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from wakewright.core.errors import AudioError
from wakewright.core.files import ADVICE, write_bytes

if TYPE_CHECKING:
    import soundfile  # at run time where files are read and written: a detector of streams does neither

SAMPLE_RATE = 16_000
"""Samples per second everywhere inside wakewright."""

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64"})
"""File endings that are taken for audio when a folder is searched."""
UNREAD_SUFFIXES = frozenset(
    {".m4a", ".m4b", ".aac", ".wma", ".amr", ".3gp", ".webm", ".weba", ".mka", ".ape", ".wv", ".rf64"}
)
"""Those of recordings in formats that are not read."""

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
    with _opened(path) as file:
        declared, rate = file.frames, file.samplerate
        samples = _all_of(file)
    if len(samples) == 0:
        raise _without_samples(path)
    if len(samples) < declared < _UNKNOWN_FRAMES:
        raise _cut_off(path, f"{len(samples)} of {declared} samples")
    _refuse_not_finite(path, samples)
    if mono:
        return resample(samples.mean(axis=1, dtype=np.float32), rate)
    return resample(samples, rate)


def load_part(path: Path | str, start_s: float, seconds: float) -> Samples:
    """(samples,) 16 kHz mono from `start_s` on, at most `seconds` long; only that part is decoded.

    Raises AudioError as `load` does, except for damage elsewhere in the file, and when there is nothing at `start_s`.
    """
    path = Path(path)
    with _opened(path) as file:
        rate = file.samplerate
        file.seek(min(round(start_s * rate), file.frames))
        samples = file.read(min(round(seconds * rate), file.frames), dtype="float32", always_2d=True)
    if len(samples) == 0:
        raise _without_samples(path)
    _refuse_not_finite(path, samples)
    return resample(samples.mean(axis=1, dtype=np.float32), rate)


def pieces(path: Path | str, seconds: float = 30.0) -> Iterator[tuple[NDArray[np.float32], int]]:
    """A recording as it is stored, piece by piece: (n, channels) float32 of at most `seconds`, and its rate in Hz.

    However long the file is, one piece is in memory. Raises AudioError as `load` does, where the fault is reached.
    """
    path = Path(path)
    heard = 0
    with _opened(path) as file:
        declared, rate = file.frames, file.samplerate
        while len(samples := file.read(round(seconds * rate), dtype="float32", always_2d=True)):
            _refuse_not_finite(path, samples)
            heard += len(samples)
            yield samples, rate
    if heard == 0:
        raise _without_samples(path)
    if heard < declared < _UNKNOWN_FRAMES:
        raise _cut_off(path, f"{heard} of {declared} samples")


def duration(path: Path | str) -> float:
    """Length of a recording in seconds, from its header: nothing is decoded.

    Raises AudioError as `load` does, except for damage that only decoding can find.
    """
    path = Path(path)
    with _opened(path) as file:
        frames, rate = file.frames, file.samplerate
    if frames >= _UNKNOWN_FRAMES:  # a stream whose header does not tell
        return len(load(path)) / SAMPLE_RATE
    if frames == 0:
        raise _without_samples(path)
    return float(frames / rate)


def forward(file: soundfile.SoundFile) -> soundfile.SoundFile:
    """The same file, for being read from where it stands to its end.

    soundfile seeks after each piece it has read, which fails at the end of a FLAC from a pipe: that tells no length.
    """
    file.seekable = lambda: False
    return file


def _all_of(file: soundfile.SoundFile) -> NDArray[np.float32]:
    size, parts = min(file.frames, _PIECE_FRAMES), list[NDArray[np.float32]]()
    while len(part := file.read(size, dtype="float32", always_2d=True)) or not parts:
        parts.append(part)
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


_PIECE_FRAMES = 1 << 22
_UNKNOWN_FRAMES = 2**62
LOWEST_RATE, HIGHEST_RATE = 4000, 384_000
"""Hz. A header may name any rate: at one Hz each sample would be a second, and minutes would count as hours."""
UNKNOWN_BYTES = 0x7FFF0000
"""A program that cannot seek leaves a size from here on in a WAV's header, or 0."""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    import soundfile

    if str(path) != in_utf8(path):  # it could be opened, but stand in no manifest
        raise AudioError(
            f"{in_utf8(path)} cannot be used", got="a name that is not UTF-8", do="rename it, in plain letters"
        )
    if path.is_dir():
        raise AudioError(f"no recording at {path}", got="a folder", do="name a file in it")
    if not path.is_file():
        raise AudioError(f"no recording at {path}", got="no such file", do="check the path")
    if path.suffix.lower() == ".raw":  # libsndfile goes by this one ending
        raise AudioError(
            f"{path} cannot be read as audio",
            got="raw samples, which do not say their rate",
            do="send them through a pipe: wakewright listen RUN --wav - --rate RATE, or convert them to WAV",
        )
    try:
        if path.stat().st_size == 0:
            raise AudioError(
                f"{path} cannot be used", got="an empty file of 0 bytes", do="remove it, or record it again"
            )
        _refuse_cut_off(path)
        with soundfile.SoundFile(path) as file:
            _refuse_rate(path, file.samplerate)
            yield forward(file)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error).split(":")[-1].strip().rstrip(".")
        if "does not exist" in reason:  # what libsndfile says of an MP3 without a single frame
            reason = "no sound in a known format"
        if "lost sync" in reason:
            raise _cut_off(path, "the FLAC stream breaks off or is damaged") from error
        raise AudioError(
            f"{path} cannot be read as audio", got=reason, do="remove it, or convert it to WAV or FLAC"
        ) from error


def _refuse_rate(path: Path, rate: int) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{path} cannot be used",
            got=f"{rate} Hz",
            do=f"remove it, or write it again at {LOWEST_RATE} to {HIGHEST_RATE} Hz",
        )


def _refuse_cut_off(path: Path) -> None:
    """Raise AudioError when a WAV or AIFF file ends before the sound that its header promises.

    libsndfile plays such a file as if it were whole, so the chunks are walked here.
    """
    with path.open("rb") as stream:
        form = stream.read(12)
        wanted = {b"RIFFWAVE": b"data", b"FORMAIFF": b"SSND", b"FORMAIFC": b"SSND"}.get(form[:4] + form[8:])
        order: Literal["little", "big"] = "little" if form[:4] == b"RIFF" else "big"
        while wanted and len(chunk := stream.read(8)) == 8:
            declared = int.from_bytes(chunk[4:], order)
            if chunk[:4] != wanted:
                stream.seek(declared + declared % 2, 1)
                continue
            present = path.stat().st_size - stream.tell()
            if present < declared < UNKNOWN_BYTES:
                raise _cut_off(path, f"{present} of {declared} bytes of sound")
            return


def _refuse_not_finite(path: Path, samples: NDArray[np.float32]) -> None:
    if not np.isfinite(samples).all():
        raise AudioError(
            f"{path} cannot be used",
            got=f"{int((~np.isfinite(samples)).sum())} values that are NaN or infinite",
            do="remove it, or export it again from the program that made it",
        )


def _cut_off(path: Path, got: str) -> AudioError:
    return AudioError(f"{path} is cut off", got=got, do="remove it, or copy it again from where it came")


def _without_samples(path: Path) -> AudioError:
    return AudioError(f"{path} cannot be used", got="0 samples", do="remove it, or record it again")


def write_wav(path: Path | str, samples: Samples, do: str = ADVICE) -> None:
    """Write (samples,) float32 as 16-bit 16 kHz WAV, atomically; values beyond full scale are clipped.

    Raises DiskFull, with advice what to `do`.
    """
    import soundfile

    encoded = io.BytesIO()  # libsndfile would not say that the disk is full
    soundfile.write(encoded, to_int16(samples), SAMPLE_RATE, subtype="PCM_16", format="WAV")
    write_bytes(path, encoded.getvalue(), do)


def for_browsers(samples: NDArray[np.int16]) -> tuple[str, bytes]:
    """(samples,) 16 kHz -> media type and file of a sound that every browser plays, small enough to lie in a page.

    MP3 of 32 kbit/s; a libsndfile older than 1.1 has none, and gives WAV, eight times as large.
    """
    import soundfile

    encoded = io.BytesIO()
    if "MP3" in soundfile.available_formats():
        soundfile.write(encoded, samples, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")
        return "audio/mpeg", encoded.getvalue()
    soundfile.write(encoded, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return "audio/wav", encoded.getvalue()


def to_int16(samples: Samples) -> NDArray[np.int16]:
    """(samples,) float32 in -1..1 -> int16, rounded, clipped; of 16 bits that were read from a file, those bits."""
    return np.asarray(np.clip(np.rint(samples * 32768.0), -32768, 32767), dtype=np.int16)


def find_audio(folder: Path | str, *, gone: bool = False) -> list[Path]:
    """Every audio file below `folder` in sorted order, or the file itself when `folder` is one.

    Links to folders are followed where they lead to what is not there under its own name, each real folder once.
    Files whose name begins with a dot are left out, and links to files that are `gone` unless these are asked for.
    A `~` is the home folder, as in a shell. Raises AudioError when there is nothing.
    """
    folder = Path(folder).expanduser()
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise AudioError(f"no audio at {folder}", got="no such file or folder", do="check the path")
    found = sorted(p for p in _files_below(folder, AUDIO_SUFFIXES) if p.is_file() or (gone and not p.exists()))
    if not found:
        raise AudioError(
            f"no audio in {folder}",
            got="no file ending in " + ", ".join(sorted(AUDIO_SUFFIXES)),
            do="name a folder that holds recordings",
        )
    return found


def unread(folder: Path | str) -> Counter[str]:
    """How many recordings below `folder` are in formats that are not read, by their ending."""
    return Counter(file.suffix.lower() for file in _files_below(Path(folder).expanduser(), UNREAD_SUFFIXES))


def _files_below(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    seen: set[Path] = set()
    waiting = [folder]
    while waiting:  # links wait until all has been seen that has a name of its own
        for name, below, files in os.walk(waiting.pop(0)):
            here = Path(name)
            real = here.resolve()
            if real in seen:  # a link back up the tree would never end
                below.clear()
                continue
            seen.add(real)
            yield from (here / f for f in files if here.joinpath(f).suffix.lower() in suffixes and f[0] != ".")
            waiting += [here / link for link in sorted(below) if here.joinpath(link).is_symlink()]


def in_utf8(path: Path | str) -> str:
    """The path with the bytes of names that are not UTF-8 as in "\\xe9", which can be written and shown."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def rms(samples: Samples) -> float:
    """Root mean square of the samples, 0.0 for none."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
