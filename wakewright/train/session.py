"""One training: the model, its teacher and its validation, put together from a recipe and stored features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Distill, Policy, Pretrain, Recipe
from wakewright.core.run import Run
from wakewright.data.batches import Batch, Geometry, Sampler
from wakewright.data.store import Store
from wakewright.models import backbone, registry
from wakewright.models.backbone import Backbone
from wakewright.train import loop, objectives, start, teach
from wakewright.train.phonetic import Phonetic
from wakewright.train.qat import Rounding
from wakewright.train.validation import validate

PHRASE_SHARE = 0.06
"""Share of a batch of pretraining that holds the phrase: there it is speech that is learnt, most of it real."""
TEACHER_STEPS = 2000
"""Steps for a teacher's head, which learns in seconds; never more than the model itself gets."""


@dataclasses.dataclass
class Session:
    """Everything a training needs."""

    run: Run
    manifest: Manifest
    """Clips of the training part."""
    store: Store
    """Features of the training part."""
    words: Store
    """Features of the phrase, validation part."""
    others: Store
    """Features of everything else, validation part."""
    progress: Progress
    steps_per_window: Mapping[str, int]
    left_out: frozenset[int] = frozenset()
    """Clips of the training part, by their place, that are not learnt from."""
    doubt: Callable[[], None] = lambda: None
    """Called when the model is perfect at its very first validation."""

    @property
    def recipe(self) -> Recipe:
        """The run's recipe."""
        return self.run.recipe

    def fit(self) -> Any:
        """Pretrain, teach and train as the recipe says; returns the best model."""
        recipe, distill = self.recipe, self.recipe.train.distill
        smoothing = recipe.train.label_smoothing
        if distill is None:
            return self._fit("model", recipe, objectives.cross_entropy(smoothing))
        soft = np.mean([self._taught(number, distill) for number in range(len(distill.teachers))], axis=0)
        return self._fit("model", recipe, objectives.distilled(1 - distill.weight, soft, smoothing))

    def _taught(self, number: int, distill: Distill) -> NDArray[np.float32]:
        """The soft labels of one teacher: a head on the speech embedding, trained on the same clips."""
        recipe, name = self.recipe, "teacher" if number == 0 else f"teacher-{number + 1}"
        steps = min(TEACHER_STEPS, recipe.train.steps)
        plain = recipe.train.model_copy(
            update={
                "steps": steps,
                "validate_every": max(1, steps // 4),
                "distill": None,
                "pretrain": None,
                "start": None,
                "lr": 1e-3,
            }
        )
        taught = recipe.model_copy(
            update={
                "seed": recipe.seed + number,
                "train": plain,
                "model": recipe.model.model_copy(
                    update={"name": distill.teachers[number].kind, "width": 1.0, "frontend": None}
                ),
                "policy": Policy(),  # its steps are 80 ms: the smoothing is counted in them
            }
        )
        teacher = self._fit(name, taught, objectives.cross_entropy(plain.label_smoothing))
        registry.save(self.run.folder / f"{name}.pt", teacher)
        frontend = registry.frontend_of(recipe.model)
        return teach.soft_labels(teacher, self.store, frontend, distill.temperature)

    def _sampler(self, recipe: Recipe, model: Any) -> Sampler:
        geometry = Geometry(model.receptive_field, model.stride, self.steps_per_window[recipe.model.name])
        return Sampler(
            self.store,
            self.manifest,
            model.frontend,
            geometry,
            recipe.train,
            recipe.augment,
            seed=recipe.seed,
            own_share=recipe.own_weight,
            left_out=self.left_out,
        )

    def _fit(self, name: str, recipe: Recipe, objective: objectives.Objective) -> Any:
        torch.set_num_threads(1)
        torch.manual_seed(recipe.seed)
        dims = registry.Dimensions.of(recipe.model)
        own = recipe.model.frontend
        model = teach.beginner(dims, self.store, recipe.train, cmvn=own is not None and own.cmvn)
        if recipe.train.start is not None:
            start.begin(model, self.run)
        sampler = self._sampler(recipe, model)
        folder = self.run.checkpoints_dir / name
        beside, body = self._pretrained(model, sampler, recipe)
        with self.progress.stage(f"train {name}", recipe.train.steps, "steps") as bar:
            return loop.fit(
                model,
                sampler,
                objective,
                recipe.train,
                seed=recipe.seed,
                folder=folder,
                bar=bar,
                validate=self._validate(name, recipe),
                log=lambda **values: self.run.log(stage=name, **values),
                rewind=lambda step: self.run.rewind_metrics(step, stage=name),
                beside=beside,
                rounding=Rounding.of(recipe) if name == "model" else None,
                body=body,
            )

    def _validate(self, name: str, recipe: Recipe) -> loop.Validate:
        """Validation, which doubts a model that is perfect at its first one."""
        fresh = name == "model" and recipe.train.start is None
        fresh = fresh and not any(line.get("stage") == name and "val_frr" in line for line in self.run.metrics())

        def check(candidate: Any) -> tuple[loop.Quality, dict[str, float]]:
            nonlocal fresh
            quality, figures = validate(candidate, recipe, self.words, self.others)
            if fresh and figures["val_words"] and quality == loop.Quality(0.0, 0.0):
                self.doubt()
            fresh = False
            return quality, figures

        return check

    def _pretrained(
        self, model: Any, sampler: Sampler, recipe: Recipe
    ) -> tuple[Callable[[torch.Tensor, Batch], torch.Tensor] | None, loop.Body]:
        """Give the model, in place, what it knows before the phrase.

        Returns what it goes on imitating with, if it does, and how its body is held to what it brought.
        """
        settings = recipe.train.pretrain
        if settings is None or model.frontend == "speech_embedding":
            return None, loop.Body()
        known = recipe.train.start is not None  # it can hear, and has the phrase already
        before = self._backbone(model, settings, begin=not known)
        imitation = teach.Imitation.of(sampler, self.store, before.scale if before else None)
        if not known:
            self._imitate(model, sampler, imitation, settings, settings.steps if before is None else settings.refine)
        body = loop.Body() if before is None else loop.Body(0 if known else settings.freeze, settings.body_lr)
        if not settings.keep:
            return None, body
        return lambda features, batch: settings.keep * imitation(features, batch), body

    def _backbone(self, model: Any, settings: Pretrain, *, begin: bool) -> Backbone | None:
        """The backbone that the recipe asks for; None for a start from nothing.

        To `begin` puts its weights into the model; else those of an earlier run are there, which began with it.
        """
        found = backbone.find(settings.backbone, model.dims)
        if found is None:
            if settings.backbone is not None and begin:
                through = f" through {model.frontend}" if model.dims.frontend else ""
                self.progress.say(
                    f"no backbone ships for {model.dims.name} of width {model.dims.width:g}{through}: "
                    f"it learns to hear on this run's own streams first, {settings.steps:,} steps"
                )
            return None
        name = f"{found.dims.name}-{found.dims.width:g}"
        if begin:
            found.begin(model)
            self.progress.say(f"begins from the backbone {name}: it can hear, and has the phrase to learn")
            if settings.phonemes is not None and not settings.refine:
                self.progress.say(
                    "! train.pretrain.phonemes does nothing here: they are told while it learns to hear, and it can; "
                    "set train.pretrain.refine to steps, or train.pretrain.backbone=null"
                )
        self.run.note(backbone={"name": name, **found.about})
        return found

    def _imitate(
        self, model: Any, sampler: Sampler, imitation: teach.Imitation, settings: Pretrain, steps: int
    ) -> None:
        general = sampler.drawing(self.recipe.train.model_copy(update={"positive_share": PHRASE_SHARE}))
        path = self.run.checkpoints_dir / "pretrain.pt"
        known = any(line.get("stage") == "pretrain" for line in self.run.metrics())
        if steps:
            known = known and path.is_file()
            with self.progress.stage("pretrain", steps, "steps") as bar:
                teach.pretrain(
                    model,
                    imitation,
                    general,
                    steps,
                    settings.lr,
                    seed=self.recipe.seed,
                    path=path,
                    bar=bar,
                    phonetic=Phonetic.of(settings, self.recipe, model, self.store, self.manifest),
                )
        if not known:
            self.run.rewind_metrics(0, stage="pretrain")
            self.run.log(stage="pretrain", step=steps, **teach.likeness(model.eval(), imitation, self.others))
