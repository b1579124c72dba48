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
@pytest.mark.parametrize("about", [16, 4_000, 19_000, 24_000, 3 << 20, arenas.LARGEST * 2])
def test_a_search_that_begins_wide_of_the_mark_ends_at_the_same_size(
    model: Any, about: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tflite.convert(model)
    found = arenas.measured(file)
    monkeypatch.setattr(arenas, "computed", lambda _: about)  # what a file of other records would make of it
    assert arenas.measured(file) == found


@pytest.mark.parametrize("least", [16, 4_096, 20_208, 100_000, arenas.LARGEST - 64])
@pytest.mark.parametrize("about", [1, 20_000, 20_300, 1 << 21])
def test_each_size_tried_lies_between_what_is_known(least: int, about: int) -> None:
    low, high, tried = 0, arenas.LARGEST, 0
    while high - low > arenas.ALIGNMENT:
        size = arenas._next(low, about, high)
        assert low < size < high
        assert size % arenas.ALIGNMENT == 0
        low, high = (low, size) if size >= least else (size, high)
        tried += 1
    assert high == least
    assert tried < 40


@needs_micro
def test_a_process_that_was_made_ready_is_used_once_and_does_not_stay(model: Any) -> None:
    file = tflite.convert(model)
    with arenas.ready() as find:
        assert find(file) == find(file) == arenas.arena(file)  # the second begins a process of its own
    with pytest.raises(LookupError), arenas.ready():
        raise LookupError  # nothing was asked: the process is ended with its pipes, or a warning says so


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
