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


def firmware(scores: list[int], cutoff: int, window: int, stride: int) -> list[int]:
    """ESPHome's rule slice by slice, in its own integers: a ring of scores, and slices that are still ignored."""
    ring, at, ignored, unseen = [0] * window, 0, -device_rule.COOL_OFF, False
    found = []
    for slices in range(1, stride * (len(scores) + 1)):
        if slices % stride == 0:
            at = (at + 1) % window
            ring[at], unseen = scores[slices // stride - 1], True
        if ring[at] < cutoff:
            ignored = min(ignored + 1, 0)
        if unseen and ignored == 0:
            unseen = False
            if sum(ring) > cutoff * window:
                found.append(slices // stride - 1)
                ring, ignored = [0] * window, -device_rule.COOL_OFF
    return found


SCORES = st.lists(st.tuples(st.integers(0, 255), st.integers(1, 60)), max_size=30)
"""Scores, and for how many steps each stays."""


@given(SCORES, st.integers(0, 255), st.integers(1, 80), st.integers(1, 4))
def test_it_fires_when_the_firmware_does_cool_off_and_all(
    held: list[tuple[int, int]], cutoff: int, window: int, stride: int
) -> None:
    scores = [score for score, steps in held for _ in range(steps)]
    rule = device_rule.DeviceRule(window, stride)
    assert rule.fires(np.array(scores, np.int64), cutoff) == firmware(scores, cutoff, window, stride)


@given(SCORES, WINDOWS)
def test_scores_are_got_back_from_their_means(held: list[tuple[int, int]], window: int) -> None:
    scores = np.array([score for score, steps in held for _ in range(steps)], np.int64)
    means = smooth(scores.astype(np.float32) / np.float32(256), Policy(smoothing=window))
    assert device_rule.DeviceRule(window, 3).bytes_of(means).tolist() == scores.tolist()


def test_a_score_that_stays_high_fires_once_and_a_second_word_a_second_later_again() -> None:
    rule = device_rule.DeviceRule(5, 3)
    high = np.r_[np.zeros(40), np.full(200, 250), np.zeros(40)].astype(np.int64)
    assert len(rule.fires(high, 200)) == 1
    for pause, times in ((30, 1), (38, 2)):  # 33 steps are 100 slices less the two of the step that fired
        twice = np.r_[np.zeros(40), np.full(5, 250), np.zeros(pause), np.full(6, 250), np.zeros(9)].astype(np.int64)
        assert len(rule.fires(twice, 200)) == times, pause
