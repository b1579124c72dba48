"""Learning with the roundings of int8: from the step named on, and the same however often it is interrupted."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from wakewright.core.compose import load_recipe
from wakewright.core.errors import RecipeError
from wakewright.models import quantised, registry
from wakewright.train.qat import Rounding

PLAN = Rounding(start=20, settled=36)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_the_steps_are_what_the_recipe_says() -> None:
    plain = load_recipe(phrase="x")
    assert Rounding.of(plain) is None
    with pytest.raises(RecipeError, match=r"qat: speech_embedding has no int8 form\n  got: a head on the speech"):
        Rounding.of(load_recipe(phrase="x", overrides=["qat={}"]))
    tiny = "model.name=mixednet"
    with pytest.raises(
        RecipeError, match=r"qat: int8 is for devices.*\n  got: model.frontend.kind=mel\n  do:  set qat=null"
    ):
        Rounding.of(load_recipe(phrase="x", overrides=[tiny, "qat={}", "model.frontend.kind=mel"]))
    half = load_recipe(phrase="x", overrides=[tiny, "qat={}", "train.steps=1000"])
    assert Rounding.of(half) == Rounding(500, 900)
    epoch = half.steps_per_epoch
    early = load_recipe(phrase="x", overrides=[tiny, "qat.start_epoch=2", "train.steps=1000"])
    assert Rounding.of(early) == Rounding(2 * epoch, 2 * epoch + -(-(1000 - 2 * epoch) * 8 // 10))
    late = load_recipe(phrase="x", overrides=[tiny, "qat.start_epoch=5", "train.steps=100"])
    with pytest.raises(RecipeError, match=r"qat.start_epoch: training ends before it\n  got: 5, of 0\.\d epochs"):
        Rounding.of(late)


def test_older_spellings_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert load_recipe(phrase="x", overrides=["qat.enabled=false"]).qat is None
    assert load_recipe(phrase="x", overrides=["qat.enabled=true"]).qat is not None
    assert capsys.readouterr().err == ""
    older = load_recipe(phrase="x", overrides=["qat={start_epoch: 3, bits: 8, backend: qnnpack}"])
    assert older.qat is not None
    assert older.qat.start_epoch == 3
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(RecipeError, match=r"qat\.bits"):
        load_recipe(phrase="x", overrides=["qat.bits=4"])


def test_the_model_rounds_from_its_step_on_and_settles(toy: Any, tmp_path: Path) -> None:
    states: list[tuple[bool, bool, bool]] = []
    model = toy.model("mixednet")

    def look() -> None:
        quants = [m for m in model.modules() if isinstance(m, quantised.FakeQuant)]
        norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)]
        states.append((bool(quants) and quants[0].rounds, bool(quants) and quants[0].watches, norms[0].training))

    toy.fit(tmp_path, toy.train(steps=45, batch_size=8), model=model, each=look, rounding=PLAN)
    steps = states[1:]  # the first call only tells where training begins
    assert [i for i, (rounds, _, _) in enumerate(steps) if rounds] == list(range(20, 45))
    assert [i for i, (_, watches, _) in enumerate(steps) if watches] == list(range(20, 36))
    assert [i for i, (_, _, norm) in enumerate(steps) if not norm] == list(range(36, 45))


@pytest.mark.parametrize("name", registry.TRUNKS)
def test_every_normalisation_stands_still_at_the_end(name: str) -> None:
    model, average = (registry.create(registry.Dimensions(name, 0.1)).train() for _ in range(2))
    PLAN.apply(PLAN.settled, model, average)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)
    assert model.training


def test_interrupted_before_at_and_after_it_begins_training_ends_at_the_same_weights(
    toy: Any, tmp_path: Path
) -> None:
    settings = toy.train(steps=45, batch_size=8, validate_every=10)
    whole = toy.fit(tmp_path / "whole", settings, name="mixednet", rounding=PLAN)
    assert quantised.is_prepared(whole)
    for stop in (11, 20, 21, 31, 44):
        calls = itertools.count()

        def each(calls: Any = calls, stop: int = stop) -> None:
            if next(calls) == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            toy.fit(tmp_path / str(stop), settings, name="mixednet", each=each, rounding=PLAN)
        resumed = toy.fit(tmp_path / str(stop), settings, name="mixednet", rounding=PLAN)
        assert same(weights(whole), weights(resumed)), stop


def test_the_best_is_one_that_rounds_though_an_earlier_one_was_better(toy: Any, tmp_path: Path) -> None:
    from wakewright.train.loop import Quality

    qualities = iter([Quality(0, 0.0), Quality(0, 0.5), Quality(0, 0.4), Quality(0, 0.45)])
    model = toy.fit(
        tmp_path,
        toy.train(steps=40, batch_size=8, validate_every=10),
        name="mixednet",
        rounding=PLAN,
        validate=lambda _: (next(qualities), {}),
    )
    assert quantised.is_prepared(model)
    assert torch.load(tmp_path / "best.pt", weights_only=True)["step"] == 30


def test_bfloat16_ends_where_rounding_begins(toy: Any, tmp_path: Path) -> None:
    settings = toy.train(steps=45, batch_size=8, precision="bfloat16")
    model = toy.fit(tmp_path, settings, name="mixednet", rounding=PLAN)
    assert quantised.is_rounding(model)
    assert all(value.dtype != torch.bfloat16 for value in model.state_dict().values())
