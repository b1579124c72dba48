"""Rounding as int8 does: ranges, scales, gradients, and normalisation that folds exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from wakewright.models import quantised, registry
from wakewright.models.layers import MixConv, StreamConv, settle
from wakewright.models.quantised import FakeQuant


def test_values_become_whole_steps_within_the_range_and_gradients_pass() -> None:
    rounds = FakeQuant()
    rounds(torch.tensor([-1.0, 3.0]))
    rounds.rounds, rounds.watches = True, False
    scale, zero = rounds.scale_and_zero()
    assert scale == pytest.approx(4 / 255)
    x = torch.linspace(-2, 5, 1000, requires_grad=True)
    y = rounds(x)
    steps = y / scale
    torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
    assert y.min().item() == pytest.approx((-128 - zero) * scale)
    assert y.max().item() == pytest.approx((127 - zero) * scale)
    assert (y == 0).any()  # zero is exact
    y.sum().backward()
    assert x.grad is not None
    inside = (x > -1) & (x < 3)
    assert (x.grad[inside] == 1).all()
    assert (x.grad[(x < -1.1) | (x > 3.1)] == 0).all()


def test_the_range_follows_slowly_stays_at_its_limit_and_stands_still_when_settled() -> None:
    rounds = FakeQuant(limit=4.0)
    rounds(torch.tensor([-1.0, 2.0]))
    rounds(torch.tensor([-1.0, 102.0]))
    assert rounds.high.item() == pytest.approx(2.0 + quantised.MOMENTUM * 2.0)
    rounds.watches = False
    rounds(torch.tensor([-50.0]))
    assert rounds.low.item() == -1.0


def test_each_output_channel_of_weights_has_its_scale() -> None:
    weights = torch.tensor([[[1.0, -0.5]], [[0.001, 0.0]], [[0.0, 0.0]]])
    rounded = quantised.quantised_weights(weights)
    torch.testing.assert_close(rounded, weights, rtol=0, atol=0.5 / 127 + 1e-6)
    assert rounded[1, 0, 0].item() == pytest.approx(0.001, rel=1e-5)
    assert (rounded[2] == 0).all()


def prepared(name: str = "mixednet") -> Any:
    torch.manual_seed(1)
    model = registry.create(registry.Dimensions(name, 0.25))
    heard = torch.rand(4, model.receptive_field + 9 * model.stride, 40) * 20
    model.train()(heard)
    quantised.prepare(model)
    model(heard)
    return model


@pytest.mark.parametrize("rounds", [False, True])
def test_folded_and_unfolded_normalisation_are_the_same(rounds: bool) -> None:
    torch.manual_seed(0)
    layer = StreamConv(5, 7, 3)
    layer.out = FakeQuant()
    assert isinstance(layer.norm, torch.nn.BatchNorm1d)
    with torch.no_grad():
        layer.norm.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
        layer.norm.running_var.uniform_(0.3, 3)  # type: ignore[union-attr]
        layer.norm.weight.uniform_(-2, 2)
        layer.norm.bias.uniform_(-1, 1)
    x = torch.randn(2, 50, 5)
    layer.out.watches, layer.out.rounds = False, rounds
    layer.out.high.fill_(6.0)
    layer.eval()
    folded, _ = layer(x)
    layer.train()
    layer.norm.eval()  # as in the last steps of a training: statistics stand still
    unfolded, _ = layer(x)
    torch.testing.assert_close(folded, unfolded, rtol=1e-4, atol=1e-5 if not rounds else 6.0 / 255 + 1e-5)


def test_settling_changes_nothing_that_comes_out() -> None:
    model = prepared().eval()
    quantised.set_rounding(model, rounds=True, watches=False)
    frames = torch.rand(1, model.receptive_field + 30, 40) * 20
    with torch.no_grad():
        before, _ = model(frames)
        settle(model)
        after, _ = model(frames)
    assert torch.equal(before, after)
    layers = [m for m in model.modules() if isinstance(m, StreamConv | MixConv)]
    assert all(layer.constants is not None for layer in layers)


def test_a_rounding_model_is_stored_as_one(tmp_path: Path) -> None:
    model = prepared().eval()
    quantised.set_rounding(model, rounds=True, watches=False)
    registry.save(tmp_path / "model.pt", model)
    again = registry.load(tmp_path / "model.pt")
    assert quantised.is_prepared(again)
    frames = torch.rand(1, model.receptive_field + 30, 40) * 20
    with torch.no_grad():
        assert torch.equal(model(frames)[0], again(frames)[0])
    plain = registry.create(registry.Dimensions("mixednet", 0.25))
    registry.save(tmp_path / "plain.pt", plain)
    assert not quantised.is_prepared(registry.load(tmp_path / "plain.pt"))


def test_rounding_agrees_with_torchs_own_but_for_borders_between_two_steps() -> None:
    generator = torch.Generator().manual_seed(1)
    rounds = FakeQuant()
    rounds(torch.tensor([-0.7, 2.3]))
    rounds.rounds, rounds.watches = True, False
    scale, zero = rounds.scale_and_zero()
    x = (3 * torch.randn(100_000, generator=generator)).requires_grad_()
    upstream = torch.randn(len(x), generator=generator)
    expected = torch.fake_quantize_per_tensor_affine(x, scale, zero, -128, 127)
    found = rounds(x)
    assert (found != expected).sum().item() <= 2
    (wanted,) = torch.autograd.grad(expected, x, upstream)
    (given,) = torch.autograd.grad(found, x, upstream)
    assert (given != wanted).sum().item() <= 2
