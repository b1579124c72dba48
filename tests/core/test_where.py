"""Where work runs: what a recipe may say of it, and what is told where there is no cluster. Needs no Ray."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest

from wakewright.apps.cli import main
from wakewright.apps.commands.train import _run_to_resume
from wakewright.core import ground
from wakewright.core.cluster import Cluster, workers_of
from wakewright.core.compose import load_recipe
from wakewright.core.engine import agreeing, map_work
from wakewright.core.errors import InputError, MissingPackage, RecipeError
from wakewright.core.run import Run
from wakewright.pipeline import _key


def test_a_recipe_names_its_workers(tmp_path: Path) -> None:
    here = load_recipe(None, ["engine.workers=3"], "hey katya")
    assert here.engine.kind == "local"
    assert workers_of(here) == 3
    assert agreeing(3, ground.versions) == 3
    words = ["engine.kind=ray", "engine.address=10.0.0.5:6379", "engine.workers=6", f"background.noise=[{tmp_path}]"]
    there = workers_of(load_recipe(None, words, "hey katya"))
    assert isinstance(there, Cluster)
    assert (there.address, there.most) == ("10.0.0.5:6379", 6)
    assert [probe() for probe in there.probes] == [
        {f"the path {tmp_path}": ground.files([str(tmp_path)]).popitem()[1]}
    ]


@pytest.mark.parametrize("address", ["head:6379", "10.0.0.5:1", "[fe80::1]:6379", "a-b.example:65535"])
def test_addresses(address: str) -> None:
    assert load_recipe(None, ["engine.kind=ray", f"engine.address='{address}'"], "hey").engine.address == address


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["engine.address=head:6379"],
            "engine.address: belongs to kind ray, and kind is local: leave it out, or write null\n  got: head:6379",
        ),
        (
            ["engine.kind=ray", "engine.address=ray://head:10001"],
            "engine.address: is of another kind: Ray's own clients are not used, the machine that asks is a node of "
            "the cluster\n  got: ray://head:10001",
        ),
        *(
            (
                ["engine.kind=ray", f"engine.address={wrong}"],
                "engine.address: should read HOST:PORT, as `ray start --head` prints it",
            )
            for wrong in ("head", "'head:'", "head:0", "head:99999", "fe80::1:6379", "'a b:1'")
        ),
        (["engine.kind=rya"], "did you mean ray\\? there are: local, ray"),
    ],
)
def test_what_is_no_engine_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        load_recipe(None, words, "hey katya")


def test_an_address_on_the_command_line_is_refused_alike() -> None:
    with pytest.raises(InputError, match="no address of a Ray cluster: should read HOST:PORT") as caught:
        Cluster("head")
    assert (caught.value.got, caught.value.do) == ("head", "name HOST:PORT")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackage, match="a Ray cluster cannot be used\n  got: no package ray") as caught:
        list(map_work(functools.partial(pow, 2), range(3), Cluster("127.0.0.1:6379")))
    assert caught.value.do == "pip install wakewright[cluster]"


def test_a_resumed_run_may_run_elsewhere_and_keeps_what_it_has(tmp_path: Path) -> None:
    run = Run.create(load_recipe(None, ["engine.kind=ray", "engine.address=head:6379"], "hey katya"), tmp_path)
    again = _run_to_resume(
        str(run.folder), "engine.kind=local", tmp_path, ["engine.address=null", "engine.workers=2"]
    )
    assert (again.folder, again.recipe.engine.kind, again.workers()) == (run.folder, "local", 2)
    assert _key(again, {}) == _key(run, {})
    assert _key(Run(run.folder, run.recipe.model_copy(update={"seed": 2})), {}) != _key(run, {})
    with pytest.raises(
        RecipeError, match=r"keeps the recipe it began with\n  got: seed=3\n  do:  leave these out \(only"
    ):
        _run_to_resume(str(run.folder), "seed=3", tmp_path, ["engine.kind=local"])


def test_what_lies_at_a_path(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"12345")
    first, gone = str(tmp_path), str(tmp_path / "gone")
    file = str(tmp_path / "a.wav")
    told = ground.files([first, file, gone])
    assert told[f"the path {file}"] == "5 bytes"
    assert told[f"the path {gone}"] == "not there"
    assert told[f"the path {first}"].startswith("1 entries (")
    (tmp_path / "a.wav").rename(tmp_path / "b.wav")
    assert ground.files([first]) != {f"the path {first}": told[f"the path {first}"]}
    assert ground.around([file, str(tmp_path / "c.wav")]) == ground.files([first])


def test_versions_and_a_marker_that_is_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ground.versions()
    assert found["Python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["numpy"][0].isdigit()
    monkeypatch.setattr(ground, "PACKAGES", ("no-such-package",))
    assert ground.versions()["no-such-package"] == "not there"
    monkeypatch.setattr(ground, "LATE_S", 0.0)
    mark = tmp_path / "cluster" / "host-1"
    assert ground.marker(str(mark)) == {f"the folder {tmp_path}": "what others write there is not seen"}
    mark.parent.mkdir()
    mark.touch()
    assert ground.marker(str(mark)) == {f"the folder {tmp_path}": "shared"}


def test_mine_refuses_what_is_no_address(
    exported: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    from wakewright.core.audio import write_wav

    write_wav(tmp_path / "a.wav", np.zeros(16000, np.float32))
    words = ["mine", str(exported["mixednet"]), str(tmp_path / "a.wav"), "--out", str(tmp_path / "m")]
    assert main([*words, "--address", "head"]) == 2
    assert "no address of a Ray cluster" in capsys.readouterr().err
