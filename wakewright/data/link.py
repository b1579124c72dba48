"""Transforms of the way from a microphone to whoever listens: coders and packets that are lost (see augment)."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import soundfile
import soxr

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.errors import MissingPackage
from wakewright.core.recipe import Span
from wakewright.core.recipe_augment import CodecName

TAIL = SAMPLE_RATE // 50
"""Zeros coded after the sound, so that a coder has its last frame whole; cut off again."""

PACKET = SAMPLE_RATE // 50
"""Samples of a packet: 20 ms."""


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """How libsndfile codes."""

    file: str
    coder: str
    rate: int = SAMPLE_RATE
    """Hz at which the coder works."""
    compression: Span | None = None
    """libsndfile's measure, from light to strong; None where a coder has one strength."""
    bitrate: str | None = None


FORMS: dict[CodecName, Form] = {
    "gsm": Form("WAV", "GSM610", 8_000),
    "mulaw": Form("WAV", "ULAW", 8_000),
    "alaw": Form("WAV", "ALAW", 8_000),
    "adpcm": Form("WAV", "IMA_ADPCM"),
    "opus": Form("OGG", "OPUS", compression=(0.9, 1.0)),
    "vorbis": Form("OGG", "VORBIS", compression=(0.6, 1.0)),
    # constant bit rates this low come out of libsndfile 69 ms late, and a compression of 1 is refused
    "mp3": Form("MP3", "MPEG_LAYER_III", compression=(0.8, 0.99), bitrate="AVERAGE"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class CodecPlan:
    """Drawn by Codec."""

    kind: CodecName
    strength: float
    """0 its lightest compression, 1 its strongest."""


@dataclasses.dataclass(frozen=True, slots=True)
class Codec:
    """Coded and decoded again by a coder of libsndfile, in memory. Never beyond full scale; the length stays.

    No coder moves the sound by as much as a millisecond. Raises MissingPackage for one that this libsndfile lacks.
    """

    kinds: tuple[CodecName, ...] = ("gsm", "mulaw", "adpcm", "opus", "vorbis", "mp3")
    """Coders to draw from."""

    def __post_init__(self) -> None:
        for kind in self.kinds:
            form = FORMS[kind]
            if form.coder not in soundfile.available_subtypes(form.file):
                raise MissingPackage(
                    f"sound cannot be coded as {kind}",
                    got=f"libsndfile {soundfile.__libsndfile_version__} without {form.coder}",
                    do="update it (pip install --upgrade soundfile), or leave it out of augment.codec.kinds",
                )

    def draw(self, rng: np.random.Generator) -> CodecPlan:
        return CodecPlan(self.kinds[int(rng.integers(len(self.kinds)))], float(rng.random()))

    def apply(self, samples: Samples, plan: CodecPlan) -> Samples:
        if len(samples) == 0:
            return samples.copy()
        form, length = FORMS[plan.kind], len(samples)
        sound = np.concatenate([np.clip(samples, -1.0, 1.0), np.zeros(TAIL, np.float32)])
        if form.rate != SAMPLE_RATE:
            sound = np.asarray(soxr.resample(sound, SAMPLE_RATE, form.rate), np.float32)
        heard = _through(form, sound, plan.strength)
        if form.rate != SAMPLE_RATE:
            heard = np.asarray(soxr.resample(heard, form.rate, SAMPLE_RATE), np.float32)
        out = np.zeros(length, np.float32)
        out[: len(heard)] = np.clip(heard[:length], -1.0, 1.0)
        return out


def _through(form: Form, sound: Samples, strength: float) -> Samples:
    """What comes out of the decoder, at the coder's rate; it may be longer than what went in."""
    coded = io.BytesIO()
    compression = None
    if form.compression is not None:
        light, strong = form.compression
        compression = light + strength * (strong - light)
    soundfile.write(
        coded,
        sound,
        form.rate,
        format=form.file,
        subtype=form.coder,
        compression_level=compression,
        bitrate_mode=form.bitrate,
    )
    coded.seek(0)
    heard, _ = soundfile.read(coded, dtype="float32")
    return np.asarray(heard, np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class DropoutsPlan:
    """Drawn by Dropouts."""

    loss: float
    """Share of the packets that are lost."""
    burst: float
    """Packets lost in a row, on average."""
    repeated: bool
    """A lost packet is filled with the last one that came, ever fainter; else with silence."""
    seed: int
    """Of which packets they are."""


@dataclasses.dataclass(frozen=True, slots=True)
class Dropouts:
    """Packets of 20 ms that never arrive, alone or in bursts (Gilbert, "Capacity of a burst-noise channel", 1960)."""

    loss: Span = (0.0, 0.1)
    """Range of the share that is lost, below 1."""
    burst: Span = (1.0, 4.0)
    """Range of the mean number in a row, 1 or more."""

    def draw(self, rng: np.random.Generator) -> DropoutsPlan:
        return DropoutsPlan(
            float(rng.uniform(*self.loss)),
            float(rng.uniform(*self.burst)),
            bool(rng.random() < 0.5),
            int(rng.integers(2**32)),
        )

    def apply(self, samples: Samples, plan: DropoutsPlan) -> Samples:
        out = samples.copy()
        last = np.zeros(PACKET, np.float32)
        for at, gone in zip(range(0, len(samples), PACKET), lost(len(samples), plan), strict=True):
            here = out[at : at + PACKET]
            if not gone:
                last = samples[at : at + PACKET]
                continue
            last = last * np.float32(0.5)
            here[:] = last[: len(here)] if plan.repeated else 0.0
        return out


def lost(length: int, plan: DropoutsPlan) -> list[bool]:
    """Which packets of `length` samples never arrive; the first is as likely as any other."""
    chances = np.random.default_rng(plan.seed).random(-(-length // PACKET)).tolist()
    # from a lost packet to one that comes, and the other way round, so that `loss` of all are lost in the long run
    comes, goes = 1.0 / plan.burst, plan.loss / (plan.burst * (1.0 - plan.loss))
    found: list[bool] = []
    for chance in chances:
        gone = found[-1] if found else None
        found.append(chance < (plan.loss if gone is None else 1.0 - comes if gone else goes))
    return found
