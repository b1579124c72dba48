"""The mel spectrogram under the shared speech embedding, many chunks in one call.

The mel model limits its dynamic range at its end: within each call nothing lies further below the loudest value than
its range allows. What reaches that last step does not depend on how much audio there is, so a long signal is given
to the model without its end, and limited here chunk by chunk: equal to the bit, at about half the work.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from wakewright.core.audio import Samples
from wakewright.core.errors import AudioError
from wakewright.dsp.frontend import Frames
from wakewright.dsp.litert import Net

HOP = 1280
"""Samples from chunk to chunk."""
CHUNK = 1760
"""Samples of one chunk, what openWakeWord's runtimes call the model with."""
FRAMES = 8
"""Mel frames of one chunk."""
BANDS = 32
BLOCKS = (128, 32)
"""Chunks computed in one call without the model's end; what is left goes through the whole model one by one."""


class MelSpectrogram:
    """Chunks of samples to mel frames, each chunk limited for itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._whole = Net(path.read_bytes(), (1, CHUNK))
        self._blocks: dict[int, _Block] = {}

    def __call__(self, samples: Samples) -> Frames:
        """(chunks * 1280 + 480,) float32 of int16 values -> (chunks * 8, 32) float32."""
        chunks = max(0, (len(samples) - CHUNK) // HOP + 1)
        out = np.empty((chunks * FRAMES, BANDS), np.float32)
        done = 0
        for block in (*BLOCKS, 1):
            while chunks - done >= block:
                piece = samples[None, done * HOP : (done + block - 1) * HOP + CHUNK]
                out[done * FRAMES : (done + block) * FRAMES] = self._call(piece, block)
                done += block
        return out

    def _call(self, piece: Samples, block: int) -> Frames:
        if block == 1:
            return self._whole(piece).reshape(FRAMES, BANDS)
        if block not in self._blocks:
            self._blocks[block] = _Block(self._path, block)
        return self._blocks[block](piece)


class _Block:
    """Several chunks at once."""

    def __init__(self, path: Path, chunks: int) -> None:
        model, self._range = _without_end(path)
        self._net = Net(model, (1, (chunks - 1) * HOP + CHUNK))

    def __call__(self, piece: Samples) -> Frames:
        by_chunk = self._net(piece).reshape(-1, FRAMES * BANDS)
        loudest = by_chunk.max(axis=1, keepdims=True)
        limited: Frames = np.maximum(by_chunk, loudest - self._range).reshape(-1, BANDS)
        return limited


@functools.lru_cache(maxsize=1)
def _without_end(path: Path) -> tuple[bytes, np.float32]:
    """The mel model up to the step that limits its range, and that range in its own unit.

    The end is max(x, max over everything(x) - range). Raises AudioError for a model that ends otherwise.
    """
    from wakewright.dsp.tflite_schema import code, pack, parse, schema  # a tenth of a second that live audio spares

    model = parse(path.read_bytes())
    graph = model.subgraphs[0]
    made_by = {int(tensor): operator for operator in graph.operators for tensor in operator.outputs}

    def step(tensor: int, kind: int) -> Any:
        operator = made_by.get(int(tensor))
        if operator is None or code(model, operator) != kind:
            raise AudioError(
                f"{path} is not the mel model of the shared speech embedding",
                got="it does not end by limiting its dynamic range",
                do="install pyopen-wakeword 1.1.0",
            )
        return operator

    kinds = schema.BuiltinOperator
    last = step(graph.outputs[0], kinds.MAXIMUM)
    values, floor = last.inputs
    lowered = step(floor, kinds.SUB)
    limit = model.buffers[graph.tensors[lowered.inputs[1]].buffer].data
    graph.outputs = [values]
    return pack(model), np.frombuffer(limit.tobytes(), np.float32)[0]
