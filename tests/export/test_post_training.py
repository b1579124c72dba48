"""int8 of a model that was trained in float32: ranges from streams, a threshold through the file itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wakewright.core.compose import load_recipe
from wakewright.core.errors import InputError
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.data.store import LOCATED, Store, Track
from wakewright.export import parity, post_training, tflite
from wakewright.models import quantised, registry


def heard_store(frames: np.ndarray, streams: int) -> Store:
    starts = np.arange(streams + 1, dtype=np.int64) * (len(frames) // max(streams, 1))
    return Store({"micro": Track("micro", frames, starts, 160, 480)}, np.zeros(0, LOCATED), 1.0)


def test_ranges_are_those_of_what_was_heard(heard: Any) -> None:
    torch.manual_seed(0)
    model = registry.create(registry.Dimensions("mixednet", 0.25)).eval()
    frames = heard(3000)
    before = torch.rand(1, model.receptive_field, 40) * 20
    with torch.no_grad():
        plain, _ = model(before)
        post_training.watch(model, heard_store(frames, 4))
        rounded, _ = model(before)
    assert quantised.is_prepared(model)
    torch.testing.assert_close(rounded, plain, atol=0.02, rtol=0)
    assert not torch.equal(rounded, plain)
    parity.prove(model, tflite.convert(model), frames[:900])


@pytest.mark.parametrize("frames", [0, 100])
def test_nothing_to_hear_is_said(heard: Any, frames: int) -> None:
    model = registry.create(registry.Dimensions("mixednet", 0.25)).eval()
    with pytest.raises(InputError, match=r"nothing to calibrate int8 on\n  got: 1 streams, none as long"):
        post_training.watch(model, heard_store(heard(max(frames, 1))[:frames], 1))


def test_a_head_on_the_embedding_has_no_int8_form(tmp_path: Path) -> None:
    class Run:
        recipe = Recipe(phrase="hey katya")

        def require(self, name: str) -> Path:
            return tmp_path / name

    registry.save(tmp_path / "model.pt", registry.create(registry.Dimensions("speech_embedding")))
    (tmp_path / "metadata.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"speech_embedding has no int8 form\n  got: a head on the speech embedding"):
        post_training.quantise(Run(), 3, tmp_path, Progress(quiet=True))  # type: ignore[arg-type]


def test_a_model_of_another_front_end_has_no_int8_form(tmp_path: Path) -> None:
    class Run:
        recipe = load_recipe(
            None, ["model.name=mixednet", "model.width=0.25", "model.frontend.kind=mel"], "hey katya"
        )

        def require(self, name: str) -> Path:
            return tmp_path / name

    through = "mel-30ms-10ms-40bands-125to7500hz"
    registry.save(tmp_path / "model.pt", registry.create(registry.Dimensions("mixednet", 0.25, frontend=through)))
    with pytest.raises(InputError, match=rf"no int8 form of a model that hears through another .*\n  got: {through}"):
        post_training.quantise(Run(), 3, tmp_path, Progress(quiet=True))  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
