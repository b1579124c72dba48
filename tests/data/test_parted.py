"""Who is learnt from stays learnt from: whatever is added, nobody changes the part that a training put them into."""

from __future__ import annotations

import ctypes
import itertools
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakewright.core.errors import RunError
from wakewright.core.manifest import Clip, Kind, Manifest, Part
from wakewright.core.material import Dataset
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.data import parted
from wakewright.data.splits import MANY_SPEAKERS, Earlier, Parts, apart, draw, known_as, shares, split

REMOUNT_READ_ONLY = 0x21
RECIPE = Recipe(phrase="hey katya", dataset=Dataset(manifests=("clips.jsonl",)))


def people(source: str, first: int, count: int, *, each: int = 2, kind: Kind = "positive") -> list[Clip]:
    return [
        Clip(f"/{source}/{kind}/p{who}/{n}.wav", kind, 1.0, speaker=f"p{who}", source=source, real=True)
        for who in range(first, first + count)
        for n in range(each)
    ]


def voices(count: int = 30) -> list[Clip]:
    kinds: tuple[Kind, ...] = ("positive", "speech")
    return [Clip(f"/tts/{k}/{v}.wav", k, 1.0, f"v{v}", "tts") for k in kinds for v in range(count)]


def places(parts: Parts) -> dict[tuple[str, str], Part]:
    """The part of each person and voice; nobody is in two."""
    found: dict[tuple[str, str], Part] = {}
    for part, manifest in parts.items():
        for clip in manifest:
            assert found.setdefault((clip.source, clip.speaker), part) == part
    return found


def kept(parts: Parts, folder: Path, recipe: Recipe = RECIPE) -> Earlier:
    parted.write(folder / parted.NAME, recipe, {"mine"}, parts)
    return parted.read(folder / parted.NAME, recipe, {"mine"})


@settings(max_examples=60)
@given(st.integers(3, 200), st.integers(1, 60), st.integers(0, 1000), st.sampled_from(["mine", "own recordings"]))
def test_clips_and_people_who_come_later_move_nobody(
    tmp_path_factory: pytest.TempPathFactory, count: int, more: int, seed: int, source: str
) -> None:
    """Of a dataset, and of own recordings, which are all learnt from until there are twelve people."""
    recipe, folder = RECIPE.model_copy(update={"seed": seed}), tmp_path_factory.mktemp("runs")
    steps = (people(source, 0, count), people(source, 0, count, each=5), people(source, 0, count + more, each=5))
    before: dict[tuple[str, str], Part] = {}
    earlier: Earlier = {}
    for clips in steps:
        parts = split(Manifest((*clips, *voices())), recipe, datasets={"mine"}, earlier=earlier)
        now, earlier = places(parts), kept(parts, folder, recipe)
        assert all(now[who] == part for who, part in before.items())
        before = now
    assert len([who for who in before if who[0] == source]) == count + more


@settings(max_examples=100)
@given(st.integers(3, 200), st.integers(0, 10_000), st.integers(1, 5))
def test_shares_are_within_five_deviations_and_no_part_is_empty(count: int, seed: int, batches: int) -> None:
    """However the people come, all at once or some at a time."""
    given_shares = shares(RECIPE, dataset=True)
    drawn: dict[str, Part] = {}
    for last in sorted({math.ceil(count * (i + 1) / batches) for i in range(batches)}):
        drawn = draw("mine", [f"p{i}" for i in range(last)], seed, given_shares, drawn)
    for part, share in (("test", 0.1), ("validation", 0.1), ("train", 0.8)):
        held = sum(at == part for at in drawn.values())
        assert held >= 1
        assert abs(held - share * count) <= 5 * math.sqrt(count * share * (1 - share)) + 1


def test_few_people_are_told_what_they_are_for() -> None:
    given_shares = shares(RECIPE, dataset=True)
    for seed, count in itertools.product(range(60), (1, 2, 3, 4)):
        drawn = draw("mine", [f"p{i}" for i in range(count)], seed, given_shares, {})
        assert set(drawn.values()) == set(("train", "validation", "test")[:count])


def test_own_recordings_that_were_learnt_from_stay_so_when_a_twelfth_comes(tmp_path: Path) -> None:
    own = "own recordings"
    few = split(Manifest((*people(own, 0, MANY_SPEAKERS - 1), *voices())), RECIPE)
    assert {places(few)[own, f"p{i}"] for i in range(MANY_SPEAKERS - 1)} == {"train"}
    everyone = Manifest((*people(own, 0, 40), *voices()))
    alone, then = split(everyone, RECIPE), split(everyone, RECIPE, earlier=kept(few, tmp_path))
    assert any(places(alone)[own, f"p{i}"] != "train" for i in range(MANY_SPEAKERS - 1)), "without it some would move"
    assert {places(then)[own, f"p{i}"] for i in range(MANY_SPEAKERS - 1)} == {"train"}
    assert {part for who, part in places(then).items() if who[0] == own} == {"train", "validation", "test"}


def test_a_newcomer_with_a_copy_goes_where_the_other_is() -> None:
    clips = Manifest((*people("mine", 0, 40), *voices()))
    first = split(clips, RECIPE, datasets={"mine"})
    where = places(first)
    earlier: Earlier = {"mine": {name: part for (source, name), part in where.items() if source == "mine"}}
    tested = next(c for c in first["test"] if c.source == "mine")
    seen = set()
    for late in range(100, 120):
        new = people("mine", late, 1)
        copy = [[tested.path, new[0].path]]
        seen.add(places(split(clips + Manifest(tuple(new)), RECIPE, datasets={"mine"}))["mine", f"p{late}"])
        parts = split(clips + Manifest(tuple(new)), RECIPE, copy, {"mine"}, earlier)
        assert places(parts) == where | {("mine", f"p{late}"): "test"}
    assert "train" in seen


def test_with_nobody_left_to_learn_from_somebody_goes_over() -> None:
    before: dict[str, Part] = {"p0": "train", "p1": "validation", "p2": "test"}
    assert draw("mine", ["p1", "p2"], 1, (0.1, 0.1), before) == {"p1": "validation", "p2": "train"}
    assert draw("mine", ["p2"], 1, (0.1, 0.1), before) == {"p2": "train"}


def test_parts_are_kept_by_seed_source_and_shares(tmp_path: Path) -> None:
    path = tmp_path / parted.NAME
    clips = [*people("mine", 0, 30), *voices(), Clip("/r/1.wav", "rir", 1.0, "r", "rooms")]
    parts = split(Manifest((*clips, *people("given", 0, 1))), RECIPE, datasets={"mine"})
    assert parted.read(path, RECIPE, {"mine"}) == {}
    parted.write(path, RECIPE, {"mine"}, parts)
    found = parted.read(path, RECIPE, {"mine"})
    assert {(s, n): part for s, units in found.items() for n, part in units.items()} == {
        who: part for who, part in places(parts).items() if who[0] != "rooms"
    }
    other = RECIPE.model_copy(update={"seed": RECIPE.seed + 1})
    assert parted.read(path, other, {"mine"}) == {}
    assert set(parted.read(path, RECIPE, ())) == {"tts", "given"}, "as background the shares of mine are others"
    parted.write(path, other, {"mine"}, split(Manifest(tuple(clips)), other, datasets={"mine"}))
    assert parted.read(path, RECIPE, {"mine"}) == found
    fewer = split(Manifest((*people("mine", 0, 20), *voices())), RECIPE, datasets={"mine"}, earlier=found)
    parted.write(path, RECIPE, {"mine"}, fewer)
    assert parted.read(path, RECIPE, {"mine"}) == found, "who is away now may come back"


def test_voices_that_had_to_be_parted_by_clip_are_not_kept(tmp_path: Path) -> None:
    kinds: tuple[Kind, ...] = ("positive", "speech")
    single = [Clip(f"/tts/{k}/{n}.wav", k, 1.0, "v0", "tts") for k in kinds for n in range(40)]
    parts = split(Manifest((*single, *people("mine", 0, 1))), RECIPE)
    assert set(kept(parts, tmp_path)) == {"mine"}


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b"\0\0",
        b"\xff\xfe",
        json.dumps({"seed": 1, "source": "mine", "shares": [0.1, 0.1]}).encode(),
        json.dumps(
            {"seed": 1, "source": "mine", "shares": [0.1, 0.1]} | {"train": None, "validation": [], "test": []}
        ).encode(),
    ],
)
def test_parts_that_cannot_be_read_are_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / parted.NAME).write_bytes(text + b"\n")
    with pytest.raises(RunError, match=r"parts.jsonl, line 1, does not tell the parts of a source\n  got: .*\n  do:"):
        parted.read(tmp_path / parted.NAME, RECIPE, ())


def test_people_may_be_named_with_what_ends_a_line_elsewhere(tmp_path: Path) -> None:
    clips = [Clip(f"/r/{n}.wav", "positive", 1.0, f"p\u2028{n}\x85", "mine", real=True) for n in range(12)]
    assert set(kept(split(Manifest((*clips, *voices())), RECIPE), tmp_path)["mine"]) == {c.speaker for c in clips}


def trained(run: Run, clips: list[Clip]) -> dict[tuple[str, str], Part]:
    """The parts that a training of these clips leaves, and keeps."""
    with parted.settling():
        parts = split(
            Manifest((*clips, *voices())), run.recipe, datasets={"mine"}, earlier=parted.earlier(run, {"mine"})
        )
        parted.settle(run, {"mine"}, parts)
    return {who: part for who, part in places(parts).items() if who[0] != "tts"}


def phrase(text: str, folder: Path, seed: int = 1) -> Run:
    return Run.create(RECIPE.model_copy(update={"phrase": text, "seed": seed}), folder)


@settings(max_examples=15)
@given(
    st.lists(st.sets(st.integers(0, 25), min_size=3), min_size=2, max_size=4),
    st.integers(0, 1000),
    st.sampled_from(["mine", "own recordings"]),
)
def test_nobody_is_learnt_from_in_one_phrase_and_measured_on_in_another(
    tmp_path_factory: pytest.TempPathFactory, sets: list[set[int]], seed: int, source: str
) -> None:
    """Whoever says which phrase, and whichever folder the runs lie in: each phrase has people in every part too."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAKEWRIGHT_PARTS", str(folder / "parts.jsonl"))
        known: dict[tuple[str, str], Part] = {}
        for number, who in enumerate(sets):
            clips = [clip for one in who for clip in people(source, one, 1)]
            now = trained(phrase(f"phrase {number}", folder / f"out{number % 2}", seed), clips)
            for one, part in now.items():
                assert known.setdefault(one, part) == part
            if source == "mine" and not known.keys() - now.keys():
                assert set(now.values()) == {"train", "validation", "test"}


def test_a_phrases_own_parts_come_first_and_whoever_was_learnt_from_is_tested_on_by_no_third(tmp_path: Path) -> None:
    """As runs of earlier versions left them, each phrase by itself."""
    old, new, third = (phrase(text, tmp_path) for text in ("old phrase", "new phrase", "third phrase"))
    for run, at in ((old, "test"), (new, "train")):
        line = {"seed": 1, "source": "mine", "shares": [0.1, 1 / 9], "train": [], "validation": [], "test": []}
        line["shares"] = list(shares(RECIPE, dataset=True))
        parted.beside(run).write_text(json.dumps(line | {at: ["p0"]}) + "\n", encoding="utf-8")
    clips = people("mine", 0, 12)
    assert trained(old, clips)["mine", "p0"] == "test"
    assert trained(new, clips)["mine", "p0"] == "train"
    assert trained(third, clips)["mine", "p0"] == "train"
    assert trained(old, clips)["mine", "p0"] == "test", "the phrase's own stands"


def test_voices_are_remembered_by_their_phrase_alone(tmp_path: Path) -> None:
    trained(phrase("hey katya", tmp_path), people("mine", 0, 3))
    assert set(parted.read(parted.everywhere(), RECIPE, {"mine"})) == {"mine"}
    assert set(parted.read(tmp_path / "hey-katya" / parted.NAME, RECIPE, {"mine"})) == {"mine", "tts"}


def test_files_by_themselves_have_the_same_part_in_another_place() -> None:
    def files(root: str) -> list[Clip]:
        paths = [f"{root}/noise/{i % 5}/{i}.wav" for i in range(60)]
        return [Clip(path, "noise", 1.0, path, "noise", real=True) for path in paths]

    def at(root: str) -> dict[str, Part]:
        parts = split(Manifest((*files(root), *voices())), RECIPE)
        return {c.path.removeprefix(root): name for name in parts for c in parts[name] if c.source == "noise"}

    assert at("/home/ann/audio") == at("/mnt/noise/ann")
    assert set(at("/home/ann/audio").values()) == {"train", "validation", "test"}
    assert known_as(Clip("/a/own/ann/1.wav", "positive", 1.0, source="own recordings")) == "1.wav"
    assert known_as(Clip("noise/1.wav", "noise", 1.0, source="noise")) == "1.wav"
    assert known_as(Clip("/noise/x/noise/1.wav", "noise", 1.0, "ann", "noise")) == "ann"


def test_old_parts_of_files_by_themselves_are_honoured() -> None:
    files = [Clip(f"/r/noise/{i}.wav", "noise", 1.0, source="noise", real=True) for i in range(30)]
    alone = split(Manifest((*files, *voices())), RECIPE)
    other: dict[Part, Part] = {"train": "test", "validation": "train", "test": "validation"}
    before = {c.path: other[name] for name in alone for c in alone[name] if c.source == "noise"}
    parts = split(Manifest((*files, *voices())), RECIPE, earlier={"noise": before})
    assert {c.path: name for name in parts for c in parts[name] if c.source == "noise"} == before


def test_two_trainings_do_not_settle_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parted, "PATIENCE_S", 0.3)
    with (
        parted.settling(),
        pytest.raises(RunError, match=r"parts.jsonl is in use\n  got: process \d+, which parts its clips\n  do:"),
        parted.settling(),
    ):
        pass


def test_a_place_where_nothing_can_be_kept_is_named(
    tmp_path: Path, disk_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = disk_of("64k")
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"none", os.fsencode(disk), None, REMOUNT_READ_ONLY, None) == 0
    (tmp_path / "file").write_bytes(b"")
    for path, told in (
        (tmp_path, "cannot be kept in .*\n  got: a folder"),
        (tmp_path / "file" / "parts.jsonl", "there is no folder .*/file\n  got: .*exists"),
        (disk / "parts.jsonl", "nothing can be written into .*\n  got: Read-only file system"),
        (disk / "new" / "parts.jsonl", "there is no folder .*/new\n  got: Read-only file system"),
    ):
        monkeypatch.setenv("WAKEWRIGHT_PARTS", str(path))
        with pytest.raises(RunError, match=f"{told}\n  do:  name a file"), parted.settling():
            pass
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WAKEWRIGHT_PARTS", "~/not/yet/parts.jsonl")
    assert parted.everywhere() == tmp_path / "not" / "yet" / "parts.jsonl"
    assert trained(phrase("hey katya", tmp_path), people("mine", 0, 3))
    assert parted.read(parted.everywhere(), RECIPE, {"mine"})


@settings(max_examples=60)
@given(st.integers(1, 60), st.integers(0, 1000))
def test_a_backbone_learns_from_nobody_whom_a_run_of_its_background_measures_on(count: int, seed: int) -> None:
    recipe = Recipe(phrase="hey katya", seed=seed)
    clips = [*people("radio", 0, count, kind="speech"), *people("books", 0, 40, kind="speech")]
    learnt, unheard = apart(clips, recipe)
    parts = split(Manifest((*clips, *voices())), recipe)
    assert set(learnt) == {clip for clip in parts["train"] if clip.real}
    assert set(unheard) == {clip for name in parts for clip in parts[name] if clip.real and name != "train"}


def test_where_nobody_has_many_speakers_some_are_kept_unheard_all_the_same() -> None:
    for count in range(1, MANY_SPEAKERS):
        learnt, unheard = apart(people("radio", 0, count, kind="speech"), RECIPE)
        assert {c.speaker for c in learnt} | {c.speaker for c in unheard} == {f"p{i}" for i in range(count)}
        assert not {c.speaker for c in learnt} & {c.speaker for c in unheard}
        assert bool(unheard.clips) == (count > 1)
        assert learnt.clips
