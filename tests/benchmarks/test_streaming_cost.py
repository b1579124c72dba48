"""The published forms are those of the papers, and both forms are heard along a stream as clip by clip."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch

from wakewright.core.compose import load_recipe


@pytest.fixture
def published(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("published")


@pytest.fixture
def cost(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("streaming_cost")


@pytest.mark.parametrize(
    ("name", "classes", "papers"),
    [
        ("tc_resnet8", 12, 66e3),
        ("tc_resnet14", 12, 137e3),
        ("bc_resnet", 12, 9.2e3),
        ("mobilenet_v3", 1000, 2.54e6),
        ("resnet18", 1000, 11.69e6),
    ],
)
def test_they_have_the_parameters_that_their_papers_state(
    name: str, classes: int, papers: float, published: ModuleType
) -> None:
    width = [1.0] if name in ("mobilenet_v3", "resnet18") else []
    net, outputs = getattr(published, name)(*width)
    count = sum(p.numel() for p in net.parameters()) + classes * (outputs + 1)
    assert count == pytest.approx(papers, rel=0.02)


@pytest.mark.parametrize("name", ["tc_resnet", "bc_resnet", "ds_cnn", "tiny_conv"])
def test_a_published_form_hears_a_stream_as_clips(name: str, published: ModuleType) -> None:
    torch.manual_seed(1)
    model = published.create(name, 4).eval()
    frames = 26 * torch.rand(1, published.CLIP_FRAMES + 4 * 300, published.BANDS)
    logits, _ = model(frames)
    assert logits.shape == (1, 301)
    for at in (0, 255, 256, 300):
        alone, _ = model(frames[:, 4 * at : 4 * at + published.CLIP_FRAMES])
        assert alone.item() == pytest.approx(logits[0, at].item(), abs=1e-5)
    # the mean over the clip hears its very beginning, which no causal form of its reach would still tell apart
    changed = frames.clone()
    changed[:, :2] = 0
    assert model(changed)[0][0, 0] != logits[0, 0]


@pytest.mark.parametrize("form", ["published", "streaming"])
def test_a_stream_is_scored_in_blocks_as_at_once(
    form: str, cost: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    recipe = load_recipe(None, [], "hey katya", layers=["esp32"])
    model = cost.create("tiny_conv", form, recipe).eval()
    frames = (26 * torch.rand(901, 40)).numpy()
    ear = cost.TorchEar(model)
    whole = ear.score(frames)
    assert len(whole) == (901 - model.receptive_field) // 4 + 1
    monkeypatch.setattr(cost, "BLOCK_FRAMES", 120)
    assert ear.score(frames) == pytest.approx(whole, abs=1e-6)
