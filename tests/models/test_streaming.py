"""Every registered model: fed whole equals fed in pieces equals resumed from a saved state; and keeps its word."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch

from wakewright.core.errors import RunError
from wakewright.models import registry
from wakewright.models.embedding_head import EmbeddingHead
from wakewright.models.spectral import SpectralConv

WIDTHS = {"resnet18": 0.125, "mobilenet_v3": 0.25}
"""Of the large ones, for speed."""


def _model(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = registry.create(registry.Dimensions(name, WIDTHS.get(name, 1.0)))
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d)]
    for norm in norms:  # statistics that are not the identity, and with which something comes out of a deep model
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.rand(2, model.receptive_field + 8 * model.stride, model.channels) * 5)
    return model.eval()


@pytest.mark.parametrize("name", registry.NAMES)
def test_pieces_equal_the_whole_and_resume_from_saved_state(name: str) -> None:
    model = _model(name)
    frames = torch.rand(2, 80 * model.stride, model.channels) * 5
    whole, _ = model(frames, model.initial_state(2))
    state, pieces, at = model.initial_state(2), [], 0
    for steps in (1, 2, 30, 7, 40):
        logits, state = model(frames[:, at : at + steps * model.stride], state)
        buffer = io.BytesIO()
        torch.save(state, buffer)
        buffer.seek(0)
        state = torch.load(buffer, weights_only=True)
        pieces.append(logits)
        at += steps * model.stride
    deep = name in WIDTHS  # twenty layers round a little more
    torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=0, atol=1e-5 if deep else 2e-6)
    assert whole.shape == (2, 80)


@pytest.mark.parametrize("name", registry.NAMES)
def test_a_trained_window_is_what_the_stream_gives(name: str) -> None:
    model = _model(name)
    past = -(-model.receptive_field // model.stride)
    frames = torch.rand(1, (past + 5) * model.stride, model.channels) * 5
    streamed, _ = model(frames, model.initial_state(1))
    window = frames[:, frames.shape[1] - model.receptive_field :]
    alone, state = model(window)
    assert state is None
    assert alone.shape == (1, 1)
    torch.testing.assert_close(alone[0, -1], streamed[0, -1], rtol=0, atol=2e-6)
    with pytest.raises(RuntimeError):
        model(window[:, 1:])


@pytest.mark.parametrize("name", registry.NAMES)
def test_nothing_later_is_heard(name: str) -> None:
    model = _model(name)
    frames = torch.rand(1, 60 * model.stride, model.channels)
    before, _ = model(frames, model.initial_state(1))
    changed = frames.clone()
    changed[:, 40 * model.stride :] += 3
    after, _ = model(changed, model.initial_state(1))
    torch.testing.assert_close(before[:, :40], after[:, :40], rtol=0, atol=0)
    assert not torch.equal(before[:, 40:], after[:, 40:])


@pytest.mark.parametrize("name", registry.NAMES)
def test_saved_models_load_with_their_dimensions(name: str, tmp_path: Path) -> None:
    width = WIDTHS.get(name, 1.0)
    model = registry.create(registry.Dimensions(name, width / 2)).eval()
    registry.save(tmp_path / "model.pt", model)
    again = registry.load(tmp_path / "model.pt")
    frames = torch.rand(1, model.receptive_field, model.channels)
    torch.testing.assert_close(model(frames)[0], again(frames)[0], rtol=0, atol=0)
    assert registry.parameters(again) < registry.parameters(registry.create(registry.Dimensions(name, width)))
    assert registry.frontend_of(registry.Dimensions(name)) == model.frontend


FRONTS = ("mfcc-30ms-10ms-40bands-125to7500hz-first13", "mel-64ms-20ms-80bands-60to8000hz")


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("name", registry.TRUNKS)
def test_every_trunk_hears_through_every_front_end(name: str, front: str, tmp_path: Path) -> None:
    """In pieces as whole; and its statistics come back with its weights."""
    torch.manual_seed(0)
    model = registry.create(registry.Dimensions(name, WIDTHS.get(name, 0.5), frontend=front))
    assert (model.frontend, model.channels) == (front, 13 if "mfcc" in front else 80)
    hop_s = 0.01 if "-10ms-" in front else 0.02
    assert 1.0 <= model.receptive_field * hop_s <= 420 * hop_s  # what a trunk looks back on is counted in frames
    spread = torch.linspace(0.0, 9.0, model.channels)  # a coefficient that never moves is divided by next to nothing
    model.set_statistics(torch.linspace(-9, 4, model.channels), spread)
    model.eval()
    frames = model.mean + model.std * torch.randn(2, 30 * model.stride, model.channels)
    whole, _ = model(frames, model.initial_state(2))
    state, pieces = model.initial_state(2), []
    for part in frames.split([model.stride, 9 * model.stride, 20 * model.stride], dim=1):
        logits, state = model(part, state)
        pieces.append(logits)
    torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=0, atol=1e-5)
    registry.save(tmp_path / "model.pt", model)
    again = registry.load(tmp_path / "model.pt")
    assert again.dims == model.dims
    assert torch.equal(again.std, spread.clamp(min=1e-3))
    torch.testing.assert_close(again(frames, again.initial_state(2))[0], whole, rtol=0, atol=0)


def test_a_model_of_the_micro_front_end_is_stored_as_before_there_were_others(tmp_path: Path) -> None:
    registry.save(tmp_path / "model.pt", registry.create(registry.Dimensions("mixednet", 0.25)))
    stored = torch.load(tmp_path / "model.pt", weights_only=True)
    assert stored["dims"] == {"name": "mixednet", "width": 0.25, "hidden": 64}
    assert not {"mean", "std"} & stored["weights"].keys()


def test_a_missing_or_foreign_model_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="train first"):
        registry.load(tmp_path / "model.pt")
    torch.save([1, 2], tmp_path / "other.pt")
    with pytest.raises(RunError, match="not a wakewright model"):
        registry.load(tmp_path / "other.pt")


@pytest.mark.parametrize("name", registry.NAMES)
def test_channels_are_hidden_for_a_whole_example_and_only_while_learning(name: str) -> None:
    model = _model(name)
    model.hide_channels(0.6)  # type: ignore[operator]
    seen: list[torch.Tensor] = []
    hide = (model if isinstance(model, EmbeddingHead) else model.head).hide  # type: ignore[union-attr]
    hide.register_forward_hook(  # type: ignore[operator, union-attr]
        lambda _, inputs, output: seen.extend([inputs[0].detach(), output.detach()])
    )
    frames = torch.rand(50, model.receptive_field + 4 * model.stride, model.channels) * 5  # type: ignore[operator]
    model.train()(frames)
    model.eval()(frames)
    before, learning, whole, listening = seen
    assert before.shape[1] == 96
    gone = (learning == 0).all(dim=2)  # (batch, channels)
    assert gone.float().mean().item() == pytest.approx(0.6, abs=0.03)
    assert ((learning == 0).any(dim=2) == gone).all()  # throughout the example
    assert (gone[0] != gone[1]).any()
    torch.testing.assert_close(learning[~gone], before[~gone] / 0.4)
    assert torch.equal(whole, listening)
    assert (hide(before) != 0).all()  # type: ignore[operator]


@pytest.mark.parametrize("name", registry.TRUNKS)
def test_a_trunk_tells_its_pace_reach_and_cost(name: str) -> None:
    model = _model(name)
    trunk = model.trunk
    assert trunk.stride in (2, 3, 4)
    assert model.receptive_field > trunk.reach > trunk.stride
    assert len(trunk.initial_state(1)) == trunk.states  # type: ignore[operator, union-attr]
    frames = torch.rand(1, trunk.reach + 2 * trunk.stride, 40)  # type: ignore[operator, arg-type]
    out, _ = trunk(frames)  # type: ignore[operator]
    assert out.shape == (1, 3, trunk.outputs)
    assert model.macs > trunk.macs > 0  # type: ignore[operator]


def test_one_by_one_kernels_that_stride_are_those_of_torch() -> None:
    torch.manual_seed(1)
    layer = SpectralConv(8, 4, 6, (1, 1), stride=(1, 2), activate=False).eval()
    x = torch.randn(2, 5, 8, 4)
    y, _ = layer(x)
    weights, bias = layer.folded()
    expected = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2).contiguous(), weights, bias, (1, 2))
    torch.testing.assert_close(y, expected.permute(0, 2, 3, 1))


@pytest.mark.parametrize("bands", [39, 40])
@pytest.mark.parametrize("kernel", [3, 4, 8])
def test_bands_are_padded_so_that_a_stride_halves_them(bands: int, kernel: int) -> None:
    layer = SpectralConv(bands, 1, 2, (1, kernel), stride=(1, 2))
    out, _ = layer(torch.rand(1, 3, bands, 1))
    assert out.shape == (1, 3, layer.bands, 2) == (1, 3, 20, 2)


def test_a_model_is_asked_for_its_reach_without_a_draw_of_chance() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    heard = {name: registry.looked_at_s(registry.example(registry.Dimensions(name))) for name in registry.NAMES[:2]}
    assert torch.equal(torch.get_rng_state(), before)
    assert registry.looked_at_s(registry.example(registry.Dimensions("mixednet", 0.375, 32))) == pytest.approx(2.74)
    assert all(0.5 < seconds < 5 for seconds in heard.values())
