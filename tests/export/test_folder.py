"""`export`: a folder with all a program needs, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wakewright import Detector, pipeline
from wakewright.core.errors import InputError, RunError
from wakewright.core.recipe import Model, Recipe
from wakewright.core.run import Run
from wakewright.export.folder import FORMATS, export_run
from wakewright.models import registry


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = Run.create(Recipe(phrase="hey katya", model=Model(name="mixednet")), tmp_path_factory.mktemp("runs"))
    torch.manual_seed(1)
    pipeline._export(made, registry.create(registry.Dimensions("mixednet")).eval())
    return made


def test_the_folder_holds_a_detector_and_nothing_else(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    files = export_run(run, to="onnx", out=out)
    assert files == [out / "model.onnx", out / "metadata.json"]
    assert sorted(out.iterdir()) == sorted(files)
    for file in files:
        assert file.read_bytes() == (run.folder / file.name).read_bytes()
    sound = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    np.testing.assert_array_equal(Detector.load(out).score(sound), Detector.load(run.folder).score(sound))
    export_run(run, to="onnx", out=out)  # over itself


def test_another_format_is_refused_with_those_there_are(run: Run, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"cannot export to 'tflate'\n  got: --to tflate\n  do:  choose one of: onnx"
    ):
        export_run(run, to="tflate", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert "onnx" in FORMATS


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    unfinished = Run.create(Recipe(phrase="hey katya"), tmp_path)
    with pytest.raises(
        RunError, match=r"has no model.onnx\n  got: status: created\n  do:  finish it: wakewright train"
    ):
        export_run(unfinished, to="onnx", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
