"""The whole way on real synthetic speech, from a phrase to a measured wake word: unbroken, and killed everywhere."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wakewright import Detector, pipeline
from wakewright.apps.cli import main
from wakewright.core.audio import load, to_int16
from wakewright.core.compose import load_recipe
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.detect.networks import OnnxNetwork
from wakewright.dsp.embedding import SpeechEmbedding
from wakewright.evaluate import cascade
from wakewright.evaluate.result import read_result
from wakewright.export import openwakeword
from wakewright.export.folder import export_run
from wakewright.models import registry
from wakewright.train import session

TINY = """
base: quick
phrase: hey katya
voices: {engines: [espeak], positives: 60, near_misses: 20, sentences: 40}
augment: {copies: 1, rooms: 2}
train: {steps: 60, mine_every: 20, validate_every: 20, batch_size: 32}
engine: {workers: 1}
"""
TINY_MIXEDNET = """
base: esp32
phrase: hey katya
voices: {engines: [espeak], positives: 60, near_misses: 0, sentences: 40}
augment: {copies: 1, rooms: 0}
train:
  {steps: 20, mine_every: 10, validate_every: 10, batch_size: 16, pretrain: {backbone: null, steps: 8},
   distill: {teachers: [{kind: speech_embedding}, {}]}}
engine: {workers: 1}
"""


class StopAt(io.StringIO):
    """A place for progress that is Ctrl-C as soon as a stage starts."""

    def __init__(self, stage: str) -> None:
        super().__init__()
        self._stage = stage

    def write(self, text: str) -> int:
        """Write, and interrupt when the stage is announced."""
        if text.startswith(f"{self._stage}: starting"):
            raise KeyboardInterrupt
        return super().write(text)


def recipe_of(text: str, folder: Path) -> Recipe:
    (folder / "recipe.yaml").write_text(text)
    return load_recipe(folder / "recipe.yaml")


def weights(run: Run) -> dict[str, torch.Tensor]:
    stored: dict[str, Any] = torch.load(run.model_path, weights_only=True)
    return dict(stored["weights"])


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def told() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, told: io.StringIO) -> Run:
    """An unbroken run."""
    folder = tmp_path_factory.mktemp("unbroken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAKEWRIGHT_CACHE", str(folder / "cache"))
        return pipeline.train(recipe_of(TINY, folder), output_dir=folder / "runs", progress=Progress(told))


def test_everything_promised_is_there(run: Run) -> None:
    names = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    promised = {
        "recipe.yaml", "record.json", "metrics.jsonl", "training_history.json", "model.pt", "metadata.json",
        "model.onnx", "report.html", "eval/result.json", "eval/det.png", "eval/calibration.json",
    }  # fmt: skip
    assert promised <= names
    assert not (run.folder / "features").exists()
    for label in ("positive", "negative"):
        clips = sorted((run.samples_dir / label).glob("*.wav"))
        assert len(clips) == 8
        assert all(0.2 < len(load(clip)) / 16000 < 10 for clip in clips)
    assert run.status == "complete"
    assert load_recipe(run.recipe_path) == run.recipe


def test_kept_features_serve_another_training(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(run.folder.parents[2] / "cache"))
    kept = tmp_path / "kept"
    engine = run.recipe.engine.model_copy(update={"features": str(kept)})
    recipe = run.recipe.model_copy(update={"engine": engine})
    first = pipeline.train(recipe, output_dir=tmp_path / "one", progress=Progress(quiet=True))
    assert same(weights(first), weights(run))
    made = {path: path.stat().st_mtime_ns for path in kept.rglob("*.json")}
    assert made
    slower = recipe.model_copy(update={"train": recipe.train.model_copy(update={"lr": 3e-4})})
    second = pipeline.train(slower, output_dir=tmp_path / "two", progress=Progress(quiet=True))
    assert not same(weights(second), weights(run))
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*.json")} == made


def test_the_metadata_says_all_a_detector_needs(run: Run) -> None:
    about = json.loads(run.metadata_path.read_text())
    wanted = {
        "wake_word", "original_wake_word", "threshold", "model_type", "parameters", "training_config", "metrics",
        "version", "framework",
    }  # fmt: skip
    assert wanted <= about.keys()
    assert (about["wake_word"], about["original_wake_word"]) == ("hey_katya", "hey katya")
    assert (about["model_type"], about["framework"]) == ("speech_embedding", "pytorch")
    assert 0 < about["threshold"] < 1
    assert about["training_config"]["steps"] == 60
    assert list(about["licences"]) == ["espeak"]
    assert "GPL-3.0-or-later" in about["licences"]["espeak"][0]
    assert about["licences"]["espeak"][0] in run.report_path.read_text()
    assert about["metrics"].keys() == {"frr", "positives", "fa_per_hour", "hours"}
    assert about["metrics"]["positives"] > 0
    assert about["metrics"]["hours"] > 0
    model = registry.load(run.model_path)
    assert about["parameters"] == registry.parameters(model) > 1000
    assert about["onnx_difference"] < 1e-4
    calibration = json.loads((run.eval_dir / "calibration.json").read_text())
    assert about["threshold"] == calibration["threshold"]


def test_the_history_has_every_validation_once(run: Run) -> None:
    history = json.loads(run.history_path.read_text())
    assert history == run.metrics()
    validated = [line for line in history if "val_frr" in line]
    assert [(line["stage"], line["step"]) for line in validated] == [("model", 20), ("model", 40), ("model", 60)]
    assert [line["step"] for line in history if "hard_negatives" in line] == [20, 40]
    assert all(line["val_hours"] > 0 and line["val_words"] > 0 for line in validated)


def test_no_voice_is_both_trained_on_and_measured(run: Run) -> None:
    parts = {name: Manifest.read(run.folder / f"manifest-{name}.jsonl") for name in ("train", "validation", "test")}
    assert sum(map(len, parts.values())) == 120
    voices = [{clip.speaker for clip in part} for part in parts.values()]
    assert all(voices)
    assert not voices[0] & voices[1]
    assert not voices[0] & voices[2]
    assert not voices[1] & voices[2]


def test_the_report_says_what_it_knows_and_what_not(run: Run, told: io.StringIO) -> None:
    result = read_result(run.eval_dir / "result.json")
    assert result.confusions is not None
    texts = {clip.text for clip in Manifest.read(run.folder / "manifest-test.jsonl").of("near_miss")}
    assert len(texts) == len(result.confusions.groups) + result.confusions.left_out
    assert [condition.name for condition in result.conditions] == [
        "held-out voices, as at home",
        "held-out voices, noise at about 10 dB",
        "held-out voices, noise at about 5 dB",
        "held-out voices, as hard as in training",
    ]
    assert len({condition.chosen.missed.total for condition in result.conditions}) == 1
    assert result.confusions.note.endswith("synthetic voices, none of which it learnt from.")
    assert result.thresholds is not None
    (row,) = [row for row in result.thresholds.rows if row.threshold == result.threshold]
    assert row.missed == (result.conditions[0].chosen.missed,)
    assert row.false_accepts == result.silences[0].false_accepts
    labels = {table.label for table in result.breakdowns if table.condition == "held-out voices, as at home"}
    assert labels >= {"speaker", "voice"}  # so few words are in one stream: one background, one level
    assert any("4 syllables" in line for line in result.advice)
    assert any("never heard a real voice" in line for line in result.warnings)
    assert [history.name for history in result.history]
    page = run.report_path.read_text()
    assert "hey katya" in page
    assert "4 syllables" in page
    missed, woken = result.conditions[0].chosen.missed.count, [s.false_accepts.count for s in result.silences]
    assert page.count("<audio") == page.count('src="data:audio/mpeg') + len(result.samples)
    assert (
        page.count('src="data:audio/mpeg')
        == page.count("data:image/png")
        == sum(min(20, n) for n in (missed, *woken))
    )
    lines = told.getvalue().splitlines()
    advice = next(i for i, line in enumerate(lines) if "4 syllables" in line)
    assert advice < next(i for i, line in enumerate(lines) if line.startswith("speak"))


def test_the_detector_listens(run: Run, spoken: Manifest) -> None:
    clip = load(spoken.of("positive").clips[0].path)
    sound = np.concatenate([np.zeros(40_000, np.float32), clip, np.zeros(16_000, np.float32)])
    detector = Detector.load(run.folder)
    for detection in detector.stream(sound):
        assert detection.phrase == "hey katya"
        assert detection.score >= detector.threshold
    loose = list(Detector.load(run.folder, threshold=0.0).stream(sound))
    assert loose[0].end_s >= 2.0


def test_a_run_is_measured_on_recordings(run: Run, spoken: Manifest, tmp_path: Path) -> None:
    for kind, folder in (("positive", "positive"), ("speech", "negative")):
        (tmp_path / folder).mkdir()
        for clip in spoken:
            if clip.kind == kind:
                shutil.copy(clip.path, tmp_path / folder)
    copy = shutil.copytree(run.folder, tmp_path / "run")
    before = json.loads((copy / "metadata.json").read_text())
    result = pipeline.evaluate_run(Run.open(copy), tmp_path, progress=Progress(quiet=True))
    assert result.conditions[0].name == "as recorded"
    assert result.conditions[0].chosen.missed.total == 12
    assert result.silences[0].false_accepts.hours > 0
    assert result.threshold == before["threshold"] == json.loads((copy / "metadata.json").read_text())["threshold"]
    assert read_result(copy / "eval" / "result.json") == result
    assert result.samples == read_result(run.eval_dir / "result.json").samples
    assert result.licences
    assert any("4 syllables" in line for line in result.advice)


def test_a_sentry_and_a_judge_are_put_together_and_measured(
    run: Run, spoken: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same run in both roles: what the Judge learnt from is not validated on, and the pair can be used."""
    for kind, folder in (("positive", "positive"), ("speech", "negative")):
        (tmp_path / folder).mkdir()
        for i, clip in enumerate(c for c in spoken if c.kind == kind):
            shutil.copy(clip.path, tmp_path / folder / f"{i}.wav")
    pair = tmp_path / "pair.yaml"
    words = ["cascade", str(run.folder), str(run.folder), "--calls", "100000", "--out", str(pair)]
    assert main([*words, "--speech", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    table = [line.split() for line in out.splitlines() if line.strip().startswith("0.")]
    assert [float(row[0]) for row in table] == list(cascade.TRIGGERS)
    calls = [float(row[1]) for row in table]
    assert calls[-1] == min(calls)
    (marked,) = (row for row in table if row[-1] == "<")
    assert all(0 <= float(row[3]) <= 1 for row in table)  # each trigger's own threshold of the Judge
    for name in (
        "Sentry alone, as recorded",
        "Judge alone, as recorded",
        "cascade, as recorded",
        "the Judge is asked",
    ):
        assert name in out
    chosen = load_recipe(pair).cascade
    assert chosen is not None
    assert Path(chosen.judge or "") == run.folder.resolve()
    assert (chosen.trigger, chosen.confirm) == (float(marked[0]), pytest.approx(float(marked[3]), abs=0.00051))
    assert main(["listen", str(pair), "--wav", str(tmp_path / "positive"), "--json"]) == 0
    assert main([*words[:3], "--calls", "1", "--out", str(pair)]) == 2 or min(calls) <= 1
    capsys.readouterr()


def until(process: subprocess.Popen[str], stage: str, then: Path | None = None) -> None:
    """Wait until the stage starts, and until the file or folder is there; then kill."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"{stage}: starting"):
            break
    else:
        pytest.fail(f"{stage} never started")
    deadline = time.monotonic() + 60
    while then is not None and not then.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_in_every_stage_and_resumed_it_ends_at_the_same_weights(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tiny.yaml").write_text(TINY)
    words = [str(tmp_path / "tiny.yaml"), "--output-dir", str(tmp_path / "runs")]
    folder = None
    for stage, then in (
        ("speak near miss", None),
        ("hear train", Path("features/train")),
        ("train model", Path("checkpoints/model/latest.pt")),
    ):
        command = [sys.executable, "-m", "wakewright", "train", *words]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            until(process, stage, folder / then if folder and then else None)
        (folder,) = Run.all(tmp_path / "runs")
        assert Run.open(folder).status == "interrupted"
        words = ["--resume", str(folder)]
    assert folder is not None
    resumed = pipeline.train(run.recipe, resume=Run.open(folder), progress=Progress(quiet=True))
    assert resumed.folder == folder.resolve()
    assert same(weights(run), weights(resumed))
    for ours, theirs in zip(run.metrics(), resumed.metrics(), strict=True):
        assert ours == theirs
    assert json.loads(run.metadata_path.read_text()) == json.loads(resumed.metadata_path.read_text())
    assert resumed.record["resumed"]
    again = pipeline.train(run.recipe, resume=resumed, progress=Progress(quiet=True))
    assert same(weights(run), weights(again))


def test_openwakewords_runtime_fires_where_our_model_does(run: Run, tmp_path: Path) -> None:
    package = pytest.importorskip("pyopen_wakeword")
    files = export_run(run, to="openwakeword", out=tmp_path)
    assert [f.name for f in files[:2]] == ["hey_katya.onnx", "hey_katya.tflite"]
    assert [f.name for f in files[2:]] == ["golden.wav", "golden_features.npy", "golden_scores.npy", "parity.json"]
    hiss = np.random.default_rng(0).normal(0, 0.001, 20_000).astype(np.float32)
    clips = [load(path) for path in sorted((run.samples_dir / "positive").iterdir())]
    sound = np.concatenate([hiss, hiss, *(part for clip in clips for part in (clip, hiss))])
    scores = OnnxNetwork(run.onnx_path, 1, 96, "speech_embedding")(SpeechEmbedding().push(sound))
    # so short a training has a threshold that few clips reach; where scores are farthest apart, none hovers about it
    near = np.sort(scores)[int(0.75 * len(scores)) : int(0.85 * len(scores))]
    threshold = float(near[np.argmax(np.diff(near))] + near[np.argmax(np.diff(near)) + 1]) / 2
    openwakeword.write(registry.load(run.model_path), threshold, *files[:2])
    ours = scores >= threshold
    peer = package.OpenWakeWord.from_model(tmp_path / "hey_katya.tflite")
    features, theirs = package.OpenWakeWordFeatures.from_builtin(), []
    data = to_int16(sound).tobytes()
    for at in range(0, len(data), 2560):
        for embeddings in features.process_streaming(data[at : at + 2560]):
            theirs += [score >= 0.5 for score in peer.process_streaming(embeddings)]
    count = len(ours) - 20  # it hears silence of its own before; the ends are the same sound
    one, other = (np.flatnonzero(np.diff(np.concatenate([[0], x[-count:]])) > 0) for x in (ours, np.array(theirs)))
    assert len(one) >= 5
    assert [np.abs(other - step).min() <= 1 for step in one] == [True] * len(one)
    assert [np.abs(one - step).min() <= 1 for step in other] == [True] * len(other)


def test_a_resumed_run_whose_clips_have_changed_learns_anew(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(run.folder.parents[2] / "cache"))
    copy = Run.open(shutil.copytree(run.folder, tmp_path / "run"))
    (copy.folder / "suspects.json").unlink()  # made again with what it belongs to
    told = io.StringIO()
    pipeline.train(copy.recipe, resume=copy, progress=Progress(told))
    assert "from the beginning" not in told.getvalue()
    assert "train model" not in told.getvalue()
    assert "nothing was left to do" in told.getvalue()
    copy.finish_stage("split", "of other clips")
    copy.finish_stage("fit", "of other clips")
    saved = (copy.checkpoints_dir / "model" / "best.pt").stat().st_mtime_ns
    told = io.StringIO()
    pipeline.train(copy.recipe, resume=copy, progress=Progress(told))
    assert "training starts from the beginning" in told.getvalue()
    assert (copy.checkpoints_dir / "model" / "best.pt").stat().st_mtime_ns > saved
    assert same(weights(run), weights(copy))
    assert copy.metrics() == run.metrics()


def test_a_tiny_model_learns_from_the_embedding_and_a_teacher(
    tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pretraining, teacher and model; interrupted before each of the last two and resumed, to the same weights."""
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
    monkeypatch.setattr(session, "TEACHER_STEPS", 20)
    recipe = recipe_of(TINY_MIXEDNET, tmp_path)
    unbroken = pipeline.train(recipe, output_dir=tmp_path / "runs", progress=Progress(quiet=True))
    about = json.loads(unbroken.metadata_path.read_text())
    assert (about["model_type"], about["frontend"]) == ("mixednet", "micro")
    heads = [registry.load(unbroken.folder / f"{name}.pt").state_dict() for name in ("teacher", "teacher-2")]
    assert not all(torch.equal(heads[0][key], heads[1][key]) for key in heads[0]), "two of one seed teach no more"
    assert (unbroken.checkpoints_dir / "pretrain.pt").is_file()
    assert {line["stage"] for line in unbroken.metrics()} == {"pretrain", "teacher", "teacher-2", "model", "int8"}
    (forms,) = [line for line in unbroken.metrics() if line["stage"] == "int8"]
    assert {"float32_frr", "rounded_frr", "file_frr"} <= forms.keys()
    told = read_result(unbroken.eval_dir / "result.json").forms
    assert [form.missed for form in told] == [forms[f"{key}_frr"] for key in ("float32", "rounded", "file")]
    assert "What int8 costs" in unbroken.report_path.read_text()
    assert about["model"] == "model.tflite"
    files = export_run(unbroken, to="esphome", out=tmp_path / "esphome")
    assert {f.name for f in files} >= {"hey_katya.tflite", "hey_katya.json", "golden_scores.npy", "parity.json"}
    (likeness,) = [line for line in unbroken.metrics() if line["stage"] == "pretrain"]
    assert likeness["r2"] < 1
    assert abs(likeness["cosine"]) < 1
    plain = recipe.model_copy(update={"qat": None})
    float32 = pipeline.train(plain, output_dir=tmp_path / "float32", progress=Progress(quiet=True))
    assert not float32.tflite_path.exists()
    files = export_run(float32, to="tflite", out=tmp_path / "tflite", calibrate=3)
    after = json.loads((tmp_path / "tflite" / "metadata.json").read_text())
    assert after["model"] == "model.tflite"
    assert 0 < after["threshold"] <= 1
    assert len(Detector.load(tmp_path / "tflite").score(np.zeros(48_000, np.float32))) > 90
    files = export_run(float32, to="onnx", out=tmp_path / "onnx", calibrate=3)
    assert {f.name for f in files} >= {f"model{form}.onnx" for form in ("", "_windowed", "_float", "_windowed_float")}
    assert json.loads((tmp_path / "onnx" / "metadata.json").read_text()) == after | {"model": "model.onnx"}
    heard = np.load(tmp_path / "onnx" / "golden_features.npy")
    whole, plain = (Detector.load(place)._network(heard) for place in (tmp_path / "onnx", float32.folder))
    np.testing.assert_allclose(whole, plain, atol=0.1)
    assert not np.array_equal(whole, plain)
    assert not float32.tflite_path.exists()
    broken = Run.create(recipe, tmp_path / "broken")
    for stage in ("pretrain", "train model"):
        with pytest.raises(KeyboardInterrupt):
            pipeline.train(recipe, resume=broken, progress=Progress(StopAt(stage)))
        assert broken.status == "interrupted"
    with contextlib.closing(io.StringIO()) as quiet:
        resumed = pipeline.train(recipe, resume=broken, progress=Progress(quiet))
    assert same(weights(unbroken), weights(resumed))
    assert unbroken.metrics() == resumed.metrics()
