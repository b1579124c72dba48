"""The run folder: made once, locked by one process, readable after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wakewright.core.compose import load_recipe
from wakewright.core.errors import RunError
from wakewright.core.run import Run, slug


def make(tmp_path: Path, phrase: str = "hey katya") -> Run:
    return Run.create(load_recipe(phrase=phrase), tmp_path)


def test_a_new_run_stores_its_recipe_and_its_surroundings(tmp_path: Path) -> None:
    run = make(tmp_path)
    assert run.folder.parent == tmp_path / "hey-katya"
    again = Run.open(run.folder)
    assert again.recipe == run.recipe
    assert run.record["packages"]["numpy"]
    assert run.record["python"] == sys.version.split()[0]
    assert run.status == "created"


def test_two_runs_within_one_second_get_two_folders(tmp_path: Path) -> None:
    assert len({make(tmp_path).folder for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("Hey, Katya!", "hey-katya"),
        ("../../etc", "etc"),
        ("Größe", "grosse"),
        ("привет", "привет"),
        ("🙂", "phrase"),
        ("con", "con-"),
        ("a" * 200, "a" * 48),
    ],
)
def test_a_phrase_becomes_a_folder_name_that_every_system_takes(phrase: str, name: str) -> None:
    assert slug(phrase) == name


def test_open_finds_the_run_from_a_file_in_it(tmp_path: Path) -> None:
    run = make(tmp_path)
    run.eval_dir.mkdir()
    (run.eval_dir / "det.json").write_text("{}")
    assert Run.open(run.eval_dir / "det.json").folder == run.folder.resolve()


def test_latest_is_the_last_begun(tmp_path: Path) -> None:
    first, second = make(tmp_path), make(tmp_path, "computer")
    second.folder.rename(second.folder.with_name("99991231-000000-aaaaaaaa"))
    assert Run.latest(tmp_path).recipe.phrase == "computer"
    assert Run.latest(tmp_path, "hey katya").folder == first.folder.resolve()


def test_what_is_not_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run at"):
        Run.open(tmp_path / "nothing")
    with pytest.raises(RunError, match="is not a run"):
        Run.open(tmp_path)
    with pytest.raises(RunError, match="there is no run of 'x'"):
        Run.latest(tmp_path, "x")


def test_a_newer_and_a_damaged_run_say_so(tmp_path: Path) -> None:
    run = make(tmp_path)
    run.note(format=2)
    with pytest.raises(RunError, match="newer wakewright"):
        Run.open(run.folder)
    run.record_path.write_text("{")
    with pytest.raises(RunError, match="damaged"):
        Run.open(run.folder)
    run.record_path.write_text('{"format": 1}')
    run.recipe_path.unlink()
    with pytest.raises(RunError, match="incomplete"):
        Run.open(run.folder)


def test_a_file_the_run_does_not_have_yet_is_asked_for_in_vain(tmp_path: Path) -> None:
    run = make(tmp_path)
    with pytest.raises(RunError, match=r"has no model\.pt\n  got: status: created\n  do:  finish it"):
        run.require("model.pt")
    run.model_path.write_bytes(b"x")
    assert run.require("model.pt") == run.model_path


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunError, match="cannot make the run folder"):
        Run.create(load_recipe(phrase="hey katya"), tmp_path / "runs")


def test_status_follows_the_work(tmp_path: Path) -> None:
    run = make(tmp_path)
    with run.working():
        assert run.status == "running"
    assert run.status == "complete"
    with pytest.raises(ZeroDivisionError), run.working():
        _ = 1 / 0
    assert (run.status, run.record["error"]) == ("failed", "ZeroDivisionError: division by zero")
    with pytest.raises(KeyboardInterrupt), run.working():
        raise KeyboardInterrupt
    assert run.status == "interrupted"
    assert {"created", "started", "resumed", "ended"} <= run.record.keys()


def test_holding_a_run_keeps_others_out_but_leaves_its_status(tmp_path: Path) -> None:
    run = make(tmp_path)
    with run.working():
        pass
    with run.held(), pytest.raises(RunError, match=f"process {os.getpid()} is working in it"), run.held():
        pass
    with pytest.raises(ZeroDivisionError), run.held():
        _ = 1 / 0
    assert run.status == "complete"


HOLD = """
import sys, time
from wakewright.core.run import Run
run = Run.open(sys.argv[1])
with run.working():
    run.log(step=1)
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    run = make(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(run.folder)], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        assert run.status == "running"
        with pytest.raises(RunError, match=f"process {child.pid} is working in it"), run.working():
            pass
        child.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    assert run.status == "interrupted"
    with run.working():
        assert run.metrics() == [{"step": 1}]


def test_a_torn_last_line_is_ignored_and_cut_before_the_next(tmp_path: Path) -> None:
    run = make(tmp_path)
    assert run.metrics() == []
    run.log(step=1, loss=float("nan"))
    run.log(step=2, text="é" * 5000)
    with run.metrics_path.open("ab") as file:
        file.write(b'{"step": 3, "lo' + b"x" * 9000)
    assert [line["step"] for line in run.metrics()] == [1, 2]
    run.log(step=3)
    assert [line["step"] for line in run.metrics()] == [1, 2, 3]
    assert run.metrics()[0]["loss"] is None
    run.rewind_metrics(1)
    assert [line["step"] for line in run.metrics()] == [1]


def test_a_torn_first_line_is_cut_too(tmp_path: Path) -> None:
    run = make(tmp_path)
    run.metrics_path.write_bytes(b'{"st')
    assert run.metrics() == []
    run.log(step=1)
    assert run.metrics() == [{"step": 1}]


def test_a_stage_is_done_only_for_the_inputs_it_was_finished_from(tmp_path: Path) -> None:
    run = make(tmp_path)
    assert not run.stage_done("speak", "aa")
    run.finish_stage("speak", "aa", clips=3)
    assert run.stage_done("speak", "aa")
    assert not run.stage_done("speak", "bb")
    assert run.stages()["speak"]["clips"] == 3
    assert json.loads((run.folder / "stages.json").read_text())["speak"]["fingerprint"] == "aa"
