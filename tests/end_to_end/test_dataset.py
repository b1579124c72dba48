"""A dataset that people really have: imported, learnt from, kept apart by person, and refused where it leaks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import soundfile

from wakewright import pipeline
from wakewright.apps.cli import main
from wakewright.core.audio import load
from wakewright.core.compose import load_recipe
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.core.run import Run
from wakewright.data import dataset, spoken
from wakewright.evaluate.result import read_result
from wakewright.train import session
from wakewright.train.loop import Quality

TINY = """
base: quick
phrase: hey katya
voices: {engines: [espeak], positives: 60, near_misses: 0, sentences: 40}
augment: {copies: 1, rooms: 0}
background: {guard: null}
train: {steps: 20, mine_every: 0, validate_every: 10, batch_size: 32}
engine: {workers: 1}
"""


@pytest.fixture
def home(tmp_path: Path, spoken: Manifest, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six people who say the phrase twice each, two of them something near it, four who say something else."""
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(TINY, encoding="utf-8")
    for kind, folder, each in (
        ("positive", "positive", 2),
        ("near_miss", "hard_negative", 2),
        ("speech", "negative", 2),
    ):
        for number, clip in enumerate(spoken.of(kind)):  # type: ignore[arg-type]
            place = tmp_path / "home" / folder / f"person{number // each}"
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(clip.path, place / f"{number}.wav")
    return tmp_path / "home"


def test_it_is_imported_and_learnt_from_by_person(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "validate", lambda *_: (Quality(0.0, 0.0), {"val_words": 9, "val_frr": 0.0}))
    assert main(["data", "import", str(home), "--out", "clips.jsonl", "--workers", "1"]) == 0
    assert main(["train", "recipe.yaml", "--data", "clips.jsonl"]) == 0
    run = Run.latest(Path("runs"), None)
    assert run.recipe.dataset is not None
    parts = {name: Manifest.read(run.folder / f"manifest-{name}.jsonl") for name in ("train", "validation", "test")}
    mine = {name: Manifest(tuple(c for c in manifest if c.source == "home")) for name, manifest in parts.items()}
    assert sorted(Path(c.path).name for m in mine.values() for c in m) == sorted(p.name for p in home.rglob("*.wav"))
    people = {name: {c.speaker for c in manifest} for name, manifest in mine.items()}
    assert all(mine[name].of("positive") for name in mine)
    assert not people["train"] & (people["validation"] | people["test"])
    assert not people["validation"] & people["test"]
    conditions = read_result(run.eval_dir / "result.json").conditions
    assert any(condition.name.startswith("own recordings") for condition in conditions)
    said = capsys.readouterr()
    assert "home: who says the phrase: 4 learnt from, 1 for validation, 1 for the test" in said.out + said.err
    assert "does validation hold copies of what is learnt?" in said.out + said.err  # perfect at once: it doubts that
    assert run.record["copies_in_validation"] == 0


def test_people_who_come_later_move_nobody_from_one_training_to_the_next(home: Path, tmp_path: Path) -> None:
    recipe = load_recipe(tmp_path / "recipe.yaml", ['dataset={manifests: ["clips.jsonl"]}'])
    first = tmp_path / "again" / "home" / "positive"
    first.mkdir(parents=True)
    own = sorted((home / "positive").iterdir())
    for person in own[:2]:
        shutil.move(person, first)
    before: dict[str, str] = {}
    for person in (None, *own[2:]):
        if person:
            shutil.move(person, first)
        assert main(["data", "import", "again/home", "--out", "clips.jsonl", "--workers", "1"]) == 0
        run = Run.create(recipe, "runs")
        found = dataset.joined(spoken.gather(recipe), dataset.clips(recipe))
        pipeline._parts(run, found, {"home"}, Manifest(), Progress(quiet=True))
        parts = {
            name: Manifest.read(run.folder / f"manifest-{name}.jsonl") for name in ("train", "validation", "test")
        }
        now = {clip.speaker: name for name in parts for clip in parts[name] if clip.source == "home"}
        assert before.items() <= now.items()
        before = now
    assert set(before) == {person.name for person in own}
    assert set(before.values()) == {"train", "validation", "test"}


def test_given_parts_that_leak_are_refused_before_anything_is_spoken(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, where in (("positive", "train"), ("negative", "train"), ("hard_negative", "train")):
        shutil.move(home / name, home / where / name)
    again = home / "test" / "positive" / "zoe"
    again.mkdir(parents=True)
    soundfile.write(again / "z.flac", load(home / "train" / "positive" / "person0" / "0.wav") * 0.4, 16_000)
    assert main(["data", "import", str(home), "--out", "clips.jsonl", "--workers", "1"]) == 0
    capsys.readouterr()
    assert main(["train", "recipe.yaml", "--data", "clips.jsonl"]) == 2
    said = capsys.readouterr()
    assert "what is learnt from would be measured on" in said.err
    assert "0.wav (train) and" in said.err
    assert "z.flac (test): one recording" in said.err
    assert "speak positive" not in said.out + said.err
    assert main(["data", "check", "clips.jsonl", "--workers", "1"]) == 1
    assert "in two parts" in capsys.readouterr().out
