"""run.py: a real environment with a tiny package in place of wakewright, so that pip works but needs no network."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[1] / "run.py"

# A build backend (PEP 517, PEP 660) in thirty lines: an editable wheel is a zip with a .pth file and metadata.
BACKEND = """
import os, time, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    with open("built.txt", "a") as file:
        file.write("built\\n")
    while os.path.exists("wait.txt"):
        time.sleep(0.05)
    name = "wakewright-0.1.0-py3-none-any.whl"
    info = "wakewright-0.1.0.dist-info/"
    extras = "".join(f"Provides-Extra: {extra}\\n" for extra in ("train", "dev"))
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("wakewright.pth", os.getcwd())
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: wakewright\\nVersion: 0.1.0\\n" + extras)
        about = "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(info + "WHEEL", about)
        wheel.writestr(info + "RECORD", "")
    return name
"""
MAIN = "import sys, wakewright\nprint('ran', *sys.argv[1:], sys.prefix)\nsys.exit(7)\n"
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def loaded(path: Path = SOURCE) -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_py", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a fresh clone, with a space and an umlaut in its name."""
    root = tmp_path_factory.mktemp("ä clone")
    shutil.copy(SOURCE, root)
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "constraints.txt").write_text("")
    (root / "wakewright").mkdir()
    (root / "wakewright" / "__init__.py").write_text("")
    (root / "wakewright" / "__main__.py").write_text(MAIN)
    return root


def start(root: Path, *words: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, str(root / "run.py"), *words],
        capture_output=True,
        encoding="utf-8",
        cwd=root.parent,
        check=False,
        env={**os.environ, "PYTHONUTF8": "1"},
    )


def builds(root: Path) -> int:
    return (root / "built.txt").read_text().count("built") if (root / "built.txt").exists() else 0


def test_set_up_from_nothing_to_a_quick_second_start(checkout: Path) -> None:
    first = start(checkout, "runs", "--x", "a b")
    assert (first.returncode, first.stdout) == (7, f"ran runs --x a b {checkout / '.venv'}\n"), first.stderr
    assert "setting up" in first.stderr
    began = time.perf_counter()
    second = start(checkout, "runs")
    assert time.perf_counter() - began < 1.0
    assert (second.returncode, second.stderr, builds(checkout)) == (7, "", 1)


def test_more_extras_and_changed_pins_install_again_and_keep_the_extras(checkout: Path) -> None:
    run, before = loaded(checkout / "run.py"), builds(checkout)
    run.prepare(checkout, ("train", "dev"))
    run.prepare(checkout, ("train",))
    assert builds(checkout) == before + 1
    (checkout / "constraints.txt").write_text("# another state\n")
    run.prepare(checkout, ("train",))
    assert builds(checkout) == before + 2
    assert run.read_stamp(checkout / ".venv") == (run.stamp_key(checkout), {"train", "dev"})


@pytest.mark.skipif(os.name != "posix", reason="needs kill -9")
def test_a_set_up_that_was_killed_is_done_again_from_the_start(checkout: Path) -> None:
    (checkout / "constraints.txt").write_text("# yet another state\n")
    (checkout / "wait.txt").write_text("")
    before, debris = builds(checkout), checkout / ".venv" / "debris"
    debris.write_text("")
    words = [sys.executable, str(checkout / "run.py"), "runs"]
    child = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while builds(checkout) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    (checkout / "wait.txt").unlink()
    done = start(checkout, "runs")
    assert (done.returncode, "was not finished" in done.stderr) == (7, True)
    assert not debris.exists()
    assert start(checkout, "runs").stderr == ""


def test_pip_that_fails_shows_its_last_lines_and_what_to_do(checkout: Path) -> None:
    good = (checkout / "pyproject.toml").read_text()
    (checkout / "pyproject.toml").write_text(PYPROJECT.replace('"."', '"nowhere"'))
    failed = start(checkout, "runs")
    assert failed.returncode == 3
    assert failed.stdout == ""
    assert "run.py: the packages could not be installed; pip's last lines:\n  | " in failed.stderr
    assert "No module named 'backend'" in failed.stderr
    assert "do:  check the network" in failed.stderr
    (checkout / "pyproject.toml").write_text(good)
    again = start(checkout, "runs")
    assert (again.returncode, "was not finished" in again.stderr) == (7, False)


def test_a_second_start_waits_for_the_one_that_sets_up(tmp_path: Path) -> None:
    run = loaded()
    holder = (
        f"import importlib.util as u; s = u.spec_from_file_location('r', {str(SOURCE)!r}); m = u.module_from_spec(s);"
        f"s.loader.exec_module(m)\nwith m.one_at_a_time(m.Path({str(tmp_path / 'l')!r})):\n"
        "    print(1, flush=True); m.time.sleep(1)"
    )
    child = subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE)
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        began = time.monotonic()
        with run.one_at_a_time(tmp_path / "l"):
            assert time.monotonic() - began > 0.5


def test_an_old_python_is_told_which_one_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    run = loaded()
    monkeypatch.setattr(run.shutil, "which", lambda name: None)
    with pytest.raises(
        run.SetUpFailed, match=r"needs Python 3\.11 or later, this is 3\..*\n  do:  install a newer one"
    ):
        run.use_newer_python([])


def test_an_old_python_can_still_read_run_py() -> None:
    import ast

    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 7))


POLICY = """flite:
  Installed: (none)
  Candidate: 2.2-5
  Version table:
     2.2-5 500
festival:
  Installed: 1:2.5.0-9
  Candidate: 1:2.5.0-9
mbrola-us1:
  Installed: (none)
  Candidate: (none)
rhvoice:
  Installed: (none)
  Candidate: 1.8.0+dfsg-3
"""


def test_only_what_is_offered_and_absent_is_wanted() -> None:
    assert loaded().offered(POLICY) == ["flite", "rhvoice"]
    assert loaded().offered("") == []


def fake_programs(folder: Path, install: str) -> None:
    """apt-get and apt-cache that write down how they were called."""
    folder.mkdir()
    (folder / "apt-cache").write_text(f"#!/bin/sh\ncat <<'E'\n{POLICY}E\n")
    (folder / "apt-get").write_text(f'#!/bin/sh\necho "$DEBIAN_FRONTEND $@" >> {folder}/called\n{install}\n')
    for name in ("apt-cache", "apt-get"):
        (folder / name).chmod(0o755)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a shell as on Debian")
def test_system_voices_are_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = loaded()
    fake_programs(tmp_path / "bin", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(run, "may_install", list)
    run.add_system_voices(tmp_path / "stamp.json")
    said = capsys.readouterr().err
    assert "installing system voices: flite rhvoice (skip with --no-system)\n" in said
    calls = (tmp_path / "bin" / "called").read_text().splitlines()
    assert calls[-1].startswith(
        "noninteractive -o DPkg::Lock::Timeout=60 install -y --no-install-recommends flite rhv"
    )
    run.add_system_voices(tmp_path / "stamp.json")
    assert capsys.readouterr().err == ""
    assert (tmp_path / "bin" / "called").read_text().splitlines() == calls


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a shell as on Debian")
def test_system_voices_that_fail_are_one_line_and_not_fatal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = loaded()
    fake_programs(tmp_path / "bin", "echo 'W: a warning' >&2; echo 'E: Unable to locate package flite' >&2; exit 100")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(run, "may_install", list)
    run.add_system_voices(tmp_path / "stamp.json")
    last = capsys.readouterr().err.splitlines()[-1]
    assert "were not installed (E: Unable to locate package flite); going on" in last


def test_without_permission_it_says_once_what_would_help_and_asks_again_when_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = loaded()
    monkeypatch.setattr(run, "may_install", lambda: None)
    run.add_system_voices(tmp_path / "stamp.json")
    assert "wakewright voices tells how" in capsys.readouterr().err
    run.add_system_voices(tmp_path / "stamp.json")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(run, "may_install", lambda: ["sudo", "-n"])
    monkeypatch.setattr(
        run, "install_voices", lambda prefix, anew: f"installed with {' '.join(prefix)}, lists anew: {anew}"
    )
    run.add_system_voices(tmp_path / "stamp.json")
    assert "installed with sudo -n, lists anew: False" in capsys.readouterr().err
    monkeypatch.setattr(run, "package_sources", lambda: "with non-free")
    run.add_system_voices(tmp_path / "stamp.json")
    assert "installed with sudo -n, lists anew: True" in capsys.readouterr().err
    run.add_system_voices(tmp_path / "stamp.json")
    assert capsys.readouterr().err == ""


def test_package_sources_are_told_apart_by_what_they_say(tmp_path: Path) -> None:
    run = loaded()
    none = run.package_sources(tmp_path)
    (tmp_path / "sources.list").write_text("deb http://deb.debian.org/debian bookworm main\n")
    main = run.package_sources(tmp_path)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "more.sources").write_text("Components: contrib non-free\n")
    assert len({none, main, run.package_sources(tmp_path)}) == 3
    assert run.package_sources(tmp_path) == run.package_sources(tmp_path)


@pytest.mark.parametrize(
    ("words", "asked", "passed_on"),
    [
        (["train", "hey katya"], True, ["train", "hey katya"]),
        (["train", "hey katya", "--no-system"], False, ["train", "hey katya"]),
        (["train", "--help"], False, ["train", "--help"]),
        (["runs"], False, ["runs"]),
        ([], False, []),
    ],
)
def test_only_train_adds_voices_and_no_system_is_not_passed_on(
    words: list[str], asked: bool, passed_on: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = loaded()
    calls: list[object] = []
    monkeypatch.setattr(run, "prepare", lambda root, extras: calls.append(extras) or Path("python"))
    monkeypatch.setattr(run, "add_system_voices", lambda stamp: calls.append("voices"))
    monkeypatch.setattr(run, "hand_over", lambda command: calls.append(command) or 0)
    assert run.main(words) == 0
    assert calls == [("train",), *(["voices"] if asked else []), ["python", "-m", "wakewright", *passed_on]]


@pytest.mark.skipif(os.name != "posix", reason="the stand-in interpreter is a shell script")
@pytest.mark.parametrize(("bad", "status"), [("", 0), ("mypy", 5), ("ruff mypy", 5)])
def test_the_checks_run_all_and_end_with_the_first_failure(
    bad: str, status: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@"\nfor b in {bad}; do [ "$2" = $b ] && exit 5; done\nexit 0\n')
    python.chmod(0o755)
    assert loaded().run_checks(python, ["tests/core", "-x"]) == status
    lines = capfd.readouterr().out.splitlines()
    assert lines[:8] == [
        "== ruff check",
        "-m ruff check .",
        "== ruff format",
        "-m ruff format --check .",
        "== mypy",
        "-m mypy",
        "== pytest",
        "-m pytest -q -n 2 --dist loadfile -m not slow tests/core -x",
    ]
    failed = {
        "": "== all 4 steps passed",
        "mypy": "== failed: mypy",
        "ruff mypy": "== failed: ruff check, ruff format",
    }
    assert lines[8].startswith(failed[bad])


def test_slow_tests_are_chosen_by_their_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = loaded()
    commands: list[list[str]] = []

    def record(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(words)
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(run.subprocess, "run", record)
    assert run.run_checks(Path("python"), ["-m", "slow"]) == 0
    assert commands[-1] == ["python", "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-m", "slow"]


def test_ci_runs_exactly_the_checks() -> None:
    lines = (SOURCE.parent / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "python3 run.py test"
    assert "set -euo pipefail" in lines


def test_a_damaged_stamp_counts_as_none(tmp_path: Path) -> None:
    run = loaded()
    assert run.read_stamp(tmp_path) == ("", set())
    for text in ("", "[]", '{"key": "k"}', "\0"):
        (tmp_path / "wakewright.json").write_text(text)
        assert run.read_stamp(tmp_path) == ("", set())
