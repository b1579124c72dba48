"""int8 for a model trained in float32: its ranges are read off streams of the run, its threshold calibrated anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import torch

from wakewright.core.errors import InputError
from wakewright.core.files import write_bytes, write_json
from wakewright.core.manifest import Part
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.data import parts as scenes
from wakewright.data import store
from wakewright.data.batches import whole_steps
from wakewright.data.splits import Parts
from wakewright.data.store import decode
from wakewright.detect import metadata
from wakewright.evaluate import measure
from wakewright.export import tflite
from wakewright.models import quantised, registry
from wakewright.models.tiny import TinyModel

FRONT = "micro"


def quantise(run: Run, streams: int, folder: Path, progress: Progress) -> Any:
    """Write model.tflite and metadata.json of the run's model as int8 into `folder`; returns the model that rounds.

    Ranges come from `streams` of the streams it was trained on, heard again; the threshold from the validation part,
    through that file. Raises InputError for a model that no device runs, or when there is nothing to hear; RunError,
    AudioError, DiskFull.
    """
    model = registry.of_run(run)
    if not isinstance(model, TinyModel):
        raise InputError(
            f"{run.recipe.model.name} has no int8 form",
            got="a head on the speech embedding",
            do="train a tiny model (--for esp32), or use --to openwakeword",
        )
    if model.frontend != FRONT:
        raise InputError(
            "there is no int8 form of a model that hears through another front end than micro",
            got=model.frontend,
            do="use --to onnx, or train without model.frontend",
        )
    parts: Parts = {part: run.clips(part) for part in get_args(Part)}
    watch(model, _heard(run, parts, streams, folder / "features", progress))
    file = tflite.convert(model)
    write_bytes(folder / "model.tflite", file)
    about = metadata.read(run.require("metadata.json").parent) | {"model": "model.tflite"}
    write_json(folder / "metadata.json", about)
    found = measure.calibrate_in(folder, run.recipe, parts, progress)
    write_json(folder / "metadata.json", about | {"threshold": found.threshold})
    return model


@torch.no_grad()
def watch(model: Any, heard: store.Store) -> None:
    """Give `model` (in evaluation mode) the ranges it has over these streams; it rounds from then on.

    Raises InputError when there is not one stream that fills its receptive field.
    """
    quantised.prepare(model)
    track, seen = heard.tracks[FRONT], 0
    for first, last in zip(track.starts[:-1], track.starts[1:], strict=True):
        whole = whole_steps(int(first), int(last), model.receptive_field, model.stride)
        if whole > first:
            model(torch.from_numpy(decode(FRONT, track.frames[first:whole]))[None])
            seen += 1
    if not seen:
        raise InputError(
            "there is nothing to calibrate int8 on",
            got=f"{len(track.starts) - 1} streams, none as long as the model hears",
            do="raise --calibrate; 100 is a good number",
        )
    quantised.set_rounding(model, rounds=True, watches=False)


def _heard(run: Run, parts: Parts, streams: int, folder: Path, progress: Progress) -> store.Store:
    what = scenes.training_scene(parts, run.recipe)
    every = max(1, len(what.plans) // streams) if streams else 1
    plans = list(what.plans)[::every][:streams]
    with progress.stage("hear", len(plans), "streams") as bar:
        return store.build(folder, plans, what.surroundings, (FRONT,), workers=run.workers(), bar=bar)
