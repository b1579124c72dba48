"""How a device decides: ESPHome's micro_wake_word counts in whole 256ths.

It fires when the sum of the last `window` scores, each a byte, exceeds the cutoff, a byte, times the window; the
cutoff is what its manifest calls `probability_cutoff`, times 255, cut off. A threshold is calibrated as one of these.
"""

from __future__ import annotations

import math


def cutoff_of(threshold: float, window: int) -> int:
    """The lowest cutoff at which the device fires on nothing that stays below the `threshold`, 0 to 255.

    `threshold` is of the mean of `window` scores of 256ths, 0 to 1.
    """
    return min(255, max(0, math.ceil((threshold * 256 * window - 1) / window)))


def threshold_of(cutoff: int, window: int) -> float:
    """The threshold that a mean of `window` scores reaches exactly when the device fires.

    It lies half a step below the first sum that fires, where no rounding of the mean can matter.
    """
    return (cutoff * window + 0.5) / (256 * window)


def on_device(threshold: float, window: int) -> float:
    """The nearest threshold not below this one that a device can have."""
    return threshold_of(cutoff_of(threshold, window), window)


def probability_cutoff(cutoff: int) -> float:
    """What to write into the manifest so that ESPHome makes this cutoff of it: `int(value * 255)`."""
    return next(
        value for value in (round(cutoff / 255 + 1e-4 * i, 4) for i in range(3)) if int(value * 255) == cutoff
    )
