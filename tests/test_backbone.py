"""A backbone made end to end from real sound files and real synthetic speech, small: what it leaves, and resuming."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from wakewright import backbone
from wakewright.apps.cli import main
from wakewright.core.compose import load_recipe
from wakewright.core.errors import RecipeError, RunError
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.models import backbone as files
from wakewright.models import registry

SMALL = [
    'voices.engines=["espeak"]',
    "voices.sentences=24",
    "voices.accent_share=0",
    "augment.rooms=0",
    "augment.real_copies=2",
    "background.validation_share=0.4",
    "train.batch_size=8",
    "train.pretrain.steps=6",
    "model.width=0.25",
    "engine.workers=1",
]


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Five speakers of two noises each, long enough to be heard."""
    rng = np.random.default_rng(1)
    for speaker in range(5):
        for clip in range(2):
            path = tmp_path / "people" / f"s{speaker}" / f"{clip}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * rng.normal(size=5 * 16000) * np.sin(np.arange(80000) / 3000), 16000)
    return tmp_path / "people"


def recipe(people: Path, *settings: str) -> Recipe:
    words = [*SMALL, f"background.speech=[{people}]", *settings]
    return load_recipe(None, words, backbone.NO_PHRASE, layers=["backbone"])


def test_it_is_made_and_can_be_begun_from(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = backbone.train(recipe(people), out, ["CC0 (made up)"], Progress(quiet=True))
    found = files.read(path)
    assert path == out / "mixednet-0.25.safetensors"
    found.begin(registry.create(registry.Dimensions("mixednet", 0.25)))
    about = found.about
    assert about["people"] + about["unheard_people"] == 5
    assert about["unheard_people"] >= 1
    assert about["sentences"] == 24
    assert about["recordings"] == ["CC0 (made up)"]
    assert about["voices"] == ["espeak: GPL-3.0-or-later (program; places no terms on its sound)"]
    assert -5 < about["r2"] < 1
    assert -1 < about["cosine"] < 1
    card = path.with_suffix(".md").read_text()
    assert "CC0 (made up)" in card
    assert f"R2 {about['r2']:.3f}" in card
    heard = (out / "features" / "train" / "store.json").stat().st_mtime_ns
    before = path.read_bytes()
    assert backbone.train(recipe(people), out, ["CC0 (made up)"], Progress(quiet=True)).read_bytes() == before
    again = recipe(people, "train.pretrain.steps=3")
    assert files.read(backbone.train(again, out, [], Progress(quiet=True))).about["steps"] == 3
    telling = files.read(backbone.train(recipe(people, "train.pretrain.phonemes=0.3"), out, [], Progress(quiet=True)))
    assert telling.about["phonemes"] == 0.3
    assert "to tell phonemes (weight 0.3)" in path.with_suffix(".md").read_text()
    assert any(not torch.equal(found.weights[name], weights) for name, weights in telling.weights.items())
    assert (out / "features" / "train" / "store.json").stat().st_mtime_ns == heard, "it is heard once"


def test_phonemes_that_nobody_speaks_are_missed_before_anything_is_heard(people: Path, tmp_path: Path) -> None:
    silent = recipe(people, "train.pretrain.phonemes=0.3", "voices.sentences=0")
    with pytest.raises(RecipeError, match="nothing to learn phonemes from"):
        backbone.train(silent, tmp_path / "out", [], Progress(quiet=True))
    assert not (tmp_path / "out" / "features").exists()


def test_a_folder_of_other_work_is_refused(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    backbone._claim(out, recipe(people))
    backbone._claim(out, recipe(people, "model.width=1"))
    with pytest.raises(RunError, match="hears something else"):
        backbone._claim(out, recipe(people, "voices.sentences=25"))


def test_a_folder_of_an_older_version_is_gone_on_with(people: Path, tmp_path: Path) -> None:
    """What it says less, or in other comments, is not another work."""
    backbone._claim(tmp_path, recipe(people))
    whole = (tmp_path / "heard.yaml").read_text(encoding="utf-8")
    less = [line for line in whole.splitlines() if not line.strip().startswith(("#", "frontend:"))]
    assert any("frontend:" in line for line in whole.splitlines())
    (tmp_path / "heard.yaml").write_text("\n".join(less), encoding="utf-8")
    backbone._claim(tmp_path, recipe(people))


def test_backbones_hear_through_the_micro_front_end(people: Path, tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"backbones hear through the micro front end\n  got: model.frontend.kind=mel"
    ):
        backbone.train(recipe(people, "model.frontend.kind=mel"), tmp_path / "out", [], Progress(quiet=True))
    assert not (tmp_path / "out").exists()


def test_a_model_that_hears_with_the_embedding_itself_needs_none(people: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nothing to train a backbone for"):
        backbone.train(recipe(people, "model.name=speech_embedding"), tmp_path / "out", [], Progress(quiet=True))
    assert not (tmp_path / "out").exists()


def test_the_command_asks_for_licences(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert main(["backbone", "train", "--speech", str(people), *out, *SMALL]) == 2
    assert "--licence" in capsys.readouterr().err
    assert main(["backbone", "train", "--speech", str(people), "--licence", "CC0", *out, *SMALL]) == 0
    assert "train.pretrain.backbone=" in capsys.readouterr().out


def test_the_card_names_every_source_with_its_licence_and_what_hinders(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (people / "LICENSE").write_text("\nCC-BY-NC-4.0 (made up)\n\nand more\n")
    out = ["--out", str(tmp_path / "out")]
    assert main(["backbone", "train", "--speech", str(people), *out, *SMALL]) == 0
    assert (
        "cannot simply be passed on: people (CC-BY-NC-4.0 (made up)): not for commercial use"
        in capsys.readouterr().err
    )
    path = tmp_path / "out" / "mixednet-0.25.safetensors"
    about, card = files.read(path).about, path.with_suffix(".md").read_text()
    (source,) = about["sources"]
    assert (source["corpus"], source["kind"], source["licence"]) == ("people", "speech", "CC-BY-NC-4.0 (made up)")
    assert source["clips"] == 2 * about["people"]
    assert source["hours"] == pytest.approx(about["people"] * 10 / 3600, abs=1e-4)
    assert f"| people | speech | CC-BY-NC-4.0 (made up) | {source['clips']} | {source['hours']:.3f} |" in card
    (engine,) = about["engines"]
    assert (engine["engine"], engine["clips"]) == ("espeak", 24)
    assert f"| espeak | {engine['licence']} | {engine['voices']} | 24 |" in card
    assert "| against passing it on | people (CC-BY-NC-4.0 (made up)): not for commercial use |" in card
