"""A device counts in whole 256ths: a threshold it can have is exceeded exactly when the device fires."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wakewright.core.recipe import Policy
from wakewright.detect import device_rule
from wakewright.detect.policy import smooth

WINDOWS = st.integers(1, 30)


@given(st.floats(0, 1), WINDOWS, st.data())
def test_the_detector_fires_exactly_when_the_device_does(threshold: float, window: int, data: st.DataObject) -> None:
    scores = np.array(data.draw(st.lists(st.integers(0, 255), min_size=window, max_size=window)), np.uint8)
    cutoff = device_rule.cutoff_of(threshold, window)
    on_device = int(scores.sum()) > cutoff * window  # ESPHome's rule, in its own integers
    mean = smooth(scores.astype(np.float32) / np.float32(256), Policy(smoothing=window))[-1]
    assert (float(mean) >= device_rule.on_device(threshold, window)) == on_device
    if cutoff < 255 and on_device:
        assert float(mean) >= threshold - 1e-6


@given(st.integers(0, 255))
def test_esphome_reads_the_cutoff_that_is_meant(cutoff: int) -> None:
    assert int(device_rule.probability_cutoff(cutoff) * 255) == cutoff


@given(st.integers(0, 254), WINDOWS)
def test_a_threshold_that_a_device_can_have_stays(cutoff: int, window: int) -> None:
    assert device_rule.cutoff_of(device_rule.threshold_of(cutoff, window), window) == cutoff
