"""What decides whether one run may take another's place."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from wakewright.apps.cli import main
from wakewright.core.audio import write_wav
from wakewright.core.errors import InputError, RunError
from wakewright.core.manifest import Manifest
from wakewright.core.material import Mined as Settings
from wakewright.core.mined import ELSEWHERE, Found, Label, Mined, elsewhere, remember
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.evaluate.captured import Captured, captured
from wakewright.evaluate.promotion import _remarks, compare, read_decision, row
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


@pytest.mark.parametrize(
    ("unit", "old", "fresh", "worse"),
    [
        ("missed", (10, 200), (10, 200), False),
        ("missed", (10, 200), (18, 200), False),  # 9.0 %, where the interval ends at 9.003 %
        ("missed", (10, 200), (19, 200), True),
        ("missed", (10, 200), (0, 200), False),
        ("missed", (0, 5), (2, 5), False),
        ("woken", (0, 100), (4, 100), True),
        ("per hour", (0, 1.0), (2, 1.0), False),  # none in an hour: at most 2.996
        ("per hour", (0, 1.0), (3, 1.0), True),
        ("per hour", (1, 10.0), (11, 20.0), False),
        ("per hour", (1, 10.0), (12, 20.0), True),
    ],
)
def test_a_group_is_worse_above_the_interval_of_the_old_figure(
    unit: str, old: tuple[int, float], fresh: tuple[int, float], worse: bool
) -> None:
    found = row("group", unit, old, fresh)
    assert found is not None
    assert found.worse is worse
    assert found.low <= found.old <= found.high
    assert found.new == fresh[0] / fresh[1]


def test_what_one_of_them_was_not_measured_on_says_nothing() -> None:
    assert row("group", "missed", (0, 0), (1, 5)) is None
    assert row("group", "per hour", (1, 2.0), (0, 0.0)) is None


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
    Manifest().write(run.folder / "manifest-test.jsonl")
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
    assert "1 compared, 1 worse (their difference lies above 0 with its 95.000 % interval)" in told
    assert "clean: speaker ann: 0, then 9 of 12 missed, " in told
    assert "not promoted: worse in clean: speaker ann" in told
    assert told.endswith("promote again: wakewright evaluate RUN --speech DIR\n")
    assert compare(old, alike).promoted


@pytest.fixture
def heard(exported: dict[str, Path], tmp_path: Path) -> tuple[Run, Run]:
    """Two runs of a phrase: one never wakes, the other always does."""
    runs = []
    for seed, threshold in ((1, 1.0), (2, 0.0)):
        run = run_measured(tmp_path / "runs", seed, {"clean": 16}, {"speech": 0.14})
        Manifest().write(run.folder / "manifest-train.jsonl")
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
