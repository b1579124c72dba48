"""From a phrase to a measured wake word: the stages in order, each named.

    speak → split → hear (features) → teach → fit → export → calibrate → measure → report

Every stage leaves plain files in the run folder and is skipped when what it reads has not changed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from wakewright import __version__
from wakewright.core.files import fingerprint, write_json
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.data import adviser, spoken, store
from wakewright.data import parts as scenes
from wakewright.data.parts import Parts, Scene
from wakewright.detect.detector import METADATA_FORMAT
from wakewright.evaluate import measure
from wakewright.evaluate.result import Result
from wakewright.export import onnx
from wakewright.models import registry
from wakewright.train.session import Session

STEPS_PER_WINDOW = {"speech_embedding": 4, "mixednet": 8, "tc_resnet": 6}
"""Outputs each training window gives: neighbours share most of the work."""


def train(
    recipe: Recipe, *, output_dir: Path | str = "runs", resume: Run | None = None, progress: Progress | None = None
) -> Run:
    """Carry out a recipe, or go on with the run that `resume` names, and return the finished run.

    What cannot be used is refused before anything is spoken or stored. Raises what its stages raise: PhraseError,
    NoVoice, AudioError, RecipeError, TrainingDiverged, DiskFull, RunError.
    """
    progress = progress or Progress()
    recipe = resume.recipe if resume else recipe
    advice = adviser.render(adviser.advise(recipe))
    for line in advice:
        progress.say(line)
    found = spoken.gather(recipe)
    run = resume or Run.create(recipe, output_dir)
    with run.working():
        progress.say(f"run {run.folder}")
        run.note(advice=advice)
        parts = _parts(run, found, progress)
        model = _trained(run, parts, progress)
        _export(run, model)
        _measure(run, parts, progress)
        shutil.rmtree(run.folder / "features", ignore_errors=True)
    return run


def evaluate_run(run: Run, speech: Path | str, *, progress: Progress | None = None) -> Result:
    """Measure a finished run on the recordings in `speech`; its report is written anew.

    Raises RunError, InputError, AudioError.
    """
    with run.held():
        return measure.evaluate_run(run, speech, progress or Progress())


def _parts(run: Run, found: Manifest, progress: Progress) -> Parts:
    """What was found and what is spoken, split by speaker; written as manifest-*.jsonl."""
    parts = scenes.split(found + spoken.speak(run.recipe, progress), run.recipe)
    for name, manifest in parts.items():
        manifest.write(run.folder / f"manifest-{name}.jsonl")
    return parts


def _features(run: Run, name: str, what: Scene, fronts: tuple[str, ...], progress: Progress) -> store.Store:
    with progress.stage(f"hear {name}", len(what.plans), "streams") as bar:
        return store.build(
            run.folder / "features" / name,
            what.plans,
            what.surroundings,
            fronts,
            workers=run.recipe.engine.workers,
            bar=bar,
        )


def _trained(run: Run, parts: Parts, progress: Progress) -> Any:
    """The trained model, stored as model.pt. Features, teacher and pretraining are made on the way."""
    recipe = run.recipe
    key = fingerprint(recipe.model_dump(), {n: m.fingerprint() for n, m in parts.items()}, __version__)
    if run.stage_done("fit", key) and run.model_path.is_file():
        return registry.load(run.model_path)
    fronts = {registry.frontend_of(recipe.model.name)}
    if recipe.train.pretrain or recipe.train.distill:
        fronts.add("speech_embedding")
    listed = tuple(sorted(fronts))
    what = scenes.training_scene(parts, recipe)
    session = Session(
        run,
        what.manifest,
        _features(run, "train", what, listed, progress),
        _features(run, "words", scenes.word_scene(parts, "validation", recipe, hard=True), listed, progress),
        _features(run, "others", scenes.other_scene(parts, "validation", recipe), listed, progress),
        progress,
        STEPS_PER_WINDOW,
    )
    model = session.fit()
    registry.save(run.model_path, model)
    write_json(run.history_path, run.metrics())
    run.finish_stage("fit", key)
    return model


def _export(run: Run, model: Any) -> None:
    """model.onnx, checked against torch, and metadata.json with a threshold yet to be calibrated."""
    difference = onnx.write(model, run.onnx_path)
    recipe = run.recipe
    write_json(
        run.metadata_path,
        {
            "format": METADATA_FORMAT,
            "wake_word": run.folder.parent.name.replace("-", "_"),
            "original_wake_word": recipe.phrase,
            "language": recipe.language,
            "threshold": recipe.policy.threshold if recipe.policy.threshold is not None else 0.5,
            "model_type": recipe.model.name,
            "frontend": model.frontend,
            "stride": model.stride,
            "parameters": registry.parameters(model),
            "policy": recipe.policy.model_dump(),
            "training_config": recipe.train.model_dump(),
            "metrics": {},
            "onnx_difference": difference,
            "version": __version__,
            "framework": "pytorch",
        },
    )


def _measure(run: Run, parts: Parts, progress: Progress) -> None:
    """Calibrate on validation audio, measure on test audio, write the report."""
    measure.after_training(run, parts, progress)
