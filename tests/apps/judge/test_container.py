"""The steps of server/Dockerfile, each as it stands there, in a fresh environment instead of a container."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "server" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """(instruction, words) of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def documented() -> list[str]:
    """Each `docker run` that the documents tell the user to run."""
    files = (DOCKERFILE, ROOT / "server" / "compose.yaml", ROOT / "docs" / "listening.md")
    lines = [line.strip("# ") for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line.startswith("docker run ")]


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
    composed = yaml.safe_load((ROOT / "server" / "compose.yaml").read_text(encoding="utf-8"))
    (service,) = composed["services"].values()
    assert (ROOT / "server" / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DOCKERFILE
    command = json.loads(next(words for name, words in instructions() if name == "CMD"))
    inside = {volume.split(":")[1]: volume.split(":")[0] for volume in service["volumes"]}
    folder = str(Path(command[command.index("--keys") + 1]).parent)
    assert inside.keys() == {"/model", folder}  # a file mounted alone would hide that it is replaced
    (making,) = {line for line in documented() if " key add " in line}
    volume = composed["volumes"][inside[folder]]["name"]
    assert making.startswith(f"docker run --rm -v {volume}:{folder} {service['image']} key add ")


def test_its_user_owns_the_folder_of_keys_and_only_making_keys_may_write_there() -> None:
    steps = instructions()
    user = dict(steps)["USER"]
    command = json.loads(dict(steps)["CMD"])
    folder = str(Path(command[command.index("--keys") + 1]).parent)
    owned = steps.index(("RUN", f"install -d -m 700 -o {user} {folder}"))
    made = next(at for at, (_, words) in enumerate(steps) if "useradd" in words and words.split()[-1] == user)
    assert made < owned < steps.index(("USER", user))
    mounts = [(" key " in line, line.split(f":{folder}")[1].split()[0]) for line in documented() if folder in line]
    assert all((mode == ":ro") is not makes for makes, mode in mounts)
    assert {makes for makes, _ in mounts} == {True, False}


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
            here = here.replace("-o judge /keys", f"-o {os.getuid()} {tmp_path / 'keys'}")
            subprocess.run(here, shell=True, check=True, cwd=source)
    packages = subprocess.run([place / "bin/pip", "list", "--format=json"], check=True, capture_output=True).stdout
    names = {package["name"].lower() for package in json.loads(packages)}
    assert not names & {"torch", "onnx", "matplotlib", "scipy", "pytest"}
    size = sum(f.stat().st_size for f in place.rglob("*") if f.is_file() and not f.is_symlink())
    assert size < 450e6
    steps = dict(instructions())
    entry, command = json.loads(steps["ENTRYPOINT"]), json.loads(steps["CMD"])
    file = tmp_path / "keys" / "keys.json"
    told = {"/model": str(exported["speech_embedding"]), "/keys/keys.json": str(file), "8765": "0"}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}

    def words_of(given: list[str]) -> list[str]:
        return [told.get(word, word).replace("/opt/wakewright", str(place)) for word in (*entry, *given)]

    (making,) = {line.split(" wakewright-judge ")[1] for line in documented() if " key add " in line}
    key = subprocess.check_output(words_of(making.split()), text=True, env=environment).strip()
    assert (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    words_run = words_of(command)
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
            subprocess.run(words_of(making.replace("add", "remove").split()), check=True, env=environment)
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(request, timeout=20)
        finally:
            process.terminate()
