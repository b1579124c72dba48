"""The arena: measured and computed agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wakewright.export import arena as arenas
from wakewright.export import tflite
from wakewright.export.flatfile import Graph, Operator
from wakewright.export.micro_interpreter import is_installed, micro_interpreter

needs_micro = pytest.mark.skipif(not is_installed(), reason="tflite-micro is for Linux on x86-64 alone")


@needs_micro
@pytest.mark.parametrize("form", ["streaming", "windowed"])
def test_computed_and_measured_agree_within_a_tenth(model: Any, form: tflite.Form) -> None:
    file = tflite.convert(model, form)
    found = arenas.measured(file)
    assert arenas.computed(file) == pytest.approx(found, rel=0.1)
    micro_interpreter(file, found).invoke()
    with pytest.raises(RuntimeError):
        micro_interpreter(file, found - 64)


@needs_micro
def test_other_projects_models_are_computed_as_well() -> None:
    package = pytest.importorskip("pymicro_wakeword")
    files = sorted(Path(package.__file__).parent.glob("models/*.tflite"))
    assert files
    for path in files:
        file = path.read_bytes()
        assert arenas.computed(file) == pytest.approx(arenas.measured(file), rel=0.1), path.name


@needs_micro
def test_no_model_at_all_is_said() -> None:
    with pytest.raises(ValueError, match="not a TFLite file"):
        arenas.measured(b"no model")


def test_without_the_interpreter_it_is_computed_and_says_so(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arenas, "is_installed", lambda: False)
    found = arenas.arena(tflite.convert(model))
    assert not found.measured
    assert found.bytes > 10_000
    assert found.advised == pytest.approx(found.bytes * arenas.MARGIN, abs=16)
    assert found.advised % 16 == 0


def test_tensors_share_what_others_have_left() -> None:
    step = [Operator("ADD", (i,), (i + 1,), 1) for i in range(3)]
    graph = Graph(tuple(step), (64, 32, 64, 16), frozenset(), (0,), (3,))
    assert arenas._planned(graph) == 96  # 64 beside 32, then 32 beside the next 64, then 64 beside 16
    assert arenas._planned(Graph((), (), frozenset(), (), ())) == 0
