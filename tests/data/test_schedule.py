"""What is off by default changes nothing, and a schedule is drawn from streams that are rendered once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.core.recipe import Augment, Recipe, Train
from wakewright.core.recipe_augment import Babble, Codec, Dropouts, Schedule
from wakewright.data import parts, store, streams
from wakewright.data.batches import Geometry, Sampler
from wakewright.data.store import Store, build, key_of
from wakewright.data.streams import Surroundings

COPIES: dict[tuple[Kind, bool], int] = {
    ("positive", False): 3,
    ("near_miss", False): 3,
    ("speech", True): 3,
    ("positive", True): 4,
}
SAID: list[tuple[Kind, float, bool]] = [
    *[("positive", 0.8, False)] * 6,
    *[("near_miss", 0.7, False)] * 4,
    *[("speech", 7.0, True)] * 5,
    *[("positive", 2.0, True)] * 2,
]  # type: ignore[list-item]
CLIPS = Manifest(tuple(Clip(f"/clips/{i}.wav", k, s, real=r) for i, (k, s, r) in enumerate(SAID)))
"""None of these files exists: planning opens none."""
THREE = Schedule(levels=3)
EVERYTHING: dict[str, Any] = {
    "wet": (0.3, 1.0),
    "babble": Babble(share=0.5),
    "schedule": THREE,
    "codec": Codec(share=0.5, kinds=("gsm", "opus", "mp3")),
    "dropouts": Dropouts(share=0.5),
    "stretch": (0.9, 1.1),
    "trim_share": 0.5,
    "overload_share": 0.3,
}


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))


def planned(
    settings: Augment, seed: int = 1, backgrounds: tuple[str, ...] = ("/clips/hum.wav",)
) -> tuple[list[streams.StreamPlan], Surroundings]:
    around = Surroundings(settings, 5, (), backgrounds, ("/clips/11.wav",) if settings.babble else ())
    return streams.plan(CLIPS, COPIES, around, np.random.default_rng(seed)), around


# ------------------------------------------------------------------------------- what is off changes nothing


@pytest.mark.parametrize(
    ("settings", "key"),
    [(Augment(rooms=2), "49c2139ec80d3a34"), (parts.mild(Augment(rooms=2)), "d613f0230a927b3e")],
    ids=["training", "mild"],
)
def test_a_recipe_that_switches_nothing_on_draws_what_it_drew_before_there_was_any_of_it(
    settings: Augment, key: str
) -> None:
    """Those of the version before, but for the store's VERSION: all that was drawn, and every setting, is in them."""
    assert key_of(*planned(settings, backgrounds=())) == key


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_setting_that_is_switched_on_makes_another_store(name: str) -> None:
    usual, other = (planned(Augment(rooms=0, **on)) for on in ({}, {name: EVERYTHING[name]}))
    assert key_of(*usual) != key_of(*other)
    assert set(store.LATER) == set(EVERYTHING)


@pytest.mark.parametrize("name", EVERYTHING)
def test_rates_are_counted_in_surroundings_that_have_none_of_it(name: str) -> None:
    assert parts.mild(Augment(**{name: EVERYTHING[name]})) == parts.mild(Augment())


# ------------------------------------------------------------------------------------------------- the schedule


def test_each_copy_of_a_clip_is_heard_at_the_next_level() -> None:
    plans, _ = planned(Augment(rooms=0, schedule=THREE))
    said = Counter((item.index, item.offset_s, stream.level) for stream in plans for item in stream.items)
    pieces = {(index, offset) for index, offset, _ in said}
    for index, offset in pieces:
        counts = [said[index, offset, level] for level in range(3)]
        assert sorted(counts) == ([1, 1, 2] if CLIPS.clips[index].kind == "positive" and index > 14 else [1, 1, 1])
    plain, _ = planned(Augment(rooms=0))
    assert all(stream.level is None for stream in plain)
    assert sum(len(p.items) for p in plain) == sum(said.values())


def test_a_level_is_as_clean_as_it_should_be() -> None:
    settings = Augment(rooms=0, noise_share=1.0, snr_db=(-2.0, 25.0), schedule=THREE)
    ratios: dict[int | None, list[float]] = {}
    for seed in range(4):
        for stream in planned(settings, seed)[0]:
            ratios.setdefault(stream.level, []).append(stream.surroundings.steps[0].inner.snr_db)
    for level, (low, high) in enumerate([(16.0, 25.0), (7.0, 16.0), (-2.0, 7.0)]):
        assert low <= min(ratios[level]) < max(ratios[level]) <= high


def test_what_chooses_and_measures_has_no_schedule() -> None:
    recipe = Recipe(phrase="hey katya", augment=Augment(rooms=0, schedule=THREE, babble=Babble()))
    clips = CLIPS + Manifest((Clip("/clips/hum.wav", "noise", 60.0, real=True),))
    manifests: parts.Parts = {"train": clips, "validation": clips, "test": clips}
    training = parts.training_scene(manifests, recipe)
    assert {plan.level for plan in training.plans} == {0, 1, 2}
    assert training.surroundings.voices == tuple(c.path for c in CLIPS.of("speech"))
    hard = parts.word_scene(manifests, "validation", recipe, hard=True)
    assert {plan.level for plan in hard.plans} == {None}
    assert hard.surroundings.settings.babble is not None  # as hard as training gets, all of it
    assert parts.other_scene(manifests, "test", recipe).surroundings.voices == ()


def test_everything_together_is_the_same_on_any_number_of_workers_and_levels_are_kept(
    spoken: Manifest, tmp_path: Path
) -> None:
    speech = tuple(clip.path for clip in spoken.of("speech"))
    around = Surroundings(Augment(rooms=2, room_share=1.0, **EVERYTHING), 5, (), speech[:2], speech)
    copies: dict[tuple[Kind, bool], int] = {("positive", False): 3, ("speech", False): 3}
    drawn = streams.plan(spoken, copies, around, np.random.default_rng(1))
    plans = [plan for i, plan in enumerate(drawn) if plan.level not in [p.level for p in drawn[:i]]]
    assert [plan.level for plan in plans] == [0, 1, 2]
    one = build(tmp_path / "one", plans, around, ("micro",), workers=1)
    two = build(tmp_path / "two", plans, around, ("micro",), workers=2)
    assert [f.read_bytes() for f in sorted((tmp_path / "one").iterdir())] == [
        f.read_bytes() for f in sorted((tmp_path / "two").iterdir())
    ]
    for kept in (one, two, Store.open(tmp_path / "one", key_of(plans, around))):
        assert kept is not None
        assert kept.levels is not None
        assert kept.levels.tolist() == [plan.level for plan in plans]
    for plan in plans:
        samples, events = streams.render(plan, around)
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 1.0
        assert events["end"][-1] + 16_000 == len(samples)
    train = Train(batch_size=40, near_miss_share=0.0, hard_share=0.0)
    sampler = Sampler(one, spoken, "micro", Geometry(50, 3, 4), train, around.settings, seed=1)
    first = np.searchsorted(sampler.track.starts, sampler.batch(0).ends[:, -1], side="right") - 1
    assert set(one.levels[first]) == {0}  # type: ignore[index]
