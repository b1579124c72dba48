"""Quantization-aware training: from a given step on the model learns with the roundings of its int8 file."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from torch import nn

from wakewright.core.errors import RecipeError
from wakewright.core.recipe import Recipe
from wakewright.models import quantised, registry

FROZEN_SHARE = 0.2
"""Last part of the rounding steps in which normalisation and ranges stand still: they are what the file will hold."""


@dataclasses.dataclass(frozen=True)
class Rounding:
    """The steps (0-based) from which a training rounds, and from which what it rounds to is settled."""

    start: int
    settled: int

    @classmethod
    def of(cls, recipe: Recipe) -> Rounding | None:
        """As the recipe asks; None where it asks for none.

        Raises RecipeError when training ends before it begins, or for a model that has no int8 form.
        """
        if recipe.qat is None:
            return None
        if recipe.model.frontend is not None:
            raise RecipeError(
                "qat: int8 is for devices, which hear through the micro front end alone",
                got=f"model.frontend.kind={recipe.model.frontend.kind}",
                do="set qat=null, or leave model.frontend out",
            )
        if registry.frontend_of(recipe.model) != "micro":
            raise RecipeError(
                f"qat: {recipe.model.name} has no int8 form",
                got="a head on the speech embedding",
                do="leave qat out, or choose a tiny model: --for esp32",
            )
        steps = recipe.train.steps
        start = steps // 2
        if recipe.qat.start_epoch is not None:
            start = recipe.qat.start_epoch * recipe.steps_per_epoch
        if start >= steps:
            epochs = steps / recipe.steps_per_epoch
            raise RecipeError(
                "qat.start_epoch: training ends before it",
                got=f"{recipe.qat.start_epoch}, of {epochs:.1f} epochs",
                do="begin earlier, or set qat.start_epoch=null to begin half way",
            )
        return cls(start, start + math.ceil((steps - start) * (1 - FROZEN_SHARE)))

    def apply(self, step: int, model: Any, average: Any) -> None:
        """Put the model, in training mode, and its average into the state that this step is learnt in."""
        if step < self.start:
            return
        if not quantised.is_prepared(model):
            quantised.prepare(model)
            quantised.prepare(average)
        settled = step >= self.settled
        quantised.set_rounding(model, rounds=True, watches=not settled)
        quantised.set_rounding(average, rounds=True, watches=False)
        if settled:
            for layer in model.modules():
                if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                    layer.eval()
