"""Scores of whole streams, laid onto frames and from one front end onto another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from wakewright.data.store import Track, decode
from wakewright.train import teach
from wakewright.train.scoring import onto, per_frame, score_track, step_frames


@pytest.mark.parametrize("name", ["speech_embedding", "mixednet", "tc_resnet"])
def test_each_score_belongs_to_the_window_that_ends_at_its_frame(name: str, toy: Any) -> None:
    model = toy.model(name).eval()
    track = toy.store().tracks[model.frontend]
    scores = score_track(model, track)
    assert len(scores) == len(track.starts) - 1
    for stream in (0, 3):
        ends = step_frames(model, track, stream, len(scores[stream]))
        assert track.starts[stream] + model.receptive_field - 1 == ends[0]
        assert track.starts[stream + 1] - model.stride <= ends[-1] < track.starts[stream + 1]
        for step in (0, 5, len(ends) - 1):
            window = decode(track.name, track.frames[ends[step] - model.receptive_field + 1 : ends[step] + 1])
            with torch.no_grad():
                logits, _ = model(torch.from_numpy(window)[None])
            assert torch.sigmoid(logits).item() == pytest.approx(scores[stream][step], abs=1e-5)
    laid = per_frame(model, track, scores)
    assert np.isnan(laid[: model.receptive_field - 1]).all()
    assert (~np.isnan(laid)).sum() == sum(map(len, scores))
    assert laid[step_frames(model, track, 3, len(scores[3]))].tolist() == scores[3].tolist()


def test_a_stream_shorter_than_the_receptive_field_gives_no_score(toy: Any) -> None:
    model = toy.model("mixednet").eval()
    track = Track("micro", np.zeros((310, 40), np.int8), np.array([0, 10, 310]), 160, 480)
    short, long = score_track(model, track)
    assert len(short) == 0
    assert len(long) == (300 - model.receptive_field) // model.stride + 1


def test_values_are_carried_over_by_the_time_they_are_known() -> None:
    """Hand-computed: frames of 10 ms that end at 30, 40, ... and of 80 ms that end at 70, 150 in each stream."""
    target = Track("micro", np.zeros((26, 1)), np.array([0, 13, 26]), 160, 480)
    source = Track("speech_embedding", np.zeros((4, 1)), np.array([0, 2, 4]), 1280, 1120)
    laid = onto(np.array([1.0, 2.0, np.nan, 4.0], np.float32), source, target)
    nothing = [np.nan] * 4
    np.testing.assert_array_equal(laid[:13], [*nothing, *[1.0] * 8, 2.0])
    np.testing.assert_array_equal(laid[13:], [*nothing, *[np.nan] * 8, 4.0])
    empty = Track("speech_embedding", np.zeros((2, 1)), np.array([0, 0, 2]), 1280, 1120)
    assert np.isnan(onto(np.array([1.0, 2.0], np.float32), empty, target)[:13]).all()


def test_statistics_are_those_of_the_decoded_frames(toy: Any) -> None:
    track = toy.store().tracks["speech_embedding"]
    scale = teach.statistics(track)
    frames = track.frames.astype(np.float32)
    np.testing.assert_allclose(scale.mean, frames.mean(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(scale.std, frames.std(axis=0), rtol=1e-4)


def test_soft_labels_are_the_teachers_answers_made_softer(toy: Any) -> None:
    teacher, store = toy.model().eval(), toy.store()
    plain = teach.soft_labels(teacher, store, "speech_embedding", 1.0)
    raw = per_frame(teacher, store.tracks["speech_embedding"], score_track(teacher, store.tracks["speech_embedding"]))
    np.testing.assert_allclose(plain, raw, atol=1e-5)
    soft = teach.soft_labels(teacher, store, "speech_embedding", 3.0)
    known = ~np.isnan(raw)
    odds = np.log(raw[known] / (1 - raw[known]))
    np.testing.assert_allclose(soft[known], 1 / (1 + np.exp(-odds / 3.0)), atol=1e-5)
    other = teach.soft_labels(teacher, store, "micro", 1.0)
    assert len(other) == store.tracks["micro"].starts[-1]
    # the teacher has heard 2 s before its first answer: no frame of a stream's first two seconds is taught
    first = store.tracks["speech_embedding"].first_end + 15 * 1280
    ends = store.tracks["micro"].ends()
    np.testing.assert_array_equal(np.isnan(other), ends < first)


def test_moments_are_those_of_all_frames_however_far_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.random.default_rng(0).normal(-200.0, [0.5, 3.0, 0.0], (5000, 3)).astype(np.float16)
    track = Track("mfcc-30ms-10ms-40bands-125to7500hz-first4", frames, np.array([0, 5000]), 160, 480)
    monkeypatch.setattr(teach, "AT_ONCE", 333)
    found = teach.moments(track)
    np.testing.assert_allclose(found.mean, frames.astype(np.float64).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.std, frames.astype(np.float64).std(axis=0), rtol=1e-6)
    assert (found.mean.dtype, found.std.dtype) == (np.float32, np.float32)
    none = teach.moments(Track("mel", frames[:0], np.array([0]), 160, 480))
    np.testing.assert_array_equal(none.std, 0)
