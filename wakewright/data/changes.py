"""What is done to windows of features as they are read: the channel axis warped, and parts of them hidden."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from wakewright.core.recipe import Augment
from wakewright.dsp.frontend import Frames

BANDED = ("micro", "mel")
"""Front ends whose channels are bands side by side, which can be warped and hidden in stripes."""
Stripes = list[list[int]]
"""(windows, 2) of each window the first place of a stripe and one past its last; some reach over the end."""


@dataclasses.dataclass(frozen=True)
class Changes:
    """What is done to the windows of a batch, drawn for all of them; nothing where nothing is given."""

    warps: NDArray[np.float32] | None = None
    """(batch, channels, channels) what each channel gives to each of the stretched axis: of BANDED front ends alone.
    Nothing is given to a channel that is hidden: it is 0, silence in the micro front end."""
    moments: tuple[Stripes, ...] = ()
    """Stripes of time that are hidden."""
    channels: tuple[Stripes, ...] = ()
    """Stripes of channels that are hidden."""

    @classmethod
    def draw(cls, augment: Augment, shape: tuple[int, int, int], banded: bool, rng: np.random.Generator) -> Changes:
        """For windows of (batch, frames, channels), of a BANDED front end or not.

        The channel axis is stretched after Jaitly and Hinton, "Vocal Tract Length Perturbation", 2013: the channels
        of these front ends are mel spaced, so a factor on their number warps low and high alike. Hidden stripes of
        time (up to 8 %) and of channels (up to 12 %) are SpecAugment (Park et al., 2019).
        """
        count, length, width = shape
        factors = np.ones(count, np.float32) if banded and augment.spec_freq else None
        if banded and augment.vtlp:
            factors = rng.uniform(1 - augment.vtlp, 1 + augment.vtlp, count).astype(np.float32)
        moments = [stripes(count, length, max(1, length // 12), rng) for _ in range(augment.spec_time)]
        wide = augment.spec_freq if banded else 0
        channels = [stripes(count, width, max(1, width // 8), rng) for _ in range(wide)]
        warps = None if factors is None else _warps(factors, width, channels)
        return cls(warps, tuple(moments), tuple(channels))

    def apply(self, heard: Frames, rows: slice, blank: NDArray[np.float32], out: Frames) -> None:
        """Write the windows `rows` of the batch, (n, frames, channels), to `out` with what is done to them.

        What is hidden holds `blank` (channels,).
        """
        if self.warps is None:
            out[:] = heard
        else:
            np.matmul(heard, self.warps[rows], out=out)
        for each in self.moments:
            for window, (low, high) in zip(out, each[rows], strict=True):
                window[low:high] = blank
        for each in self.channels if blank.any() else ():  # elsewhere the warp has left them 0
            for window, (low, high) in zip(out, each[rows], strict=True):
                window[:, low:high] = blank[low:high]


def stripes(count: int, length: int, longest: int, rng: np.random.Generator) -> Stripes:
    """(count, 2) first and one past the last place of a stripe of 0 to `longest` places; some reach over the end."""
    start, size = rng.integers(0, length, (count, 1)), rng.integers(0, longest + 1, (count, 1))
    found: Stripes = np.concatenate([start, start + size], axis=1).tolist()
    return found


def _warps(factors: NDArray[np.float32], width: int, hidden: list[Stripes]) -> NDArray[np.float32]:
    """(batch,) factors -> (batch, width, width): two channels at most share in one."""
    wanted = np.clip(np.arange(width, dtype=np.float32) * factors[:, None], 0, width - 1)
    warps = np.zeros((len(wanted), width, width), np.float32)
    below = wanted.astype(np.int64)
    for near in (below, np.minimum(below + 1, width - 1)):
        shares = np.maximum(0.0, 1.0 - np.abs(near.astype(np.float32) - wanted))
        np.put_along_axis(warps, near[:, None, :], shares[:, None, :], axis=1)
    for each in hidden:
        for warp, (low, high) in zip(warps, each, strict=True):
            warp[:, low:high] = 0.0
    return warps
