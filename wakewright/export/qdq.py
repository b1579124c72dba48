"""The int8 form of an ONNX graph that rounds its activations: weights and biases as the whole numbers they are.

torch's exporter writes QuantizeLinear and DequantizeLinear where activations are rounded, and weights as the floats
that came of rounding them. Here each weight is stored as int8 behind a DequantizeLinear with a scale per output
channel. A convolution also hears int8 and adds int32, which is what runtimes with int8 kernels look for: behind a
layer's memory stands a pair of its own, which changes nothing, since those values are on its grid; its bias counts in
units of its input's scale times its weights'. What is added to a product stays float: no runtime takes that into the
product, and a DequantizeLinear for it would be one more operator at each step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from wakewright.models.quantised import SMALLEST, WEIGHT_TOP

Array = NDArray[Any]
_MOVES = {"Concat", "Transpose", "Unsqueeze", "Squeeze", "Slice", "Reshape", "Pad", "Gather", "Identity"}
"""Operators that hand on values of their input, or zeros."""
_NEAR = 1e-3
"""Of a step: how far from a whole number of them a weight may be that was rounded to one, as float32 has it."""
_BIAS_TOP = 2**30
"""Largest magnitude of a stored bias: 32 bits must hold its sum with the products too."""


class Grid(NamedTuple):
    """What a tensor's values are: (q - zero) * scale for q of int8."""

    scale: float
    zero: int


def store(model: ModelProto, heard: Grid | None) -> None:
    """Rewrite `model` in place; `heard` is the grid of its input "frames", None where that is on none.

    Weights that are not whole numbers of a channel's 127th part stay as they are, and so does what is stored already.
    """
    graph = _Graph(model, heard)
    for node in list(model.graph.node):
        graph.add(node)
    graph.write()


def label(model: ModelProto, properties: dict[str, str]) -> None:
    """Write properties into `model`, in place of those it has."""
    helper.set_model_props(model, properties)


@contextlib.contextmanager
def rewriting(path: Path) -> Iterator[ModelProto]:
    """The model that lies at `path`; what the block makes of it is written there when it ends well."""
    model = onnx.load(str(path))
    yield model
    path.write_bytes(model.SerializeToString())


class _Graph:
    """A graph, written anew node by node."""

    def __init__(self, model: ModelProto, heard: Grid | None) -> None:
        self._graph = model.graph
        self._constants: dict[str, Array] = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        self._ends = {value.name for value in (*model.graph.input, *model.graph.output)}
        self._grids: dict[str, Grid | None] = {"frames": heard}
        self._dequantised: set[str] = set()
        self._nodes: list[NodeProto] = []

    def add(self, node: NodeProto) -> None:
        """Take the next node, in its new form."""
        if node.op_type == "Constant":
            self._constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            return
        if node.op_type in ("Conv", "MatMul") and node.input[1] in self._constants:
            self._weigh(node)
        self._nodes.append(node)
        self._grids[node.output[0]] = self._grid_of(node)

    def write(self) -> None:
        """Put the new nodes and the constants they use in place of the old.

        Tensors within get numbers for names (of a small model's file the names would be a third), and axes and
        bounds that are equal are one. Other constants are not shared: ONNX Runtime fails where it must change one.
        """
        first: dict[tuple[tuple[int, ...], bytes], str] = {}
        names: dict[str, str] = {}
        for name, value in self._constants.items():
            if value.dtype == np.int64:
                names[name] = first.setdefault((value.shape, value.tobytes()), name)
        made = [name for node in self._nodes for name in node.output if name not in self._ends]
        names |= {name: str(number) for number, name in enumerate(made)}
        for node in self._nodes:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
        used = {name for node in self._nodes for name in node.input}
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend(
            numpy_helper.from_array(value, name) for name, value in self._constants.items() if name in used
        )

    def _grid_of(self, node: NodeProto) -> Grid | None:
        """Of what comes out of `node`; None where it is on no grid that is known."""
        if node.op_type == "DequantizeLinear" and node.input[0] not in self._constants:
            self._dequantised.add(node.output[0])
            scale, zero = (self._constants[name] for name in node.input[1:])
            return Grid(float(scale), int(zero))
        if node.op_type == "Mul" and node.input[1] in self._constants:
            known, factor = self._grids.get(node.input[0]), self._constants[node.input[1]]
            return known._replace(scale=known.scale * float(factor)) if known and factor.size == 1 else None
        if node.op_type == "Concat":
            # a state among them holds what went the same way in an earlier call, or zeros
            grids = {self._grids.get(name) for name in node.input if name not in self._ends}
            return grids.pop() if len(grids) == 1 else None
        return self._grids.get(node.input[0]) if node.op_type in _MOVES else None

    def _weigh(self, node: NodeProto) -> None:
        """Store the weights of `node`; give a convolution int8 to hear, and its bias as whole numbers."""
        weights, is_conv = self._constants[node.input[1]], node.op_type == "Conv"
        axis = 0 if is_conv else weights.ndim - 1
        rest = tuple(i for i in range(weights.ndim) if i != axis)
        top = np.abs(weights).max(rest, keepdims=True)
        scales = np.maximum(top, np.float32(SMALLEST * WEIGHT_TOP)) / np.float32(WEIGHT_TOP)
        steps = weights / scales
        if np.abs(steps - np.rint(steps)).max() > _NEAR:
            return
        scales = scales.ravel()
        grid = self._grids.get(node.input[0])
        name = node.name.removeprefix("/model/")
        node.input[1] = self._stored(f"{name}/weights", np.rint(steps).astype(np.int8), scales, axis)
        if not is_conv or grid is None:
            return
        units = np.float32(grid.scale) * scales
        whole = np.rint(self._constants[node.input[2]] / units)
        if np.abs(whole).max() > _BIAS_TOP:
            return
        node.input[0] = self._on_grid(node.input[0], grid, name)
        node.input[2] = self._stored(f"{name}/bias", whole.astype(np.int32), units, 0)

    def _stored(self, name: str, whole: Array, scales: Array, axis: int) -> str:
        """Whole numbers as a constant behind a DequantizeLinear; the name of what comes out."""
        zeros = np.zeros(len(scales), whole.dtype)
        return self._node(
            "DequantizeLinear", {name: whole, f"{name}/scale": scales, f"{name}/zero": zeros}, axis=axis
        )

    def _on_grid(self, x: str, grid: Grid, name: str) -> str:
        """`x` behind a QuantizeLinear and a DequantizeLinear, if it does not come straight from one."""
        if x in self._dequantised:
            return x
        numbers: dict[str, Array] = {
            f"{name}/heard/scale": np.array(grid.scale, np.float32),
            f"{name}/heard/zero": np.array(grid.zero, np.int8),
        }
        return self._node("DequantizeLinear", numbers, self._node("QuantizeLinear", numbers, x))

    def _node(self, kind: str, constants: dict[str, Array], *before: str, axis: int | None = None) -> str:
        """A new node with these inputs; the name of what comes out."""
        self._constants |= constants
        name = f"{next(iter(constants))}/{kind}"
        self._nodes.append(helper.make_node(kind, [*before, *constants], [f"{name}/y"], name, axis=axis))
        return f"{name}/y"
