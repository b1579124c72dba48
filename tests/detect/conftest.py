"""Exported detectors of both front ends, with random weights: how they are trained does not matter here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from wakewright import pipeline
from wakewright.core.recipe import Model, ModelName, Recipe
from wakewright.core.run import Run
from wakewright.models import quantised, registry

NAMES: tuple[ModelName, ...] = ("speech_embedding", "mixednet", "tc_resnet")


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Run folder by model name; the threshold in each is 0.5."""
    folders = {}
    for name in NAMES:
        run = Run.create(Recipe(phrase="hey katya", model=Model(name=name)), tmp_path_factory.mktemp(name))
        torch.manual_seed(2)
        model = registry.create(registry.Dimensions(name)).eval()
        with torch.no_grad():
            for parameter in model.last.parameters():
                parameter.mul_(5.0)  # so that the scores move
        pipeline._export(run, model)
        folders[name] = run.folder
    return folders


@pytest.fixture(scope="session")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run whose model rounds; the threshold in it is 0.5."""
    run = Run.create(Recipe(phrase="hey katya", model=Model(name="mixednet")), tmp_path_factory.mktemp("int8"))
    torch.manual_seed(2)
    model = registry.create(registry.Dimensions("mixednet", 0.25))
    heard = torch.rand(8, model.receptive_field + 60, 40) * 15
    with torch.no_grad():
        model.train()(heard)
        for parameter in model.last.parameters():
            parameter.mul_(20.0)
        quantised.prepare(model)
        model.eval()(heard)
    quantised.set_rounding(model, rounds=True, watches=False)
    pipeline._export(run, model)
    return run.folder
