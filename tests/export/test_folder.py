"""`export`: a folder with all a program or device needs, and nothing else."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_package
import onnxruntime
import pymicro_features
import pytest
import torch
import yaml

from wakewright import Detector, pipeline
from wakewright.apps.cli import main
from wakewright.core.audio import Samples, load, to_int16, write_wav
from wakewright.core.errors import DiskFull, InputError, RunError, WakewrightError
from wakewright.core.files import write_json
from wakewright.core.manifest import Manifest
from wakewright.core.recipe import Model, Recipe, Targets
from wakewright.core.run import Run
from wakewright.detect import device_rule
from wakewright.detect.household import FILE, fitted_to
from wakewright.dsp import frontend
from wakewright.dsp.litert import Net
from wakewright.export import device, folder, onnx, parity, qdq
from wakewright.export.arena import Arena, arena
from wakewright.export.folder import FORMATS, export_run, household_notes
from wakewright.models import registry


def _give_samples(made: Run, spoken: Manifest) -> None:
    for label, kind in (("positive", "positive"), ("negative", "speech")):
        (made.samples_dir / label).mkdir(parents=True)
        for clip in spoken.of(kind).clips[:3]:  # type: ignore[arg-type]
            shutil.copy(clip.path, made.samples_dir / label)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, spoken: Manifest) -> Run:
    made = Run.create(Recipe(phrase="hey katya", model=Model(name="mixednet")), tmp_path_factory.mktemp("runs"))
    torch.manual_seed(1)
    model = registry.create(registry.Dimensions("mixednet")).eval()
    registry.save(made.model_path, model)
    pipeline._export(made, model)
    _give_samples(made, spoken)
    return made


def test_the_folder_holds_a_detector_and_nothing_else(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    files = export_run(run, to="onnx", out=out)
    proof = ["golden.wav", "golden_features.npy", "golden_scores.npy", "parity.json"]
    assert files == [out / name for name in ["model.onnx", "metadata.json", *proof, "model_windowed.onnx"]]
    assert sorted(out.iterdir()) == sorted(files)
    for file in files[:2]:
        assert file.read_bytes() == (run.folder / file.name).read_bytes()
    sound = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    np.testing.assert_array_equal(Detector.load(out).score(sound), Detector.load(run.folder).score(sound))
    replayed = Detector.load(out)._network(np.load(out / "golden_features.npy"))
    np.testing.assert_allclose(replayed, np.load(out / "golden_scores.npy"), atol=1e-6)
    told = json.loads((out / "parity.json").read_text())
    assert told["steps"] == len(replayed) > 100
    assert 0 <= told["onnx_torch"] < 1e-4
    assert 0 < told["windowed_torch"] < 1e-4
    export_run(run, to="onnx", out=out)  # over itself


def test_another_format_is_refused_with_those_there_are(run: Run, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"cannot export to 'tflate'\n  got: --to tflate\n  do:  choose one of: onnx"
    ):
        export_run(run, to="tflate", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert "onnx" in FORMATS


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    unfinished = Run.create(Recipe(phrase="hey katya"), tmp_path)
    with pytest.raises(
        RunError, match=r"has no model.onnx\n  got: status: created\n  do:  finish it: wakewright train"
    ):
        export_run(unfinished, to="onnx", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory, spoken: Manifest, mixednet: Any) -> Run:
    """A run with an int8 model that says something, of a phrase that is awkward to name."""
    recipe = Recipe(phrase='7 "katyas"', model=Model(name="mixednet", width=0.25))
    made = Run.create(recipe, tmp_path_factory.mktemp("int8"))
    model = mixednet
    registry.save(made.model_path, model)
    pipeline._export(made, model)
    _give_samples(made, spoken)
    about = json.loads(made.metadata_path.read_text())
    scores = Detector.load(made.folder, reference=True).score(_sound(made))
    # where scores are sparse, and low in the gap: the peer reads a cutoff of 255ths as one of 256ths, a higher one
    high = np.sort(scores[100:])[-40:-3]
    gap = int(np.argmax(np.diff(high)))
    smoothing = about["policy"]["smoothing"]
    about["threshold"] = device_rule.on_device(float(high[gap]) + 1 / (256 * smoothing), smoothing)
    write_json(made.metadata_path, about)
    return made


def _sound(run: Run) -> Samples:
    return folder._golden(run)


def test_esphome_gets_a_model_a_manifest_a_snippet_and_the_proof(int8: Run, tmp_path: Path) -> None:
    files = export_run(int8, to="esphome", out=tmp_path, author="Ann", website="https://example.org")
    name = "wake_7_katyas"
    proof = {"golden.wav", "golden_features.npy", "golden_scores.npy", "parity.json"}
    assert {f.name for f in tmp_path.iterdir()} == {f"{name}.tflite", f"{name}.json", f"{name}.yaml"} | proof
    assert {f.name for f in files} == {f.name for f in tmp_path.iterdir()}
    about = json.loads((tmp_path / f"{name}.json").read_text())
    assert (about["type"], about["version"], about["wake_word"]) == ("micro", 2, '7 "katyas"')
    assert (about["author"], about["website"]) == ("Ann", "https://example.org")
    assert about["model"] == f"{name}.tflite"
    micro = about["micro"]
    assert micro["feature_step_size"] == 10
    assert micro["sliding_window_size"] == Recipe(phrase="x").policy.smoothing
    measured = arena((tmp_path / f"{name}.tflite").read_bytes())
    assert measured.bytes < micro["tensor_arena_size"] <= measured.bytes * 1.35 + 16
    snippet = yaml.safe_load((tmp_path / f"{name}.yaml").read_text().replace("!lambda", ""))
    assert snippet["micro_wake_word"]["models"] == [{"model": f"{name}.json"}]


def beginnings(steps: np.ndarray) -> np.ndarray:
    """The first step of each detection: others come after a window without one."""
    return steps[np.diff(steps, prepend=-100) > Recipe(phrase="x").policy.smoothing]


def test_a_device_hears_what_our_detector_hears(int8: Run, tmp_path: Path) -> None:
    """pymicro-wakeword runs the exported file with its own library and ESPHome's loop."""
    package = pytest.importorskip("pymicro_wakeword")
    export_run(int8, to="esphome", out=tmp_path)
    peer = package.MicroWakeWord.from_config(tmp_path / "wake_7_katyas.json")
    features = package.MicroWakeWordFeatures()
    sound = load(tmp_path / "golden.wav")
    hits = []
    for i, frame in enumerate(features.process_streaming(to_int16(sound).tobytes())):
        if peer.process_streaming(frame):
            hits.append(i // 3)
    detector = Detector.load(int8.folder, reference=True)
    scores = detector.score(sound)
    ours = np.flatnonzero(scores >= detector.threshold)
    assert len(ours) > 3
    # both fire in the same places: every step of its lies within a step of ours, and detections begin within one;
    # it rounds features by another rule, so a step of ours just above the cutoff may lie just below it there
    assert max(np.abs(ours - h).min() for h in hits) <= 1
    apart = beginnings(ours), beginnings(np.unique(hits))
    assert len(apart[0]) == len(apart[1]) > 3
    assert np.abs(apart[0] - apart[1]).max() <= 1


def test_a_device_makes_the_golden_features_of_the_golden_sound(int8: Run, tmp_path: Path) -> None:
    """The file's own 16 bits through the C code and ESPHome's arithmetic; ours take a way through floats."""
    loud = min((int8.samples_dir / "positive").glob("*.wav"))
    before = loud.read_bytes()
    write_wav(loud, load(loud) * (0.95 / np.abs(load(loud)).max()))
    try:
        export_run(int8, to="c", out=tmp_path)
    finally:
        loud.write_bytes(before)
    with wave.open(str(tmp_path / "golden.wav")) as file:
        data = file.readframes(file.getnframes())
    device = pymicro_features.MicroFrontend()
    outputs = (device.process_samples(data[at : at + 320]).features for at in range(0, len(data) - 319, 320))
    values = np.rint(np.array([one for one in outputs if one]) * 25.6).astype(int)
    expected = np.load(tmp_path / "golden_features.npy")
    assert 0 <= len(values) - len(expected) < 3  # whole steps
    np.testing.assert_array_equal(np.clip((values[: len(expected)] * 256 + 333) // 666 - 128, -128, 127), expected)


def test_c_gets_an_array_that_compiles_and_holds_the_file(int8: Run, tmp_path: Path) -> None:
    export_run(int8, to="c", out=tmp_path)
    header, source = ((tmp_path / f"wake_7_katyas.{end}").read_text() for end in "hc")
    assert '#define WAKE_7_KATYAS_PHRASE "7 \\042katyas\\042"' in header
    bytes_written = bytes(int(word, 16) for word in re.findall(r"0x([0-9a-f]{2})", source))
    assert bytes_written == int8.tflite_path.read_bytes()
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here")
    main = '#include "wake_7_katyas.h"\nint main(void) { return (int)((unsigned long)wake_7_katyas_model % 16); }\n'
    (tmp_path / "main.c").write_text(main)
    command = [
        compiler,
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
        "main.c",
        "wake_7_katyas.c",
        "-o",
        "it",
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "it"], check=True)


@pytest.mark.parametrize("words", ["cc -std=c11", "cc -std=c11 -U__GNUC__", "c++ -std=c++11 -x c++ -U__GNUC__"])
def test_the_array_is_aligned_as_standard_c_and_cpp_say_it(words: str, tmp_path: Path) -> None:
    """Without its own name the compiler stands for those of other makers."""
    if shutil.which(words.split()[0]) is None:
        pytest.skip(f"no {words.split()[0]} here")
    named = device.Device("hey", "hey", "en-us", 245, 13, 3, Arena(20_000, measured=True))
    for name, text in device.c_files(named, bytes(range(1, 100))).items():
        (tmp_path / name).write_text(text)
    flags = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([*words.split(), *flags, "-c", "hey.c", "-o", "hey.o"], cwd=tmp_path, check=True)
    main = (
        '#include "hey.h"\nint main(void) { return (int)((unsigned long)hey_model % 16) + (hey_model_size != 99); }\n'
    )
    (tmp_path / "main.c").write_text(main)
    subprocess.run(["cc", *flags, "main.c", "hey.o", "-o", "it"], cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "it"], check=True)


def test_tflite_gets_every_form(int8: Run, tmp_path: Path) -> None:
    export_run(int8, to="tflite", out=tmp_path)
    shapes = {
        name: Net((tmp_path / name).read_bytes()).input["shape"].tolist()
        for name in ("model.tflite", "model_windowed.tflite", "model_float.tflite")
    }
    assert shapes == {
        "model.tflite": [1, 3, 40],
        "model_windowed.tflite": [1, 272, 40],
        "model_float.tflite": [1, 272, 40],
    }
    sound = _sound(int8)
    np.testing.assert_array_equal(Detector.load(tmp_path).score(sound), Detector.load(int8.folder).score(sound))
    parity = json.loads((tmp_path / "parity.json").read_text())
    assert parity["steps"] > 200


@pytest.mark.parametrize("form", ["tflite", "esphome", "c"])
def test_a_run_without_int8_is_told_how_to_get_one(run: Run, tmp_path: Path, form: str) -> None:
    registry.save(run.model_path, registry.create(registry.Dimensions("mixednet")))
    with pytest.raises(RunError, match=r"no int8 model\n  got: model.name=mixednet, qat: null\n  do:  train one for"):
        export_run(run, to=form, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_written_no_more_is_not_exported(int8: Run, tmp_path: Path) -> None:
    older = Run.open(Path(shutil.copytree(int8.folder, tmp_path / "older")))
    stored = torch.load(older.model_path, weights_only=True)
    stored["weights"] |= {"readout.out.low": torch.tensor(-3.0), "readout.out.high": torch.tensor(3.0)}
    torch.save(stored, older.model_path)
    with pytest.raises(RunError, match=r"earlier version wrote the int8 model(.|\n)*do:  add --calibrate 10"):
        export_run(older, to="esphome", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert len(export_run(older, to="onnx", out=tmp_path / "onnx")) == 9


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("hello"),
    "noise": lambda path: path.write_bytes(path.read_bytes()[:200] + bytes(range(256)) * 40),
}


@pytest.mark.parametrize("damage", list(DAMAGE))
@pytest.mark.parametrize("name", ["model.pt", "model.onnx", "model.tflite", "metadata.json"])
def test_a_damaged_run_is_said_and_not_exported(int8: Run, tmp_path: Path, name: str, damage: str) -> None:
    broken = Run.open(Path(shutil.copytree(int8.folder, tmp_path / "broken")))
    DAMAGE[damage](broken.folder / name)
    form = "onnx" if name == "model.onnx" else "esphome"
    with pytest.raises(RunError, match=rf"{name} is damaged\n  got: .+\n  do:  "):
        export_run(broken, to=form, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_or_samples_of_elsewhere_are_said(int8: Run, tmp_path: Path) -> None:
    broken = Run.open(Path(shutil.copytree(int8.folder, tmp_path / "broken")))
    registry.save(broken.model_path, registry.create(registry.Dimensions("speech_embedding")))
    for form in ("onnx", "esphome", "openwakeword"):
        with pytest.raises(RunError, match=r"not the model of the run's recipe\n  got: .*speech_embedding"):
            export_run(broken, to=form, out=tmp_path / "out")
    shutil.copy(int8.model_path, broken.model_path)
    registry.save(other := tmp_path / "other.pt", registry.create(registry.Dimensions("mixednet", 0.25)))
    shutil.copy(other, broken.model_path)
    with pytest.raises(WakewrightError, match=r"model.onnx does not give what the trained model gives"):
        export_run(broken, to="onnx", out=tmp_path / "out")
    for clip in (broken.samples_dir / "positive").iterdir():
        clip.unlink()
    with pytest.raises(RunError, match=r"samples lacks clips.*\n  got: 0 of the phrase, 3 of others"):
        export_run(broken, to="onnx", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_leaves_the_older_export_whole(
    int8: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_run(int8, to="c", out=tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    louder = Run.open(Path(shutil.copytree(int8.folder, tmp_path / "louder")))
    about = json.loads(louder.metadata_path.read_text())
    write_json(louder.metadata_path, about | {"threshold": 0.9})
    synced: list[int] = []

    def full(handle: int) -> None:
        synced.append(handle)
        if len(synced) == asked + 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    asked = 7 + 1  # files that are made elsewhere first; then the second of those that go into the folder
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match=r"no room to write .*out/(.|\n)*name a folder on another disk with --out"):
        export_run(louder, to="c", out=tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("to", ["openwakeword", "espdl"])
def test_calibrate_is_for_our_own_int8(run: Run, tmp_path: Path, to: str) -> None:
    with pytest.raises(InputError, match=rf"--to {to} has no use for it\n  got: --calibrate 5\n  do: .*onnx, tflite"):
        export_run(run, to=to, out=tmp_path / "out", calibrate=5)


def test_nothing_is_left_when_the_proof_fails(int8: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "ACCEPTED", -1.0)
    with pytest.raises(WakewrightError, match="does not give what the trained model gives"):
        export_run(int8, to="esphome", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("hey_katya", "hey_katya"), ("7_up", "wake_7_up"), ("привет", "wake"), ("ok+go", "ok_go")],
)
def test_names_are_what_c_allows(name: str, expected: str) -> None:
    assert device.identifier(name) == expected


def test_a_model_past_the_recipes_targets_is_exported_by_force_alone(int8: Run, tmp_path: Path) -> None:
    small = int8.recipe.model_copy(update={"targets": Targets(flash_kb=1.0)})
    strict = Run(int8.folder, small)
    with pytest.raises(InputError, match=r"the recipe.s targets\n  got: flash takes \d+\.\d KB, past the target"):
        export_run(strict, to="esphome", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert export_run(strict, to="esphome", out=tmp_path / "out", force=True)


def _kinds(path: Path) -> set[str]:
    return {node.op_type for node in onnx_package.load(path).graph.node}


def test_onnx_of_int8_rounds_and_is_there_in_float_and_windowed_too(int8: Run, tmp_path: Path) -> None:
    files = export_run(int8, to="onnx", out=tmp_path)
    proof = {"golden.wav", "golden_features.npy", "golden_scores.npy", "parity.json"}
    forms = [("model.onnx", "model_float.onnx"), ("model_windowed.onnx", "model_windowed_float.onnx")]
    assert {f.name for f in files} == {name for pair in forms for name in pair} | proof | {"metadata.json"}
    assert 0 <= json.loads((tmp_path / "parity.json").read_text())["windowed_torch"] < 0.05
    for whole, plain in forms:
        assert {"QuantizeLinear", "DequantizeLinear"} <= _kinds(tmp_path / whole)
        assert not {"QuantizeLinear", "DequantizeLinear"} & _kinds(tmp_path / plain)
        assert (tmp_path / whole).stat().st_size < 0.6 * (tmp_path / plain).stat().st_size
    sound = _sound(int8)
    rounded, file = Detector.load(tmp_path).score(sound), Detector.load(int8.folder, reference=True).score(sound)
    np.testing.assert_allclose(rounded, file, atol=0.03)
    session = onnxruntime.InferenceSession(str(tmp_path / "model_windowed.onnx"))
    assert session.get_inputs()[0].shape == [1, 272, 40]


def test_onnx_of_an_earlier_version_is_stored_as_int8(
    int8: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Run.open(Path(shutil.copytree(int8.folder, tmp_path / "older")))
    monkeypatch.setattr(qdq, "store", lambda *_: None)
    onnx.write(registry.of_run(older), older.onnx_path)
    monkeypatch.undo()
    before = older.onnx_path.read_bytes()
    sound = _sound(older)
    out = tmp_path / "out"
    export_run(older, to="onnx", out=out)
    assert (out / "model.onnx").stat().st_size < 0.5 * len(before)
    assert older.onnx_path.read_bytes() == before
    export_run(int8, to="onnx", out=tmp_path / "now")
    np.testing.assert_array_equal(Detector.load(out).score(sound), Detector.load(tmp_path / "now").score(sound))
    told = json.loads((out / "parity.json").read_text())
    golden = Detector.load(out)._network(np.load(out / "golden_features.npy"))
    np.testing.assert_allclose(golden, np.load(out / "golden_scores.npy"), atol=1e-6)
    assert told["onnx_torch"] < 0.05


@pytest.mark.parametrize("to", ["tflite", "esphome", "c"])
def test_the_proof_of_int8_tells_of_the_onnx_file_too(int8: Run, tmp_path: Path, to: str) -> None:
    export_run(int8, to=to, out=tmp_path / "out")
    told = json.loads((tmp_path / "out" / "parity.json").read_text())
    export_run(int8, to="onnx", out=tmp_path / "onnx")
    by_onnx, by_file = (np.load(tmp_path / place / "golden_scores.npy") for place in ("onnx", "out"))
    apart = np.abs(by_onnx - by_file / 256)
    assert told["onnx"] == pytest.approx(apart.max(), abs=1e-6)
    assert 0 < told["onnx"] < 0.03
    assert apart[told["onnx_at"]] == pytest.approx(apart.max(), abs=1e-6)
    assert told["onnx_torch"] == json.loads((tmp_path / "onnx" / "parity.json").read_text())["onnx_torch"]


def test_openwakeword_is_proven_on_clips_of_the_run(spoken: Manifest, tmp_path: Path) -> None:
    run = Run.create(Recipe(phrase="hey katya"), tmp_path / "runs")
    torch.manual_seed(1)
    head = registry.create(registry.Dimensions("speech_embedding")).eval()
    head.set_statistics(torch.full((96,), 2.0), torch.full((96,), 9.0))
    registry.save(run.model_path, head)
    pipeline._export(run, head)
    _give_samples(run, spoken)
    out = tmp_path / "out"
    files = export_run(run, to="openwakeword", out=out)
    proof = ["golden.wav", "golden_features.npy", "golden_scores.npy", "parity.json"]
    assert files == [out / name for name in ["hey_katya.onnx", "hey_katya.tflite", *proof]]
    told, features, scores = json.loads(files[5].read_text()), np.load(files[3]), np.load(files[4])
    assert told["steps"] == len(scores) == len(features) - 15 > 50
    assert max(told[f"{name}_torch"] for name in ("onnx", "tflite")) < 1e-4
    replayed = frontend.create("speech_embedding").push(load(files[2]))
    np.testing.assert_allclose(features, replayed, atol=1e-5)
    net = Net(files[1].read_bytes(), reference=True)
    np.testing.assert_array_equal(scores[7], net(features[None, 7:23])[0, 0])
    own = Detector.load(run.folder)._network(features)[15:]
    np.testing.assert_allclose(scores, own, atol=1e-4)  # a threshold of 0.5 moves nothing


def test_what_was_fitted_to_a_household_goes_along_and_its_gain_is_told(
    int8: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.open(shutil.copytree(int8.folder, tmp_path / "run"))
    window, fitted = run.recipe.policy.smoothing, fitted_to(run.tflite_path)
    write_json(run.folder / FILE, {"format": 1, "threshold": 0.25, "gain_db": 6.0, "fitted_to": fitted})
    for to in ("onnx", "tflite", "esphome", "c"):
        assert main(["export", str(run.folder), "--to", to, "--out", str(tmp_path / to)]) == 0
        out = capsys.readouterr().out
        assert "! the threshold, 0.250, is the one fitted to the household\n" in out
        assert "! the gain fitted with it, +6 dB, is not in the model: " in out
    for to in ("onnx", "tflite"):
        loaded = Detector.load(tmp_path / to)
        assert (loaded.threshold, loaded.gain_db) == (0.25, 6.0)
        assert not (tmp_path / to / FILE).exists()
    (told,) = (tmp_path / "esphome").glob("*.yaml")
    assert told.read_text().startswith("# Fitted to a household with the microphone +6 dB (a factor of 2.00)")
    assert yaml.safe_load(told.read_text().replace("!lambda", ""))["micro_wake_word"]["models"]
    about = json.loads(told.with_suffix(".json").read_text())
    cutoff = device_rule.cutoff_of(0.25, window)
    assert about["micro"]["probability_cutoff"] == device_rule.probability_cutoff(cutoff)
    (header,) = (tmp_path / "c").glob("*.h")
    assert re.search(r"_GAIN_DB 6\.0 /\* decibels to raise the microphone by; it is not in", header.read_text())
    # int8 that is made anew has a threshold of its own
    assert "int8 made now has a threshold of its own" in household_notes(run, "esphome", 5)[0]
    assert household_notes(int8, "esphome") == []
    # another model in its place
    shutil.copyfile(run.onnx_path, run.tflite_path)
    with pytest.raises(RunError, match="was fitted to another model"):
        export_run(run, to="onnx", out=tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


def test_without_a_gain_an_export_says_nothing_of_one(int8: Run, tmp_path: Path) -> None:
    run = Run.open(shutil.copytree(int8.folder, tmp_path / "run"))
    fitted = fitted_to(run.tflite_path)
    write_json(run.folder / FILE, {"format": 1, "threshold": 0.25, "gain_db": 0.0, "fitted_to": fitted})
    assert household_notes(run, "c") == ["the threshold, 0.250, is the one fitted to the household"]
    export_run(run, to="c", out=tmp_path / "c")
    export_run(int8, to="c", out=tmp_path / "before")
    (header,) = (tmp_path / "c").glob("*.h")
    assert "GAIN_DB" not in header.read_text()
    assert header.read_text() != (tmp_path / "before" / header.name).read_text()  # the cutoff alone is another
