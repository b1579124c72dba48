"""Triangular bands: peaks where the mel scale says, neighbours that add up to one."""

from __future__ import annotations

import numpy as np
import pytest

from wakewright.core.audio import SAMPLE_RATE
from wakewright.dsp.triangles import mel, mel_triangles


def test_a_thousand_hertz_are_a_thousand_mel() -> None:
    assert mel(1000.0) == pytest.approx(1000.0, abs=0.1)
    assert mel(0.0) == 0.0


def test_bands_are_even_on_the_mel_scale_and_add_up_to_one() -> None:
    bands = mel_triangles(24, 2048, 100.0, 7500.0)
    hertz = np.fft.rfftfreq(2048, 1 / SAMPLE_RATE)
    assert bands.shape == (1025, 24)
    peaks = np.asarray([mel(hertz[i]) for i in bands.argmax(axis=0)])
    step = (mel(7500.0) - mel(100.0)) / 25
    np.testing.assert_allclose(np.diff(peaks), step, atol=15)
    inside = (hertz >= hertz[bands[:, 0].argmax()]) & (hertz <= hertz[bands[:, -1].argmax()])
    np.testing.assert_allclose(bands.sum(axis=1)[inside], 1.0, atol=5e-3)
    assert not bands[hertz < 100.0].any()
    assert not bands[hertz > 7500.0].any()
