"""The measurement: thresholds from validation audio, figures from test audio, both through the exported detector."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from wakewright.core import record
from wakewright.core.cluster import workers_of
from wakewright.core.compose import commented
from wakewright.core.files import disk_errors, write_json
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.data import parts as scenes
from wakewright.data import splits
from wakewright.data.parts import Scene
from wakewright.data.splits import Parts
from wakewright.data.spoken import only_engine
from wakewright.detect.device_rule import on_device
from wakewright.evaluate import hear, real, real_moments
from wakewright.evaluate.calibrate import Calibration, calibrate
from wakewright.evaluate.metrics import Negatives, Trial
from wakewright.evaluate.moments import Gallery, Wanted, Which, gallery
from wakewright.evaluate.outcomes import (
    Outcomes,
    origins_of_clips,
    origins_of_recordings,
    outcomes,
    write_outcomes,
)
from wakewright.evaluate.report import write_report
from wakewright.evaluate.result import Result, Sample, read_result
from wakewright.evaluate.summarise import (
    backbone_licences,
    confusions,
    int8_forms,
    licences,
    summarise,
    training_history,
)

SNRS_DB = (10.0, 5.0)
"""Levels of the phrase above the background that misses are counted at, besides the usual and the hard ones."""
SAMPLES = 8
"""Clips of each kind laid out to listen to."""
Heard = tuple[list[hear.Heard], Manifest]
"""A scene as it was heard: stream by stream, and the clips in them."""
NO_OWN = (
    "The misses are counted on synthetic voices, most of them robotic: real people may be missed more or less often. "
    "Measure on recordings with: wakewright evaluate RUN --speech DIR."
)
ONE_ENGINE = (
    "{} alone says the phrase. What learns from one synthesiser misses several times as many real people as what "
    "learns from six, a tiny model about half of them. Install others (see: wakewright voices), or add recordings."
)
SAME_VOICES = (
    "There were too few voices to keep some for the measurement: what it heard was said by voices known from "
    "training, so other voices will be missed more often. Install more (see: wakewright voices)."
)


def after_training(run: Run, parts: Parts, progress: Progress) -> Result:
    """Calibrate on the validation part, measure on the test part, and write eval/, report.html, metadata.json."""
    calibration = _calibrate(run, parts, progress)
    threshold = calibration.threshold
    others, spoken, near = (
        _heard_by(run, f"measure {name}", what, progress, Wanted("accepted", threshold))
        for name, what in (
            ("others", scenes.other_scene(parts, "test", run.recipe)),
            ("sentences", scenes.synthetic_scene(parts, "test", run.recipe)),
            ("near misses", scenes.near_scene(parts, "test", run.recipe)),
        )
    )
    real_enough = scenes.enough_real(parts, "test")
    heard = {"real speech, noise and music" if real_enough else "speech, noise and music": others}
    if spoken[0] and real_enough:
        heard["synthetic sentences"] = spoken
    if near[0]:
        heard["synthetic near misses"] = near
    silences = {name: _negatives(sound) for name, sound in heard.items()}
    words, galleries = _words(run, parts, threshold, progress)
    galleries += [_gallery(name, "accepted", heard[name], silences[name].count(threshold)) for name in heard]
    result = summarise(
        words,
        silences,
        threshold,
        phrase=run.recipe.phrase,
        model=run.recipe.model.name,
        calibration=calibration,
        usual=[gallery.name for gallery in galleries if gallery.which == "missed"],
    )
    taken = [trial for one in near[0] for trial in hear.trials_in(one, near[1], "near_miss")]
    found = dataclasses.replace(
        result,
        warnings=(*warnings_of(parts), *_suspects(run), *result.warnings),
        samples=_samples(run, parts),
        confusions=confusions(taken, threshold, note=said_by_whom(parts)),
    )
    origins = {name: origins_of_clips(sound[1]) for name, sound in heard.items()}
    return publish(run, found, galleries, outcomes(words, silences, threshold, origins))


def _words(
    run: Run, parts: Parts, threshold: float, progress: Progress
) -> tuple[dict[str, list[Trial]], list[Gallery]]:
    """Trials of the test part by condition; the first is the headline. Own recordings are counted by themselves.

    Missed words are to be looked at as they are at home.
    """
    found: dict[str, list[Trial]] = {}
    galleries = []
    for who, own in (("held-out voices", False), ("own recordings", True)):
        scene = functools.partial(scenes.word_scene, parts, "test", run.recipe, real=own)
        home = scene()
        if not home.plans:
            continue
        name = f"{who}, as at home"
        words = _heard_by(run, f"measure {name}", home, progress, Wanted("missed", threshold))
        found[name] = _trials(words)
        galleries.append(_missed(name, words, found[name], threshold))
        harder = {f"noise at about {snr:g} dB": scene(snr_db=snr) for snr in SNRS_DB}
        for condition, what in (harder | {"as hard as in training": scene(hard=True)}).items():
            name = f"{who}, {condition}"
            found[name] = _trials(_heard_by(run, f"measure {name}", what, progress))
    return found, galleries


def _missed(name: str, words: Heard, trials: list[Trial], threshold: float) -> Gallery:
    return _gallery(name, "missed", words, sum(trial.missed(threshold) for trial in trials))


def _gallery(name: str, which: Which, heard: Heard, total: int) -> Gallery:
    return gallery(name, which, total, (moment for one in heard[0] for moment in hear.moments_in(one)))


def warnings_of(parts: Parts) -> tuple[str, ...]:
    """What the clips themselves say about how far the figures can be trusted."""
    found = []
    alone = only_engine(parts["train"])
    if alone is not None:
        found.append(ONE_ENGINE.format(alone))
    if splits.speakers(parts["train"]) & (splits.speakers(parts["validation"]) | splits.speakers(parts["test"])):
        found.append(SAME_VOICES)
    if not parts["test"].of("positive").real_seconds:
        found.append(NO_OWN)
    return tuple(found)


def said_by_whom(parts: Parts) -> str:
    """Who says the near misses of the test part, and whether it learnt from anything they say."""
    said = {(clip.source, clip.speaker) for clip in parts["test"].of("near_miss")}
    known = len(said & {(clip.source, clip.speaker) for clip in parts["train"]})
    if len(said) == 1:
        return f"Said by 1 synthetic voice, which it {'learnt' if known else 'did not learn'} from{' too' * known}."
    learnt = f"{known} of which it learnt from too" if known else "none of which it learnt from"
    return f"Said by {len(said)} synthetic voices, {learnt}."


def evaluate_run(run: Run, folder: Path | str, progress: Progress) -> Result:
    """Measure a finished run on the recordings in `folder` (see real.read_material) and write its report anew.

    Without recordings of the phrase the misses are counted on the held-out synthetic voices. The threshold stays
    as it was calibrated. Raises InputError, AudioError, RunError.
    """
    material = real.read_material(folder, run.recipe.phrase)
    about = json.loads(run.require("metadata.json").read_text(encoding="utf-8"))
    threshold = about["threshold"]
    with progress.stage("measure", len(real.jobs(material)), "streams") as bar:
        (words, others), galleries = real_moments.measure(
            material, run.folder, threshold, run.recipe.phrase, workers=run.workers(), bar=bar
        )
    warnings: tuple[str, ...] = ()
    usual = list(words)
    if not words:
        test = run.clips("test")
        held = scenes.word_scene({"test": test}, "test", run.recipe, real=False)
        heard = _heard_by(run, "measure words", held, progress, Wanted("missed", threshold))
        name = "held-out voices, as at home"
        words = {name: _trials(heard)}
        galleries = (_missed(name, heard, words[name], threshold), *galleries)
        warnings = (NO_OWN,)
    settled = TypeAdapter(Calibration).validate_json(run.require("eval/calibration.json").read_bytes())
    result = summarise(
        words,
        others,
        threshold,
        phrase=run.recipe.phrase,
        model=run.recipe.model.name,
        calibration=settled,
        usual=usual,
    )
    before = run.eval_dir / "result.json"
    kept = {}
    if before.is_file():  # sounds are in the run still, and near misses are not measured anew
        kept = {name: getattr(read_result(before), name) for name in ("samples", "confusions")}
    found = dataclasses.replace(result, warnings=(*warnings, *result.warnings), **kept)
    origins = {kind: origins_of_recordings(kind, recordings) for kind, recordings in material.others.items()}
    return publish(run, found, galleries, outcomes(words, others, threshold, origins))


def publish(run: Run, result: Result, galleries: Sequence[Gallery], every: Outcomes) -> Result:
    """Add recipe, history, licences and date; write eval/result.json, eval/det.png, report.html and the metrics.

    What became of every word is in eval/outcomes.jsonl, by which runs are held against each other.
    """
    result = dataclasses.replace(
        result,
        recipe=commented(run.recipe),
        history=training_history(run.metrics()),
        forms=int8_forms(run.metrics()),
        advice=tuple(run.record.get("advice", ())),
        licences=licences(run.clips("train")) + backbone_licences(run.record.get("backbone")),
        created=record.now(),
    )
    write_outcomes(run.eval_dir, every, result.created)
    write_report(result, run.folder, galleries)
    about = json.loads(run.metadata_path.read_text(encoding="utf-8"))
    headline = result.conditions[0].chosen
    about["metrics"] = {
        "frr": headline.missed.share,
        "positives": headline.missed.total,
        "fa_per_hour": headline.false_accepts.per_hour,
        "hours": headline.false_accepts.hours,
    }
    stated: dict[str, list[str]] = {}
    for one in result.licences:
        stated.setdefault(one.source, []).append(one.licence)
    about["licences"] = stated
    write_json(run.metadata_path, about)
    return result


def _suspects(run: Run) -> tuple[str, ...]:
    """What to say of background that sounds like the phrase."""
    names = [Path(path).name for path in run.suspects()]
    if not names:
        return ()
    return (
        f"{len(names)} background clips sound like the phrase and were left out of training and calibration "
        f"({', '.join(names[:3])}{', ...' if len(names) > 3 else ''}): listen to those listed in suspects.json.",
    )


def _calibrate(run: Run, parts: Parts, progress: Progress) -> Calibration:
    found = calibrate_in(run.folder, run.recipe, parts, progress)
    about = json.loads(run.metadata_path.read_text(encoding="utf-8"))
    write_json(run.metadata_path, about | {"threshold": found.threshold})
    write_json(run.eval_dir / "calibration.json", dataclasses.asdict(found))
    return found


def calibrate_in(folder: Path, recipe: Recipe, parts: Parts, progress: Progress) -> Calibration:
    """Choose the threshold of the detector in `folder` on the validation part.

    An int8 detector gets one that a device can have; a threshold that the recipe sets stays as it is.
    """
    words = _heard(folder, recipe, "calibrate on words", scenes.word_scene(parts, "validation", recipe), progress)
    others = _heard(folder, recipe, "calibrate on others", scenes.other_scene(parts, "validation", recipe), progress)
    settings = recipe.calibrate
    found = calibrate(_trials(words), _negatives(others), rule=settings.rule, fa_per_hour=settings.fa_per_hour)
    if recipe.policy.threshold is not None:
        return dataclasses.replace(
            found, threshold=recipe.policy.threshold, notes=("The recipe sets the threshold.",)
        )
    about = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    if about["model"].endswith(".tflite"):
        found = dataclasses.replace(found, threshold=on_device(found.threshold, recipe.policy.smoothing))
    return found


def validation_negatives(run: Run, progress: Progress) -> Negatives | None:
    """What a run was calibrated on besides the phrase, heard again by the detector as it was trained.

    None where the run's validation part, or a recording of it, is no longer there.
    """
    listed = run.folder / "manifest-validation.jsonl"
    if not listed.is_file():
        return None
    gone = set(run.suspects())
    clips = Manifest(tuple(clip for clip in Manifest.read(listed) if clip.path not in gone))
    wanted = clips.of(*splits.OTHERS, "rir")
    if not wanted.of(*splits.OTHERS) or not all(Path(clip.path).is_file() for clip in wanted):
        return None
    what = scenes.other_scene({"validation": clips}, "validation", run.recipe)
    return _negatives(_heard_by(run, "hear the validation part", what, progress))


def _heard_by(run: Run, name: str, what: Scene, progress: Progress, wanted: Wanted | None = None) -> Heard:
    return _heard(run.folder, run.recipe, name, what, progress, wanted)


def _heard(
    folder: Path, recipe: Recipe, name: str, what: Scene, progress: Progress, wanted: Wanted | None = None
) -> Heard:
    workers = workers_of(recipe, folder / "metadata.json")
    with progress.stage(name, len(what.plans), "streams") as bar:
        heard = hear.hear_all(what.plans, what.surroundings, folder, workers=workers, bar=bar, wanted=wanted)
    return heard, what.manifest


def _trials(words: Heard) -> list[Trial]:
    return [trial for heard in words[0] for trial in hear.trials_in(heard, words[1])]


def _negatives(others: Heard) -> Negatives:
    return hear.add([hear.negatives_in(heard, others[1], f"stream {i}") for i, heard in enumerate(others[0])])


def _samples(run: Run, parts: Parts) -> tuple[Sample, ...]:
    """Copy a few clips of the phrase and of what it must not be mistaken for into samples/."""
    samples = []
    groups = {"positive": parts["train"].of("positive"), "negative": parts["train"].of("near_miss", "speech")}
    for label, clips in groups.items():
        folder = run.samples_dir / label
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for i, clip in enumerate(scenes.sample(clips, SAMPLES, run.recipe.seed)):
                target = folder / f"{i + 1:02d}{Path(clip.path).suffix}"
                shutil.copyfile(clip.path, target)
                samples.append(Sample(str(target.relative_to(run.folder).as_posix()), f"{clip.text} ({clip.source})"))
    return tuple(samples)
