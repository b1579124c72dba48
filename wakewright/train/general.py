"""What a tiny model learns once, for any phrase: to give what the speech embedding gives."""

from __future__ import annotations

from pathlib import Path

import torch

from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Pretrain, Recipe
from wakewright.data.batches import Geometry, Sampler
from wakewright.data.store import Store
from wakewright.models import backbone, registry
from wakewright.models.backbone import Backbone
from wakewright.train import teach
from wakewright.train.phonetic import Phonetic

STEPS = 8
"""Outputs per window, as in the training of a phrase."""


def learn(
    recipe: Recipe,
    settings: Pretrain,
    clips: Manifest,
    heard: Store,
    unheard: Store,
    path: Path,
    progress: Progress,
) -> tuple[Backbone, dict[str, float]]:
    """Train the body of the recipe's model on `heard`, streams of `clips`; progress is kept at `path`.

    Returns it, and how like the embedding it is on `unheard` (see teach.likeness). Raises TrainingDiverged, DiskFull.
    """
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    model = registry.create(registry.Dimensions.of(recipe.model))
    geometry = Geometry(model.receptive_field, model.stride, STEPS)
    sampler = Sampler(heard, clips, model.frontend, geometry, recipe.train, recipe.augment, seed=recipe.seed)
    imitation = teach.Imitation.of(sampler, heard)
    sampler = sampler.drawing(recipe.train)  # whoever learns to hear hears all levels of background from the start
    phonetic = Phonetic.of(settings, recipe, model, heard, clips)
    with progress.stage("imitate", settings.steps, "steps") as bar:
        teach.pretrain(
            model,
            imitation,
            sampler,
            settings.steps,
            settings.lr,
            seed=recipe.seed,
            path=path,
            bar=bar,
            phonetic=phonetic,
        )
    likeness = teach.likeness(model.eval(), imitation, unheard)
    return Backbone(model.dims, backbone.body(model), imitation.scale, {}), likeness
