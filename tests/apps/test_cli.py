"""The command line: what the words mean, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wakewright.apps.cli import main, with_optional_values
from wakewright.apps.commands import runs
from wakewright.apps.commands.train import _resume_words, compose
from wakewright.core.audio import write_wav
from wakewright.core.compose import load_recipe
from wakewright.core.errors import AudioError, PhraseError, RecipeError
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.evaluate.result import Condition, Curve, Point, Result, Silence, rate, share, write_result


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_help_is_quick_and_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from wakewright.apps.cli import main; status = main(['--help']); "
        "assert status == 0; assert not {'torch', 'numpy', 'pydantic', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "wakewright", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.4


@pytest.mark.parametrize(
    "command",
    [
        "new",
        "train",
        "evaluate",
        "export",
        "budget",
        "listen",
        "mine",
        "review",
        "promote",
        "voices",
        "runs",
        "doctor",
        "compare",
    ],
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"Usage: wakewright {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train"], 'there is no phrase\n  got: nothing\n  do:  say which: wakewright train "hey katya"'),
        (["train", "  "], "there is no phrase"),
        (["train", "train.lr=3"], "there is no phrase\n  got: train.lr=3"),
        (["new", "k"], "phrase: one letter is too short"),
        (["new", " "], "phrase: there is nothing to say"),
        (["train", "hey", "katya"], 'put a phrase of several words in quotes: "hey katya"'),
        (
            ["train", "hey", "train.lrr=3"],
            "train.lrr: there is no such setting\n  got: 3\n  do:  did you mean train.lr?",
        ),
        (["train", "hey", "--for", "toaster"], "--for names no known device\n  got: toaster"),
        (["train", "hey", "--model", "mixnet"], "model.name: should be"),
        (["train", "hey", "--audio", "nowhere"], "no audio at nowhere"),
        (["train", "nowhere.yaml"], "no recipe at nowhere.yaml"),
        (["train", "--resume"], "there is no run in runs"),
        (["train", "hey", "--resume"], "there is no run of 'hey' in runs"),
        (["train", "--resume", "runs/hey/x"], "no run at runs/hey/x"),
        (["train", "hey", "--resume", "seed=3"], "a resumed run keeps the recipe it began with\n  got: seed=3"),
        (["evaluate", "runs/hey/x", "--speech", "nowhere"], "no run at runs/hey/x"),
        (["export", "runs/hey/x", "--out", "o"], "no run at runs/hey/x"),
        (["listen", "runs/hey/x", "--wav", "-"], "no detector in runs/hey/x"),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_advice(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"wakewright: {said}") or said in err
    assert "\n  do:  " in err
    assert "Traceback" not in out + err


def test_a_misspelt_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian", "hey katya"]) == 2
    assert "train" in capsys.readouterr().err


def test_a_phrase_flags_and_settings_become_one_recipe(tmp_path: Path) -> None:
    write_wav(tmp_path / "me.wav", np.zeros(1600, np.float32))
    recipe = compose("hey katya", ["train.lr=3e-4"], layers=["esp32", "quick"], audio=[str(tmp_path / "me.wav")])
    assert recipe.phrase == "hey katya"
    assert recipe.model.name == "mixednet"
    assert recipe.train.lr == 3e-4
    assert recipe.recordings is not None
    assert recipe.recordings.paths == (str(tmp_path / "me.wav"),)
    assert recipe.voices.positives < load_recipe(phrase="x").voices.positives


def test_own_recordings_with_odd_names_survive(tmp_path: Path) -> None:
    name = "a, [b]: 'c' #1.wav"
    write_wav(tmp_path / name, np.zeros(1600, np.float32))
    recipe = compose("hey katya", [], audio=[name])
    assert recipe.recordings is not None
    assert recipe.recordings.paths == (name,)


def test_epochs_are_counted_in_steps() -> None:
    once = load_recipe(phrase="hey katya").steps_per_epoch
    assert compose("hey katya", [], epochs=4).train.steps == 4 * once
    assert load_recipe(phrase="x", overrides=["voices.positives=1"]).steps_per_epoch == 1


@pytest.mark.parametrize("error", [PhraseError, AudioError, RecipeError])
def test_bad_words_raise_their_own_error(error: type[Exception]) -> None:
    words = {PhraseError: ("", [], []), AudioError: ("hey", [], ["x"]), RecipeError: ("hey", ["x"], [])}
    what, settings, audio = words[error]
    with pytest.raises(error):
        compose(what, settings, audio=audio)


def test_resume_stands_alone_or_names_a_run(tmp_path: Path) -> None:
    run = Run.create(load_recipe(phrase="hey katya"), tmp_path)
    (tmp_path / "hey.yaml").write_text("phrase: hey")
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "hey.yaml").write_text("phrase: hey")
    folder = str(run.folder)
    assert with_optional_values(["train", "--resume", folder]) == ["train", "--resume", folder]
    assert with_optional_values(["train", "--resume", folder + "/recipe.yaml"])[1:] == [
        "--resume",
        folder + "/recipe.yaml",
    ]
    assert with_optional_values(["train", "--resume", "runs/gone"]) == ["train", "--resume", "runs/gone"]
    assert with_optional_values(["mine", "review", "RUN"]) == ["review", "RUN"]
    assert with_optional_values(["mine", "RUN", "review"]) == ["mine", "RUN", "review"]
    for after in (["hey katya"], ["my/hey.yaml"], ["hey.yaml"], ["--quick"], ["seed=1"], []):
        assert with_optional_values(["train", "--resume", *after]) == ["train", "--resume=", *after]


def test_mined_stands_alone_or_names_a_folder(tmp_path: Path) -> None:
    for folder in (str(tmp_path), "runs/gone/mined"):
        assert with_optional_values(["train", "--mined", folder]) == ["train", "--mined", folder]
    for after in (["hey katya"], ["--from", "runs/x"], ["train.steps=5"], []):
        assert with_optional_values(["train", "--mined", *after]) == ["train", "--mined=", *after]


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(recipe: Recipe, *, output_dir: Path, resume: Run | None) -> Run:
        Run.create(recipe, output_dir)
        raise KeyboardInterrupt

    monkeypatch.setattr("wakewright.pipeline.train", interrupted)
    assert main(["train", "hey katya"]) == 130
    folder = Run.latest("runs").folder.relative_to(Path.cwd())
    assert f"Continue with:\n  wakewright train --resume {folder}" in capsys.readouterr().err


def test_resume_hands_the_run_and_its_recipe_to_the_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Recipe, Run | None]] = []

    def begin(recipe: Recipe, output_dir: Path, resume: Run | None) -> None:
        given.append((recipe, resume))
        if resume is None:
            Run.create(recipe, output_dir)

    monkeypatch.setattr("wakewright.apps.commands.train._start", begin)
    assert main(["train", "hey katya", "seed=5"]) == 0
    assert main(["train", "--resume"]) == 0
    assert main(["train", "--resume", "hey katya"]) == 0
    assert main(["train", "--resume", str(Run.latest("runs").folder), "hey katya"]) == 0
    first, *rest = given
    assert (first[0].seed, first[1]) == (5, None)
    assert [(recipe.seed, run is not None) for recipe, run in rest] == [(5, True)] * 3


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("train.lr=3", "a resumed run keeps the recipe it began with\n  got: train.lr=3"),
        ("computer", "is of another phrase\n  got: 'computer', where it has 'hey katya'"),
    ],
)
def test_what_a_resumed_run_cannot_heed_is_refused(
    word: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.create(load_recipe(phrase="hey katya"), tmp_path)
    assert main(["train", "--resume", str(run.folder), word]) == 2
    assert said in capsys.readouterr().err


def test_new_writes_a_recipe_that_loads_and_never_over_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "hey katya", "--for", "esp32", "seed=7"]) == 0
    recipe = load_recipe(tmp_path / "hey-katya.yaml")
    assert (recipe.phrase, recipe.model.name, recipe.seed) == ("hey katya", "mixednet", 7)
    assert main(["new", "hey katya"]) == 2
    assert "hey-katya.yaml is there already" in capsys.readouterr().err
    assert main(["new", "hey katya", "--force"]) == 0
    assert load_recipe(tmp_path / "hey-katya.yaml").seed == 1
    capsys.readouterr()
    assert main(["new", "hey katya", "--out", "-"]) == 0
    assert "phrase: hey katya" in capsys.readouterr().out


def test_runs_lists_what_the_files_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    assert "no runs in runs" in capsys.readouterr().out
    run = Run.create(load_recipe(phrase="hey katya"), tmp_path / "runs")
    broken = Run.create(load_recipe(phrase="other"), tmp_path / "runs")
    broken.recipe_path.unlink()
    metrics = {"frr": 0.03125, "positives": 320, "fa_per_hour": 0.4, "hours": 2.5}
    run.metadata_path.write_text(json.dumps({"metrics": metrics}))
    assert runs.facts(run)["missed"] == "3.1 % (10 of 320)"
    assert runs.facts(run)["false_accepts"] == "0.40 (1 in 2.5 h)"
    assert main(["runs", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["status"] for row in rows} == {"created", f"the run {broken.folder.resolve()} is incomplete"}
    assert main(["runs"]) == 0
    assert str(run.folder.relative_to(Path.cwd())) in capsys.readouterr().out


def test_two_runs_are_compared_by_their_evaluations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def evaluated(phrase: str, missed: int) -> str:
        run = Run.create(load_recipe(phrase=phrase), tmp_path / str(missed))
        (run.folder / "eval").mkdir(exist_ok=True)
        point = Point(None, 0.5, share(missed, 200), rate(1, 2.0))
        words = Condition("as recorded", point, (), Curve((), 2.0, (), (), ()), None, None, None)
        found = Result(phrase, "mixednet", 0.5, "", (words,), (Silence("speech", rate(1, 2.0), 2.0),))
        write_result(run.eval_dir / "result.json", found)
        return str(run.folder)

    first, second, other = evaluated("hey katya", 90), evaluated("hey katya", 9), evaluated("jarvis", 8)
    assert main(["compare", first, second]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("missed, as recorded"))
    assert "45.0 % (90 of 200; " in row
    assert row.endswith("better")
    assert main(["compare", second, first, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["name"]: row["verdict"] for row in rows}["missed, as recorded, at its threshold"] == "worse"
    assert main(["compare", first, second, "--out", str(tmp_path / "both.html")]) == 0
    assert capsys.readouterr().out.endswith(f"{tmp_path / 'both.html'}\n")
    assert "-40.5 points" in (tmp_path / "both.html").read_text(encoding="utf-8")
    assert main(["compare", first, second, "--json", "--out", str(tmp_path)]) == 0
    streams = capsys.readouterr()
    assert all(json.loads(line) for line in streams.out.splitlines())
    assert streams.err == f"{tmp_path / 'compare.html'}\n"
    assert (tmp_path / "compare.html").is_file()
    assert main(["compare", first, other]) == 2
    assert "these runs are of two phrases\n  got: 'hey katya' and 'jarvis'" in capsys.readouterr().err
    (Path(first) / "eval" / "result.json").unlink()
    assert main(["compare", first, second]) == 2
    assert "no evaluation at" in capsys.readouterr().err


def test_what_goes_on_with_a_stopped_run_is_named(tmp_path: Path) -> None:
    recipe = load_recipe(phrase="hey katya")
    assert _resume_words(recipe, tmp_path / "runs", None) == "the same command again"
    done = Run.create(recipe, tmp_path / "runs")
    done.note(status="complete")
    assert _resume_words(recipe, tmp_path / "runs", None) == "the same command again"
    done.note(status="interrupted")
    assert _resume_words(recipe, tmp_path / "runs", None) == f"wakewright train --resume {done.folder}"
    elsewhere = Run.create(recipe, tmp_path / "elsewhere")
    assert _resume_words(recipe, tmp_path / "runs", elsewhere) == f"wakewright train --resume {elsewhere.folder}"


def test_doctor_and_voices_tell_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) in (0, 3)
    out = capsys.readouterr().out
    assert all(word in out for word in ("python", "numpy", "cores", "voices", "cache"))
    first = [line.split("│")[1].strip() for line in out.splitlines() if line.startswith("│")]
    rows = [name for name in first if name]
    assert len(rows) == len(set(rows)) > 20
    assert main(["voices"]) == 0
    short = capsys.readouterr().out
    assert "espeak" in short
    assert main(["voices", "--names"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > len(short.splitlines())


def test_a_letter_that_the_console_lacks_does_not_break_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wakewright", "new", "привет", "--out", "-"],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"phrase: ??????" in done.stdout) == (0, True)


def test_without_the_packages_of_training_it_says_which_extra_has_them() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from wakewright.apps.cli import main; sys.exit(main(['backbone']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "got: no package torch\n  do:  pip install wakewright[train]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["backbone"], ["backbone", "list"]])
def test_the_backbones_that_ship_are_listed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "mixednet" in told
    assert "0.375" in told


@pytest.mark.parametrize(
    "words",
    [
        ["judge", "key", "add", "hall", "--days", "1e12"],
        ["judge", "key", "add", "hall", "--days", "nan"],
        ["judge", "serve", "run", "--rate", "inf"],
        ["judge", "serve", "run", "--rate", "nan"],
        ["judge", "serve", "run", "--patience", "inf"],
        ["cascade", "run", "other", "--calls", "nan"],
        ["bench", "run", "--seconds", "inf"],
        ["listen", "run", "--threshold", "nan"],
    ],
)
def test_a_number_that_is_none_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert "Invalid value" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
