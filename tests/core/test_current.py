"""The pointer to the run in use: it moves at once, steps back, and tells what happened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from wakewright.apps.cli import main
from wakewright.apps.confirm import wish_of
from wakewright.core import current
from wakewright.core.errors import RunError
from wakewright.core.lock import exclusive
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Three runs of one phrase below `runs`."""
    return [Run.create(Recipe(phrase="hey katya", seed=n), tmp_path / "runs") for n in (1, 2, 3)]


def test_runs_take_each_others_place_and_step_back(runs: list[Run]) -> None:
    phrase = runs[0].folder.parent
    assert current.current(phrase) is None
    assert current.chosen(phrase) == phrase
    for run in runs:
        current.promote(run)
        current.promote(run)
        assert current.current(phrase) == run.folder
    assert current.chosen(phrase) == runs[2].folder == wish_of([phrase], None, None, ()).folders[0]
    assert [current.in_use(run) for run in runs] == [False, False, True]
    assert current.rollback(phrase) == runs[1].folder
    assert current.current(phrase) == runs[1].folder
    assert current.rollback(phrase) == runs[0].folder
    with pytest.raises(RunError, match=r"no run in .* to step back to"):
        current.rollback(phrase)
    assert current.current(phrase) == runs[0].folder
    log = json.loads((phrase / "current.json").read_text(encoding="utf-8"))["log"]
    assert [(entry["how"], entry["run"]) for entry in log] == [
        *(("promoted", run.folder.name) for run in runs),
        ("rolled back", runs[1].folder.name),
        ("rolled back", runs[0].folder.name),
    ]


def test_a_run_that_is_gone_is_told_and_passed_over(runs: list[Run]) -> None:
    phrase = runs[0].folder.parent
    for run in runs:
        current.promote(run)
    for run in runs[1:]:
        shutil.rmtree(run.folder)
    with pytest.raises(RunError, match=r"the run in use in .* is gone"):
        current.current(phrase)
    assert current.rollback(phrase) == runs[0].folder


def test_a_pointer_that_is_damaged_or_busy_is_told(runs: list[Run]) -> None:
    phrase = runs[0].folder.parent
    with exclusive(phrase / ".current.lock"), pytest.raises(RunError, match="is being changed"):
        current.promote(runs[0])
    wrong = ['{"run": "x", "before": null, "log": []}', '{"run": 5, "before": [], "log": []}']
    wrong += ['{"run": "x", "before": [5], "log": []}', '{"run": null, "before": [], "log": 1}']
    for damaged in ("{", "[]", *wrong):
        (phrase / "current.json").write_text(damaged, encoding="utf-8")
        for asked in (current.current, current.rollback):
            with pytest.raises(RunError, match=r"current\.json is damaged"):
                asked(phrase)


def test_the_command_steps_back_and_the_list_shows_which_is_used(
    runs: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(runs[0].folder.parents[1])
    for run in runs[:2]:
        current.promote(run)
    assert main(["runs", "--output-dir", place]) == 0
    lines = capsys.readouterr().out.splitlines()
    where = [line.strip() for line in lines].index(str(runs[1].folder))
    assert [line for line in lines if "in use" in line] == [lines[where - 1]]
    assert main(["runs", "rollback", "hey katya", "--output-dir", place]) == 0
    assert capsys.readouterr().out.strip() == f"{runs[0].folder} is in use again"
    assert main(["runs", "rollback", "hey katya", "--output-dir", place]) == 2
    assert "to step back to" in capsys.readouterr().err
