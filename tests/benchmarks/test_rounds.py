"""What the studies of own recordings and of mining decide around their trainings: draws, halves, intervals."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from wakewright.core.audio import load, write_wav
from wakewright.core.errors import InputError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.mined import Mined
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.data import corpora
from wakewright.evaluate.metrics import Negatives, Trial, det_curve
from wakewright.evaluate.real import Material, Recording

Benchmark = Callable[[str], ModuleType]


@pytest.fixture
def heard(benchmark: Benchmark) -> ModuleType:
    return benchmark("heard")


@pytest.fixture
def own(benchmark: Benchmark) -> ModuleType:
    return benchmark("own_recordings")


@pytest.fixture
def rounds(benchmark: Benchmark) -> ModuleType:
    return benchmark("mining_rounds")


def said(folder: Path, *, people: int, times: int) -> list[Recording]:
    """Recordings of so many people, files that are there."""
    found = []
    for person in range(people):
        for number in range(times):
            path = folder / "words" / f"{person}-{number}.wav"
            write_wav(path, np.full(1600, 0.1, np.float32))
            found.append(Recording(str(path), "corpus", f"p {person}"))
    return found


# Which recordings are given to the training.


def test_a_household_is_drawn_where_people_say_it_often_enough(own: ModuleType, tmp_path: Path) -> None:
    words = said(tmp_path, people=5, times=14)
    drawn = own.draw(words, 20, 3, np.random.default_rng(1))
    assert drawn.known
    assert sorted(map(len, drawn.by_person.values())) == [6, 7, 7]
    assert all(one.speaker == person for person, theirs in drawn.by_person.items() for one in theirs)
    assert len({one.path for one in drawn.recordings}) == 20
    assert own.draw(words, 20, 3, np.random.default_rng(1)) == drawn
    assert own.draw(words, 20, 3, np.random.default_rng(2)) != drawn


def test_else_they_are_drawn_by_chance_and_dealt_out(own: ModuleType, tmp_path: Path) -> None:
    words = said(tmp_path, people=30, times=1)
    drawn = own.draw(words, 20, 3, np.random.default_rng(1))
    assert not drawn.known
    assert {name: len(theirs) for name, theirs in drawn.by_person.items()} == {
        "person-1": 7,
        "person-2": 7,
        "person-3": 6,
    }
    assert len({one.path for one in drawn.recordings}) == 20
    with pytest.raises(InputError, match="too few recordings"):
        own.draw(words, 30, 3, np.random.default_rng(1))


def test_laid_out_they_are_recordings_by_person_and_nothing_else(own: ModuleType, tmp_path: Path) -> None:
    words = said(tmp_path, people=4, times=4)
    folder = tmp_path / "own"
    own.lay_out(own.draw(words, 6, 2, np.random.default_rng(2)), folder)
    drawn = own.draw(words, 4, 2, np.random.default_rng(1))
    own.lay_out(drawn, folder)
    clips = corpora.own_recordings([folder])
    assert {clip.speaker for clip in clips} == {person.replace(" ", "_") for person in drawn.by_person}
    assert {Path(clip.path).resolve() for clip in clips} == {Path(one.path).resolve() for one in drawn.recordings}


def test_people_among_the_drawn_are_told_from_others(own: ModuleType, heard: ModuleType) -> None:
    one = heard.Heard(0.5, ("a", "b", "c"), ("ann", "bob", "ann"), {}, {})
    cell: dict[str, Any] = {"speakers_known": True, "drawn": {"ann": ["x"]}}
    assert own.groups(cell, one) == {own.ALL: [0, 1, 2], own.THEIRS: [0, 2], own.OTHERS: [1]}
    assert own.groups(cell | {"speakers_known": False}, one) == {own.ALL: [0, 1, 2]}


# What is told of two runs.


def scored(heard: ModuleType, seed: int, *, lift: float = 0.0, people: int = 40) -> Any:
    """A run's scores: forty words, two hours of speech from twenty sources."""
    rng = np.random.default_rng(seed)
    speech = heard.Others(rng.random(200).astype(np.float32), rng.integers(0, 20, 200), np.full(20, 0.1))
    words = {"as recorded": (rng.uniform(0.8, 1.0, 40) + lift).astype(np.float32)}
    names = tuple(f"{i}.wav" for i in range(40))
    return heard.Heard(0.9, names, tuple(f"p{i % people}" for i in range(40)), words, {"speech": speech})


def test_scores_are_kept_exactly(heard: ModuleType) -> None:
    one = scored(heard, 1)
    again = heard.Heard.of_json(json.loads(json.dumps(one.to_json())))
    assert again.names == one.names
    assert again.speakers == one.speakers
    assert np.array_equal(again.words["as recorded"], one.words["as recorded"])
    assert np.array_equal(again.others["speech"].peaks, one.others["speech"].peaks)
    assert np.array_equal(again.others["speech"].hours, one.others["speech"].hours)


def test_a_word_that_a_cascade_let_go_is_missed(heard: ModuleType) -> None:
    one = scored(heard, 1)
    gaps = np.zeros((40, 2), np.float32)
    gaps[3] = (0.2, 0.5)
    pair = dataclasses.replace(one, gaps={"as recorded": gaps})
    again = heard.Heard.of_json(json.loads(json.dumps(pair.to_json())))
    assert [int(again.missed("as recorded", at).sum()) for at in (0.1, 0.2, 0.3, 0.5, 0.6)] == [0, 0, 1, 1, 0]
    assert not one.missed("as recorded", 0.3).any()


def test_words_are_missed_by_the_rule_of_the_package(heard: ModuleType) -> None:
    """At the very ends of gaps and at the very peaks too, one float64 beside them."""
    rng = np.random.default_rng(7)
    peaks = rng.random(40).astype(np.float32)
    gaps = (np.sort(rng.random((40, 2)), axis=1) * peaks[:, None]).astype(np.float32)
    pair = dataclasses.replace(scored(heard, 1), words={"as recorded": peaks}, gaps={"as recorded": gaps})
    trials = [
        Trial(peaks[i : i + 1], 0.0, 0.1, 0, gap=(float(low), float(high))) for i, (low, high) in enumerate(gaps)
    ]
    for edge in map(float, np.concatenate((peaks, gaps.ravel(), [0.0, 1.0]))):
        for at in (np.nextafter(edge, -1), edge, np.nextafter(edge, 2)):
            assert pair.missed("as recorded", float(at)).tolist() == [trial.missed(float(at)) for trial in trials]


def test_thresholds_are_those_of_the_package(heard: ModuleType) -> None:
    one = scored(heard, 2)
    speech = one.others["speech"]
    negatives = Negatives(
        speech.peaks, speech.owner, tuple(map(str, range(20))), speech.hours, np.zeros(0, np.float32)
    )
    trials = [Trial(np.asarray([p], np.float32), 0.0, 0.1, 0) for p in one.words["as recorded"]]
    curve = det_curve(trials, negatives)
    for target in (0.5, 1.0, 2.0, 5.0):
        at = curve.operating_at(target)
        assert one.threshold_at(target) == at.threshold
        assert one.missed("as recorded", at.threshold).sum() == at.misses
        assert speech.count(at.threshold) == at.false_accepts == int(2 * target)


def test_equal_misses_are_no_more_and_no_threshold_above_has_them(heard: ModuleType) -> None:
    one = scored(heard, 3)
    for count in (0, 7, 39):
        cut = one.threshold_missing(count, "as recorded")
        assert one.missed("as recorded", cut).sum() == count
        assert one.missed("as recorded", float(np.nextafter(np.float32(cut), np.float32(2)))).sum() == count + 1


def test_the_paired_interval_knows_what_is_the_same(heard: ModuleType) -> None:
    first = np.arange(40) < 10
    same = heard.difference(first, first, list(map(str, range(40))))
    assert same == (0.0, 0.0, 0.0)
    mended = np.arange(40) < 4
    share, low, high = heard.difference(first, mended, list(map(str, range(40))))
    assert share == pytest.approx(-6 / 40)
    assert -0.3 < low < share < high < 0
    # six words of one person tell less than six words of six
    people = ["ann" if 4 <= i < 10 else str(i) for i in range(40)]
    _, wide_low, wide_high = heard.difference(first, mended, people)
    assert wide_low < low
    assert wide_high == 0.0
    # a single person's words are drawn one by one
    assert heard.difference(first, mended, ["ann"] * 40)[1:] == (low, high)


def test_the_interval_over_speech_finds_thresholds_anew(heard: ModuleType) -> None:
    one, other = scored(heard, 4), scored(heard, 4, lift=-0.1)
    words = range(40)
    assert heard.difference_at(one, one, "as recorded", 1.0, words, replicates=50) == (0.0, 0.0)
    low, high = heard.difference_at(one, other, "as recorded", 5.0, words, replicates=200)
    share = (
        other.missed("as recorded", other.threshold_at(5.0)).mean()
        - one.missed("as recorded", one.threshold_at(5.0)).mean()
    )
    assert 0 < low < share < high
    narrow = heard.difference(
        one.missed("as recorded", one.threshold_at(5.0)),
        other.missed("as recorded", other.threshold_at(5.0)),
        one.speakers,
    )[1:]
    assert high - low > 0.9 * (narrow[1] - narrow[0])


def test_a_threshold_redrawn_with_every_source_once_is_the_threshold(heard: ModuleType) -> None:
    one = scored(heard, 5)
    for target in (0.5, 1.0, 200.0):
        assert heard._redrawn(one.others["speech"], np.ones(20, np.int64), target) == one.threshold_at(target)


# What is mined, and what is not.


def pieces(rounds: ModuleType) -> list[Any]:
    rng = np.random.default_rng(7)
    found = []
    for person in range(40):
        part = ("train", "train", "train", "validation", "test")[person % 5]
        for number in range(3):
            recording = Recording(f"/speech/{person}-{number}.wav", "corpus", f"p{person}")
            found.append(rounds.Piece(recording, float(rng.uniform(2, 20)), part))
    return found


def test_halves_share_nobody_and_only_what_is_trained_on_is_mined(rounds: ModuleType) -> None:
    all_of_it = pieces(rounds)
    suspect = next(piece.recording.path for piece in all_of_it if piece.part == "train")
    halves = rounds.parted(all_of_it, [suspect], np.random.default_rng(1))
    groups = [halves.mined, halves.familiar, halves.kept]
    people = [{piece.recording.speaker for piece in group} for group in groups]
    assert not people[0] & people[1]
    assert not people[0] & people[2]
    assert not people[1] & people[2]
    assert {piece.part for piece in halves.mined} == {"train"} == {piece.part for piece in halves.familiar}
    assert {piece.part for piece in halves.kept} == {"validation", "test"}
    assert halves.suspects == (suspect,)
    paths = [piece.recording.path for group in groups for piece in group]
    assert sorted([*paths, suspect]) == sorted(piece.recording.path for piece in all_of_it)
    total = sum(piece.seconds for group in groups for piece in group)
    mined = sum(piece.seconds for piece in halves.mined)
    assert total / 2 <= mined < total / 2 + 60
    assert halves == rounds.parted(all_of_it, [suspect], np.random.default_rng(1))
    assert halves.mined != rounds.parted(all_of_it, [suspect], np.random.default_rng(2)).mined


def test_who_is_partly_kept_for_measuring_is_not_mined(rounds: ModuleType) -> None:
    """A run may part a speaker's clips where it has few speakers."""
    one = [rounds.Piece(Recording(f"/a{i}.wav", "c", "ann"), 5.0, p) for i, p in enumerate(("train", "test"))]
    two = [rounds.Piece(Recording(f"/b{i}.wav", "c", f"b{i}"), 5.0, "train") for i in range(4)]
    halves = rounds.parted([*one, *two], [], np.random.default_rng(1))
    assert {piece.recording.speaker for piece in halves.kept} == {"ann"}
    assert len(halves.mined) == 3


def folder_with(tmp_path: Path, spoken: Manifest) -> Path:
    """Two recordings of background in a folder with a table, and one row each of what is not asked for."""
    lines = ["path,use,kind,label,seconds,speaker,corpus,licence"]
    for number, clip in enumerate(spoken.of("speech").clips[:2]):
        write_wav(tmp_path / f"{number}.wav", load(clip.path))
        lines.append(f"{number}.wav,background,speech,,{clip.seconds},p{number},read,free")
    lines += ["r.wav,background,room_impulse_response,,1,,rooms,free", "w.wav,evaluate,speech,,1,,read,free"]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_the_background_knows_its_parts_and_what_is_found_there_is_confirmed(
    rounds: ModuleType, exported: dict[str, Path], spoken: Manifest, tmp_path: Path
) -> None:
    speech = folder_with(tmp_path, spoken)
    run = Run.open(exported["mixednet"])
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "0.wav"
    link.symlink_to(speech / "0.wav")
    parts = {"train": [], "validation": [Clip(str(link), "speech", 2.0, "p0", "read", real=True)], "test": []}
    own = Run.create(Recipe(phrase="hey katya", model=run.recipe.model), tmp_path / "runs")
    for name in ("model.onnx", "metadata.json"):
        (own.folder / name).write_bytes((run.folder / name).read_bytes())
    about = json.loads(own.metadata_path.read_text(encoding="utf-8"))
    own.metadata_path.write_text(json.dumps(about | {"threshold": 1e-6}), encoding="utf-8")
    for part, clips in parts.items():
        Manifest(tuple(clips)).write(own.folder / f"manifest-{part}.jsonl")

    found = rounds.background(speech, own)
    assert [(Path(p.recording.path).name, p.part) for p in found] == [("0.wav", "validation"), ("1.wav", "train")]

    both = rounds.Halves(tuple(found), (), (), ())
    mined = Mined(tmp_path / "mined")
    asked = argparse.Namespace()
    own.suspects_path.write_text(json.dumps([{"path": str(link)}]), encoding="utf-8")
    told = rounds.find(own, both, mined, asked)
    assert told["false_accepts"] >= 2
    assert {one.source for one in mined.found()} == {str(speech / "0.wav"), str(speech / "1.wav")}
    assert {one.source for one in mined.labelled("negative")} == {str(speech / "1.wav")}
    assert told["confirmed"] == len(mined.labelled("negative")) < told["sounds"]
    assert rounds.find(own, both, mined, asked) == told


def test_a_folder_without_background_is_refused(
    rounds: ModuleType, exported: dict[str, Path], tmp_path: Path
) -> None:
    run = Run.create(Recipe(phrase="hey katya"), tmp_path / "runs")
    for part in ("train", "validation", "test"):
        Manifest().write(run.folder / f"manifest-{part}.jsonl")
    (tmp_path / "manifest.csv").write_text("path,use,kind,label,seconds,speaker,corpus\n", encoding="utf-8")
    with pytest.raises(InputError, match="nothing to mine"):
        rounds.background(tmp_path, run)


def test_what_a_detector_scored_is_kept_by_file(
    heard: ModuleType, exported: dict[str, Path], spoken: Manifest, tmp_path: Path
) -> None:
    paths = []
    for number, clip in enumerate([*spoken.of("positive").clips[:3], *spoken.of("speech").clips[:2]]):
        paths.append(tmp_path / f"{number}.wav")
        write_wav(paths[-1], load(clip.path))
    words = tuple(Recording(str(path), "own", f"p{i}") for i, path in enumerate(paths[:3]))
    others = tuple(Recording(str(path), "own", str(path)) for path in paths[3:])
    run = Run.open(exported["mixednet"])
    one = heard.Heard.measured(run, Material(words, {"speech": others}, ()), (None,))
    assert one.names == tuple(str(path) for path in paths[:3])
    assert one.speakers == ("p0", "p1", "p2")
    assert list(one.words) == ["as recorded"]
    assert (one.words["as recorded"] > 0).all()
    assert len(one.others["speech"].hours) == 2
    assert one.threshold == 0.5
