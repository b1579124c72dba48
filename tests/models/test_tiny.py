"""The 96 channels that a tiny model learns by, like the embedding's, are one matrix with what follows outside it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from wakewright.core.errors import RunError
from wakewright.models import quantised, registry


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    return registry.create(registry.Dimensions("mixednet", 0.25, hidden=16)).eval()


def one_after_the_other(model: Any, frames: Tensor) -> Tensor:
    """Logits by way of the 96 channels, as they are learnt."""
    features, _ = model.features(frames)
    own = model.head.project.conv
    narrow = torch.relu(functional.linear(features, own.weight[:, :, 0], own.bias))
    hidden, _ = model.head.temporal(narrow)
    logits, _ = model.head.last(hidden)
    return logits.squeeze(-1)  # type: ignore[no-any-return]


def test_the_product_is_what_was_learnt(model: Any) -> None:
    frames = torch.rand(3, model.receptive_field + 6 * model.stride, model.channels) * 20
    with torch.no_grad():
        torch.testing.assert_close(model(frames)[0], one_after_the_other(model, frames), rtol=1e-5, atol=1e-5)


def test_a_copy_computes_with_its_own_readout(model: Any) -> None:
    frames = torch.rand(1, model.receptive_field, model.channels) * 20
    with torch.no_grad():
        before = model(frames)[0]
        other = copy.deepcopy(model)
        other.readout.conv.weight.mul_(3.0)
        assert torch.equal(model(frames)[0], before)
        assert not torch.equal(other(frames)[0], before)
        torch.testing.assert_close(other(frames)[0], one_after_the_other(other, frames), rtol=1e-5, atol=1e-5)


def test_both_matrices_learn(model: Any) -> None:
    model.train()(torch.rand(2, model.receptive_field, model.channels))[0].sum().backward()
    assert model.readout.conv.weight.grad.abs().max() > 0
    assert model.head.project.conv.weight.grad.abs().max() > 0


def test_what_is_spared_is_neither_counted_nor_multiplied(model: Any) -> None:
    trained = sum(p.numel() for p in model.parameters())
    trunk, few = model.trunk.outputs, 16
    assert trained - registry.parameters(model) == 96 * (trunk + 1) + 96 * few - trunk * few
    head = few * 16 * 16 + 16
    assert model.macs * model.stride == pytest.approx(model.trunk.macs * model.stride + trunk * few + head)


def test_a_model_that_rounded_the_96_channels_still_loads(model: Any, tmp_path: Path) -> None:
    quantised.prepare(model)
    model(torch.rand(1, model.receptive_field, model.channels) * 20)
    quantised.set_rounding(model, rounds=True, watches=False)
    registry.save(tmp_path / "model.pt", model)
    stored = torch.load(tmp_path / "model.pt", weights_only=True)
    stored["weights"] |= {"readout.out.low": torch.tensor(-3.0), "readout.out.high": torch.tensor(3.0)}
    torch.save(stored, tmp_path / "older.pt")
    frames = torch.rand(1, model.receptive_field, model.channels) * 20
    with torch.no_grad():
        assert torch.equal(registry.load(tmp_path / "older.pt")(frames)[0], model(frames)[0])
    del stored["weights"]["readout.conv.weight"]
    torch.save(stored, tmp_path / "broken.pt")
    with pytest.raises(RunError, match=r"broken.pt is damaged\n  got: .*readout\.conv\.weight"):
        registry.load(tmp_path / "broken.pt")
