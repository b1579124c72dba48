"""What a wake word was heard in and who said it, as labels that misses are counted by and as words for a person."""

from __future__ import annotations

from wakewright.core.manifest import Clip
from wakewright.data.streams import Drawn

SNR_BAND_DB = 5
GAIN_BAND_DB = 10
"""Width of the bands that drawn levels are counted in."""


def said_by(clip: Clip) -> dict[str, str]:
    """Labels of a clip: who says it and how."""
    labels = {"speaker": clip.speaker or clip.path, "engine or source": clip.source}
    if not clip.real:
        labels["voice"] = clip.speaker.partition("+")[0]
        labels["accent"] = "a voice of another language" if clip.foreign else "a voice of the phrase's language"
    return labels


def band(value: float, width: int, unit: str) -> str:
    """ "10 to 15 dB" for 12.3 in bands of 5."""
    low = int(value // width) * width
    return f"{low} to {low + width} {unit}"


def labels_of(drawn: Drawn) -> dict[str, str]:
    """Labels of a stream: its background, room and level."""
    labels = {
        "background": "none" if drawn.snr_db is None else band(drawn.snr_db, SNR_BAND_DB, "dB below the speech"),
        "room": "a room" if drawn.room else "none",
    }
    if drawn.peak_db is not None:
        labels["gain"] = "peak at " + band(drawn.peak_db, GAIN_BAND_DB, "dBFS")
    return labels


def words_of(drawn: Drawn) -> tuple[str, ...]:
    """The same for one word, with its own figures."""
    told = ["in a room" if drawn.room else "no room"]
    told.append("no background" if drawn.snr_db is None else f"background {drawn.snr_db:.0f} dB below the speech")
    if drawn.peak_db is not None:
        told.append(f"stream peaks at {drawn.peak_db:.0f} dBFS")
    return tuple(told)
