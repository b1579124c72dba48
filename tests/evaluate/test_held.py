"""Two runs on the same words and sources: what is compared, by what unit, and chance bounded over all of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from wakewright.evaluate import chance
from wakewright.evaluate.held import (
    ACCEPTED,
    FEWEST_UNITS,
    GROUPED,
    MISSED,
    TOGETHER,
    Try,
    bursts,
    figures_of_sources,
    figures_of_words,
    groups_of_sources,
    groups_of_words,
    judged,
    limit_of_words,
    moves,
    of_sources,
    of_tries,
    same_sources,
    same_words,
    unpaired,
)
from wakewright.evaluate.intervals import share_interval
from wakewright.evaluate.outcomes import Outcomes, Source, Word


def word(condition: str, clip: str, missed: bool, groups: dict[str, str] | None = None) -> Word:
    return Word(condition, clip, missed, {"speaker": clip[0], **(groups or {})})


def drawn(
    rng: np.random.Generator, hardness: np.ndarray[tuple[int], np.dtype[np.float64]], own: float = 0.7
) -> Outcomes:
    """What one of two that are alike does: twelve people in two conditions, and an hour of thirty files."""
    words = tuple(
        Word(
            name,
            f"{i}.wav",
            bool(hardness[i] + rng.normal(0, own) < low),
            {"speaker": f"s{i % 12}", "room": f"r{i % 5}"},
        )
        for name, low in (("clean", -1.5), ("noise", -0.8))
        for i in range(120)
    )
    counts = rng.poisson(0.1, 30)
    return Outcomes(
        words, tuple(Source("speech", f"f{i}", 1 / 30, int(n), {"folder": f"d{i % 3}"}) for i, n in enumerate(counts))
    )


def worse(old: Outcomes, new: Outcomes) -> list[str]:
    """Everything that the whole comparison finds worse."""
    words, sources = same_words(old, new), same_sources(old, new)
    found = [
        judged(figures_of_words(words), MISSED, limit_of_words(words, MISSED)),
        judged(figures_of_sources(sources), ACCEPTED),
        judged([*groups_of_words(words), *groups_of_sources(sources)], GROUPED),
    ]
    return [row.group for rows, _ in found for row in rows if row.worse]


def test_chance_keeps_a_twin_out_in_one_of_twenty_at_most_and_before_in_many_more() -> None:
    assert MISSED + ACCEPTED + GROUPED < 0.05
    rng = np.random.default_rng(7)
    refused = before = 0
    for _ in range(100):
        hardness = rng.normal(0, 1, 120)
        old, new = drawn(rng, hardness, 1.2), drawn(rng, hardness, 1.2)
        refused += bool(worse(old, new))
        for name in ("clean", "noise"):
            first, second = (sum(w.missed for w in side.words if w.condition == name) for side in (old, new))
            if second / 120 > share_interval(first, 120).high:
                before += 1
                break
        assert worse(old, old) == []
    assert refused <= 5
    assert before > max(5, refused)


def test_a_change_that_people_would_notice_is_found() -> None:
    """Fifteen points more missed, of all; and all that one person says; and a file that wakes it now."""
    rng = np.random.default_rng(8)
    found = {"all": 0, "one person": 0, "one folder": 0}
    for _ in range(20):
        hardness = rng.normal(0, 1, 120)
        old, new = drawn(rng, hardness), drawn(rng, hardness)
        more = tuple(dataclasses.replace(w, missed=w.missed or bool(rng.random() < 0.2)) for w in new.words)
        found["all"] += TOGETHER in worse(old, dataclasses.replace(new, words=more))
        hers = tuple(dataclasses.replace(w, missed=w.missed or w.speaker == "s3") for w in new.words)
        found["one person"] += "speaker s3" in worse(old, dataclasses.replace(new, words=hers))
        there = tuple(
            dataclasses.replace(one, false_accepts=one.false_accepts + 2 * (one.groups["folder"] == "d1"))
            for one in new.sources
        )
        found["one folder"] += "false accepts, folder d1" in worse(old, dataclasses.replace(new, sources=there))
    assert found["all"] >= 18
    assert found["one person"] >= 15
    assert found["one folder"] >= 18


def test_only_the_same_words_are_held_against_each_other() -> None:
    old = Outcomes((word("clean", "a1", False), word("clean", "a2", True), word("noise", "a1", False)), ())
    new = Outcomes((word("noise", "a1", True), word("clean", "a2", True), word("clean", "b1", True)), ())
    assert same_words(old, new) == [(old.words[2], new.words[0])], "in clean they are other words"
    twice = Outcomes((word("clean", "a1", False), word("clean", "a1", True)), ())
    assert same_words(twice, twice) == list(zip(twice.words, twice.words, strict=True))
    assert same_words(twice, Outcomes(twice.words[:1], ())) == []


def test_no_group_is_compared_twice_nor_as_a_figure() -> None:
    words = tuple(
        word(c, f"{s}{i}", False, {"voice": s, "corpus": "mine", "condition": c, "room": str(i % 2)})
        for c in "xy"
        for s in "ab"
        for i in range(4)
    )
    pairs = same_words(Outcomes(words, ()), Outcomes(words, ()))
    assert [row.group for row in groups_of_words(pairs)] == ["speaker a", "room 0", "room 1", "speaker b"]
    assert [row.group for row in figures_of_words(pairs)] == ["x", "y", TOGETHER]
    assert [row.group for row in figures_of_words(pairs[:8])] == ["x"]
    moved = tuple(dataclasses.replace(w, groups={**w.groups, "room": "0"}) for w in words)
    mixed = groups_of_words(same_words(Outcomes(words, ()), Outcomes(moved, ())))
    assert {row.group: row.total for row in mixed}["room 0"] == 8, "words that both heard in it"


def test_speakers_are_the_units_where_there_are_enough_of_them() -> None:
    few = [Try(f"s{i % (FEWEST_UNITS - 1)}", f"{i}", 0, 1) for i in range(90)]
    many = [Try(f"s{i % FEWEST_UNITS}", f"{i}", 0, 1) for i in range(90)]
    assert (of_tries("g", "missed", few).by, of_tries("g", "missed", many).by) == ("words", "speakers")
    assert of_tries("g", "missed", few).chance == 2**-90
    assert of_tries("g", "missed", many).chance == 2**-10
    assert moves(many)["s0"] == 9


def test_one_speaker_is_no_surer_than_the_others_let_it_be() -> None:
    group = [Try("ann", f"{i}", 0, 1) for i in range(10)]
    same = [Try(f"s{i % 12}", f"{i}", i % 2, i % 2) for i in range(120)]
    restless = [Try(f"s{i % 12}", f"{i}", int(i % 12 < 6), int(i % 12 >= 6)) for i in range(120)]
    alone, among, unsure = (of_tries("ann", "missed", group, others) for others in (same[:9], same, restless))
    assert among.chance == chance.of_shares(0, 10, 10, 10).chance < 1e-5
    assert alone.chance == 2**-10, "with nobody beside, as unlikely as that ten words all go one way"
    assert unsure.chance == pytest.approx(chance.student_tail(1.0, 12)), "the others change as much, up and down"
    assert (among.lost, among.won, among.by) == (10, 0, "words")
    better = [dataclasses.replace(one, old=1, new=0) for one in group]
    assert of_tries("ann", "missed", better, same).chance == 1.0


def test_false_accepts_that_come_together_are_no_more_than_one() -> None:
    burst = [Try(f"f{i}", f"f{i}", 0, 4) for i in range(12)]
    assert bursts(burst) == 2.0 * 1.25
    assert bursts(burst[:5]) == 1.0
    mine = [Try("g", "g", 0, 16)]
    assert of_sources("g", mine, (1.0, 1.0), []).chance == 2**-16
    assert of_sources("g", mine, (1.0, 1.0), burst).chance > 2**-16
    assert of_sources("g", burst, (1.0, 1.0)).chance == 2**-12
    assert of_sources("g", burst, (1.0, 1.0)).by == "sources"
    assert of_sources("g", burst[:5], (1.0, 1.0)).by == "events"


def test_a_source_of_no_length_is_no_group() -> None:
    """A recording shorter than what the model hears at once has no rate."""
    sources = tuple(Source("speech", name, hours, 0, {"file": name}) for name, hours in (("a", 0.0), ("b", 0.5)))
    pairs = same_sources(Outcomes((), sources), Outcomes((), sources))
    assert [row.group for row in groups_of_sources(pairs)] == ["false accepts, file b"]


def test_what_one_of_them_was_not_measured_on_says_nothing() -> None:
    assert unpaired("group", "missed", (0, 0), (1, 5)) is None
    assert unpaired("group", "per hour", (1, 2.0), (0, 0.0)) is None
    for unit, old, new, clear in (
        ("missed", (10, 200), (19, 200), False),
        ("missed", (10, 200), (30, 200), True),
        ("per hour", (0, 1.0), (3, 1.0), False),
        ("per hour", (0, 1.0), (7, 1.0), True),
    ):
        row = unpaired("group", unit, old, new)
        assert row is not None
        assert row.low <= row.old <= row.high
        assert (judged([row], ACCEPTED)[0][0].worse, row.new) == (clear, new[0] / new[1])
