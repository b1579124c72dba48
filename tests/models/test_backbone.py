"""A backbone's file: what is written comes back, and what cannot be used is refused with what, got and do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from wakewright.core.compose import load_recipe
from wakewright.core.errors import RunError
from wakewright.models import backbone, registry
from wakewright.models.backbone import Backbone, Scale

DIMS = registry.Dimensions("mixednet", 0.25)
SCALE = Scale(np.arange(96, dtype=np.float32), np.ones(96, np.float32))


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Backbone]:
    torch.manual_seed(1)
    begin = Backbone(DIMS, backbone.body(registry.create(DIMS)), SCALE, {"people": 3, "note": "größer"})
    path = tmp_path / backbone.file_name(DIMS)
    backbone.write(path, begin)
    return path, begin


def test_what_is_written_comes_back(written: tuple[Path, Backbone]) -> None:
    path, begin = written
    assert path.name == "mixednet-0.25.safetensors"
    found = backbone.read(path)
    assert (found.dims, found.about) == (begin.dims, begin.about)
    np.testing.assert_array_equal(found.scale.mean, SCALE.mean)
    np.testing.assert_array_equal(found.scale.std, SCALE.std)
    assert found.weights.keys() == begin.weights.keys()
    assert all(torch.equal(found.weights[name], begin.weights[name]) for name in begin.weights)


def test_a_model_takes_its_body_and_keeps_its_head(written: tuple[Path, Backbone]) -> None:
    torch.manual_seed(2)
    model = registry.create(DIMS).eval()
    head = {name: value.clone() for name, value in model.head.state_dict().items()}
    backbone.read(written[0]).begin(model)
    assert all(torch.equal(value, head[name]) for name, value in model.head.state_dict().items())
    torch.manual_seed(1)
    first = registry.create(DIMS).eval()
    frames = torch.rand(2, model.receptive_field + 9, 40) * 26
    assert torch.equal(model.features(frames)[0], first.features(frames)[0])


def test_one_that_learnt_through_another_front_end_is_refused(written: tuple[Path, Backbone]) -> None:
    through = "mel-30ms-10ms-40bands-125to7500hz"
    with pytest.raises(
        RunError, match=rf"another front end\n  got: micro, where the model hears through {through}\n"
    ):
        backbone.read(written[0]).begin(registry.create(registry.Dimensions("mixednet", 0.25, frontend=through)))
    assert backbone.find("shipped", registry.Dimensions("mixednet", 1.0)) is not None
    assert backbone.find("shipped", registry.Dimensions("mixednet", 1.0, frontend=through)) is None


@pytest.mark.parametrize("other", [registry.Dimensions("mixednet"), registry.Dimensions("tc_resnet", 0.25)])
def test_another_model_is_refused(written: tuple[Path, Backbone], other: registry.Dimensions) -> None:
    model = registry.create(other)
    before = backbone.body(model)
    with pytest.raises(RunError, match=r"another model\n  got: one for mixednet of width 0.25\n  do:"):
        backbone.read(written[0]).begin(model)
    after = backbone.body(model)
    assert all(torch.equal(before[name], after[name]) for name in before), "nothing is half changed"


def test_files_that_are_none_are_refused(written: tuple[Path, Backbone], tmp_path: Path) -> None:
    path, _ = written
    broken, foreign = tmp_path / "broken.safetensors", tmp_path / "foreign.safetensors"
    broken.write_bytes(path.read_bytes()[:1000])
    save_file({"weight": torch.zeros(2)}, foreign)
    for wrong in (broken, foreign):
        with pytest.raises(RunError, match="is not a backbone"):
            backbone.read(wrong)
    for absent in (tmp_path / "nowhere.safetensors", tmp_path):
        with pytest.raises(RunError, match="no backbone at"):
            backbone.read(absent)


def test_a_newer_format_is_refused(written: tuple[Path, Backbone], tmp_path: Path) -> None:
    newer = tmp_path / "newer.safetensors"
    header = {"format": 2, "dims": {"name": "mixednet", "width": 1.0}, "about": {}}
    save_file(load_file(written[0]), newer, {"wakewright": json.dumps(header)})
    with pytest.raises(RunError, match="a newer wakewright"):
        backbone.read(newer)


@pytest.mark.parametrize("target", ["esp32", "esp32-s3", "rp2040"])
def test_every_device_preset_begins_from_a_backbone_that_ships(target: str) -> None:
    recipe = load_recipe(phrase="hey katya", layers=[target])
    assert recipe.train.pretrain is not None
    assert recipe.train.pretrain.backbone == "shipped"
    dims = registry.Dimensions.of(recipe.model)
    found = backbone.shipped(dims)
    assert found is not None
    found.begin(registry.create(dims))
    assert found.about["r2"] > 0.25, "it hears people it never heard much as the speech embedding does"
    assert (backbone.SHIPPED / backbone.file_name(dims)).stat().st_size < 1_000_000
    assert (
        f"R2 {found.about['r2']:.3f}" in (backbone.SHIPPED / backbone.file_name(dims)).with_suffix(".md").read_text()
    )
