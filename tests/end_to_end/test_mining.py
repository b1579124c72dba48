"""Mistakes become training data: found, confirmed, learnt by a run that goes on from another, and held against it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wakewright import pipeline
from wakewright.apps.cli import main
from wakewright.apps.commands.train import further
from wakewright.core import current
from wakewright.core.audio import load, write_wav
from wakewright.core.compose import load_recipe
from wakewright.core.errors import InputError, RecipeError, RunError
from wakewright.core.manifest import Manifest
from wakewright.core.material import Mined as Settings
from wakewright.core.mined import Mined
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.detect.detector import Detector
from wakewright.evaluate import promotion
from wakewright.models import quantised, registry
from wakewright.train import start

TINY = """
base: quick
phrase: hey katya
voices: {engines: [espeak], positives: 60, near_misses: 0, sentences: 40}
augment: {copies: 1, rooms: 2}
train: {steps: 60, mine_every: 20, validate_every: 20, batch_size: 32}
engine: {workers: 1}
"""
TINY_INT8 = """
base: esp32
phrase: hey katya
voices: {engines: [espeak], positives: 60, near_misses: 0, sentences: 40}
augment: {copies: 1, rooms: 0}
train: {steps: 20, mine_every: 10, validate_every: 10, batch_size: 16, pretrain: {backbone: null, steps: 8}}
engine: {workers: 1}
"""


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))


def trained(text: str, folder: Path, cache: Path) -> Run:
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAKEWRIGHT_CACHE", str(cache))
        recipe = load_recipe(folder / "recipe.yaml")
        return pipeline.train(recipe, output_dir=folder / "runs", progress=Progress(quiet=True))


@pytest.fixture(scope="module")
def radio(tmp_path_factory: pytest.TempPathFactory, spoken: Manifest) -> Path:
    """A minute without the phrase, though with words much like it."""
    rng = np.random.default_rng(3)
    sound = rng.normal(0, 1e-3, 60 * 16_000).astype(np.float32)
    clips = [load(clip.path) for clip in spoken.of("near_miss", "speech")]
    for number, at in enumerate(range(2 * 16_000, 56 * 16_000, 3 * 16_000)):
        said = clips[number % len(clips)][: len(sound) - at]
        sound[at : at + len(said)] += said * np.float32(0.5)
    folder = tmp_path_factory.mktemp("radio")
    write_wav(folder / "radio.wav", np.clip(sound, -1, 1))
    return folder


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path, radio: Path) -> Run:
    """A trained run, and in its mined folder what stirs it on the radio, all of it confirmed."""
    run = trained(TINY, tmp_path_factory.mktemp("old"), shared_cache)
    detector = Detector.load(run.folder)
    highest = float(Detector.load(run.folder, threshold=1.0).score(load(radio / "radio.wav"))[100:].max())
    near = min(detector.threshold, highest / 4)
    words = ["mine", str(run.folder), str(radio), "--near", str(near), "--workers", "1"]
    assert main(words) == 0
    assert main(["review", str(run.folder), "--all-negative"]) == 0
    assert len(Mined.open(run.folder).labelled("negative")) >= 3
    return run


@pytest.fixture(scope="module")
def fresh(old: Run, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that went on from it, unbroken; it lies beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
        recipe = further(str(old.folder), "", ["train.steps=20", "train.validate_every=10"], "")
        return pipeline.train(recipe, output_dir=old.folder.parents[1], progress=Progress(quiet=True))


def weights(path: Path) -> dict[str, torch.Tensor]:
    stored: dict[str, Any] = torch.load(path, weights_only=True)
    return dict(stored["weights"])


def test_it_goes_on_from_the_weights_with_fewer_steps_and_the_mistakes(old: Run, fresh: Run) -> None:
    recipe = further(str(old.folder), "", [], "")
    assert recipe.train.steps == 15
    assert recipe.train.lr == pytest.approx(0.3 * old.recipe.train.lr)
    assert recipe.train.start == str(old.folder)
    plain = further(str(old.folder), "", ["train.lr=1e-5"])
    assert (plain.mined, plain.train.lr) == (None, 1e-5)
    assert (fresh.folder / start.NAME).read_bytes() == old.model_path.read_bytes()
    ours, theirs = weights(fresh.model_path), weights(old.model_path)
    differences = [float((ours[name] - theirs[name]).abs().max()) for name in ours]
    scratch = registry.create(registry.Dimensions.of(fresh.recipe.model)).state_dict()
    away = [float((ours[name] - scratch[name]).abs().max()) for name in ours]
    assert 0 < max(differences) < 0.5 * max(away)


def test_the_mistakes_are_in_the_training_part_and_in_no_other(old: Run, fresh: Run) -> None:
    for part in ("validation", "test"):
        name = f"manifest-{part}.jsonl"
        assert (fresh.folder / name).read_bytes() == (old.folder / name).read_bytes()
    train = Manifest.read(fresh.folder / "manifest-train.jsonl")
    mined = Mined.open(old.folder)
    assert [Path(clip.path).stem for clip in train.of("hard_negative")] == [o.id for o in mined.labelled("negative")]
    before = Manifest.read(old.folder / "manifest-train.jsonl")
    assert train.clips[: len(before)] == before.clips
    assert {"mined"} <= {
        one["source"] for one in json.loads((fresh.eval_dir / "result.json").read_bytes())["licences"]
    }


def test_killed_and_resumed_without_the_old_run_it_ends_at_the_same_weights(
    old: Run, fresh: Run, tmp_path: Path
) -> None:
    copy = Run.open(shutil.copytree(old.folder, tmp_path / "old"))
    words = ["train", "--from", str(copy.folder), "--mined", str(old.folder), "train.steps=20"]
    words += ["train.validate_every=10", "--output-dir", str(tmp_path / "runs")]
    with subprocess.Popen([sys.executable, "-m", "wakewright", *words], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 200
        while not list((tmp_path / "runs").glob("*/*/checkpoints/model/latest.pt")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    (folder,) = Run.all(tmp_path / "runs")
    assert not (folder / "model.pt").exists()
    shutil.rmtree(copy.folder)
    resumed = pipeline.train(fresh.recipe, resume=Run.open(folder), progress=Progress(quiet=True))
    ours, theirs = weights(resumed.model_path), weights(fresh.model_path)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_it_is_held_against_the_old_one_and_takes_its_place_or_not(
    old: Run, fresh: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    phrase = old.folder.parent
    assert main(["promote", str(old.folder)]) == 0
    assert "there was none before" in capsys.readouterr().out
    status = main(["promote", str(fresh.folder), "--workers", "1"])
    out = capsys.readouterr().out
    decision = promotion.read_decision(fresh)
    assert decision is not None
    groups = {row.group: row for row in decision.rows}
    learnt = groups["mined, not the phrase, learnt by the new run"]
    assert learnt.old_total == len(Mined.open(old.folder).labelled("negative"))
    assert "held-out voices, as at home" in groups
    assert decision.remarks == ()
    assert status == (0 if decision.promoted else 1)
    assert current.current(phrase) == (fresh.folder if decision.promoted else old.folder)
    assert ("promoted: " in out) is decision.promoted
    stored = json.loads((fresh.folder / promotion.NAME).read_bytes())
    assert stored["promoted"] is decision.promoted
    assert main(["runs", "--output-dir", str(phrase.parent)]) == 0
    assert capsys.readouterr().out.count("in use") == 1


def test_a_run_that_is_worse_anywhere_is_kept_out(old: Run, fresh: Run, tmp_path: Path) -> None:
    """A detector that always fires and one that never does: each is worse where it must be."""
    phrase = tmp_path / "runs" / "hey-katya"
    good = Run.open(shutil.copytree(old.folder, phrase / "1-good"))
    one = Mined.open(good.folder)
    first = one.labelled("negative")[0]
    one.label([first.id], "phrase", "heard")
    eager = Run.open(shutil.copytree(fresh.folder, phrase / "2-eager"))
    deaf = Run.open(shutil.copytree(fresh.folder, phrase / "3-deaf"))
    (eager.folder / "recipe.yaml").write_bytes((old.folder / "recipe.yaml").read_bytes())
    (deaf.folder / "recipe.yaml").write_bytes((old.folder / "recipe.yaml").read_bytes())
    for run, threshold in ((good, 0.9999), (eager, 0.0), (deaf, 1.0)):
        about = json.loads(run.metadata_path.read_bytes())
        run.metadata_path.write_text(json.dumps(about | {"threshold": threshold}), encoding="utf-8")
        shutil.copy(old.eval_dir / "result.json", run.eval_dir / "result.json")
    good, eager, deaf = (Run.open(run.folder) for run in (good, eager, deaf))
    decision = promotion.compare(good, eager, workers=1, progress=Progress(quiet=True))
    assert not decision.promoted
    assert decision.worse == ("mined, not the phrase, learnt by the new run",)
    (heard,) = (row for row in decision.rows if row.group == "mined, the phrase after all")
    assert (heard.count, heard.total) == (0, 1)
    decision = promotion.compare(good, deaf, workers=1, progress=Progress(quiet=True))
    assert decision.promoted, "what it does not hear it does not get wrong, and one phrase proves nothing"
    result = json.loads((deaf.eval_dir / "result.json").read_bytes())
    missed = result["conditions"][0]["chosen"]["missed"]
    missed.update(count=missed["total"], share=1.0)
    good_missed = json.loads((good.eval_dir / "result.json").read_bytes())
    good_missed["conditions"][0]["chosen"]["missed"].update(count=0, share=0.0)
    (deaf.eval_dir / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (good.eval_dir / "result.json").write_text(json.dumps(good_missed), encoding="utf-8")
    decision = promotion.compare(good, deaf, workers=1, progress=Progress(quiet=True))
    assert decision.worse == ("held-out voices, as at home",)
    assert main(["promote", str(deaf.folder), "--over", str(good.folder), "--workers", "1"]) == 1
    assert current.current(phrase) is None


def test_runs_that_cannot_be_held_against_each_other_are_refused(old: Run, fresh: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a run cannot take its own place"):
        promotion.compare(old, old)
    other = Run.open(shutil.copytree(fresh.folder, tmp_path / "p" / "other"))
    (other.folder / "recipe.yaml").write_text("phrase: computer\n", encoding="utf-8")
    with pytest.raises(InputError, match="the runs are of two phrases"):
        promotion.compare(old, Run.open(other.folder))
    with pytest.raises(RecipeError, match=r"train\.start: the run is of another phrase"):
        start.find(fresh.recipe.model_copy(update={"phrase": "computer"}))
    wide = fresh.recipe.model.model_copy(update={"width": 2.0})
    with pytest.raises(RecipeError, match=r"train\.start: the run is of another model"):
        start.find(fresh.recipe.model_copy(update={"model": wide}))
    unlike = Run.open(shutil.copytree(fresh.folder, tmp_path / "q" / "unlike"))
    result = json.loads((unlike.eval_dir / "result.json").read_bytes())
    for one in [*result["conditions"], *result["silences"]]:
        one["name"] += " elsewhere"
    (unlike.eval_dir / "result.json").write_text(json.dumps(result), encoding="utf-8")
    with pytest.raises(InputError, match="the runs were not measured alike"):
        promotion.compare(old, unlike)
    (unlike.folder / promotion.NAME).write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=r"promotion\.json is damaged"):
        promotion.read_decision(unlike)
    (unlike.folder / start.NAME).unlink()
    torch.save({"dims": {"name": "mixednet"}, "weights": {}}, unlike.folder / start.NAME)
    with pytest.raises(RunError, match=r"start\.pt is of another model"):
        start.begin(registry.create(registry.Dimensions.of(fresh.recipe.model)), unlike)


def test_a_mistake_in_what_is_measured_on_is_refused_before_anything_begins(
    old: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = Manifest.read(old.folder / "manifest-test.jsonl").of("speech").clips[0].path
    copy = shutil.copytree(old.folder / "mined", tmp_path / "mined")
    mined = Mined.open(copy)
    finds = mined.found()
    mined.write([dataclasses.replace(finds[0], source=str(Path(held).resolve())), *finds[1:]])
    words = ["train", "--from", str(old.folder), "--mined", str(copy), "--output-dir", str(tmp_path / "runs")]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "kept for validation or the test" in err
    assert held in err
    assert not (tmp_path / "runs").exists()
    by_hand = old.recipe.model_copy(update={"mined": Settings(paths=(str(copy),))})
    with pytest.raises(RecipeError, match="kept for validation or the test"):
        pipeline.train(by_hand, output_dir=tmp_path / "by-hand", progress=Progress(quiet=True))
    (begun,) = Run.all(tmp_path / "by-hand")
    assert not (begun / "manifest-train.jsonl").exists()
    for words, said in (
        (["train", "hey katya", "--mined"], "--mined names no folder"),
        (["train", "hey katya", "--mined", str(tmp_path / "gone")], "nothing was mined at"),
        (["train", "hey katya", "--from", str(old.folder)], "--from keeps phrase, model and recipe"),
        (["train", "--from", str(old.folder), "--for", "esp32"], "got: --for"),
        (["train", "--from", str(tmp_path)], "is not a run"),
    ):
        assert main(words) == 2
        assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_that_rounds_goes_on_and_rounds_from_the_first_step(
    old: Run, shared_cache: Path, tmp_path: Path
) -> None:
    run = trained(TINY_INT8, tmp_path, shared_cache)
    recipe = further(str(run.folder), "", ["train.steps=6", "train.validate_every=3"], str(old.folder))
    assert recipe.qat is not None
    assert recipe.qat.start_epoch == 0
    done = pipeline.train(recipe, output_dir=tmp_path / "runs", progress=Progress(quiet=True))
    assert done.tflite_path.is_file()
    assert quantised.is_prepared(registry.load(done.model_path))
    stages = {line["stage"] for line in done.metrics()}
    assert "pretrain" not in stages
    assert {"teacher", "model", "int8"} <= stages
