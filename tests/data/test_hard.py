"""Confirmed mistakes become clips of the training part, and of no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wakewright.core.audio import write_wav
from wakewright.core.errors import AudioError, InputError, RecipeError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.material import Mined as Settings
from wakewright.core.mined import Found, Label, Mined
from wakewright.core.recipe import Augment, Recipe, Train
from wakewright.data import hard, store
from wakewright.data import parts as scenes
from wakewright.data.batches import NEGATIVE, Geometry, Sampler


def folder(place: Path, labels: dict[int, Label | None]) -> Mined:
    """A mined folder with sounds by number, labelled or not."""
    mined = Mined(place)
    rng = np.random.default_rng(1)
    finds = []
    for number in labels:
        one = Found(f"{number:016x}", "false_accept", 0.9, 0.6, None, f"/radio/{number}.wav", 3.0, 1.5, 2.0)
        write_wav(mined.sound(one), rng.normal(0, 0.1, 32_000).astype(np.float32))
        finds.append(one)
    mined.write(finds)
    for number, label in labels.items():
        if label is not None:
            mined.label([f"{number:016x}"], label, "heard")
    return mined


def recipe(*folders: Mined, weight: int = 3) -> Recipe:
    return Recipe(
        phrase="hey katya",
        mined=Settings(paths=tuple(str(one.folder) for one in folders)),
        augment=Augment(rooms=0, real_copies=2),
        train=Train(hard_negative_weight=weight),
    )


def test_what_is_labelled_negative_and_nothing_else_is_learnt(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", {1: "negative", 2: "phrase", 3: None})
    two = folder(tmp_path / "two", {1: "negative", 4: "negative"})
    clips = hard.hard_negatives(recipe(one, two))
    assert [Path(clip.path).stem for clip in clips] == [f"{n:016x}" for n in (1, 4)]
    assert {(c.kind, c.real, c.source, c.seconds) for c in clips} == {("hard_negative", True, "mined", 2.0)}
    assert [clip.speaker for clip in clips] == ["/radio/1.wav", "/radio/4.wav"]
    assert hard.hard_negatives(Recipe(phrase="hey katya")) == Manifest()


def test_what_cannot_be_learnt_is_refused(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", {1: "negative", 2: "phrase"})
    with pytest.raises(InputError, match="nothing was mined"):
        hard.hard_negatives(recipe(Mined(tmp_path / "gone")))
    with pytest.raises(RecipeError, match="nothing is confirmed there"):
        hard.hard_negatives(recipe(folder(tmp_path / "two", {2: "phrase", 3: None})))
    with pytest.raises(RecipeError, match="the folders disagree") as error:
        hard.hard_negatives(recipe(one, folder(tmp_path / "three", {2: "negative"})))
    assert f"{2:016x}.wav" in error.value.got
    one.sound(one.found()[0]).unlink()
    with pytest.raises(AudioError, match=rf"no recording at .*{1:016x}\.wav"):
        hard.hard_negatives(recipe(one))


def test_a_sound_from_a_recording_that_is_measured_on_is_refused_by_name(tmp_path: Path) -> None:
    clips = hard.hard_negatives(recipe(folder(tmp_path, dict.fromkeys(range(8), "negative"))))
    hard.refuse_held_out(clips, ["/radio/99.wav"])
    with pytest.raises(RecipeError, match="kept for validation or the test") as error:
        hard.refuse_held_out(clips, ["/radio/3.wav", "/radio/99.wav"])
    assert error.value.got == "/radio/3.wav"
    with pytest.raises(RecipeError) as error:
        hard.refuse_held_out(clips, [f"/radio/{n}.wav" for n in range(8)])
    assert error.value.got.endswith("/radio/4.wav and 3 more")


def test_a_copy_of_a_recording_that_is_measured_on_is_refused_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for name in ("held", "other"):
        write_wav(tmp_path / f"{name}.wav", rng.normal(0, 0.1, 8_000).astype(np.float32))
    copy, other = tmp_path / "copy.wav", tmp_path / "other.wav"
    copy.write_bytes((tmp_path / "held.wav").read_bytes())
    mined = [Clip(f"{i}.wav", "hard_negative", 1.0, str(path), hard.SOURCE) for i, path in enumerate((copy, other))]
    held = [str(tmp_path / "held.wav"), str(tmp_path / "gone.wav")]
    hard.refuse_held_out(Manifest(tuple(mined[1:])), held)
    with pytest.raises(RecipeError, match="kept for validation or the test") as error:
        hard.refuse_held_out(Manifest(tuple(mined)), held)
    assert error.value.got == str(copy)


def test_each_is_heard_as_often_as_its_weight_says_and_drawn_as_real_sound(tmp_path: Path) -> None:
    write_wav(tmp_path / "talk.wav", np.random.default_rng(2).normal(0, 0.05, 64_000).astype(np.float32))
    talk = Clip(str(tmp_path / "talk.wav"), "speech", 4.0, "ann", "radio", real=True)
    chosen = recipe(folder(tmp_path / "one", {1: "negative"}), weight=4)
    manifest = Manifest((talk,)) + hard.hard_negatives(chosen)
    what = scenes.training_scene({"train": manifest}, chosen)
    said = [item.index for plan in what.plans for item in plan.items]
    assert (said.count(0), said.count(1)) == (2, 8)
    kept = store.build(tmp_path / "features", what.plans, what.surroundings, ("micro",), workers=1)
    sampler = Sampler(
        kept, manifest, "micro", Geometry(100, 3, 2), chosen.train, chosen.augment, seed=1, left_out=frozenset()
    )
    mistakes = kept.events[kept.events["clip"] == 1]
    assert len(mistakes) == 8
    drawn = set(sampler._real.values.tolist())
    for event in mistakes:
        stream = int(event["stream"])
        middle = int(sampler.track.starts[stream]) + (int(event["start"]) + int(event["end"])) // 2 // 160
        assert sampler.labels[middle] == NEGATIVE
        assert middle in drawn
