"""A head on the shared speech embedding as openWakeWord's runtimes load it: 16 embeddings in, a probability out.

They compare that probability with 0.5 unless told otherwise, so the logit is moved until the calibrated threshold
lies there. They do not average: where this project's detector fires on the mean of some steps, they fire on one, and
so a little more easily.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wakewright.core.errors import InputError
from wakewright.core.files import replacing, write_bytes
from wakewright.detect.networks import onnx_session
from wakewright.dsp.litert import Net
from wakewright.export.flatfile import Flatfile, Value
from wakewright.export.onnx import TOLERANCE, accept, export
from wakewright.models.embedding_head import LIMIT, MEMBERS, WINDOW, EmbeddingHead

_RELU = 1


def write(model: Any, threshold: float, onnx_path: Path, tflite_path: Path) -> Shifted:
    """Write both files of a head (in evaluation mode), each checked against torch; returns what they compute.

    `threshold` is the calibrated one, 0 to 1. Raises InputError for a model that is no head on the embedding,
    WakewrightError when a file does not give what torch gives; nothing is left then.
    """
    if not isinstance(model, EmbeddingHead):
        raise InputError(
            f"{model.dims.name} is no head on the speech embedding",
            got=f"a model on the {model.frontend} front end",
            do='train one: wakewright train "PHRASE" --for pi, or use --to esphome',
        )
    head = Shifted(model, threshold).eval()
    file = _tflite(model, head.shift)
    _check("TFLite", head, lambda window: Net(file)(window))
    with replacing(onnx_path) as temporary:
        example = torch.zeros(1, WINDOW, model.channels)
        export(head, (example,), temporary, ["embeddings"], ["probability"], {})
        session = onnx_session(temporary)
        _check("ONNX", head, lambda window: session.run(None, {"embeddings": window})[0])
    write_bytes(tflite_path, file)
    return head


class Shifted(nn.Module):
    """(1, 16, 96) -> (1, 1) probability, 0.5 where the head's own reaches the threshold."""

    def __init__(self, model: EmbeddingHead, threshold: float) -> None:
        super().__init__()
        self.model = model
        within = min(max(threshold, 1e-6), 1 - 1e-6)
        self.shift = float(np.log(within / (1 - within)))

    def forward(self, embeddings: Tensor) -> Tensor:
        logits, _ = self.model(embeddings)
        return torch.sigmoid(logits - self.shift)


@torch.no_grad()
def _check(form: str, head: Shifted, run: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    mean, spread = head.model.mean, 1.0 / head.model.scale
    for _ in range(20):
        window = mean + spread * torch.randn(1, WINDOW, head.model.channels, generator=generator) * 1.5
        accept(abs(float(run(window.numpy())[0, 0]) - head(window).item()), form, tolerance=TOLERANCE)


def _tflite(model: EmbeddingHead, shift: float) -> bytes:
    """The head in float32: each member's temporal layer is a matrix over the 16 moments it sees."""
    file = Flatfile("wakewright speech_embedding head")

    def numbers(values: Tensor | NDArray[Any] | float) -> Value:
        return file.constant(np.asarray(values.detach() if isinstance(values, Tensor) else values, np.float32))

    def shaped(x: Value, name: str, *shape: int) -> Value:
        wanted = file.constant(np.array(shape, np.int32))
        return file.apply("RESHAPE", [x, wanted], name, shape, None, newShape=list(shape))

    def matrix(x: Value, weights: Tensor, bias: Tensor, name: str, activation: int) -> Value:
        inputs = [x, numbers(weights), numbers(bias)]
        return file.apply(
            "FULLY_CONNECTED", inputs, name, (x.shape[0], len(bias)), None, fusedActivationFunction=activation
        )

    x = shaped(file.input("embeddings", (1, WINDOW, model.channels), None), "moments", WINDOW, model.channels)
    x = file.apply("ADD", [x, numbers(-model.mean)], "centred", x.shape, None)
    x = file.apply("MUL", [x, numbers(model.scale)], "normal", x.shape, None)
    x = file.apply("MINIMUM", [x, numbers(LIMIT)], "below", x.shape, None)
    x = file.apply("MAXIMUM", [x, numbers(-LIMIT)], "within", x.shape, None)
    x = matrix(x, model.project.weight[:, :, 0], _bias(model.project), "project", _RELU)
    narrow, wide = x.shape[1] // MEMBERS, model.temporal.out_channels // MEMBERS
    logits: Value | None = None
    for member in range(MEMBERS):
        begin, end, steps = (
            file.constant(np.array(v, np.int32))
            for v in ((0, member * narrow), (WINDOW, (member + 1) * narrow), (1, 1))
        )
        own = file.apply("STRIDED_SLICE", [x, begin, end, steps], f"member {member}", (WINDOW, narrow), None)
        own = shaped(own, f"member {member}/seen", 1, WINDOW * narrow)
        rows = slice(member * wide, (member + 1) * wide)
        weights = model.temporal.weight[rows].transpose(1, 2).flatten(1)  # moments first, as they are laid
        own = matrix(own, weights, _bias(model.temporal)[rows], f"member {member}/temporal", _RELU)
        last = model.last.weight[member, :, 0][None] / MEMBERS
        own = matrix(own, last, _bias(model.last)[member : member + 1] / MEMBERS, f"member {member}/logit", 0)
        logits = own if logits is None else file.apply("ADD", [logits, own], f"sum {member}", own.shape, None)
    assert logits is not None
    logits = file.apply("ADD", [logits, numbers(np.array([-shift]))], "logit", logits.shape, None)
    file.output(file.apply("LOGISTIC", [logits], "probability", logits.shape, None))
    return file.data()


def _bias(layer: nn.Conv1d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
