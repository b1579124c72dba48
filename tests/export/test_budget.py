"""What a model will cost is told before it is trained, and held to afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from wakewright import pipeline
from wakewright.apps.cli import main
from wakewright.core.compose import load_recipe
from wakewright.core.recipe import Targets
from wakewright.export import budget, tflite
from wakewright.export.arena import measured
from wakewright.export.micro_interpreter import is_installed
from wakewright.models import registry


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))


def test_the_default_for_an_esp32_s3_is_smaller_than_esphomes_own_alexa() -> None:
    recipe = load_recipe(phrase="hey katya", layers=["esp32-s3"])
    found = budget.of_recipe(recipe)
    assert found is not None
    assert found.flash_bytes < 55_856
    assert found.arena.bytes < 22_348
    assert found.macs_per_step < 23_968
    assert recipe.targets is not None
    assert found.past(recipe.targets) == []
    assert found.parameters == registry.parameters(registry.create(registry.Dimensions.of(recipe.model)))


@pytest.mark.skipif(not is_installed(), reason="tflite-micro is for Linux on x86-64 alone")
def test_its_arena_is_smaller_than_alexas_by_the_same_measure() -> None:
    package = pytest.importorskip("pymicro_wakeword")
    alexa = measured((Path(package.__file__).parent / "models" / "alexa.tflite").read_bytes())
    found = budget.of_recipe(load_recipe(phrase="hey katya", layers=["esp32-s3"]))
    assert found is not None
    assert found.arena.measured
    assert found.arena.bytes < alexa < 22_348


@pytest.mark.parametrize("target", ["esp32", "esp32-s3", "rp2040"])
def test_every_device_preset_fits_its_targets_and_ships_int8(target: str) -> None:
    recipe = load_recipe(phrase="hey katya", layers=[target])
    found = budget.of_recipe(recipe)
    assert found is not None
    assert recipe.qat is not None
    if recipe.targets:
        assert found.past(recipe.targets) == []
    assert budget.of_recipe(load_recipe(phrase="hey katya", layers=["pi"])) is None


def test_multiplications_are_those_of_the_layers() -> None:
    found = budget.of_recipe(load_recipe(phrase="x", overrides=["model.name=tc_resnet", "model.width=1"]))
    assert found is not None
    # by hand: frames of 40 through 3 x 40 x 16, then two blocks that halve the pace, one that keeps it, and the head
    per_frame = 3 * 40 * 16
    first = 9 * 16 * 24 + 9 * 24 * 24 + 16 * 24
    second = 9 * 24 * 32 + 9 * 32 * 32 + 24 * 32
    third = 9 * 32 * 48 + 9 * 48 * 48 + 32 * 48
    head = 48 * 16 + 16 * 16 * 64 + 64
    assert found.macs_per_step == 4 * per_frame + 2 * first + second + third + head
    assert found.macs_per_second == pytest.approx(found.macs_per_step * 25)
    assert found.time_ms("esp32-s3") < found.time_ms("esp32") < found.time_ms("rp2040")


def test_the_size_does_not_depend_on_what_was_learnt(mixednet: object) -> None:
    found = budget.of_recipe(load_recipe(phrase="x", overrides=["model.name=mixednet", "model.width=0.25"]))
    assert found is not None
    assert found.flash_bytes == pytest.approx(len(tflite.convert(mixednet)), abs=1000)


def test_what_goes_past_the_targets_is_named() -> None:
    found = budget.of_recipe(load_recipe(phrase="x", layers=["esp32-s3"]))
    assert found is not None
    tight = Targets(board="rp2040", flash_kb=10, ram_kb=5, latency_ms=0.001)
    flash, memory, time = found.past(tight)
    assert flash.startswith("flash takes 4")
    assert "past the target of 10" in flash
    assert memory.startswith("memory takes ")
    assert time.startswith("a step on the rp2040, estimated, takes ")
    assert found.past(Targets()) == []


def test_the_command_prints_it_and_fails_past_the_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["budget", "hey katya"]) == 0
    said = capsys.readouterr().out
    assert "flash " in said
    assert "tensor arena" in said
    assert "esp32-s3" in said
    assert main(["budget", "hey katya", "model.width=1"]) == 2
    assert "! flash takes" in capsys.readouterr().out
    assert main(["budget", "hey katya", "--for", "pi"]) == 2
    assert "speech_embedding is no model for a microcontroller" in capsys.readouterr().err
    assert main(["budget", "hey katya", "--for", "esp32", "model.frontend.kind=mfcc"]) == 2
    assert "another front end than micro\n  got: model.frontend.kind=mfcc" in capsys.readouterr().err


def test_training_says_at_its_start_what_goes_past_the_targets() -> None:
    small = load_recipe(phrase="x", layers=["esp32-s3"])
    assert pipeline._past_targets(small) == []
    wide = load_recipe(phrase="x", layers=["esp32-s3"], overrides=["model.width=1"])
    flash, memory = pipeline._past_targets(wide)
    assert flash.endswith("export will refuse it (see: wakewright budget)")
    assert memory.startswith("memory takes")
    (line,) = pipeline._past_targets(load_recipe(phrase="x", overrides=["targets={}"]))
    assert line == "targets are for microcontrollers: speech_embedding is not held to them"
    (line,) = pipeline._past_targets(load_recipe(phrase="x", layers=["esp32-s3"], overrides=["model.frontend={}"]))
    assert line == "targets are for microcontrollers: mixednet through mel is not held to them"
    assert pipeline._past_targets(load_recipe(phrase="x")) == []


def test_every_figure_says_how_it_was_found(int8: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["budget", "hey katya"]) == 0
    parameters, macs, flash, memory, *boards = capsys.readouterr().out.splitlines()
    assert parameters.endswith("(counted)")
    assert macs.endswith("million per second (counted, layer by layer)")
    assert flash.endswith("(measured: a file of this shape was written)")
    assert "by TFLite-Micro on this machine" in memory or "(computed: no tflite-micro here)" in memory
    assert [line.split()[0] for line in boards] == ["esp32-s3", "esp32", "rp2040", "cortex-m4"]
    for line in boards:
        assert "ms per step, estimated: " in line
        assert "cycles per multiplication (" in line
        assert line.endswith("operators (a guess); no board was measured")
    model = registry.create(registry.Dimensions("mixednet", 0.25))
    own = budget.of_file((int8 / "model.tflite").read_bytes(), model, trained=True)
    assert budget.table(own)[2].endswith("bytes (the run's own file)")


ASKED = """import sys
from wakewright.apps.cli import main
assert main(["budget", "hey katya"]) == 0
print("torch" in sys.modules)
"""


def test_a_shape_is_written_once_and_told_without_torch_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path))

    def told() -> list[str]:
        done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True, cwd=tmp_path)
        return done.stdout.splitlines()

    *first, loaded = told()
    *second, again = told()
    assert (loaded, again) == ("True", "False")
    assert first == second
    (kept,) = (tmp_path / "budgets").iterdir()
    kept.write_text("{", encoding="utf-8")
    assert told() == [*first, "True"], "a broken file is made again"
    budget.of_recipe(load_recipe(phrase="x", overrides=["model.name=tc_resnet"]))
    assert len(list((tmp_path / "budgets").iterdir())) == 2, "another shape is another budget"


def test_a_cache_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path / "file"))
    assert main(["budget", "hey katya", "--for", "esp32-s3"]) == 3
    assert f"wakewright: the cache {tmp_path / 'file'} cannot be used\n  got: " in capsys.readouterr().err


def test_where_torch_is_loaded_nothing_of_the_caller_is_kept_from_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path))
    assert "torch" in sys.modules
    before = gc.get_freeze_count()
    assert budget.of_recipe(load_recipe(phrase="x", layers=["esp32-s3"])) is not None
    assert gc.get_freeze_count() == before
    assert gc.isenabled()


def test_other_code_is_asked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path))
    recipe = load_recipe(phrase="x", layers=["esp32-s3"])
    found = budget.of_recipe(recipe)
    monkeypatch.setattr(budget, "_code", lambda: ["another writer"])
    monkeypatch.setattr(budget, "_of_shape", lambda recipe: None)
    assert found is not None
    assert budget.of_recipe(recipe) is None
