"""From a phrase to a measured wake word: the stages in order, each named.

    speak → split → hear (features) → guard → teach → fit → export → calibrate → measure → report

Every stage leaves plain files in the run folder and is skipped when what it reads has not changed.
"""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

from wakewright import __version__
from wakewright.core.audio import SAMPLE_RATE
from wakewright.core.files import fingerprint, write_json
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.core.taught import taught
from wakewright.data import adviser, copies, dataset, hard, leaks, parted, splits, spoken, store
from wakewright.data import parts as scenes
from wakewright.data.parts import Scene
from wakewright.data.splits import Parts
from wakewright.detect import metadata
from wakewright.dsp import frontend
from wakewright.evaluate import measure
from wakewright.evaluate.result import Result
from wakewright.export import budget, onnx, tflite
from wakewright.export.file_model import FileModel
from wakewright.models import backbone, quantised, registry
from wakewright.train import phonetic, screen, start
from wakewright.train.qat import Rounding
from wakewright.train.session import Session
from wakewright.train.validation import validate

STEPS_PER_WINDOW = dict.fromkeys(registry.TRUNKS, 8) | {"speech_embedding": 4, "tc_resnet": 6}
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
    for line in (*advice, spoken.more_voices(recipe)):
        if line:
            progress.say(line)
    Rounding.of(recipe)  # refused before anything is spoken, as are a front end that hears nothing and a backbone
    if recipe.model.frontend is not None:
        frontend.create(registry.frontend_of(recipe.model))
    if recipe.train.pretrain is not None and resume is None:  # a finished run needs it no more
        backbone.find(recipe.train.pretrain.backbone, registry.Dimensions.of(recipe.model))
    if resume is None:
        start.find(recipe)
    for line in _past_targets(recipe):
        progress.say(f"! {line}")
    brought, mistakes = dataset.clips(recipe), hard.hard_negatives(recipe)
    found = dataset.joined(spoken.gather(recipe), brought)
    run = resume or Run.create(recipe, output_dir)
    with run.working():
        progress.say(f"run {run.folder}")
        run.note(advice=advice)
        start.keep(run)
        parts = _parts(run, found, {clip.source for clip in brought}, mistakes, progress)
        phonetic.refuse_mute(recipe.train.pretrain, parts["train"])
        alone = spoken.only_engine(parts["train"])
        if alone is not None:
            progress.say(f"! {measure.ONE_ENGINE.format(alone)}")
        heard_s = registry.looked_at_s(registry.example(registry.Dimensions.of(recipe.model)))
        if (long := spoken.too_long(parts["train"], heard_s)) is not None:
            progress.say(f"! {long}")
        _begin_anew_if_changed(run, parts, progress)
        suspects = _guarded(run, parts, progress)
        model = _trained(run, parts, suspects, progress)
        if run.stage_done("measure", _key(run, parts)) and run.report_path.is_file():
            progress.say("the run is complete: nothing was left to do")  # a later evaluation's report stays
        else:
            _export(run, model)
            measure.after_training(run, scenes.without(parts, suspects), progress)
            run.finish_stage("measure", _key(run, parts))
        shutil.rmtree(run.folder / "features", ignore_errors=True)
    return run


def evaluate_run(run: Run, speech: Path | str, *, progress: Progress | None = None) -> Result:
    """Measure a finished run on the recordings in `speech`; its report is written anew.

    Raises RunError, InputError, AudioError.
    """
    with run.held():
        return measure.evaluate_run(run, speech, progress or Progress())


def _past_targets(recipe: Recipe) -> list[str]:
    """What of the recipe's targets its model will not keep."""
    if recipe.targets is None:
        return []
    needs = budget.of_recipe(recipe)
    if needs is None:
        through = f" through {recipe.model.frontend.kind}" if recipe.model.frontend else ""
        return [f"targets are for microcontrollers: {recipe.model.name}{through} is not held to them"]
    return [f"{line}; export will refuse it (see: wakewright budget)" for line in needs.past(recipe.targets)]


def _parts(run: Run, found: Manifest, datasets: set[str], mistakes: Manifest, progress: Progress) -> Parts:
    """What was found and what is spoken, split by speaker and recording; written as manifest-*.jsonl.

    Whoever an earlier run put into a part is in that part again. Mistakes of an earlier run are learnt
    from and nothing else. Raises RecipeError for one from a file that is kept
    for validation or the test, and for whatever else would be learnt from and measured on.
    """
    learnt = taught(run)
    same = copies.find(found + learnt, progress, workers=run.recipe.engine.workers)
    leaks.refuse(leaks.find(splits.given(found), same))  # before anything is spoken
    clips = found + spoken.speak(run.recipe, progress)
    with parted.settling():
        parts = splits.split(clips, run.recipe, same, datasets, parted.earlier(run, datasets))
        leaks.refuse(leaks.find(parts, same))
        leaks.refuse_taught(parts, learnt, str(run.recipe.train.start), same)
        hard.refuse_held_out(mistakes, [clip.path for part in ("validation", "test") for clip in parts[part]])
        parted.settle(run, datasets, parts)
    for line in splits.told(parts):
        progress.say(line)
    parts["train"] += mistakes
    for name, manifest in parts.items():
        manifest.write(run.folder / f"manifest-{name}.jsonl")
    return parts


def _begin_anew_if_changed(run: Run, parts: Parts, progress: Progress) -> None:
    """Drop the checkpoints of a resumed run whose clips are not those it began with: they learnt from others.

    Clips change with the voices installed, the files in the recipe's folders and the version of wakewright.
    """
    key = _key(run, parts)
    before = run.stages().get("split", {}).get("fingerprint", key)
    if before != key:
        progress.say(
            "the clips, or wakewright, are not those this run began with: training starts from the beginning"
        )
        shutil.rmtree(run.checkpoints_dir, ignore_errors=True)
    run.finish_stage("split", key)


def _features(run: Run, name: str, what: Scene, fronts: tuple[str, ...], progress: Progress) -> store.Store:
    kept = run.recipe.engine.features
    with progress.stage(f"hear {name}", len(what.plans), "streams") as bar:
        return store.build(
            run.folder / "features" / name if kept is None else Path(kept).expanduser(),
            what.plans,
            what.surroundings,
            fronts,
            workers=run.workers(),
            bar=bar,
            shared=kept is not None,
        )


def _key(run: Run, parts: Parts) -> str:
    """Changes with everything that the stages after the split depend on; who does the work is none of that."""
    recipe = run.recipe.model_dump(exclude={"engine"})
    return fingerprint(recipe, {n: m.fingerprint() for n, m in parts.items()}, __version__)


def _fronts(recipe: Recipe, parts: Parts) -> tuple[str, ...]:
    """The front ends a training needs: the model's, and the embedding for whatever is taught or guarded by it."""
    fronts = {registry.frontend_of(recipe.model)}
    if recipe.train.pretrain or recipe.train.distill or _real_speech(recipe, parts):
        fronts.add("speech_embedding")
    return tuple(sorted(fronts))


def _real_speech(recipe: Recipe, parts: Parts) -> list[Clip]:
    """The background speech that the recipe's guard looks through."""
    if recipe.background.guard is None:
        return []
    return [c for part in ("train", "validation") for c in parts[part] if c.kind == "speech" and c.real]


def _guarded(run: Run, parts: Parts, progress: Progress) -> list[Clip]:
    """Background speech that sounds like the phrase; listed in suspects.json for the user to listen to."""
    path, key = run.suspects_path, _key(run, parts)
    recipe, candidates = run.recipe, _real_speech(run.recipe, parts)
    if not (run.stage_done("guard", key) and path.is_file()):
        found = []
        if candidates:
            what = scenes.training_scene(parts, recipe)
            fronts = _fronts(recipe, parts)
            words = scenes.word_scene(parts, "validation", recipe)
            found = screen.suspects(
                run,
                what.manifest,
                _features(run, "train", what, fronts, progress),
                _features(run, "quiet words", words, ("speech_embedding",), progress),
                candidates,
                progress,
            )
        write_json(path, [{"path": s.clip.path, "score": s.score, "level": s.level} for s in found])
        run.finish_stage("guard", key)
    named = set(run.suspects())
    if named:
        progress.say(f"{len(named)} background clips sound like the phrase and are left out: see {path}")
    return [clip for clip in candidates if clip.path in named]


def _trained(run: Run, parts: Parts, suspects: list[Clip], progress: Progress) -> Any:
    """The trained model, stored as model.pt. Features, teacher and pretraining are made on the way."""
    recipe, key = run.recipe, _key(run, parts)
    if run.stage_done("fit", key) and run.model_path.is_file():
        return registry.load(run.model_path)
    fronts = _fronts(recipe, parts)
    what = scenes.training_scene(parts, recipe)
    kept = scenes.without(parts, suspects)
    gone = {clip.path for clip in suspects}
    session = Session(
        run,
        what.manifest,
        _features(run, "train", what, fronts, progress),
        _features(run, "words", scenes.word_scene(kept, "validation", recipe, hard=True), fronts, progress),
        _features(run, "others", scenes.other_scene(kept, "validation", recipe), fronts, progress),
        progress,
        STEPS_PER_WINDOW,
        frozenset(i for i, clip in enumerate(what.manifest) if clip.path in gone),
        doubt=lambda: _doubted(run, kept, progress),
    )
    model = session.fit()
    registry.save(run.model_path, model)
    if normalised := _normalised(model, recipe):
        write_json(run.cmvn_path, normalised)
    if quantised.is_prepared(model):
        run.rewind_metrics(0, stage="int8")
        run.log(stage="int8", step=recipe.train.steps, **side_by_side(model, recipe, session.words, session.others))
    write_json(run.history_path, run.metrics())
    run.finish_stage("fit", key)
    return model


def _doubted(run: Run, parts: Parts, progress: Progress) -> None:
    """Look for copies of what is validated on among what is learnt from, since nothing was missed so soon.

    Recordings were looked at before; here synthetic clips of the phrase are too. What is found is said and noted in
    the run: a synthesiser under two names cannot be told from two that are much alike, so it is no error.
    """
    words: Parts = {part: parts[part].of("positive") for part in ("train", "validation")}
    progress.say("nothing is missed already: does validation hold copies of what is learnt?")
    same = copies.among(words["train"] + words["validation"], progress, workers=run.recipe.engine.workers)
    found = leaks.find(words, same, synthetic=True)
    run.note(copies_in_validation=len(found))
    progress.say(f"! the figures flatter: {leaks.named(found)}" if found else "no: the phrase is easily told apart")


def side_by_side(model: Any, recipe: Recipe, words: store.Store, others: store.Store) -> dict[str, float]:
    """Share of the validation words missed by the model in float32, with its roundings, and as int8 file.

    Mean of the shares at once, twice and four times the target of false accepts.
    """
    plain = copy.deepcopy(model)
    quantised.set_rounding(plain, rounds=False, watches=False)
    forms = {"float32": plain, "rounded": model, "file": FileModel(tflite.convert(model), model)}
    return {f"{name}_frr": validate(form, recipe, words, others)[0].frr for name, form in forms.items()}


def _normalised(model: Any, recipe: Recipe) -> dict[str, Any]:
    """The mean and deviation of each coefficient that `model` brings to 0 and 1; nothing where it does not.

    They are of the training part; of the earlier run's, where the training began with its weights.
    """
    if recipe.model.frontend is None or not recipe.model.frontend.cmvn:
        return {}
    of = "the run it began with" if recipe.train.start else "the training part"
    return {"frontend": model.frontend, "of": of, "mean": model.mean.tolist(), "std": model.std.tolist()}


def _hears(model: Any, recipe: Recipe) -> dict[str, Any]:
    """The front end as a detector must know it, and, of one with settings, as a reader would; its normalisation is in
    the model."""
    own = recipe.model.frontend
    told: dict[str, Any] = {"frontend": model.frontend}
    if own is None:
        return told
    told |= {"frontend_settings": own.model_dump() | {"sample_rate_hz": SAMPLE_RATE}}
    normalised = _normalised(model, recipe)
    return told | ({"cmvn": {key: normalised[key] for key in ("of", "mean", "std")}} if normalised else {})


def _export(run: Run, model: Any) -> None:
    """model.onnx, checked against torch, and metadata.json with a threshold yet to be calibrated.

    Of a model that learnt with the roundings of int8 also model.tflite, which is then calibrated and measured.
    """
    difference = onnx.write(model, run.onnx_path)
    recipe, shipped = run.recipe, run.onnx_path
    if quantised.is_prepared(model):
        tflite.write(model, run.tflite_path)
        shipped = run.tflite_path
    write_json(
        run.metadata_path,
        {
            "format": metadata.FORMAT,
            "wake_word": run.folder.parent.name.replace("-", "_"),
            "original_wake_word": recipe.phrase,
            "language": recipe.language,
            "threshold": recipe.policy.threshold if recipe.policy.threshold is not None else 0.5,
            "model": shipped.name,
            "model_type": recipe.model.name,
            **_hears(model, recipe),
            "stride": model.stride,
            "looked_at_s": registry.looked_at_s(model),
            "parameters": registry.parameters(model),
            "policy": recipe.policy.model_dump(),
            "training_config": recipe.train.model_dump(),
            "metrics": {},
            "onnx_difference": difference,
            "version": __version__,
            "framework": "pytorch",
        },
    )
