"""A running average of the weights: steadier than the last step, and free at run time."""

from __future__ import annotations

import copy
from typing import Any

import torch

from wakewright.models.quantised import FakeQuant


class Average:
    """Exponential moving average of a model's weights and statistics (Polyak averaging)."""

    def __init__(self, model: Any, decay: float) -> None:
        self.model = copy.deepcopy(model).eval()
        self.decay = decay
        self._source = model
        self._steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take the source model's present weights into the average; young averages follow faster."""
        self._steps += 1
        decay = min(self.decay, self._steps / (self._steps + 10.0))
        for mine, its in zip(self.model.state_dict().values(), self._source.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(its, 1.0 - decay)
            else:
                mine.copy_(its)
        for own, its_own in zip(self.model.modules(), self._source.modules(), strict=True):
            if isinstance(own, FakeQuant):  # a range is a running average already
                own.low.copy_(its_own.low)
                own.high.copy_(its_own.high)

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"weights": self.model.state_dict(), "steps": self._steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from an earlier `state`."""
        self.model.load_state_dict(state["weights"])
        self._steps = state["steps"]
