"""Takes of the phrase: where it is said in a recording, whether that can be used, and the folder they are kept in."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from pathlib import Path

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples, duration, find_audio, load, rms, to_int16, write_wav
from wakewright.core.errors import InputError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.run import slug
from wakewright.data.corpora import OWN, RECORDINGS
from wakewright.data.scene import active_rms, word_bounds

FRAME = SAMPLE_RATE // 50
ROOM_SHARE = 10.0
"""Per cent of a recording's 20 ms that are taken for the room alone: nobody speaks without a pause."""
FLOOR = 1e-4
"""A room is never taken for quieter than this RMS (-80 dBFS): gated microphones give digital silence."""
ABOVE_ROOM_DB = 8.0
"""What is this much louder than the room may be the phrase."""
PAUSE_S = 0.5
"""A shorter pause is one within the phrase."""
CLICK_S = 0.15
"""What is shorter is a click or a knock, and no phrase."""
LONGEST_S = 4.0
"""What goes on for longer holds more than the phrase."""
MARGIN_S = 0.15
"""Sound kept on both sides of the phrase."""
QUIET_DB = -45.0
"""A phrase softer than this, in decibels below full scale, was said too far away or into a microphone turned down."""
NOISY_DB = 15.0
"""A phrase that is not this much louder than the room can hardly be learnt from."""
FULL, FULL_SAMPLES = 0.985, 8
"""So many samples (half a millisecond) of at least this height mean that the microphone was overdriven."""


@dataclasses.dataclass(frozen=True, eq=False)
class Take:
    """The phrase, cut out of a recording."""

    samples: Samples
    """(n,) 16 kHz, with a little of what was before and after."""
    start_s: float
    """Where it begins in the recording."""
    problem: str = ""
    """Why it cannot be used, and what to do about it; empty when it can."""


def room_level(samples: Samples) -> float:
    """RMS of the quietest tenth of (n,) samples: what is there while nobody speaks."""
    return max(FLOOR, float(np.percentile(_levels(samples), ROOM_SHARE)))


def cut(samples: Samples, room: float | None = None) -> list[Take]:
    """Every take in (n,) samples, in order, usable or not; between two of them lies a pause of half a second or more.

    `room` is the RMS of the room where it is known, else that of the quietest tenth of the samples.
    """
    room = room_level(samples) if room is None else max(FLOOR, room)
    places = _places(samples, room)
    takes = []
    for number, (first, last) in enumerate(places):
        margin = round(MARGIN_S * SAMPLE_RATE)
        before = max(0, first - margin, places[number - 1][1] if number else 0)
        after = min(len(samples), last + margin, places[number + 1][0] if number + 1 < len(places) else len(samples))
        problem = _problem(samples, first, last, room)
        takes.append(Take(samples[before:after], before / SAMPLE_RATE, problem))
    return takes


def single(samples: Samples, room: float) -> Take:
    """The one take in (n,) samples that were recorded for it: what is loudest and lasts, beside clicks and breath."""
    takes = cut(samples, room)
    if not takes:
        return Take(samples[:0], 0.0, "nothing was heard: say it after the count, nearer to the microphone")
    return max(takes, key=lambda take: float(np.square(take.samples, dtype=np.float64).sum()))


def _levels(samples: Samples) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(frames,) RMS of each 20 ms; of what is shorter than that, one."""
    count = max(1, len(samples) // FRAME)
    return np.asarray([rms(samples[i * FRAME : (i + 1) * FRAME]) for i in range(count)])


def _places(samples: Samples, room: float) -> list[tuple[int, int]]:
    """First and one-past-last sample of whatever may be the phrase."""
    loud = np.flatnonzero(_levels(samples) > room * 10 ** (ABOVE_ROOM_DB / 20))
    if not len(loud):
        return []
    pause = round(PAUSE_S * SAMPLE_RATE / FRAME)
    groups = np.split(loud, np.flatnonzero(np.diff(loud) > pause) + 1)
    found = []
    for group in groups:
        start = int(group[0]) * FRAME
        first, last = word_bounds(samples[start : (int(group[-1]) + 1) * FRAME])
        if last - first >= CLICK_S * SAMPLE_RATE:
            found.append((start + first, start + last))
    return found


def _problem(samples: Samples, first: int, last: int, room: float) -> str:
    said = samples[first:last]
    level = active_rms(said)
    loud_db, above_db = (20 * math.log10(max(level, 1e-9) / reference) for reference in (1.0, room))
    if first < FRAME or last > len(samples) - FRAME:
        return "it is cut off: begin after the count and end before the recording does"
    if len(said) > LONGEST_S * SAMPLE_RATE:
        return f"it is too long ({len(said) / SAMPLE_RATE:.1f} s): say the phrase once, with a pause around it"
    if int((np.abs(said) >= FULL).sum()) >= FULL_SAMPLES:
        return "it is clipped: turn the microphone down, or go farther away"
    if loud_db < QUIET_DB:
        return f"it is too quiet ({loud_db:.0f} dB): come nearer, or turn the microphone up"
    if above_db < NOISY_DB:
        return f"the room is too noisy (the phrase is {above_db:.0f} dB above it): turn off what hums or plays"
    return ""


class Collection:
    """A folder of takes: one folder a person, numbered files, and recordings.jsonl, which is written last."""

    def __init__(self, folder: Path, phrase: str) -> None:
        """What is there is gone on with. Raises InputError where it is of another phrase, or cannot be read."""
        self.folder, self.phrase = folder, phrase
        self._table = folder / RECORDINGS
        self._listed: dict[str, Clip] = {}
        if self._table.is_file():
            self._listed = {clip.path: clip for clip in Manifest.read(self._table)}
        others = sorted({clip.text for clip in self._listed.values()} - {phrase})
        if others:
            raise InputError(
                f"{folder} holds recordings of another phrase",
                got=f"{others[0]!r}, not {phrase!r}",
                do="name another folder with --out",
            )
        self._sounds: dict[str, set[str]] = {}

    def taken(self, person: str) -> list[Path]:
        """The takes of a person so far, by number."""
        return sorted(file for file in (self.folder / person).glob("*.wav") if file.stem.isdecimal())

    def keep(self, person: str, samples: Samples) -> Path | None:
        """Write a take under the person's next free number; None where this very sound is there already."""
        files = self.taken(person)
        sounds = self._sounds.setdefault(person, {_digest(load(file)) for file in files})
        digest = _digest(samples)
        if digest in sounds:
            return None
        number = max((int(file.stem) for file in files), default=0) + 1
        path = self.folder / person / f"{number:03d}.wav"
        write_wav(path, samples)
        sounds.add(digest)
        return path

    def write_list(self) -> Manifest:
        """List what is there, with whose voice; files that were removed are no longer listed."""
        files = [file for file in find_audio(self.folder) if file.parent.parent == self.folder]
        clips = Manifest(tuple(self._clip(file) for file in files))
        clips.write(self._table)
        return clips

    def _clip(self, file: Path) -> Clip:
        path = file.relative_to(self.folder).as_posix()
        about = self._listed.get(path)
        speaker = about.speaker if about is not None else file.parent.name
        licence = about.licence if about is not None else ""
        return Clip(path, "positive", duration(file), speaker, OWN, self.phrase, licence, real=True)


def folder_of(person: str) -> str:
    """The name of a person's folder. Raises InputError for a name without a letter or digit."""
    if not re.search(r"[^\W_]", person):
        raise InputError("a person needs a name", got=repr(person), do="give one with letters: --person ann")
    return slug(person)


def _digest(samples: Samples) -> str:
    return hashlib.sha256(to_int16(samples).astype("<i2").tobytes()).hexdigest()
