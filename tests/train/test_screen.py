"""Speech that holds the phrase is found among the background, and ordinary speech is not taken for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.core.material import Background
from wakewright.core.progress import Progress
from wakewright.core.recipe import Augment, Recipe
from wakewright.core.run import Run
from wakewright.data import parts, store, streams
from wakewright.train import screen

AROUND = streams.Surroundings(Augment(rooms=0), 5, (), ())
FRONTS = ("speech_embedding",)


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))


def built(folder: Path, clips: Manifest, copies: dict[tuple[Kind, bool], int], seed: int) -> store.Store:
    plans = streams.plan(clips, copies, AROUND, np.random.default_rng(seed))
    return store.build(folder, plans, AROUND, FRONTS, workers=1)


def as_background(clips: Manifest) -> list[Clip]:
    """The same clips, as if found in a folder of real speech."""
    return [dataclasses.replace(clip, kind="speech", real=True, source="kitchen") for clip in clips]


def test_the_phrase_is_found_in_the_background(spoken: Manifest, tmp_path: Path) -> None:
    words, sentences = spoken.of("positive").clips, spoken.of("speech")
    learnt, held = Manifest(words[::2]), Manifest(words[1::2])
    run = Run.create(Recipe(phrase="hey katya"), tmp_path / "runs")
    manifest = learnt + sentences + spoken.of("near_miss")
    training = built(
        tmp_path / "train", manifest, {("positive", False): 6, ("speech", False): 4, ("near_miss", False): 2}, 1
    )
    quiet = built(tmp_path / "words", held, {("positive", False): 1}, 2)
    candidates = [*as_background(held), *as_background(sentences)]
    found = screen.suspects(run, manifest, training, quiet, candidates, Progress(quiet=True))
    said = [suspect.clip.text for suspect in found]
    assert sum("katya" in text for text in said) >= 0.6 * len(held)
    assert sum("katya" not in text for text in said) <= 0.1 * len(sentences)
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    assert all(s.score >= s.level for s in found)


def test_without_a_guard_nothing_is_looked_for(spoken: Manifest, tmp_path: Path) -> None:
    recipe = Recipe(phrase="hey katya", background=Background(guard=None))
    run = Run.create(recipe, tmp_path / "runs")
    nothing = store.Store({}, np.zeros(0, np.void), 0.0)
    assert screen.suspects(run, spoken, nothing, nothing, list(spoken), Progress(quiet=True)) == []


def test_suspects_leave_training_and_validation_but_not_the_test(spoken: Manifest) -> None:
    clips = spoken.clips[:3]
    left = parts.without({"train": spoken, "validation": spoken, "test": spoken}, clips)
    assert not set(clips) & set(left["train"])
    assert len(left["validation"]) == len(spoken) - 3
    assert left["test"] == spoken
