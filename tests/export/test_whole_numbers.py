"""What int8 kernels compute is known to the last bit without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.export.conftest import rounding
from wakewright.core.errors import WakewrightError
from wakewright.export import parity, tflite, whole_numbers
from wakewright.models import registry

ARCHITECTURES = list(registry.TRUNKS)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_file_gives_what_the_model_gives_in_whole_numbers_at_every_step(name: str, heard: Any) -> None:
    model = rounding(name)
    frames = heard(model.receptive_field + 100 * model.stride)
    frames = frames[: len(frames) // model.stride * model.stride]
    scores = whole_numbers.scores(model, frames)
    assert len(np.unique(scores)) > 10  # no flat line, which would equal anything flat
    np.testing.assert_array_equal(scores, parity.streamed(tflite.convert(model), frames, model.stride))


def test_one_weight_off_by_one_step_is_found(mixednet: Any, heard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = heard(mixednet.receptive_field + 100 * mixednet.stride)
    file = tflite.convert(mixednet)
    of_weights = whole_numbers.rounded

    def wrong(weights: Any, bias: Any, scale: float) -> Any:
        found = of_weights(weights, bias, scale)
        found.weights.flat[-1] -= np.sign(found.weights.flat[-1])
        return found

    monkeypatch.setattr(whole_numbers, "rounded", wrong)
    with pytest.raises(WakewrightError, match=r"in the trained model in whole numbers\n  got: \d+ where"):
        parity.prove(mixednet, file, frames)


@pytest.mark.parametrize(
    ("value", "factor", "expected"),
    [
        (3, 0.5, 2),  # halves upward
        (-3, 0.5, -1),
        (5, 0.25, 2),  # 1.25, rounded twice: 2.5 to 3, then 1.5 to 2
        (-5, 0.25, -1),
        (7, 3.0, 21),  # a factor above 1
        (-100_000, 1e-4, -10),
        (0, 0.3, 0),
        (1, 0.4999999999, 1),  # up to a half by the multiplier's 31 bits
    ],
)
def test_whole_numbers_are_multiplied_as_a_device_does(value: int, factor: float, expected: int) -> None:
    assert whole_numbers._scaled(np.array([[value]]), [factor]).item() == expected
