"""Exported detectors of both front ends, with random weights: how they are trained does not matter here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from wakewright import pipeline
from wakewright.core.recipe import Model, ModelName, Recipe
from wakewright.core.run import Run
from wakewright.models import registry

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
