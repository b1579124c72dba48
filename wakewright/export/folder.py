"""Exporting a run: a folder that holds all a program or device needs, and nothing else.

Everything is made in a folder of its own first and copied into place once all of it is there and proven.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wakewright.core.audio import Samples, load, write_wav
from wakewright.core.errors import InputError, RunError
from wakewright.core.files import copy_all, write_bytes, write_json, write_text
from wakewright.core.progress import Progress
from wakewright.core.recipe import Targets
from wakewright.core.run import Run
from wakewright.detect import household, metadata
from wakewright.detect.networks import damaged
from wakewright.dsp import frontend
from wakewright.dsp.frontend import Frames
from wakewright.dsp.micro import MicroFrontend, dequantise
from wakewright.export import (
    budget,
    espdl,
    flatfile,
    onnx,
    openwakeword,
    parity,
    parity_head,
    parity_onnx,
    post_training,
    tflite,
)
from wakewright.export.arena import arena
from wakewright.export.device import WEBSITE, Device, c_files, esphome_yaml, identifier, manifest
from wakewright.models import quantised, registry

GOLDEN_SAMPLES = 20 * 16000
"""At most so much sound is replayed for the proof."""


@dataclasses.dataclass(frozen=True)
class Int8:
    """A streaming int8 file, the model it was written from, and what a detector must know of it."""

    file: bytes
    model: Any
    about: dict[str, Any]

    @property
    def device(self) -> Device:
        """What its device must know."""
        return Device.of(self.about, arena(self.file))


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is asked of an export."""

    run: Run
    out: Path
    author: str = "wakewright"
    website: str = WEBSITE
    calibrate: int = 0
    """Streams to read the ranges of a model off that was trained in float32; 0 takes the run's own int8 file."""

    @functools.cached_property
    def int8(self) -> Int8:
        """The run's int8 model, or one made of it now."""
        if not self.calibrate:
            return int8_of(self.run)
        with tempfile.TemporaryDirectory(prefix="wakewright-") as place:
            folder = Path(place)
            model = post_training.quantise(self.run, self.calibrate, folder, Progress())
            about = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
            return Int8((folder / "model.tflite").read_bytes(), model, about)


def export_run(
    run: Run,
    *,
    to: str,
    out: Path,
    author: str = "wakewright",
    website: str = WEBSITE,
    force: bool = False,
    calibrate: int = 0,
) -> list[Path]:
    """Write the run's model in the format `to` into the folder `out`; returns the files, all of them or none.

    - "onnx": `model.onnx` (streaming, its state in and out), checked against the trained weights when the run was
      made, with the `metadata.json` that `Detector.load(out)` reads; `model_windowed.onnx`. Of a model that learnt
      for int8, or with `calibrate`, both are int8, and `model_float.onnx` and `model_windowed_float.onnx` are not.
    - "tflite": `model.tflite` (int8, streaming) with its `metadata.json`, `model_windowed.tflite` (int8) and
      `model_float.tflite`.
    - "esphome": `NAME.tflite`, `NAME.json` (manifest) and `NAME.yaml` (what to write into a configuration).
    - "c": `NAME.h` and `NAME.c`.
    - "openwakeword": `NAME.onnx` and `NAME.tflite`, a head on the shared speech embedding as openWakeWord's runtimes
      load it; the calibrated threshold lies at their usual 0.5.
    - "espdl": `NAME.espdl`, `NAME.info` and `NAME.espdl.json`, by esp-ppq where that is installed. Its scores are
      compared with the trained model's; what runs the file itself does not run here.

    All also hold the proof: `golden.wav`, `golden_features.npy`, `golden_scores.npy`, `parity.json`. "tflite",
    "esphome" and "c" need a run that learnt with the roundings of int8, or `calibrate`, the number of streams to read
    a float32 model's ranges off.

    Raises InputError for another format, for `calibrate` with one that is not int8, for a device where the
    model hears through another front end than micro or, unless `force`, is past the recipe's targets, RunError for an
    unfinished or damaged run or one without an int8 model, MissingPackage, WakewrightError when the file does not
    give what was trained, DiskFull: nothing is left behind then, and what an earlier export left stays.
    """
    if to not in FORMATS:
        raise InputError(f"cannot export to {to!r}", got=f"--to {to}", do="choose one of: " + ", ".join(FORMATS))
    own = run.recipe.model.frontend
    if own is not None and to != "onnx":
        hears = (
            "openWakeWord hears through the speech embedding"
            if to == "openwakeword"
            else "devices hear through the micro front end"
        )
        raise InputError(
            f"--to {to}: {hears} alone",
            got=f"a model that hears through {own.kind}",
            do="use --to onnx, or train without model.frontend",
        )
    if calibrate and to not in INT8:
        raise InputError(
            f"--calibrate makes int8 of a model, and --to {to} has no use for it",
            got=f"--calibrate {calibrate}",
            do=f"leave it out, or choose one of: {', '.join(INT8)}",
        )
    with tempfile.TemporaryDirectory(prefix="wakewright-") as place:
        wish = Wish(run, Path(place), author, website, calibrate)
        if to in ON_DEVICE and run.recipe.targets is not None and not force:
            _within(run.recipe.targets, wish.int8)
        made = FORMATS[to](wish)
        return copy_all(made, Path(out), "free some space, or name a folder on another disk with --out")


def int8_of(run: Run) -> Int8:
    """The int8 model that the run ships.

    Raises RunError when it has none, one that is written no more, or one that is damaged or of another model.
    """
    about, model = _metadata(run), registry.of_run(run)
    if not run.tflite_path.is_file():
        raise RunError(
            f"the run {run.folder} has no int8 model",
            got=f"model.name={run.recipe.model.name}, qat: {'{}' if run.recipe.qat else 'null'}",
            do=f'train one for a device: wakewright train "{run.recipe.phrase}" --for esp32; or, of a tiny model, '
            "--calibrate 100",
        )
    if model.readout.was_rounded:
        raise RunError(
            f"an earlier version wrote the int8 model of {run.folder}: it holds values that are computed no more",
            got=f"{run.tflite_path.name}, {run.tflite_path.stat().st_size:,} bytes",
            do="add --calibrate 10: the model is written anew, as it was trained, and its threshold chosen again",
        )
    file = run.tflite_path.read_bytes()
    try:
        flatfile.read(file)
    except ValueError as error:
        raise damaged(run.tflite_path, str(error)) from error
    return Int8(file, model, about)


def _onnx(wish: Wish) -> list[Path]:
    paths = [wish.out / "model.onnx", wish.out / "metadata.json"]
    if wish.calibrate:
        about, model = wish.int8.about, wish.int8.model
    else:
        wish.run.require("model.onnx")
        about, model = _metadata(wish.run), registry.of_run(wish.run)
    write_json(paths[1], about | {"model": "model.onnx"})
    golden = _golden_file(wish)
    found = _streaming(wish, model, paths[0], frontend.create(model.frontend).push(load(golden)))
    windowed = wish.out / "model_windowed.onnx"
    onnx.write_windowed(model, windowed)
    apart = parity_onnx.windowed(model, windowed, found.frames)
    paths += [golden, *parity.write_onnx_golden(wish.out, found, windowed_torch=apart), windowed]
    if quantised.is_prepared(model):
        quantised.set_rounding(model, rounds=False, watches=False)
        paths += [wish.out / "model_float.onnx", wish.out / "model_windowed_float.onnx"]
        onnx.write(model, paths[-2])
        onnx.write_windowed(model, paths[-1])
    return paths


def _streaming(wish: Wish, model: Any, path: Path, frames: Frames) -> parity.OnnxParity:
    """Write the streaming ONNX file of `model` to `path` and prove it over `frames`."""
    if wish.calibrate:
        onnx.write(model, path)
        return parity.prove_onnx(model, path, frames)
    source = wish.run.require("model.onnx")
    found = parity.prove_onnx(model, source, frames)
    write_bytes(path, source.read_bytes())
    if not quantised.is_rounding(model):
        return found
    onnx.finish(path, model)  # an earlier version stored rounded weights as floats
    return parity.prove_onnx(model, path, frames)


def _tflite(wish: Wish) -> list[Path]:
    files = [wish.out / "model.tflite", wish.out / "metadata.json"]
    write_bytes(files[0], wish.int8.file)
    write_json(files[1], wish.int8.about)
    forms: dict[str, tflite.Form] = {"model_windowed.tflite": "windowed", "model_float.tflite": "float"}
    for name, form in forms.items():
        tflite.write(wish.int8.model, wish.out / name, form)
        files.append(wish.out / name)
    return files + _proof(wish)


def _esphome(wish: Wish) -> list[Path]:
    device = wish.int8.device
    files = [wish.out / f"{device.name}.{ending}" for ending in ("tflite", "json", "yaml")]
    write_bytes(files[0], wish.int8.file)
    write_json(files[1], manifest(device, author=wish.author, website=wish.website))
    write_text(files[2], esphome_yaml(device))
    return files + _proof(wish)


def _c(wish: Wish) -> list[Path]:
    files = []
    for name, text in c_files(wish.int8.device, wish.int8.file).items():
        write_text(wish.out / name, text)
        files.append(wish.out / name)
    return files + _proof(wish)


def _openwakeword(wish: Wish) -> list[Path]:
    about, model = _metadata(wish.run), registry.of_run(wish.run)
    name = identifier(about["wake_word"])
    paths = wish.out / f"{name}.onnx", wish.out / f"{name}.tflite"
    head = openwakeword.write(model, about["threshold"], *paths)
    golden = _golden_file(wish)
    frames = frontend.create(model.frontend).push(load(golden))
    found, scores = parity_head.prove(head, *paths, frames)
    return [*paths, golden, *parity.save_golden(wish.out, frames, scores, dataclasses.asdict(found))]


def _espdl(wish: Wish) -> list[Path]:
    model, about = registry.of_run(wish.run), _metadata(wish.run)
    if model.frontend != "micro":
        raise InputError(
            f"{wish.run.recipe.model.name} runs on no microcontroller",
            got="a head on the speech embedding",
            do="train a tiny model: --for esp32",
        )
    board = wish.run.recipe.targets.board if wish.run.recipe.targets else "esp32-s3"
    golden = _golden_file(wish)
    frames = MicroFrontend().push(load(golden))
    return [golden, *espdl.write(model, frames, wish.out, identifier(about["wake_word"]), board)]


FORMATS: dict[str, Callable[[Wish], list[Path]]] = {
    "onnx": _onnx,
    "tflite": _tflite,
    "esphome": _esphome,
    "c": _c,
    "openwakeword": _openwakeword,
    "espdl": _espdl,
}
"""Formats that `export_run` writes."""
ON_DEVICE = ("tflite", "esphome", "c")
"""Those of them that a microcontroller runs."""
INT8 = ("onnx", *ON_DEVICE)
"""Those of them that have our int8."""


def _metadata(run: Run) -> dict[str, Any]:
    """metadata.json, with the threshold and the gain of the run's household where it was fitted to one."""
    return household.applied(run.folder, metadata.read(run.require("metadata.json").parent))


def household_notes(run: Run, to: str, calibrate: int = 0) -> list[str]:
    """What a user must know of an export of a run that was fitted to a household; nothing for another."""
    if not (run.folder / household.FILE).is_file():
        return []
    if calibrate and to in INT8:
        return ["what was fitted to the household is not in it: int8 made now has a threshold of its own"]
    about = _metadata(run)
    notes = [f"the threshold, {about['threshold']:.3f}, is the one fitted to the household"]
    gain_db = about["input_gain_db"]
    if gain_db:
        where = "wakewright applies it" if to == "onnx" else "raise or lower the device's microphone by as much"
        notes.append(f"the gain fitted with it, {gain_db:+g} dB, is not in the model: {where}")
    return notes


def _within(targets: Targets, int8: Int8) -> None:
    past = budget.of_file(int8.file, int8.model).past(targets)
    if past:
        raise InputError(
            "the model goes past the recipe's targets",
            got="; ".join(past),
            do="train a smaller one (--for esp32-s3), raise the targets, or export it all the same with --force",
        )


def _proof(wish: Wish) -> list[Path]:
    """Prove the file on clips of the run, and leave what a device can replay."""
    int8, golden = wish.int8, _golden_file(wish)
    frames = MicroFrontend().push_quantised(load(golden))  # with the roundings of 16 bits
    found = parity.prove(int8.model, int8.file, frames)
    with tempfile.TemporaryDirectory(prefix="wakewright-") as place:
        proven = _streaming(wish, int8.model, Path(place) / "model.onnx", dequantise(frames))
    beside = parity_onnx.beside(int8.file, proven, int8.model.stride)
    return [golden, *parity.write_golden(wish.out, int8.file, frames, int8.model.stride, found, **beside)]


def _golden_file(wish: Wish) -> Path:
    path = wish.out / "golden.wav"
    write_wav(path, _golden(wish.run))
    return path


def _golden(run: Run) -> Samples:
    """(n,) samples of the run's own clips, of the phrase and of others in turn, half a second apart.

    Raises RunError when the run has none of one sort.
    """
    pause = np.zeros(8000, np.float32)
    sorts = [sorted((run.samples_dir / label).glob("*.wav")) for label in ("positive", "negative")]
    if not all(sorts):
        raise RunError(
            f"{run.samples_dir} lacks clips, over which an export is proven",
            got=f"{len(sorts[0])} of the phrase, {len(sorts[1])} of others",
            do="restore the folder from a copy, or train again",
        )
    pairs = zip(*sorts, strict=False)
    clips = [part for pair in pairs for path in pair for part in (pause, load(path))]
    return np.concatenate([np.zeros(16000, np.float32), *clips, pause])[:GOLDEN_SAMPLES]
