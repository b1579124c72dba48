"""Datasets, copies and given parts: nothing that is learnt from is measured on, and what is given stands."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.core.audio import load, write_wav
from wakewright.core.errors import AudioError, InputError, RecipeError
from wakewright.core.manifest import Clip, Kind, Manifest, Part
from wakewright.core.material import Dataset, Recordings
from wakewright.core.progress import Progress
from wakewright.core.recipe import Recipe
from wakewright.data import copies, dataset, leaks, quarantine
from wakewright.data.parts import training_scene
from wakewright.data.splits import Parts, given, speakers, split

EVERY: tuple[Part, ...] = ("train", "validation", "test")
RECIPE = Recipe(phrase="hey katya", dataset=Dataset(manifests=("clips.jsonl",)))


def said(kind: Kind, who: str, number: int = 0, *, source: str = "mine", part: Part | None = None) -> Clip:
    path = f"/{source}/{kind}/{who}-{number}.wav"
    return Clip(path, kind, 1.0, speaker=who, source=source, real=True, part=part or "")


def people(count: int, kind: Kind = "speech", *, name: str = "p", each: int = 2) -> list[Clip]:
    return [said(kind, f"{name}{i}", n) for i in range(count) for n in range(each)]


def voices(count: int = 30) -> list[Clip]:
    kinds: tuple[Kind, ...] = ("positive", "speech")
    return [Clip(f"/tts/{k}/{v}.wav", k, 1.0, f"v{v}", "tts") for k in kinds for v in range(count)]


def who(parts: Parts, name: Part, kind: Kind) -> set[str]:
    return {c.speaker for c in parts[name].of(kind) if c.source == "mine"}


def test_a_dataset_is_parted_by_its_own_shares_and_those_who_say_the_phrase_for_themselves() -> None:
    both = people(300) + people(40, "positive", name="f") + [said("speech", f"f{i}") for i in range(40)]
    parts = split(Manifest((*both, *voices())), RECIPE, datasets={"mine"})
    for kind, total in (("speech", 340), ("positive", 40)):
        shares = {name: len(who(parts, name, kind)) / total for name in parts}  # type: ignore[arg-type]
        assert shares["validation"] == pytest.approx(0.1, abs=0.06)
        assert shares["test"] == pytest.approx(0.1, abs=0.06)
    assert all(who(parts, name, "positive") for name in parts)
    for name in parts:
        others = [other for other in parts if other != name]
        assert not any(who(parts, name, "speech") & who(parts, other, "speech") for other in others)
        assert not any(who(parts, name, "positive") & who(parts, other, "speech") for other in others)
    more = split(Manifest((*both, *people(30, name="late"), *voices())), RECIPE, datasets={"mine"})
    for name in parts:
        assert who(parts, name, "speech") <= who(more, name, "speech")


def test_a_small_dataset_gives_people_to_every_part() -> None:
    parts = split(Manifest((*people(4, "positive"), *voices())), RECIPE, datasets={"mine"})
    assert [len(who(parts, name, "positive")) for name in ("train", "validation", "test")] == [2, 1, 1]


def test_parts_that_were_given_stand() -> None:
    mine = [said("positive", "ann", part="test"), said("speech", "bob", part="validation"), *people(20)]
    parts = split(Manifest((*mine, *voices())), RECIPE, datasets={"mine"})
    assert mine[0] in parts["test"]
    assert mine[1] in parts["validation"]
    assert {c.path for part in parts.values() for c in part if c.source == "mine"} == {c.path for c in mine}


def test_people_who_share_a_recording_are_kept_together_where_one_is_learnt_from() -> None:
    everyone = Manifest((*people(40), *voices()))
    alone = split(everyone, RECIPE, datasets={"mine"})
    first: dict[Part, Clip] = {name: next(c for c in alone[name] if c.source == "mine") for name in alone}
    chain = [[first["test"].path, first["validation"].path], [first["validation"].path, first["train"].path]]
    assert leaks.find(alone, chain)
    parts = split(everyone, RECIPE, chain, {"mine"})
    assert not leaks.find(parts, chain)
    for clip in first.values():
        assert clip.speaker in who(parts, "train", "speech")
        assert clip.speaker not in who(parts, "validation", "speech") | who(parts, "test", "speech")
    moved = {first["validation"].speaker, first["test"].speaker}
    for name in alone:  # nobody else moves
        assert who(alone, name, "speech") - moved == who(parts, name, "speech") - moved
    assert split(everyone, RECIPE, [[first["train"].path, "/elsewhere.wav"]], {"mine"}) == alone


def test_a_split_that_leaks_is_refused_by_the_names_of_the_pairs() -> None:
    mine = Manifest((said("positive", "ann", 1, part="train"), said("positive", "ann", 2, part="test")))
    found = leaks.find(given(mine))
    assert [(leak.first, leak.second, leak.parts) for leak in found] == [
        ("/mine/positive/ann-1.wav", "/mine/positive/ann-2.wav", ("train", "test"))
    ]
    with pytest.raises(RecipeError, match=r"would be measured on") as refused:
        leaks.refuse(found)
    assert "ann-1.wav (train) and /mine/positive/ann-2.wav (test): ann of mine speaks in both" in str(refused.value)
    apart = Manifest((said("speech", "ann", part="train"), said("speech", "bob", part="validation")))
    assert not leaks.find(given(apart))
    copy = [[clip.path for clip in apart]]
    assert [leak.why for leak in leaks.find(given(apart), copy)] == ["one recording"]
    twice = Manifest((*apart, dataclasses.replace(apart.clips[0], speaker="", part="test")))
    assert [leak.why for leak in leaks.find(given(twice))] == ["one file"]
    many = Manifest(tuple(said("speech", f"p{i}", n, part=p) for i in range(9) for n, p in enumerate(EVERY)))
    with pytest.raises(RecipeError, match="; and 22 more"):
        leaks.refuse(leaks.find(given(many)))


def test_a_run_to_go_on_from_must_not_have_learnt_what_is_measured_on() -> None:
    recipe = RECIPE.model_copy(update={"dataset": None})
    everyone = Manifest((*people(40, "positive"), *people(40), *voices()))
    parts = split(everyone, recipe)
    leaks.refuse_taught(parts, parts["train"], "runs/one")
    other = split(everyone, recipe.model_copy(update={"seed": 2}))
    with pytest.raises(RecipeError, match=r"runs/one has learnt what would be measured on[^;]*one file"):
        leaks.refuse_taught(other, parts["train"], "runs/one")
    heard = next(clip for clip in parts["train"] if clip.real)
    elsewhere = Manifest((dataclasses.replace(heard, path="/old/1.wav", speaker="", source="old"),))
    held = next(clip for clip in parts["test"] if clip.real)
    leaks.refuse_taught(parts, elsewhere, "runs/one")
    with pytest.raises(RecipeError, match=r"/old/1.wav \(train\)[^;]*one recording"):
        leaks.refuse_taught(parts, elsewhere, "runs/one", [["/old/1.wav", held.path]])
    synthetic = Manifest(tuple(voices()))
    one, two = (split(synthetic, recipe.model_copy(update={"seed": seed})) for seed in (1, 2))
    with pytest.raises(RecipeError, match="the voices tts v"):
        leaks.refuse_taught(two, one["train"], "runs/one")
    single = split(Manifest(tuple(_clips_of_one_voice())), recipe)
    assert speakers(single["train"]) & speakers(single["test"])  # too few to keep apart, and the report says so
    leaks.refuse_taught(single, single["train"], "runs/one")


def _clips_of_one_voice() -> list[Clip]:
    kinds: tuple[Kind, ...] = ("positive", "speech")
    return [Clip(f"/tts/{k}/0-{n}.wav", k, 1.0, "v0", "tts") for k in kinds for n in range(40)]


@pytest.fixture
def recordings(tmp_path: Path, spoken: Manifest, monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    """Two recordings, the first again as FLAC at half the level, and a silent one; a cache of their own."""
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path / "cache"))
    first, second = (load(clip.path) for clip in spoken.of("speech").clips[:2])
    for name, samples in (("a", first), ("b", second), ("quiet", np.zeros(16_000, np.float32))):
        write_wav(tmp_path / f"{name}.wav", samples)
    soundfile.write(tmp_path / "again.flac", first * 0.5, 16_000)
    names = ("a.wav", "b.wav", "again.flac", "quiet.wav")
    return [Clip(str(tmp_path / name), "speech", 1.0, name, "mine", real=True) for name in names]


def test_copies_are_found_under_any_name_and_read_once(
    recordings: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = Manifest((*recordings, dataclasses.replace(recordings[1], path=str(tmp_path / "b.wav"), real=False)))
    found = copies.find(clips, Progress(quiet=True), workers=1)
    assert [[Path(path).name for path in group] for group in found] == [["a.wav", "again.flac"]]
    monkeypatch.setattr("wakewright.data.journal.read", lambda _: pytest.fail("read again"))
    assert copies.find(clips, Progress(quiet=True), workers=1) == found
    assert not copies.find(Manifest(), Progress(quiet=True), workers=1)


def manifest(folder: Path, clips: list[Clip], name: str = "clips.jsonl") -> Path:
    Manifest(tuple(clips)).write(folder / name)
    return folder / name


def brought_in(*manifests: Path) -> Manifest:
    paths = tuple(str(path) for path in manifests)
    return dataset.clips(Recipe(phrase="hey katya", dataset=Dataset(manifests=paths)))


def test_what_was_imported_is_taken_less_what_is_quarantined(recordings: list[Clip], tmp_path: Path) -> None:
    path = manifest(tmp_path, recordings)
    assert list(brought_in(path, path)) == recordings
    quarantine.add(quarantine.beside(path), {recordings[0].path: ["duplicate"]})
    assert list(brought_in(path)) == recordings[1:]
    assert dataset.clips(Recipe(phrase="hey katya")) == Manifest()
    beside = [dataclasses.replace(clip, path=Path(clip.path).name) for clip in recordings]
    assert list(brought_in(manifest(tmp_path, beside, "relative.jsonl"))) == recordings


def test_a_dataset_that_cannot_be_used_is_refused(recordings: list[Clip], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no manifest at .*gone.jsonl"):
        brought_in(tmp_path / "gone.jsonl")
    with pytest.raises(RecipeError, match="a folder"):
        brought_in(tmp_path)
    with pytest.raises(RecipeError, match="has no clip"):
        brought_in(manifest(tmp_path, [], "empty.jsonl"))
    (tmp_path / "torn.jsonl").write_text('{"path": "a.wav"', encoding="utf-8")
    with pytest.raises(InputError, match="line 1, is not a clip"):
        brought_in(tmp_path / "torn.jsonl")
    silent = dataclasses.replace(recordings[3], kind="positive")
    with pytest.raises(AudioError, match=r"quiet\.wav cannot be used"):
        brought_in(manifest(tmp_path, [silent]))
    both = [recordings[0], dataclasses.replace(recordings[0], kind="positive")]
    with pytest.raises(RecipeError, match="said to be the phrase and not to be it"):
        brought_in(manifest(tmp_path, both))
    with pytest.raises(RecipeError, match="said to be the phrase and not to be it"):
        dataset.joined(Manifest((both[1],)), Manifest((both[0],)))
    assert len(dataset.joined(Manifest((both[0],)), Manifest(tuple(recordings)))) == len(recordings)
    (tmp_path / "b.wav").unlink()
    with pytest.raises(AudioError, match=r"there is no recording at .*b.wav"):
        brought_in(manifest(tmp_path, recordings))


def test_a_recording_is_not_two_things_by_two_ways_to_it(
    recordings: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    other = dataclasses.replace(recordings[0], path=f"{tmp_path}/here/../a.wav", kind="positive")
    paths = manifest(tmp_path, recordings[:1]), manifest(tmp_path, [other], "other.jsonl")
    with pytest.raises(RecipeError, match="said to be the phrase and not to be it"):
        brought_in(*paths)
    quarantine.add(quarantine.beside(paths[1]), {recordings[0].path: ["clipped"]})
    assert len(quarantine.without(Manifest.read(paths[1]), quarantine.beside(paths[1]))) == 0


def test_recordings_of_a_dataset_are_heard_as_own_ones_are_and_real_near_misses_too() -> None:
    mine = [*people(10, "positive"), *people(20, "near_miss", name="n"), *people(40, name="o")]
    parts = split(Manifest((*mine, *voices())), RECIPE, datasets={"mine"})
    plans = training_scene(parts, RECIPE).plans
    heard = [item.clip for plan in plans for item in plan.items]
    count = {key: sum((c.kind, c.real) == key for c in heard) for key in (("positive", True), ("near_miss", True))}
    near = len(parts["train"].of("near_miss"))
    assert count["near_miss", True] == near * RECIPE.augment.real_copies
    own = sum(c.real for c in parts["train"].of("positive"))
    assert count["positive", True] >= own * RECIPE.augment.copies
    assert RECIPE.own_weight == 0.5
    assert Recipe(phrase="hey katya").own_weight == 0
    assert RECIPE.model_copy(update={"recordings": Recordings(weight=0.3)}).own_weight == 0.3
