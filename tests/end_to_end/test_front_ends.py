"""A tiny model that hears through MFCC with normalisation: the whole way from espeak's voices to the detector."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from wakewright import Detector, pipeline
from wakewright.core.audio import Samples, load
from wakewright.core.compose import load_recipe
from wakewright.core.errors import InputError, RunError
from wakewright.core.files import read_lines
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.detect.listener import Listener
from wakewright.dsp import frontend
from wakewright.export.folder import export_run
from wakewright.models import registry

FRONT = "mfcc-25ms-10ms-32bands-60to7600hz-first16"
SETTINGS = "{kind: mfcc, window_ms: 25, n_mels: 32, n_mfcc: 16, fmin_hz: 60, fmax_hz: 7600}"
TINY = """
base: esp32
phrase: hey katya
model: {name: mixednet, width: 0.25, frontend: FRONTEND}
voices: {engines: [espeak], positives: 40, near_misses: 0, sentences: 24}
augment: {copies: 1, rooms: 0}
train: {steps: 20, mine_every: 10, validate_every: 10, batch_size: 16, pretrain: {steps: 8}, distill: null}
qat: null
engine: {workers: 1, features: KEPT}
""".replace("FRONTEND", SETTINGS)


class StopAt(io.StringIO):
    """A place for progress that is Ctrl-C as soon as a stage starts."""

    def write(self, text: str) -> int:
        """Write, and interrupt when the stage is announced."""
        if text.startswith("train model: starting"):
            raise KeyboardInterrupt
        return super().write(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("front-ends")


@pytest.fixture(scope="module")
def recipe(folder: Path) -> Recipe:
    (folder / "recipe.yaml").write_text(TINY.replace("KEPT", str(folder / "kept")), encoding="utf-8")
    return load_recipe(folder / "recipe.yaml")


@pytest.fixture(scope="module")
def told() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def run(folder: Path, recipe: Recipe, shared_cache: Path, told: io.StringIO) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
        return pipeline.train(recipe, output_dir=folder / "runs", progress=Progress(told))


@pytest.fixture(scope="module")
def sound(run: Run) -> Samples:
    clips = [load(path) for path in sorted((run.samples_dir / "positive").iterdir())]
    hiss = np.random.default_rng(0).normal(0, 0.001, 20_000).astype(np.float32)
    return np.concatenate([hiss, hiss, *(part for clip in clips for part in (clip, hiss))])


def test_the_run_says_how_it_hears(run: Run, told: io.StringIO) -> None:
    about = json.loads(run.metadata_path.read_text(encoding="utf-8"))
    assert (about["model_type"], about["frontend"], about["model"]) == ("mixednet", FRONT, "model.onnx")
    assert about["frontend_settings"]["n_mfcc"] == 16
    assert about["frontend_settings"]["sample_rate_hz"] == 16000
    normalised = json.loads(run.cmvn_path.read_text(encoding="utf-8"))
    assert {key: normalised[key] for key in ("of", "mean", "std")} == about["cmvn"]
    assert (normalised["frontend"], normalised["of"]) == (FRONT, "the training part")
    assert f"no backbone ships for mixednet of width 0.25 through {FRONT}: it learns to hear" in told.getvalue()
    assert {line["stage"] for line in read_lines(run.metrics_path)} == {"pretrain", "model"}
    assert load_recipe(run.recipe_path) == run.recipe


def test_the_normalisation_is_that_of_the_training_part_alone(run: Run, folder: Path) -> None:
    """Features were kept, by part: those of the part that was trained on give these figures and no others do."""
    normalised = json.loads(run.cmvn_path.read_text(encoding="utf-8"))
    ours = np.array([normalised["mean"], normalised["std"]])
    stores = {path.parent: np.load(path).astype(np.float64) for path in (folder / "kept").glob(f"*/{FRONT}.npy")}
    away = {store: np.abs(ours - [frames.mean(axis=0), frames.std(axis=0)]).max() for store, frames in stores.items()}
    (train,) = [store for store, distance in away.items() if distance < 1e-4]
    assert len(stores) == 3, "the training part, and words and others of the validation part"
    assert len(stores[train]) == max(len(frames) for frames in stores.values())
    assert sorted(away.values())[1] > 0.1
    model = registry.load(run.model_path)
    assert torch.equal(model.mean, torch.tensor(normalised["mean"]))
    assert torch.equal(model.std, torch.tensor(normalised["std"]))


def test_the_detector_scores_as_torch_does(run: Run, sound: Samples) -> None:
    model = registry.load(run.model_path)
    frames = frontend.create(FRONT).push(sound)
    whole = torch.from_numpy(frames[: len(frames) // model.stride * model.stride])[None]
    with torch.no_grad():
        logits, _ = model(whole, model.initial_state(1))
    expected = torch.sigmoid(logits[0]).numpy()
    got = Detector.load(run.folder).raw_scores(sound)
    assert np.ptp(expected) > 0.01, "scores that do not move show nothing"
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    with torch.no_grad():
        model.mean.zero_()
        logits, _ = model(whole, model.initial_state(1))
    assert np.abs(torch.sigmoid(logits[0]).numpy() - got).max() > 1e-3, "the normalisation is in what was exported"


def test_detections_are_the_same_however_the_sound_is_cut(run: Run, sound: Samples) -> None:
    level = float(np.quantile(Detector.load(run.folder).score(sound), 0.9))
    whole = list(Detector.load(run.folder, threshold=level).stream(sound))
    rng, listener, found, at = np.random.default_rng(2), Listener.load([run.folder], threshold=level), [], 0
    while at < len(sound):
        count = int(rng.choice([1, 159, 400, 1280, 20_000]))
        found += listener.push(sound[at : at + count])
        at += count
    assert whole
    assert [fire.sample for fire in found] == [fire.sample for fire in whole]
    # ONNX Runtime sums in another order when it is given another number of steps
    np.testing.assert_allclose([fire.score for fire in found], [fire.score for fire in whole], rtol=0, atol=1e-6)


def test_an_exported_folder_needs_nothing_beside_it(run: Run, sound: Samples, tmp_path: Path) -> None:
    files = export_run(run, to="onnx", out=tmp_path / "out")
    proof = ["golden.wav", "golden_features.npy", "golden_scores.npy", "parity.json"]
    assert [file.name for file in files] == ["model.onnx", "metadata.json", *proof, "model_windowed.onnx"]
    ours, theirs = (Detector.load(place).raw_scores(sound) for place in (run.folder, tmp_path / "out"))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("to", ["tflite", "esphome", "c", "espdl", "openwakeword"])
@pytest.mark.parametrize("calibrate", [0, 3])
def test_what_hears_through_another_front_end_is_refused(run: Run, to: str, calibrate: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mfcc") as caught:
        export_run(run, to=to, out=tmp_path / "out", calibrate=calibrate)
    assert "--to" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_front_end_that_is_not_known_is_said(run: Run, tmp_path: Path) -> None:
    export_run(run, to="onnx", out=tmp_path)
    about = json.loads((tmp_path / "metadata.json").read_text(encoding="utf-8"))
    (tmp_path / "metadata.json").write_text(json.dumps(about | {"frontend": "plp-25ms"}), encoding="utf-8")
    with pytest.raises(RunError, match=r"front end that is not known here\n  got: plp-25ms\n  do:  update"):
        Detector.load(tmp_path)


def test_interrupted_and_resumed_it_ends_at_the_same_weights_and_statistics(
    run: Run, recipe: Recipe, shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the same features, which are not made again."""
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
    kept = Path(recipe.engine.features or "")
    made = {path: path.stat().st_mtime_ns for path in kept.glob("*/*.npy")}
    broken = Run.create(recipe, tmp_path / "runs")
    with pytest.raises(KeyboardInterrupt):
        pipeline.train(recipe, resume=broken, progress=Progress(StopAt()))
    assert not broken.cmvn_path.exists()
    resumed = pipeline.train(recipe, resume=broken, progress=Progress(quiet=True))
    ours, theirs = (torch.load(r.model_path, weights_only=True) for r in (run, resumed))
    assert ours["dims"] == theirs["dims"] == {"name": "mixednet", "width": 0.25, "hidden": 64, "frontend": FRONT}
    assert all(torch.equal(ours["weights"][key], theirs["weights"][key]) for key in ours["weights"])
    assert run.cmvn_path.read_bytes() == resumed.cmvn_path.read_bytes()
    assert made == {path: path.stat().st_mtime_ns for path in kept.glob("*/*.npy")}


@pytest.mark.slow
def test_a_micro_model_adds_its_frames_to_the_features_that_were_kept(
    run: Run, recipe: Recipe, shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
    kept = Path(recipe.engine.features or "")
    made = {path: path.stat().st_mtime_ns for path in kept.glob("*/*.npy")}
    train = recipe.train.model_copy(update={"pretrain": None, "steps": 10})
    plain = recipe.model_copy(update={"model": recipe.model.model_copy(update={"frontend": None}), "train": train})
    other = pipeline.train(plain, output_dir=tmp_path / "runs", progress=Progress(quiet=True))
    assert json.loads(other.metadata_path.read_text(encoding="utf-8"))["frontend"] == "micro"
    assert not other.cmvn_path.exists()
    assert "cmvn" not in other.metadata_path.read_text(encoding="utf-8")
    after = {path: path.stat().st_mtime_ns for path in kept.glob("*/*.npy")}
    assert {path: after[path] for path in made} == made
    assert {path.name for path in after.keys() - made.keys()} == {"micro.npy", "micro-starts.npy"}
