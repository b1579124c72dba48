"""What is wrong with a single recording: the limits, and what each of them says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

from wakewright.core.audio import SAMPLE_RATE
from wakewright.core.manifest import Clip, Kind
from wakewright.data.reading import SILENT_DB, Reading

Fault = Literal[
    "unreadable",
    "silent",
    "clipped",
    "truncated",
    "too_short",
    "too_long",
    "dc_offset",
    "low_snr",
    "duplicate",
    "near_duplicate",
    "unlike_others",
    "holds_phrase",
    "speaker_leak",
    "recording_leak",
    "licence",
]
MEANING: dict[Fault, str] = {
    "unreadable": "cannot be read",
    "silent": "silent",
    "clipped": "clipped",
    "truncated": "cut off at the edge",
    "too_short": "too short",
    "too_long": "too long",
    "dc_offset": "constant offset",
    "low_snr": "hardly louder than its noise",
    "duplicate": "the same recording twice",
    "near_duplicate": "the same recording in another form",
    "unlike_others": "positives that sound like no other",
    "holds_phrase": "negatives that hold the phrase",
    "speaker_leak": "speakers in two parts",
    "recording_leak": "recordings in two parts",
    "licence": "licence not for commercial use, or not known",
}
"""Each fault as a heading, in the order in which they are told."""

SECONDS: dict[Kind, tuple[float, float]] = {
    "positive": (0.2, 10.0),
    "near_miss": (0.2, 10.0),
    "speech": (0.2, float("inf")),
    "noise": (0.5, float("inf")),
    "music": (1.0, float("inf")),
    "rir": (0.005, 20.0),
}
"""Shortest and longest that a clip of a kind may be: a phrase takes a second or two, a room rings for a few."""
CLIPPED = 0.001
"""Share of the samples on a flat top from which on it is heard."""
DC = 0.01
"""Offset, of full scale, from which on something is wrong with the converter."""
SNR_DB = 5.0
"""Least distance between the loud and the quiet frames of speech."""
CUT_START_DB = (-4.0, -8.0)
"""Speech that begins is softer than one of these against its loud frames, in its first 10 or its first 2 ms."""
CUT_END_DB = (-8.0, -10.0)
"""The same for its last 10 and 2 ms; speech ends more slowly than it begins."""
ABOVE_FLOOR_DB = 6.0
"""An edge no louder than this above the quiet frames is noise, of which a recording may begin in the midst."""
WORDS: tuple[Kind, ...] = ("positive", "near_miss")
"""Kinds of which every clip is a whole utterance."""
SPOKEN: tuple[Kind, ...] = ("positive", "near_miss", "speech")


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One fault of one clip."""

    fault: Fault
    path: str
    part: str
    """The manifest or the part of the data the clip is in."""
    detail: str
    """What was found, in words."""
    other: str = ""
    """The other clip, where two are concerned."""
    weight: float = 0.0
    """The larger, the worse among those of one fault."""
    at_s: float = 0.0
    """Seconds into the clip at which it is heard; 0.0 for the whole."""


def of_clip(clip: Clip, part: str, reading: Reading) -> Iterator[Finding]:
    """The faults of a recording in itself. Of a silent one nothing else is said."""

    def finding(fault: Fault, detail: str, weight: float) -> Finding:
        return Finding(fault, clip.path, part, detail, weight=weight)

    shortest, longest = SECONDS[clip.kind]
    if clip.kind != "rir" and reading.level_db < SILENT_DB:
        yield finding("silent", f"its loud parts are at {reading.level_db:.0f} dB of full scale", -reading.level_db)
        return
    if reading.seconds < shortest:
        detail = f"{reading.seconds:.2f} s, where {_named(clip.kind)} has {shortest:g} at least"
        yield finding("too_short", detail, -reading.seconds)
    if reading.seconds > longest:
        detail = f"{reading.seconds:.1f} s, where {_named(clip.kind)} has {longest:g} at most"
        yield finding("too_long", detail, reading.seconds)
    if reading.clipped >= CLIPPED and clip.kind != "rir":
        detail = f"{100 * reading.clipped:.1f} % of the samples lie flat at a peak of {reading.peak:.2f}"
        yield finding("clipped", detail, reading.clipped)
    if abs(reading.dc) >= DC:
        yield finding("dc_offset", f"{100 * reading.dc:+.1f} % of full scale", abs(reading.dc))
    if clip.kind in SPOKEN and reading.snr_db < SNR_DB:
        detail = f"its loud parts are {reading.snr_db:.0f} dB above its quiet ones"
        yield finding("low_snr", detail, -reading.snr_db)
    if clip.kind in WORDS and (edges := cut_edges(reading)):
        yield finding("truncated", f"still at full level at its {' and its '.join(edges)}", max(edges.values()))


def cut_edges(reading: Reading) -> dict[str, float]:
    """Where the sound is cut off, start or end, with the level there in dB below its loud frames."""
    level, audible = reading.level_db, reading.floor_db + ABOVE_FLOOR_DB
    edges = {
        "start": (reading.start_db, reading.start_tip_db, CUT_START_DB),
        "end": (reading.end_db, reading.end_tip_db, CUT_END_DB),
    }
    return {
        name: edge - level
        for name, (edge, tip, limits) in edges.items()
        if edge > max(audible, level + limits[0]) and tip > level + limits[1]
    }


def _named(kind: Kind) -> str:
    return {"positive": "a positive", "near_miss": "a near miss", "rir": "an impulse response"}.get(kind, kind)


def of_rates(readings: list[Reading]) -> Iterator[str]:
    """Notes on sample rates: nothing has to be done, but one should know."""
    low = sum(r.rate < SAMPLE_RATE for r in readings)
    high = sum(r.rate > SAMPLE_RATE for r in readings)
    many = f"of {len(readings):,} recordings have"
    if high:
        yield f"{high:,} {many} more than 16,000 Hz: they are brought down as they are read"
    if low:
        yield (
            f"{low:,} {many} less than 16,000 Hz: they hold nothing of the highest sounds. "
            "Where only one class is like that, it is known by it"
        )
