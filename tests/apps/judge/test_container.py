"""The steps of server/Dockerfile, each as it stands there, in a fresh environment instead of a container."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml

from wakewright.apps.judge import keys

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "server" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """(instruction, words) of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_it_is_small_and_nobodys_root() -> None:
    steps = instructions()
    assert [words.split()[0] for name, words in steps if name == "FROM"] == ["python:3.12-slim"] * 2
    last = [name for name, _ in steps]
    assert last.index("USER") < last.index("ENTRYPOINT")
    assert "HEALTHCHECK" in last
    assert not any("torch" in words or "[train]" in words for _, words in steps)
    for _, words in (step for step in steps if step[0] == "COPY" and "--from" not in step[1]):
        assert all((ROOT / source).exists() for source in words.split()[:-1])


def test_the_compose_file_builds_it_and_asks_for_a_key() -> None:
    (service,) = yaml.safe_load((ROOT / "server" / "compose.yaml").read_text(encoding="utf-8"))["services"].values()
    assert (ROOT / "server" / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DOCKERFILE
    command = json.loads(next(words for name, words in instructions() if name == "CMD"))
    inside = {volume.split(":")[1] for volume in service["volumes"]}
    assert inside == {"/model", command[command.index("--keys") + 1]}


@pytest.mark.slow
def test_each_step_runs_and_the_judge_answers_in_it(exported: dict[str, Path], tmp_path: Path) -> None:
    place, source = tmp_path / "opt", tmp_path / "src"
    for name, words in instructions():
        if name == "COPY" and "--from" not in words:
            *sources, _ = words.split()
            for one in sources:
                target = source / Path(one).name
                target.parent.mkdir(exist_ok=True)
                (shutil.copytree if (ROOT / one).is_dir() else shutil.copy)(ROOT / one, target)
        elif name == "RUN" and "useradd" not in words:
            here = words.replace("/opt/wakewright", str(place)).replace("python -m venv", f"{sys.executable} -m venv")
            subprocess.run(here, shell=True, check=True, cwd=source)
    packages = subprocess.run([place / "bin/pip", "list", "--format=json"], check=True, capture_output=True).stdout
    names = {package["name"].lower() for package in json.loads(packages)}
    assert not names & {"torch", "onnx", "matplotlib", "scipy", "pytest"}
    size = sum(f.stat().st_size for f in place.rglob("*") if f.is_file() and not f.is_symlink())
    assert size < 450e6
    key = keys.add(tmp_path / "keys.json", "home")
    steps = dict(instructions())
    entry, command = json.loads(steps["ENTRYPOINT"]), json.loads(steps["CMD"])
    told = {"/model": str(exported["speech_embedding"]), "/keys.json": str(tmp_path / "keys.json"), "8765": "0"}
    words_run = [told.get(word, word).replace("/opt/wakewright", str(place)) for word in (*entry, *command)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words_run, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            port = json.loads(process.stderr.readline())["address"].rsplit(":", 1)[1]
            check = json.loads(steps["HEALTHCHECK"].split("CMD ", 1)[1])
            healthy = [w.replace("/opt/wakewright", str(place)).replace("8765", port) for w in check]
            subprocess.run(healthy, check=True)
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/verify",
                bytes(64000),
                {"Authorization": f"Bearer {key}", "Content-Type": "audio/L16"},
            )
            with urllib.request.urlopen(request, timeout=20) as response:
                assert json.load(response)["prediction"] in (0, 1)
        finally:
            process.terminate()
