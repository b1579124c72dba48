"""Rooms and noise out of nothing: simulated and measured impulse responses, synthetic background sound."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, Samples, find_audio, load, rms
from wakewright.core.errors import AudioError, MissingPackage
from wakewright.core.files import cache_dir, fingerprint, replacing
from wakewright.data import filters
from wakewright.data.scene import direct_path

VERSION = 1
"""Of the simulation; part of the cache's name."""

LONGEST_S = 0.8
"""Impulse responses are cut this long after the direct sound."""

BEFORE = 48
"""Samples kept before the direct sound: the rising half of its band-limited pulse (3 ms)."""

ORDER = 10
"""Reflections followed one by one; later ones are so dense that they are drawn as noise."""

SPEED_OF_SOUND = 343.0


@dataclasses.dataclass(frozen=True)
class RoomShape:
    """A shoebox room with one speaker and one microphone, in metres and seconds."""

    size_m: tuple[float, float, float]
    source_m: tuple[float, float, float]
    microphone_m: tuple[float, float, float]
    rt60_s: float
    """Time in which the reverberation falls by 60 dB."""
    seed: int
    """Of the walls' differences and the diffuse tail."""


def draw_room(rng: np.random.Generator) -> RoomShape:
    """A living room, kitchen, office or hall: 2 to 8 m, RT60 0.15 to 0.8 s, the speaker 0.3 to 5 m away."""
    size = np.array([rng.uniform(2.0, 8.0), rng.uniform(2.0, 8.0), rng.uniform(2.2, 3.5)])
    microphone = np.array([*rng.uniform(0.25, size[:2] - 0.25), rng.uniform(0.5, 1.6)])
    for _ in range(100):
        angle, distance = rng.uniform(0.0, 2 * np.pi), np.exp(rng.uniform(np.log(0.3), np.log(5.0)))
        height = rng.uniform(0.9, 1.9)
        along = np.sqrt(max(distance**2 - (height - microphone[2]) ** 2, 0.05))
        source = np.array(
            [microphone[0] + along * np.cos(angle), microphone[1] + along * np.sin(angle), height], dtype=np.float64
        )
        if np.all(source[:2] > 0.2) and np.all(source[:2] < size[:2] - 0.2):
            break
    else:  # a corner of a small room: the middle of the room always fits
        source = np.array([size[0] / 2, size[1] / 2, 1.5])
    # large rooms ring longer: the drawn reverberation leans on the volume
    largest = 0.35 + 0.45 * min(1.0, float(np.prod(size)) / 120.0)
    rt60 = float(rng.uniform(0.15, largest))
    return RoomShape(_triple(size), _triple(source), _triple(microphone), rt60, int(rng.integers(2**32)))


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return (x, y, z)


def simulate_room(shape: RoomShape) -> Samples:
    """(n,) float32 impulse response of a shoebox room.

    The image-source method (Allen and Berkley 1979, by pyroomacoustics) gives the direct sound and the reflections up
    to the tenth; from the time at which those become incomplete, noise decaying with the room's RT60 takes over,
    faster at high frequencies, as walls and air absorb more there. Raises MissingPackage without pyroomacoustics.
    """
    rng = np.random.default_rng(shape.seed)
    x, y, z = shape.size_m
    volume, surface = x * y * z, 2 * (x * y + y * z + x * z)
    # Eyring's formula, which holds for dead rooms too, solved for the mean absorption
    mean = 1.0 - np.exp(-24 * np.log(10) * volume / (SPEED_OF_SOUND * surface * shape.rt60_s))
    walls = np.clip(mean * rng.uniform(0.6, 1.4, 6), 0.02, 0.98)
    early = _images(shape, walls)
    direct = direct_path(early)
    complete = int((ORDER - 1) * min(shape.size_m) / SPEED_OF_SOUND * SAMPLE_RATE)
    return _with_tail(early, direct, max(complete, direct + BEFORE), shape.rt60_s, rng)


def _pyroomacoustics() -> Any:
    try:
        import pyroomacoustics
    except ImportError as error:
        raise MissingPackage(
            "rooms cannot be simulated",
            got="no package pyroomacoustics",
            do="run: pip install 'wakewright[train]', or set augment.rooms=0",
        ) from error
    return pyroomacoustics


def _images(shape: RoomShape, walls: NDArray[np.float64]) -> Samples:
    acoustics = _pyroomacoustics()
    names = ("east", "west", "north", "south", "ceiling", "floor")
    materials = {name: acoustics.Material(float(a)) for name, a in zip(names, walls, strict=True)}
    # one thread: several would add up the reflections in another order, and so to other bytes, on another machine
    acoustics.constants.set("num_threads", 1)
    room = acoustics.ShoeBox(shape.size_m, fs=SAMPLE_RATE, materials=materials, max_order=ORDER, air_absorption=True)
    room.add_source(list(shape.source_m))
    room.add_microphone(list(shape.microphone_m))
    room.compute_rir()
    return np.asarray(room.rir[0][0], dtype=np.float32)


def _with_tail(early: Samples, direct: int, switch: int, rt60_s: float, rng: np.random.Generator) -> Samples:
    """Cut the image sources at `switch` and go on with decaying noise of the level that they have there."""
    length = direct + int(min(LONGEST_S, 1.1 * rt60_s + 0.05) * SAMPLE_RATE)
    switch = min(switch, len(early), length)
    out = np.zeros(length, np.float32)
    out[:switch] = early[:switch]
    fade = min(SAMPLE_RATE // 100, switch - direct)
    level = rms(early[switch - 2 * fade : switch]) if fade > 0 else 0.0
    time = np.arange(length - switch + fade, dtype=np.float32) / SAMPLE_RATE
    noise = filters.coloured(rng, len(time), 0.0)
    low = filters.band_pass(noise, 20.0, 2000.0, 1)
    decay = np.float32(-3 * np.log(10))
    tail = low * np.exp(decay * time / rt60_s) + (noise - low) * np.exp(decay * time / (0.6 * rt60_s))
    ramp = np.linspace(0.0, np.pi / 2, fade, dtype=np.float32)
    out[switch - fade : switch] *= np.cos(ramp)
    tail[:fade] *= np.sin(ramp)
    out[switch - fade :] += tail * np.float32(level)
    return aligned(out)


def aligned(response: NDArray[np.float32]) -> Samples:
    """(n,) -> (m,): starts 3 ms before the direct sound, ends at most 0.8 s after it, direct and early energy 1."""
    direct = direct_path(response)
    cut = response[max(0, direct - BEFORE) : direct + int(LONGEST_S * SAMPLE_RATE)]
    early = response[max(0, direct - BEFORE) : direct + SAMPLE_RATE // 20]
    return np.asarray(cut / np.sqrt(np.sum(np.square(early, dtype=np.float64))), dtype=np.float32)


def simulate_rooms(count: int, seed: int) -> list[Samples]:
    """`count` impulse responses, (n,) float32 each, the same for the same seed; kept in the cache folder."""
    path = cache_dir() / "rooms" / f"{fingerprint('rooms', VERSION, ORDER, count, seed)}.npz"
    if path.is_file():
        try:
            with np.load(path) as kept:
                return [kept[f"room{i:04d}"] for i in range(count)]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            path.unlink(missing_ok=True)  # a cache that cannot be read is made again
    responses = [simulate_room(draw_room(np.random.default_rng([seed, i]))) for i in range(count)]
    with replacing(path) as temporary:
        np.savez(temporary, **{f"room{i:04d}": r for i, r in enumerate(responses)})  # type: ignore[arg-type]
    return responses


def load_rirs(paths: Iterable[Path | str]) -> list[Samples]:
    """Measured impulse responses from files and folders: (n,) float32 each, aligned, at most two channels of a file.

    Raises AudioError for a file that cannot be read or is silent.
    """
    responses = []
    for path in (file for given in paths for file in find_audio(given)):
        for channel in load(path, mono=False).T[:2]:
            if not np.any(channel):
                raise AudioError(f"{path} cannot be used as a room impulse response", got="silence", do="remove it")
            responses.append(aligned(channel))
    return responses


# ---------------------------------------------------------------------------------------------- synthetic noise


def synthetic_noise(rng: np.random.Generator, seconds: float, speech: Sequence[Samples] = ()) -> Samples:
    """(seconds * 16000,) float32 of made-up background, peak 0.5: for recipes that name no folder of real sound.

    Hiss of any colour, mains hum, a fan, knocks and clicks, or, when speech is given, the babble of several voices.
    """
    length = round(seconds * SAMPLE_RATE)
    makers = [_hiss, _hum, _fan, _knocks]
    which = int(rng.integers(len(makers) + (1 if len(speech) else 0)))
    noise = (
        makers[which](rng, length) if which < len(makers) else babble(rng, length, speech, int(rng.integers(3, 9)))
    )
    top = float(np.max(np.abs(noise))) if length else 0.0
    return noise * np.float32(0.5 / top) if top > 0 else noise


def _hiss(rng: np.random.Generator, length: int) -> Samples:
    return filters.coloured(rng, length, float(rng.choice([0.0, 1.0, 2.0])))


def _hum(rng: np.random.Generator, length: int) -> Samples:
    time = np.arange(length, dtype=np.float64) / SAMPLE_RATE
    base = float(rng.choice([50.0, 60.0])) * rng.uniform(0.998, 1.002)
    out = np.zeros(length, np.float64)
    for harmonic in range(1, int(rng.integers(6, 24))):
        out += rng.uniform(0.1, 1.0) / harmonic * np.sin(2 * np.pi * (base * harmonic * time + rng.random()))
    return out.astype(np.float32) + filters.coloured(rng, length, 1.0) * np.float32(rng.uniform(0.02, 0.2))


def _fan(rng: np.random.Generator, length: int) -> Samples:
    time = np.arange(length, dtype=np.float32) / SAMPLE_RATE
    turn = np.sin(2 * np.pi * np.float32(rng.uniform(3.0, 40.0)) * time)
    noise = filters.coloured(rng, length, float(rng.uniform(0.8, 1.8)))
    knots = (60.0, 200.0, 700.0, 2000.0, 6000.0)
    noise = filters.equalise(noise, knots, tuple(rng.uniform(-10, 10, len(knots)).tolist()))
    return np.asarray(noise * (1 + np.float32(rng.uniform(0.05, 0.5)) * turn), dtype=np.float32)


def _knocks(rng: np.random.Generator, length: int) -> Samples:
    out = filters.coloured(rng, length, 1.0) * np.float32(rng.uniform(0.005, 0.05))
    for _ in range(int(rng.poisson(1.5 * length / SAMPLE_RATE))):
        size = int(SAMPLE_RATE * rng.uniform(0.005, 0.25))
        at = int(rng.integers(length))
        burst = filters.coloured(rng, size, float(rng.uniform(0.0, 2.0)))
        burst *= np.exp(np.linspace(0.0, -7.0, size, dtype=np.float32)) * np.float32(rng.uniform(0.1, 1.0))
        out[at : at + size] += burst[: length - at]
    return out


def babble(rng: np.random.Generator, length: int, speech: Sequence[Samples], voices: int) -> Samples:
    """(length,) float32 of `voices` talking at once, each one clip of `speech` after another, at its own level."""
    out = np.zeros(length, np.float32)
    for _ in range(voices):
        at, gain = -int(rng.integers(SAMPLE_RATE)), np.float32(rng.uniform(0.3, 1.0))
        while at < length:
            clip = speech[int(rng.integers(len(speech)))]
            level = rms(clip)
            if level > 0:
                part = clip[max(0, -at) : length - at]
                out[max(0, at) : max(0, at) + len(part)] += part * (gain / np.float32(level))
            at += max(len(clip), SAMPLE_RATE // 10) + int(rng.integers(SAMPLE_RATE // 2))
    return out
