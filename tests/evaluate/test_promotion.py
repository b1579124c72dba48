"""What decides whether one run may take another's place."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from wakewright.apps.cli import main
from wakewright.core import current, taught
from wakewright.core.audio import write_wav
from wakewright.core.errors import InputError, RunError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.material import Mined as Settings
from wakewright.core.mined import ELSEWHERE, Found, Label, Mined, elsewhere, remember
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.evaluate.captured import Captured, captured
from wakewright.evaluate.outcomes import Outcomes, Source, Word, write_outcomes
from wakewright.evaluate.promotion import _remarks, compare, read_decision
from wakewright.evaluate.result import (
    Breakdown,
    Condition,
    Curve,
    Group,
    Point,
    Result,
    Silence,
    rate,
    read_result,
    share,
    write_result,
)


def test_two_copies_of_one_run_are_never_kept_apart(heard: tuple[Run, Run], tmp_path: Path) -> None:
    """However much was missed, woken by and captured."""
    deaf, eager = heard
    say(eager.folder / "mined", "negative", *range(1, 13))
    say(deaf.folder / "mined", "phrase", *range(13, 16))
    rng = np.random.default_rng(1)
    found = many(rng, 0.3, 3.0)
    written(eager, found)
    copy = Run.open(shutil.copytree(eager.folder, tmp_path / "runs" / "hey-katya" / "copy"))
    decision = compare(eager, copy, workers=1)
    assert decision.promoted
    assert {row.unit for row in decision.rows} == {"missed", "per hour", "woken"}
    assert len(decision.groups) > 20
    assert {(row.lost, row.won) for row in (*decision.rows, *decision.groups)} == {(0, 0)}
    assert read_decision(copy) == decision
    assert main(["promote", str(eager.folder)]) == 0
    assert main(["promote", str(copy.folder), "--workers", "1"]) == 0
    assert current.current(eager.folder.parent) == copy.folder


def many(rng: np.random.Generator, missed: float, woken: float) -> Outcomes:
    """Two hundred words of twenty people, clean and in noise, and an hour of sixty recordings in six folders."""
    words = [
        Word(name, f"{i}.wav", bool(rng.random() < share), {"speaker": f"s{i % 20}", "room": f"r{i // 20 % 3}"})
        for name, share in (("clean", missed), ("noise", min(1.0, 2 * missed)))
        for i in range(200)
    ]
    sources = [
        Source("speech", f"f{i}", 1 / 60, int(rng.poisson(woken / 60)), {"file": f"f{i}", "folder": f"d{i % 6}"})
        for i in range(60)
    ]
    return Outcomes(tuple(words), tuple(sources))


def written(run: Run, found: Outcomes, created: str = "today") -> Run:
    """A run of which just this was measured."""
    conditions = dict.fromkeys(word.condition for word in found.words)
    kinds = dict.fromkeys(one.silence for one in found.sources)
    result = measured(
        {name: sum(word.condition == name for word in found.words) for name in conditions},
        {name: sum(one.hours for one in found.sources if one.silence == name) for name in kinds},
    )
    lost = {name: sum(w.missed for w in found.words if w.condition == name) for name in conditions}
    woken = {name: sum(one.false_accepts for one in found.sources if one.silence == name) for name in kinds}
    points = {
        c.name: dataclasses.replace(c.chosen, missed=share(lost[c.name], c.chosen.missed.total))
        for c in result.conditions
    }
    result = dataclasses.replace(
        result,
        conditions=tuple(dataclasses.replace(c, chosen=points[c.name]) for c in result.conditions),
        silences=tuple(Silence(s.name, rate(woken[s.name], s.real_hours), s.real_hours) for s in result.silences),
        created=created,
    )
    write_outcomes(run.eval_dir, found, created)
    write_result(run.eval_dir / "result.json", result)
    return run


def test_the_words_and_sources_that_got_worse_are_named_with_their_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = many(np.random.default_rng(2), 0.1, 3.0)
    lost = Outcomes(
        tuple(dataclasses.replace(w, missed=w.missed or w.groups["speaker"] == "s7") for w in found.words),
        tuple(
            dataclasses.replace(one, false_accepts=one.false_accepts + 3 * (one.groups["folder"] == "d4"))
            for one in found.sources
        ),
    )
    old, fresh = (
        written(run_measured(tmp_path, seed, {"clean": 1}, {"speech": 1.0}), what)
        for seed, what in ((1, found), (2, lost))
    )
    decision = compare(old, fresh)
    assert "speaker s7" in decision.worse
    assert "false accepts, folder d4" in decision.worse
    assert "speech" in decision.worse
    assert not {"clean", "noise"} & set(decision.worse), "one of twenty people is little of the whole"
    assert decision.remarks == ("Nothing captured has a label, so what a home sounds like was not replayed.",)
    row = next(row for row in decision.groups if row.group == "speaker s7")
    assert (row.total, row.count, row.won) == (20, 20, 0)
    assert row.count - row.old_count == row.lost
    assert main(["promote", str(fresh.folder), "--over", str(old.folder)]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert f"speaker s7 ({row.old_count}, then 20 of 20 missed (+{row.lost} -0))" in told
    assert re.search(r"false accepts, folder d4 \(\d+, then \d+ in 0\.17 h \(\+30 -0\)\)", told)
    back = compare(fresh, old)
    assert back.promoted
    assert {row.chance for row in back.groups if row.group == "speaker s7"} == {1.0}


@pytest.mark.parametrize("speakers", [True, False])
def test_a_run_that_hears_nothing_and_wakes_all_the_time_is_told_as_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], speakers: bool
) -> None:
    """Chances of so much are 0 to a float."""
    labels = [{"speaker": f"s{i % 4}"} if speakers else {} for i in range(1200)]
    found = [
        Outcomes(
            tuple(Word("clean", f"{i}.wav", worse, labels[i]) for i in range(1200)),
            (Source("speech", "f", 1.0, 0, {"file": "f"}), Source("speech", "g", 1.0, 1200 * worse, {"file": "g"})),
        )
        for worse in (False, True)
    ]
    old, fresh = (
        written(run_measured(tmp_path, seed, {"clean": 1}, {"speech": 1.0}), what)
        for seed, what in zip((1, 2), found, strict=True)
    )
    assert main(["promote", str(fresh.folder), "--over", str(old.folder)]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "not promoted: worse in clean (0, then 1200 of 1200 missed (+1200 -0)); speech (0, then 1200 in" in told
    assert "false accepts, file g: 0, then 1200 in 1.00 h (+1200 -0); by chance less than once in 1,000,000," in told


def test_without_the_single_words_the_counts_are_compared_and_that_is_said(tmp_path: Path) -> None:
    """Of an earlier version, of another evaluation, and of one that broke off between the two files."""
    found = many(np.random.default_rng(3), 0.1, 3.0)
    runs = [
        written(run_measured(tmp_path, seed, {"clean": 1}, {"speech": 1.0}), found, created)
        for seed, created in ((1, "monday"), (2, "tuesday"))
    ]
    assert not any("counts alone" in remark for remark in compare(*runs).remarks)
    write_outcomes(runs[1].eval_dir, found, "wednesday")
    decision = compare(*runs)
    assert decision.promoted
    assert decision.remarks[0].startswith("Compared by their counts alone, which finds less: clean, noise, speech.")
    assert {row.by for row in decision.rows} == {"other sound"}
    (runs[1].eval_dir / "outcomes.jsonl").unlink()
    assert compare(*runs).remarks == decision.remarks
    (runs[1].eval_dir / "outcomes.jsonl").write_text('{"created": "tuesday"}\n{"clip": 3}\n', encoding="utf-8")
    with pytest.raises(RunError, match=r"outcomes\.jsonl is damaged"):
        compare(*runs)


def measured(words: dict[str, int], hours: dict[str, float]) -> Result:
    """What an evaluation of so much found: nothing missed, and nothing woken by."""
    points = {name: Point(None, 0.5, share(0, count), rate(0, 1.0)) for name, count in words.items()}
    curve = Curve((0,), 1.0, (0.0,), (0.0,), (0.0,))
    return Result(
        "hey katya",
        "tiny",
        0.5,
        "chosen",
        tuple(Condition(name, point, (), curve, None, None, None) for name, point in points.items()),
        tuple(Silence(name, rate(0, length), length) for name, length in hours.items()),
    )


def run_measured(place: Path, seed: int, words: dict[str, int], hours: dict[str, float]) -> Run:
    run = Run.create(Recipe(phrase="hey katya", seed=seed), place)
    write_result(run.folder / "eval" / "result.json", measured(words, hours))
    for part in ("train", "test"):
        Manifest().write(run.folder / f"manifest-{part}.jsonl")
    return run


def test_what_was_measured_on_other_recordings_is_not_compared(tmp_path: Path) -> None:
    old = run_measured(tmp_path, 1, {"clean": 16, "own recordings": 4}, {"speech": 0.14, "noise": 1.0})
    for words, hours, told in (
        ({"clean": 4}, {"speech": 0.14}, "clean: 16 words, then 4"),
        ({"clean": 16}, {"speech": 0.01}, "speech: 0.14 h, then 0.01 h"),
    ):
        with pytest.raises(InputError, match="measured on other recordings") as error:
            compare(old, run_measured(tmp_path, 2, words, hours))
        assert error.value.got == told
    fresh = run_measured(tmp_path, 3, {"clean": 16, "own recordings": 6}, {"speech": 0.1401, "noise": 1.0})
    decision = compare(old, fresh)
    assert decision.promoted
    assert [one.group for one in decision.rows] == ["clean", "speech", "noise"]
    assert decision.remarks[0].startswith(
        "Not compared, as measured on other recordings: own recordings: 4 words, then 6."
    )
    assert read_decision(fresh) == decision


def test_what_a_run_learnt_before_it_began_counts_too(tmp_path: Path) -> None:
    """Its weights come from a run that has learnt from somebody in the test part of another."""
    ann = [Manifest((Clip(f"/r/ann/{n}.wav", "positive", 1.0, "ann", "mine", real=True),)) for n in (1, 2)]
    words = {"own recordings, as hard as in training": 4}
    old, fresh = (run_measured(tmp_path, seed, words, {"speech": 0.14}) for seed in (1, 2))
    ann[0].write(fresh.folder / taught.NAME)
    ann[1].write(old.folder / "manifest-test.jsonl")
    with pytest.raises(InputError, match="one of the runs has learnt what the other was measured on"):
        compare(old, fresh)


def test_what_a_run_of_an_earlier_version_learnt_before_it_began_counts_too(tmp_path: Path) -> None:
    """It kept nothing of it, but the run that it went on from is there."""
    ann = [Manifest((Clip(f"/r/ann/{n}.wav", "positive", 1.0, "ann", "mine", real=True),)) for n in (1, 2)]
    words = {"own recordings, as hard as in training": 4}
    old, first, fresh = (run_measured(tmp_path, seed, words, {"speech": 0.14}) for seed in (1, 2, 3))
    train = fresh.recipe.train.model_copy(update={"start": str(first.folder)})
    fresh = Run(fresh.folder, fresh.recipe.model_copy(update={"train": train}))
    ann[0].write(first.folder / "manifest-train.jsonl")
    ann[1].write(old.folder / "manifest-test.jsonl")
    with pytest.raises(InputError, match="one of the runs has learnt what the other was measured on"):
        compare(old, fresh)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_run_whose_parts_are_gone_is_not_compared_by_its_parts(tmp_path: Path, part: str) -> None:
    words = {"own recordings, as hard as in training": 4}
    old, fresh = (run_measured(tmp_path, seed, words, {"speech": 0.14}) for seed in (1, 2))
    assert compare(old, fresh).promoted
    (old.folder / f"manifest-{part}.jsonl").unlink()
    with pytest.raises(RunError, match=f"has no manifest-{part}.jsonl"):
        compare(old, fresh)


def test_runs_of_which_one_has_learnt_what_the_other_was_measured_on_are_not_compared(tmp_path: Path) -> None:
    def person(name: str, take: int) -> Manifest:
        return Manifest((Clip(f"/r/{name}/{take}.wav", "positive", 1.0, name, "mine", real=True),))

    hours = {"speech": 0.14}
    parts = {"own recordings, as at home": 4, "own recordings, as hard as in training": 4}
    for words, refused in ((parts, True), ({"recordings, as recorded": 4}, False)):
        for learns in (0, 1):
            runs = [run_measured(tmp_path / f"{refused}{learns}", seed, words, hours) for seed in (1, 2)]
            person("ann", 1).write(runs[learns].folder / "manifest-train.jsonl")
            person("ann", 2).write(runs[1 - learns].folder / "manifest-test.jsonl")
            if refused:
                with pytest.raises(
                    InputError, match="one of the runs has learnt what the other was measured on"
                ) as no:
                    compare(*runs)
                assert no.value.got == "/r/ann/1.wav (train) and /r/ann/2.wav (test): ann of mine speaks in both"
                person("bob", 2).write(runs[1 - learns].folder / "manifest-test.jsonl")
            assert compare(*runs).promoted


def say(folder: Path, label: Label | None, *numbers: int, seconds: float = 2.0) -> None:
    """A mined folder with these sounds."""
    mined = Mined(folder)
    finds = [Found(f"{n:016x}", "near_miss", 0.5, 0.6, None, "a.wav", 3.0, 1.0, seconds) for n in numbers]
    for one in finds:
        write_wav(mined.sound(one), np.zeros(round(16_000 * seconds), np.float32))
    mined.write(finds)
    if label is not None:
        mined.label([one.id for one in finds], label, "heard")


def test_everything_labelled_by_any_run_of_the_phrase_is_replayed_once(tmp_path: Path) -> None:
    elsewhere = Settings(paths=(str(tmp_path / "radio"),))
    say(tmp_path / "radio", "negative", 1, 2)
    one = Run.create(Recipe(phrase="hey katya"), tmp_path / "runs")
    two = Run.create(Recipe(phrase="hey katya", mined=elsewhere), tmp_path / "runs")
    third = Run.create(Recipe(phrase="hey katya", seed=3), tmp_path / "runs")
    other = Run.create(Recipe(phrase="computer"), tmp_path / "runs")
    say(one.folder / "mined", "negative", 2, 3)
    say(third.folder / "mined", "phrase", 4)
    say(other.folder / "mined", "negative", 9)
    found = captured(one, two)
    assert {int(name, 16): label for name, (_, label) in found.labelled.items()} == {
        1: "negative", 2: "negative", 3: "negative", 4: "phrase",
    }  # fmt: skip
    assert all(path.is_file() for path, _ in found.labelled.values())
    say(two.folder / "mined", None, 5)
    assert len(captured(one, two).labelled) == 4, "what has no label says nothing"
    say(two.folder / "mined", "negative", 6, seconds=0.1)
    assert len(captured(one, two).labelled) == 4, "too short to be judged"
    gone = Run(two.folder, two.recipe.model_copy(update={"mined": Settings(paths=(str(tmp_path / "gone"),))}))
    assert len(captured(one, gone).labelled) == 3
    for run in (one, gone):
        Manifest().write(run.folder / "manifest-test.jsonl")
    remarks = list(_remarks(one, gone, captured(one, gone)))
    assert remarks == [f"{tmp_path / 'gone'} is gone: what was captured there was not replayed."]
    (nothing,) = _remarks(one, gone, Captured({}, {}, ()))
    assert nothing.startswith("Nothing captured has a label")
    say(two.folder / "mined", "negative", 4)
    with pytest.raises(InputError, match="a sound has two labels"):
        captured(one, two)


def with_speaker(run: Run, missed: int) -> Run:
    """Of the sixteen words of the condition "clean" a speaker, whom no table shows, says twelve."""
    table = Breakdown("speaker", (), 1, "clean", unshown=(Group("ann", share(missed, 12)),))
    result = read_result(run.folder / "eval" / "result.json")
    write_result(run.folder / "eval" / "result.json", dataclasses.replace(result, breakdowns=(table,)))
    return run


def test_a_speaker_who_is_missed_now_keeps_a_run_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, fresh, alike = (
        with_speaker(run_measured(tmp_path, seed, {"clean": 16}, {"speech": 0.14}), missed)
        for seed, missed in ((1, 0), (2, 9), (3, 3))
    )
    decision = compare(old, fresh)
    assert decision.worse == ("clean: speaker ann",)
    assert not any(one.worse for one in decision.rows), "nine of twelve are none of the whole, as it was measured"
    assert read_decision(fresh) == decision
    assert main(["promote", str(fresh.folder), "--over", str(old.folder)]) == 1
    told = capsys.readouterr().out
    assert (
        "1 compared, 1 with enough that differs to tell; worse where chance does as much at most once in 200" in told
    )
    assert "clean: speaker ann: 0, then 9 of 12 missed; by chance once in 5,943" in told
    assert "not promoted: worse in clean: speaker ann (0, then 9 of 12 missed)" in told
    assert told.endswith("promote again: wakewright evaluate RUN --speech DIR\n")
    assert compare(old, alike).promoted


@pytest.fixture
def heard(exported: dict[str, Path], tmp_path: Path) -> tuple[Run, Run]:
    """Two runs of a phrase: one never wakes, the other always does."""
    runs = []
    for seed, threshold in ((1, 1.0), (2, 0.0)):
        run = run_measured(tmp_path / "runs", seed, {"clean": 16}, {"speech": 0.14})
        for path in exported["mixednet"].glob("model.*"):
            shutil.copy(path, run.folder)
        about = json.loads((exported["mixednet"] / "metadata.json").read_bytes())
        run.metadata_path.write_text(json.dumps(about | {"threshold": threshold}), encoding="utf-8")
        runs.append(run)
    return runs[0], runs[1]


def test_what_has_no_label_is_heard_and_told_and_decides_nothing(
    heard: tuple[Run, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deaf, eager = heard
    say(deaf.folder / "mined", None, *range(1, 9))
    assert not captured(deaf, eager).labelled
    decision = compare(deaf, eager, workers=1)
    assert decision.promoted
    assert decision.unlabelled is not None
    assert dataclasses.astuple(decision.unlabelled) == pytest.approx((8, 16 / 3600, 0, 8))
    assert read_decision(eager) == decision
    assert main(["promote", str(eager.folder), "--over", str(deaf.folder), "--workers", "1"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "of 8 sounds (16 s) the old run wakes at 0 (0 per hour of it), the new one at 8 (1800 per hour" in told
    Mined(deaf.folder / "mined").label([f"{1:016x}"], "negative", "heard")
    found = captured(deaf, eager)
    assert (len(found.labelled), len(found.unlabelled)) == (1, 7)
    decision = compare(deaf, eager, workers=1)
    assert decision.promoted, "one sound goes one way or the other by chance"
    Mined(deaf.folder / "mined").label([f"{i:016x}" for i in range(1, 9)], "negative", "heard")
    decision = compare(deaf, eager, workers=1)
    assert decision.worse == ("mined, not the phrase, not learnt by it",)


def test_what_was_mined_into_another_folder_is_replayed_while_it_is_there(
    heard: tuple[Run, Run], tmp_path: Path
) -> None:
    deaf, eager = heard
    third = Run.create(Recipe(phrase="hey katya", seed=3), tmp_path / "runs")
    sound = tmp_path / "hiss.wav"
    write_wav(sound, np.random.default_rng(1).normal(0, 0.01, 5 * 16_000).astype(np.float32))
    about = json.loads(eager.metadata_path.read_bytes())
    eager.metadata_path.write_text(json.dumps(about | {"threshold": 1e-6}), encoding="utf-8")
    disk = tmp_path / "disk"
    assert main(["mine", str(eager.folder), str(sound), "--out", str(disk), "--workers", "1"]) == 0
    assert main(["mine", str(eager.folder), str(sound), "--out", str(disk), "--workers", "1"]) == 0
    assert elsewhere(eager.folder) == [disk]
    assert main(["mine", str(eager.folder), str(sound), "--workers", "1"]) == 0
    assert elsewhere(eager.folder) == [disk], "its own folder needs no note"
    shutil.rmtree(eager.folder / "mined")
    with pytest.raises(InputError, match=f"name the folder that it mined into: {disk}"):
        Mined.open(eager.folder)
    found = captured(deaf, third)
    assert {path.parents[1] for path, _ in found.unlabelled.values()} == {disk}
    (tmp_path / "quiet").mkdir()
    (tmp_path / "quiet" / "journal.jsonl").write_text("", encoding="utf-8")
    remember(third.folder, tmp_path / "quiet")
    assert captured(deaf, third).gone == (), "where nothing was found nothing is gone"
    disk.rename(tmp_path / "another name")
    assert captured(deaf, third).gone == (disk,)
    (third.folder / ELSEWHERE).write_text("[]\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"mined-elsewhere\.jsonl is damaged"):
        captured(deaf, third)
