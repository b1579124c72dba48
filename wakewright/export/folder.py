"""Exporting a run: a folder that holds all a program or device needs, and nothing else.

Everything is made in a folder of its own first and copied into place once all of it is there and proven.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wakewright.core.audio import Samples, load, write_wav
from wakewright.core.errors import InputError, RunError
from wakewright.core.files import replacing, write_bytes, write_json, write_text
from wakewright.core.run import Run
from wakewright.dsp.micro import MicroFrontend
from wakewright.export import budget, openwakeword, parity, tflite
from wakewright.export.arena import arena
from wakewright.export.device import WEBSITE, Device, c_files, esphome_yaml, identifier, manifest
from wakewright.models import registry

GOLDEN_SAMPLES = 20 * 16000
"""At most so much sound is replayed for the proof."""


def export_run(
    run: Run, *, to: str, out: Path, author: str = "wakewright", website: str = WEBSITE, force: bool = False
) -> list[Path]:
    """Write the run's model in the format `to` into the folder `out`; returns the files.

    - "onnx": `model.onnx`, checked against the trained weights when the run was made, and `metadata.json`, which
      `Detector.load(out)` reads.
    - "tflite": `model.tflite` (int8, streaming) with its `metadata.json`, `model_windowed.tflite` (int8) and
      `model_float.tflite`.
    - "esphome": `NAME.tflite`, `NAME.json` (manifest) and `NAME.yaml` (what to write into a configuration).
    - "c": `NAME.h` and `NAME.c`.

    - "openwakeword": `NAME.onnx` and `NAME.tflite`, a head on the shared speech embedding as openWakeWord's runtimes
      load it; the calibrated threshold lies at their usual 0.5.

    The int8 ones also hold the proof: `golden.wav`, `golden_features.npy`, `golden_scores.npy`, `parity.json`.

    Raises InputError for another format or, unless `force`, a model past the recipe's targets, RunError for an
    unfinished run or one without an int8 model,
    WakewrightError when the file does not give what was trained, DiskFull. Nothing is left behind then.
    """
    if to not in FORMATS:
        raise InputError(f"cannot export to {to!r}", got=f"--to {to}", do="choose one of: " + ", ".join(FORMATS))
    if to in ON_DEVICE and run.recipe.targets is not None and not force:
        _within_targets(run)
    out = Path(out)
    with tempfile.TemporaryDirectory(prefix="wakewright-") as place:
        made = FORMATS[to](run, Path(place), author, website)
        for file in made:
            write_bytes(out / file.name, file.read_bytes())
    return [out / file.name for file in made]


def _onnx(run: Run, out: Path, _author: str, _website: str) -> list[Path]:
    run.require("model.onnx")
    about = _metadata(run) | {"model": "model.onnx"}
    with replacing(out / "model.onnx") as temporary:
        shutil.copyfile(run.require("model.onnx"), temporary)
    write_json(out / "metadata.json", about)
    return [out / "model.onnx", out / "metadata.json"]


def _tflite(run: Run, out: Path, _author: str, _website: str) -> list[Path]:
    file, model = int8_of(run)
    write_bytes(out / "model.tflite", file)
    write_json(out / "metadata.json", _metadata(run))
    forms: dict[str, tflite.Form] = {"model_windowed.tflite": "windowed", "model_float.tflite": "float"}
    for name, form in forms.items():
        tflite.write(model, out / name, form)
    return [out / name for name in ("model.tflite", "metadata.json", *forms)] + _proof(run, file, model, out)


def _esphome(run: Run, out: Path, author: str, website: str) -> list[Path]:
    file, model = int8_of(run)
    device = Device.of(_metadata(run), arena(file))
    write_bytes(out / f"{device.name}.tflite", file)
    write_json(out / f"{device.name}.json", manifest(device, author=author, website=website))
    write_text(out / f"{device.name}.yaml", esphome_yaml(device))
    made = [out / f"{device.name}.{ending}" for ending in ("tflite", "json", "yaml")]
    return made + _proof(run, file, model, out)


def _c(run: Run, out: Path, _author: str, _website: str) -> list[Path]:
    file, model = int8_of(run)
    files = c_files(Device.of(_metadata(run), arena(file)), file)
    for name, text in files.items():
        write_text(out / name, text)
    return [out / name for name in files] + _proof(run, file, model, out)


def _openwakeword(run: Run, out: Path, _author: str, _website: str) -> list[Path]:
    about, head = _metadata(run), registry.load(run.require("model.pt"))
    name = identifier(about["wake_word"])
    paths = [out / f"{name}.onnx", out / f"{name}.tflite"]
    openwakeword.write(head, about["threshold"], *paths)
    return paths


FORMATS: dict[str, Callable[[Run, Path, str, str], list[Path]]] = {
    "onnx": _onnx,
    "tflite": _tflite,
    "esphome": _esphome,
    "c": _c,
    "openwakeword": _openwakeword,
}
"""Formats that `export_run` writes."""
ON_DEVICE = ("tflite", "esphome", "c")
"""Those of them that a microcontroller runs."""


def _metadata(run: Run) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(run.require("metadata.json").read_text(encoding="utf-8"))
    return about


def int8_of(run: Run) -> tuple[bytes, Any]:
    """The run's streaming int8 file, and the model it was written from."""
    model = registry.load(run.require("model.pt"))
    if not run.tflite_path.is_file():
        raise RunError(
            f"the run {run.folder} has no int8 model",
            got=f"model.name={run.recipe.model.name}, qat: {'{}' if run.recipe.qat else 'null'}",
            do=f'train one for a device: wakewright train "{run.recipe.phrase}" --for esp32',
        )
    return run.tflite_path.read_bytes(), model


def _within_targets(run: Run) -> None:
    file, model = int8_of(run)
    assert run.recipe.targets is not None
    past = budget.of_file(file, model).past(run.recipe.targets)
    if past:
        raise InputError(
            "the model goes past the recipe's targets",
            got="; ".join(past),
            do="train a smaller one (model.width=0.25), raise the targets, or export it all the same with --force",
        )


def _proof(run: Run, file: bytes, model: Any, out: Path) -> list[Path]:
    """Prove the file on clips of the run, and leave what a device can replay."""
    sound = _golden(run)
    write_wav(out / "golden.wav", sound)
    frames = MicroFrontend().push_quantised(load(out / "golden.wav"))  # with the roundings of 16 bits
    found = parity.prove(model, file, frames)
    return [out / "golden.wav", *parity.write_golden(out, file, frames, model.stride, found)]


def _golden(run: Run) -> Samples:
    """(n,) samples of the run's own clips, of the phrase and of others in turn, half a second apart."""
    pause = np.zeros(8000, np.float32)
    pairs = zip(*(sorted((run.samples_dir / label).iterdir()) for label in ("positive", "negative")), strict=False)
    clips = [part for pair in pairs for path in pair for part in (pause, load(path))]
    return np.concatenate([np.zeros(16000, np.float32), *clips, pause])[:GOLDEN_SAMPLES]
