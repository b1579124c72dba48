"""Train, validation and test: voices kept apart as long as there are any to keep."""

from __future__ import annotations

import collections
import dataclasses
import itertools

import pytest

from wakewright.core.errors import RecipeError
from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.core.material import Recordings
from wakewright.core.recipe import Recipe
from wakewright.data.parts import (
    APART_S,
    COPIES,
    MOST_OWN_COPIES,
    near_scene,
    own_copies,
    sample,
    scene,
    training_scene,
    word_scene,
)
from wakewright.data.splits import MANY_SPEAKERS, Parts, speakers, split, told

RECIPE = Recipe(phrase="hey katya")


def clips(source: str, voices: int, each: int = 4, kinds: tuple[Kind, ...] = ("positive", "speech")) -> Manifest:
    return Manifest(
        tuple(
            Clip(f"{source}/{kind}/{voice}-{i}.wav", kind, 1.0, speaker=f"{source}/{voice}", source=source)
            for kind in kinds
            for voice in range(voices)
            for i in range(each)
        )
    )


def voices(parts: Parts, name: str, source: str = "") -> set[str]:
    return {c.speaker for c in parts[name] if c.source.startswith(source)}  # type: ignore[index]


def test_no_voice_falls_into_two_parts_and_no_clip_is_lost() -> None:
    everything = clips("many", 30) + clips("lots", 12)
    parts = split(everything, RECIPE)
    assert sorted(c.path for part in parts.values() for c in part) == sorted(c.path for c in everything)
    for one, other in itertools.combinations(parts, 2):
        assert not voices(parts, one) & voices(parts, other)
    for source in ("many", "lots"):
        assert all(voices(parts, name, source) for name in parts)
    assert split(everything, RECIPE) == parts
    assert split(everything, RECIPE.model_copy(update={"seed": 2})) != parts


def test_a_source_with_few_voices_gives_none_away_while_others_can() -> None:
    parts = split(clips("many", 30) + clips("few", MANY_SPEAKERS - 1), RECIPE)
    assert len(voices(parts, "train", "few")) == MANY_SPEAKERS - 1
    assert not voices(parts, "validation", "few") | voices(parts, "test", "few")


def test_where_all_sources_are_small_they_give_some_away() -> None:
    everything = clips("four", 4) + clips("one", 1)
    parts = split(everything, RECIPE)
    assert voices(parts, "validation", "four")
    assert voices(parts, "test", "four")
    assert not speakers(parts["train"]) & (speakers(parts["validation"]) | speakers(parts["test"]))
    assert voices(parts, "train", "one")


def test_a_single_voice_is_parted_by_clip_and_shows() -> None:
    everything = clips("one", 1, each=40)
    parts = split(everything, RECIPE)
    assert sorted(c.path for part in parts.values() for c in part) == sorted(c.path for c in everything)
    for name in ("validation", "test"):
        assert parts[name].of("positive")  # type: ignore[index]
        assert parts[name].of("speech")  # type: ignore[index]
        assert speakers(parts["train"]) == speakers(parts[name]) == {("one", "one/0")}  # type: ignore[index]


def test_nothing_but_the_phrase_and_too_little_are_refused() -> None:
    with pytest.raises(
        RecipeError, match=r"nothing that the model could learn to stay silent for\n  got: no sentence"
    ):
        split(clips("many", 30, kinds=("positive", "near_miss")), RECIPE)
    with pytest.raises(RecipeError, match=r"too few clips .*\n  got: 1 of the phrase and 1 others"):
        split(clips("one", 1, each=1), RECIPE)


def test_rooms_are_only_trained_with() -> None:
    parts = split(clips("many", 30) + clips("rooms", 30, kinds=("rir",)), RECIPE)
    assert len(parts["train"].of("rir")) == 120


def test_a_sample_keeps_the_order() -> None:
    everything = clips("many", 30)
    some = sample(everything, 10, 3)
    assert len(some) == 10
    places = [everything.clips.index(c) for c in some]
    assert places == sorted(places)
    assert sample(some, 10, 3) is some


def test_words_are_heard_as_at_home_as_in_training_or_at_one_level() -> None:
    parts = split(clips("many", 30), RECIPE)
    home, hard, level = (
        word_scene(parts, "test", RECIPE, **how)
        for how in ({}, {"hard": True}, {"snr_db": 5.0})  # type: ignore[arg-type]
    )
    assert hard.surroundings.settings == RECIPE.augment
    assert home.surroundings.settings.snr_db[0] > hard.surroundings.settings.snr_db[0]
    assert (level.surroundings.settings.snr_db, level.surroundings.settings.noise_share) == ((5.0, 5.0), 1.0)
    assert level.surroundings.settings.room_share == home.surroundings.settings.room_share
    said = [[item.clip.path for plan in what.plans for item in plan.items] for what in (home, level)]
    assert sorted(said[0]) == sorted(said[1]) == sorted(c.path for c in parts["test"].of("positive"))
    assert not word_scene(parts, "test", RECIPE, real=True).plans
    assert len(word_scene(parts, "test", RECIPE, real=False).plans) == len(home.plans)


def test_words_that_are_counted_are_apart_and_learnt_ones_are_not() -> None:
    """A score that is still high from one word must not count for the next."""
    parts = split(clips("many", 30, kinds=("positive", "speech", "near_miss")), RECIPE)
    counted = [
        word_scene(parts, "test", RECIPE, **how)
        for how in ({}, {"hard": True}, {"snr_db": 5.0})  # type: ignore[arg-type]
    ]
    counted.append(near_scene(parts, "test", RECIPE))
    for what in counted:
        assert what.plans
        assert min(item.pause_s for plan in what.plans for item in plan.items) >= APART_S
    learnt = [item.pause_s for plan in training_scene(parts, RECIPE).plans for item in plan.items]
    assert min(learnt) < 0.4 < max(learnt) < APART_S


def test_each_clip_is_trained_on_as_often_as_the_recipe_says() -> None:
    """Recorded speech by a number of its own: of it there is little."""
    spoken = clips("synthesiser", 4, kinds=("positive", "near_miss", "speech"))
    real = dataclasses.replace(spoken, clips=tuple(dataclasses.replace(c, real=True) for c in clips("people", 4)))
    everything = Manifest(spoken.clips + real.of("speech", "positive").clips)
    augment = RECIPE.augment.model_copy(update={"copies": 2, "real_copies": 7, "rooms": 0})
    parts: Parts = {"train": everything, "validation": Manifest(()), "test": Manifest(())}
    recipe = RECIPE.model_copy(update={"augment": augment, "recordings": Recordings(paths=("mine",))})
    training = training_scene(parts, recipe)
    said = collections.Counter(item.index for plan in training.plans for item in plan.items)
    # as many own recordings as spoken ones: as often as those
    wanted = COPIES | {("positive", False): 2, ("positive", True): 2, ("near_miss", False): 2, ("speech", True): 7}
    assert said == {i: wanted[clip.kind, clip.real] for i, clip in enumerate(everything)}


def test_foreign_sentences_teach_but_set_no_threshold() -> None:
    many = Manifest(tuple(dataclasses.replace(c, foreign=i % 2 == 0) for i, c in enumerate(clips("many", 60))))
    parts = split(many, RECIPE)
    assert any(c.foreign for c in parts["train"].of("speech"))
    for part in ("validation", "test"):
        assert any(c.foreign for c in parts[part].of("positive"))  # type: ignore[index]
        assert not any(c.foreign for c in parts[part].of("speech", "near_miss"))  # type: ignore[index]


def own(people: int, each: int, name: str = "own recordings") -> Manifest:
    return Manifest(
        tuple(
            Clip(f"mine/{p}/{i}.wav", "positive", 1.0, speaker=f"person {p}", source=name, real=True)
            for p in range(people)
            for i in range(each)
        )
    )


def with_own(weight: float) -> Recipe:
    return RECIPE.model_copy(update={"recordings": Recordings(paths=("mine",), weight=weight)})


@pytest.mark.parametrize("weight", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("each", [1, 10, 40, 300])
def test_own_recordings_are_said_in_the_share_that_is_asked_for(weight: float, each: int) -> None:
    train = clips("synthesiser", 20, each=10, kinds=("positive", "speech")) + own(2, each)
    parts: Parts = {"train": train, "validation": Manifest(()), "test": Manifest(())}
    recipe = with_own(weight)
    said = [item.clip for plan in training_scene(parts, recipe).plans for item in plan.items]
    phrase = [clip.real for clip in said if clip.kind == "positive"]
    times = collections.Counter(clip.path for clip in said if clip.real)
    assert set(times.values()) == {own_copies(train, recipe)}
    assert RECIPE.augment.copies <= own_copies(train, recipe) <= MOST_OWN_COPIES
    if RECIPE.augment.copies < own_copies(train, recipe) < MOST_OWN_COPIES:
        assert sum(phrase) / len(phrase) == pytest.approx(weight, abs=0.05)
    if each in (10, 40):  # what people record is in between, where the share is kept
        assert 0.3 <= sum(phrase) / len(phrase) <= 0.75


def test_without_own_recordings_streams_are_what_they_were() -> None:
    """Before, an own recording was heard ten times whatever there was; where there is none, nothing has changed."""
    everything = clips("many", 30, kinds=("positive", "near_miss", "speech")) + Manifest(
        tuple(dataclasses.replace(c, real=True) for c in clips("people", 4, kinds=("speech", "noise", "music")))
    )
    parts = split(everything, RECIPE)
    before = {
        ("speech", False): 1, ("noise", True): 2, ("music", True): 2, ("positive", True): 10,
        ("positive", False): 3, ("near_miss", False): 3, ("speech", True): 3,
    }  # fmt: skip
    now, then = training_scene(parts, RECIPE), scene(parts, "train", before, RECIPE)  # type: ignore[arg-type]
    assert now.plans == then.plans
    assert now.surroundings == then.surroundings
    assert own_copies(parts["train"], RECIPE) == 0


def test_three_people_are_all_learnt_from_and_twelve_are_parted() -> None:
    for people, counts in ((3, (3, 0, 0)), (12, None)):
        parts = split(clips("many", 30, each=40) + own(people, 20), RECIPE)
        said = {name: {c.speaker for c in part if c.real} for name, part in parts.items()}
        found = tuple(len(said[name]) for name in ("train", "validation", "test"))  # type: ignore[index]
        assert found == counts or (counts is None and min(found) > 0)
        (line,) = told(parts)
        assert line.endswith("who says the phrase: {} learnt from, {} for validation, {} for the test".format(*found))
    assert told(split(clips("many", 30), RECIPE)) == []


@pytest.mark.parametrize("voices_there", [30, 1])
def test_nobody_who_recorded_the_phrase_is_in_two_parts(voices_there: int) -> None:
    """Not even where a single synthesiser's voice has to be parted clip by clip."""
    for people in (1, 2, 5, 14):
        parts = split(clips("many", voices_there, each=40) + own(people, 20), RECIPE)
        places = collections.defaultdict(set)
        for part, manifest in parts.items():
            for clip in manifest:
                if clip.real:
                    places[clip.speaker].add(part)
        assert len(places) == people
        assert all(len(held) == 1 for held in places.values())
