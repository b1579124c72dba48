"""The part of the recipe that says how clean clips become what a microphone in a room hears."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from wakewright.core.node import Node, Share, Span

CodecName = Literal["gsm", "mulaw", "alaw", "adpcm", "opus", "vorbis", "mp3"]


class Babble(Node):
    """Several people talking at once in the background: the training's own speech without the phrase."""

    share: Share = 0.25
    """Share of the clips heard over it, besides those over other background."""
    voices: tuple[PositiveInt, PositiveInt] = (3, 8)
    """How many talk at once."""
    snr_db: Span = (3.0, 20.0)
    """Level of the speech above all of them together."""


class Schedule(Node):
    """Clean to hard: which levels of background a training hears, by the step. Streams are still rendered once."""

    levels: Annotated[int, Field(ge=2, le=8)] = 3
    """Parts of equal width into which `snr_db` and `babble.snr_db` are cut. Each copy of a clip is heard at the next
    of them."""
    until: Annotated[float, Field(gt=0.0, le=1.0)] = 0.6
    """Share of the steps after which all levels are drawn alike. It begins with the cleanest alone; one after the
    other comes in."""


class Codec(Node):
    """Sound as a coder leaves it, by the coders in libsndfile."""

    share: Share = 0.2
    """Share of the clips that are coded and decoded again."""
    kinds: Annotated[tuple[CodecName, ...], Field(min_length=1)] = ("gsm", "mulaw", "adpcm", "opus", "vorbis", "mp3")
    """Which: gsm, mulaw and alaw at 8 kHz as telephones have them, adpcm (IMA), opus from 9 to 25 kbit/s, vorbis, mp3
    from 10 to 32 kbit/s."""


class Dropouts(Node):
    """Packets of 20 ms that are lost on the way, alone or several in a row."""

    share: Share = 0.1
    """Share of the clips that lose any."""
    loss: tuple[Annotated[float, Field(ge=0.0, le=0.5)], Annotated[float, Field(ge=0.0, le=0.5)]] = (0.0, 0.1)
    """Share of the packets that are lost."""
    burst: tuple[Annotated[float, Field(ge=1.0)], Annotated[float, Field(ge=1.0)]] = (1.0, 4.0)
    """Packets that are lost in a row, on average."""


class Augment(Node):
    """How clean clips become what a microphone in a room hears."""

    copies: PositiveInt = 3
    """How often each spoken clip is used, every time in other surroundings."""
    real_copies: PositiveInt = 3
    """How often each recording of real speech is used, every time at another speed and in other surroundings."""
    room_share: Share = 0.5
    """Share of the clips heard through a room."""
    rooms: Annotated[int, Field(ge=0)] = 48
    """Rooms simulated (image-source method) for the run."""
    noise_share: Share = 0.7
    """Share of the clips with background noise, music or babble."""
    snr_db: Span = (-2.0, 25.0)
    """Level of the speech above the background."""
    gain_db: Span = (-32.0, -3.0)
    """Peak level of the speech relative to full scale."""
    speed: Span = (0.85, 1.2)
    """Speed change by resampling: tempo and pitch together."""
    pitch: Span | None = None
    """Pitch change without tempo; null leaves it to the synthesisers, which vary it already."""
    eq_db: Annotated[float, Field(ge=0.0, le=24.0)] = 8.0
    """Largest boost or cut of the random equaliser."""
    band_limit_share: Share = 0.2
    """Share of the clips limited to a telephone-like or small-loudspeaker band."""
    overload_share: Share = 0.05
    """Share of the clips that overload the microphone: they are clipped, hard or softly."""
    wet: tuple[Share, Share] | None = None
    """How much of a room is heard, the rest being the voice without it: 1 is the room as it is, 0 none of it; null
    leaves rooms as they are."""
    babble: Babble | None = None
    """Several people talking in the background; null has none but what the folders of noise hold."""
    schedule: Schedule | None = None
    """Clean to hard: background is faint in the first steps and grows louder; null hears all levels from the first
    step on."""
    codec: Codec | None = None
    """Sound that comes over a telephone, a radio link or a compressed stream; null leaves it as it was recorded."""
    dropouts: Dropouts | None = None
    """Packets that are lost on the way; null loses none."""
    stretch: tuple[PositiveFloat, PositiveFloat] | None = None
    """Change of the tempo alone, 1.2 a fifth slower, in the sound itself, for all front ends; null has none."""
    trim_share: Share = 0.0
    """Share of the clips whose silence before and after the word is cut short by chance; the word stays whole."""
    spec_time: Annotated[int, Field(ge=0)] = 2
    """SpecAugment: time stripes blanked per example."""
    spec_freq: Annotated[int, Field(ge=0)] = 2
    """SpecAugment: frequency stripes blanked per example, micro and mel front ends only."""
    vtlp: Annotated[float, Field(ge=0.0, le=0.5)] = 0.18
    """Largest warp of the frequency axis (vocal tract length), micro and mel front ends only."""
    tempo: Span = (0.86, 1.35)
    """Stretch of the time axis of the features; the speech embedding's are left as they are."""
