"""From what an engine wrote to a clip worth learning from: silence trimmed, nonsense refused."""

from __future__ import annotations

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples, rms
from wakewright.core.errors import NoVoice
from wakewright.data.voices.protocol import Utterance

SILENCE_DB = -60.0
"""Trimmed while below this level relative to the peak: under the weakest [f] or [h] any engine here speaks, over the
dither and filter tails some of them leave."""
MARGIN_S = 0.03
"""Kept on both sides of what is louder."""
SHORTEST_S, LONGEST_S = 0.06, 12.0
"""Seconds a clip may last, whatever it says."""
_SILENT_RMS = 1e-4
_CLIPPED_SHARE = 0.01


def trim(samples: Samples) -> Samples:
    """(samples,) -> without the silence before and after, but for `MARGIN_S`; silence throughout gives no samples."""
    loudness = np.abs(samples)
    peak = float(loudness.max(initial=0.0))
    if peak == 0.0:
        return samples[:0]
    loud = np.flatnonzero(loudness > peak * 10 ** (SILENCE_DB / 20))
    margin = round(MARGIN_S * SAMPLE_RATE)
    return samples[max(0, int(loud[0]) - margin) : int(loud[-1]) + 1 + margin]


def clean(samples: Samples, utterance: Utterance) -> Samples:
    """Trim, check, and bring a peak that resampling pushed over full scale back under it.

    Raises NoVoice when the clip is not finite, silent, clipped, or too short or long for its text.
    """
    if not np.isfinite(samples).all():
        raise _refused(utterance, "values that are NaN or infinite")
    kept = trim(samples)
    if rms(kept) < _SILENT_RMS:
        raise _refused(utterance, "silence")
    clipped = float(np.mean(np.abs(kept) >= 0.999))
    if clipped > _CLIPPED_SHARE:
        raise _refused(utterance, f"{clipped:.1%} of the samples at full scale")
    seconds = len(kept) / SAMPLE_RATE
    shortest, longest = plausible_seconds(utterance)
    if not shortest <= seconds <= longest:
        raise _refused(utterance, f"{seconds:.2f} s, where {shortest:.2f} to {longest:.2f} s are plausible")
    peak = float(np.abs(kept).max())
    return kept * np.float32(0.99 / peak) if peak > 0.99 else kept


def plausible_seconds(utterance: Utterance) -> tuple[float, float]:
    """Shortest and longest time the text can take, from its letters and digits and the rate asked for.

    People speak 10 to 20 letters a second; the bounds are wide enough for spelt-out letters, numbers, and scripts in
    which one sign is a syllable.
    """
    letters = sum(c.isalnum() for c in utterance.text)
    return (
        max(SHORTEST_S, 0.015 * letters / max(utterance.rate, 1.0)),
        min(LONGEST_S, (1.2 + 0.6 * letters) / min(utterance.rate, 1.0)),
    )


def _refused(utterance: Utterance, got: str) -> NoVoice:
    return NoVoice(
        f"{utterance.speaker} did not speak {utterance.text!r} properly",
        got=got,
        do="leave the engine out (voices.engines), or write the text as it is spoken",
    )
