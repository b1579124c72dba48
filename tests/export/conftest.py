"""Tiny models that round as int8 does, with weights and ranges that are not trivial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wakewright.models import quantised, registry

TINY = ("mixednet", "tc_resnet")


def rounding(name: str, width: float = 0.25) -> Any:
    """A model of this architecture that has learnt something and rounds: how loud the low channels are.

    Fresh weights would not do: what comes out of them is mostly rounding.
    """
    torch.manual_seed(5)
    torch.set_num_threads(1)
    model = registry.create(registry.Dimensions(name, width))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    windows = torch.from_numpy(frames(64, model.receptive_field)).float().add(128) * (26 / 255)
    wanted = windows[:, -16:, :20].mean(dim=(1, 2))
    wanted = 2.0 * (wanted - wanted.mean()) / wanted.std()
    for step in range(60):
        model.train()
        if step == 30:
            quantised.prepare(model)
        quantised.set_rounding(model, rounds=step > 30, watches=step < 50)
        chosen = torch.randint(len(windows), (16,))
        loss = ((model(windows[chosen])[0][:, 0] - wanted[chosen]) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    quantised.set_rounding(model, rounds=True, watches=False)
    return model.eval()


def frames(streams: int, count: int) -> NDArray[np.int8]:
    """(streams, count, 40) int8 features that rise and fall like speech."""
    rng = np.random.default_rng(2)
    level = rng.uniform(-128, 90, (streams, count // 8 + 1, 40)).repeat(8, axis=1)[:, :count]
    return np.clip(level + rng.normal(0, 15, level.shape), -128, 127).astype(np.int8)


@pytest.fixture(scope="session", params=TINY)
def model(request: pytest.FixtureRequest) -> Any:
    """Each tiny architecture, rounding."""
    return rounding(request.param)


@pytest.fixture(scope="session")
def mixednet() -> Any:
    """One of them."""
    return rounding("mixednet")


@pytest.fixture(scope="session")
def heard() -> Callable[[int], NDArray[np.int8]]:
    """(count, 40) int8 frames."""
    return lambda count: frames(1, count)[0]
