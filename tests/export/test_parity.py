"""The proof finds what is not the same."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wakewright.core.errors import WakewrightError
from wakewright.dsp.micro import dequantise
from wakewright.export import parity, tflite
from wakewright.export.file_model import FileModel
from wakewright.export.micro_interpreter import is_installed


def test_a_model_is_proven_and_leaves_what_a_device_can_replay(model: Any, heard: Any, tmp_path: Path) -> None:
    file, frames = tflite.convert(model), heard(model.receptive_field + 151 * model.stride + 1)
    found = parity.prove(model, file, frames)
    assert found.steps == len(frames) // model.stride
    assert found.windowed > 100
    assert found.rounded_torch <= parity.ACCEPTED
    assert 0 <= found.rounded_torch_differs < 0.6
    assert found.tflite_micro == (found.steps if is_installed() else None)
    features, scores, about = parity.write_golden(tmp_path, file, frames, model.stride, found)
    assert json.loads(about.read_text()) == dataclasses.asdict(found)
    again = parity.streamed(file, np.load(features), model.stride)
    np.testing.assert_array_equal(np.load(scores), again)
    assert (np.load(features).dtype, np.load(scores).dtype) == (np.int8, np.uint8)


def test_a_file_of_other_weights_is_refused(model: Any, heard: Any) -> None:
    file, frames = tflite.convert(model), heard(model.receptive_field + 100 * model.stride)
    layer = model.head.temporal.conv
    layer.weight.data[:, :, -4:] *= -1
    try:
        with pytest.raises(WakewrightError, match=r"something else in the windowed file\n  got: \d+ where LiteRT's"):
            parity.prove(model, file, frames)
    finally:
        layer.weight.data[:, :, -4:] *= -1
    parity.prove(model, file, frames)


def test_a_difference_from_torch_is_measured_in_logits_and_refused_past_one_step(
    model: Any, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = heard(model.receptive_field + 60 * model.stride)
    file = tflite.convert(model)
    scores = parity.streamed(file, frames[: len(frames) // model.stride * model.stride], model.stride)
    bias = model.last.conv.bias
    before = bias.data.clone()
    bias.data += 1.0
    try:
        far, share, where = parity._apart(model, scores, frames[: len(scores) * model.stride])
        assert far == pytest.approx(1.0, abs=0.2)
        assert share > 0.5
        assert 0 <= where < len(scores)
        monkeypatch.setattr(parity, "_same", lambda *_: None)
        with pytest.raises(
            WakewrightError, match=r"trained model gives\n  got: a logit that differs by [01]\.\d+, where"
        ):
            parity.prove(model, file, frames)
    finally:
        bias.data = before


def test_a_file_stands_in_for_its_model(model: Any, heard: Any) -> None:
    import torch

    filed = FileModel(tflite.convert(model), model)
    frames = torch.from_numpy(dequantise(heard(model.receptive_field + 30 * model.stride)))[None]
    with torch.no_grad():
        expected, _ = model(frames)
    logits, _ = filed(frames)
    assert logits.shape == expected.shape == (1, 31)
    np.testing.assert_allclose(torch.sigmoid(logits), torch.sigmoid(expected), atol=0.025)


def test_scores_that_no_logit_gives_are_told_to_be_far_off(model: Any, heard: Any) -> None:
    frames = heard(40 * model.stride)
    scale, _ = model.last.out.scale_and_zero()
    bytes_of_steps = 256 / (1 + np.exp(-np.arange(-300, 300) * scale * 8))
    between = int(next(b for b in range(256) if np.abs(bytes_of_steps - b).min() > 2))
    model.last.out.constants = (scale * 8, 0)  # steps so coarse that most bytes lie between two
    try:
        far, _, _ = parity._apart(model, np.full(40, between, np.uint8), frames)
    finally:
        model.last.out.constants = None
    assert far > 200 * scale
