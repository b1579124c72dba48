"""A TFLite file, put together operator by operator on the schema's own classes. No TensorFlow.

`Flatfile` knows tensors, operators and streaming state; what a model's layers become of it stands in `tflite`.
Values are int8 (activations with one scale and zero point, weights with a scale per channel) or float32.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakewright.dsp.tflite_schema import Builder, code, pack, parse, schema

ALIGNMENT = 16
"""Bytes that constants are aligned to, as the schema asks: microcontrollers read them in place."""
OPERATORS = {
    "CALL_ONCE": ("CallOnceOptions", 1),
    "VAR_HANDLE": ("VarHandleOptions", 1),
    "READ_VARIABLE": ("ReadVariableOptions", 1),
    "ASSIGN_VARIABLE": ("AssignVariableOptions", 1),
    "RESHAPE": ("ReshapeOptions", 1),
    "STRIDED_SLICE": ("StridedSliceOptions", 2),
    "CONCATENATION": ("ConcatenationOptions", 2),
    "CONV_2D": ("Conv2DOptions", 3),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", 3),
    "ADD": ("AddOptions", 2),
    "LOGISTIC": ("", 2),
    "QUANTIZE": ("QuantizeOptions", 1),
    "FULLY_CONNECTED": ("FullyConnectedOptions", 1),
    "MUL": ("MulOptions", 1),
    "PAD": ("PadOptions", 2),
    "MINIMUM": ("MaximumMinimumOptions", 1),
    "MAXIMUM": ("MaximumMinimumOptions", 1),
}
"""What is written: the operator's options and its version. The last two are for float32 files alone."""
DEVICE_OPERATORS = frozenset(OPERATORS) - {"MINIMUM", "MAXIMUM"}
"""Those that ESPHome's micro_wake_word registers."""


@dataclasses.dataclass(frozen=True)
class Quantised:
    """How a tensor's integers stand for numbers: (q - zero) * scale; a scale per channel along `axis`."""

    scale: tuple[float, ...]
    zero: int = 0
    axis: int = 0


@dataclasses.dataclass(frozen=True)
class Value:
    """A tensor of the main graph."""

    index: int
    shape: tuple[int, ...]
    """(1, time, frequency, channels), at most."""
    number: Quantised | None
    """None for float32."""


class _Constant(schema.BufferT):  # type: ignore[misc]
    """A buffer whose bytes are aligned, which the schema's own class forgets."""

    def Pack(self, builder: Any) -> int:
        data = None
        if self.data is not None:
            builder.StartVector(1, len(self.data), ALIGNMENT)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


class _Builder(Builder):  # type: ignore[misc]
    """Writes equal vectors once: every channel of every layer has a zero point of 0."""

    def __init__(self) -> None:
        super().__init__(1 << 16)
        self._vectors: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:
        key = (x.dtype.str, x.tobytes())
        if key not in self._vectors:
            self._vectors[key] = super().CreateNumpyVector(x)
        return self._vectors[key]


class Flatfile:
    """One TFLite model under construction."""

    def __init__(self, description: str) -> None:
        self._model = schema.ModelT()
        self._model.version, self._model.description = 3, description
        self._model.buffers = [_Constant()]
        self._model.operatorCodes = []
        self._main, self._start = (_subgraph(name) for name in ("main", "start"))
        self._states: list[str] = []
        self._constants: dict[tuple[tuple[int, ...], str, bytes, Quantised | None], Value] = {}

    def input(self, name: str, shape: Sequence[int], number: Quantised | None) -> Value:
        """The tensor that the caller fills."""
        value = self._value(name, shape, number)
        self._main.inputs.append(value.index)
        return value

    def output(self, value: Value) -> None:
        """The tensor that the caller reads."""
        self._main.outputs.append(value.index)

    def constant(self, values: NDArray[Any], number: Quantised | None = None, name: str = "") -> Value:
        """Weights, a bias, or the parameters of an operator, which need no name; what is there already is used again.

        An interpreter keeps records of each tensor, and a device's arena pays for them.
        """
        known = (values.shape, values.dtype.str, values.tobytes(), number)
        if known not in self._constants:
            index = self._tensor(self._main, name, values.shape, values.dtype, number, self._buffer(values))
            self._constants[known] = Value(index, values.shape, number)
        return self._constants[known]

    def apply(
        self,
        operator: str,
        inputs: Sequence[Value],
        name: str,
        shape: Sequence[int],
        number: Quantised | None,
        dtype: Any = None,
        **options: Any,
    ) -> Value:
        """One operator: what comes out of it."""
        out = self._value(name, shape, number, dtype)
        self._operate(self._main, operator, [v.index for v in inputs], [out.index], options)
        return out

    def past(self, name: str, shape: Sequence[int], like: Value) -> tuple[Value, int]:
        """The frames kept from the call before, at first silence: their value, and the handle for `keep`.

        They are kept as `like` is. The variable is set to silence once, by the graph `start`.
        """
        self._states.append(name)
        handles = []
        for graph in (self._main, self._start):
            handle = self._tensor(graph, f"{name}/handle", (), _RESOURCE, None, 0)
            self._operate(graph, "VAR_HANDLE", [], [handle], {"container": "", "sharedName": name})
            handles.append(handle)
        silence = np.zeros(shape, np.float32)
        if like.number is not None:
            silence = np.full(shape, like.number.zero, np.int8)
        held = self._tensor(self._start, f"{name}/silence", shape, silence.dtype, like.number, self._buffer(silence))
        self._operate(self._start, "ASSIGN_VARIABLE", [handles[1], held], [], {})
        kept = self._value(f"{name}/past", shape, like.number)
        self._operate(self._main, "READ_VARIABLE", [handles[0]], [kept.index], {})
        return kept, handles[0]

    def keep(self, handle: int, value: Value) -> None:
        """Keep `value` for the next call."""
        self._operate(self._main, "ASSIGN_VARIABLE", [handle, value.index], [], {})

    def data(self) -> bytes:
        """The finished file."""
        graphs = [self._main]
        if self._states:
            graphs.append(self._start)
            self._operate(self._main, "CALL_ONCE", [], [], {"initSubgraphIndex": 1})
            self._main.operators.insert(0, self._main.operators.pop())
        self._model.subgraphs = graphs
        return pack(self._model, _Builder())

    def _value(self, name: str, shape: Sequence[int], number: Quantised | None, dtype: Any = None) -> Value:
        dtype = dtype or (np.float32 if number is None else np.int8)
        return Value(self._tensor(self._main, name, shape, dtype, number, 0), tuple(shape), number)

    def _buffer(self, values: NDArray[Any]) -> int:
        constant = _Constant()
        constant.data = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
        for index, other in enumerate(self._model.buffers):  # one silence, or one kernel's shape, is enough
            if other.data == constant.data:
                return index
        self._model.buffers.append(constant)
        return len(self._model.buffers) - 1

    def _tensor(
        self, graph: Any, name: str, shape: Sequence[int], dtype: Any, number: Quantised | None, buffer: int
    ) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.name, tensor.buffer, tensor.hasRank = list(shape), name, buffer, True
        tensor.type = _type(dtype)
        if number is not None:
            tensor.quantization = quantisation = schema.QuantizationParametersT()
            quantisation.scale = np.asarray(number.scale, np.float32)
            quantisation.zeroPoint = np.full(len(number.scale), number.zero, np.int64)
            quantisation.quantizedDimension = number.axis
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def _operate(
        self, graph: Any, operator: str, inputs: list[int], outputs: list[int], options: dict[str, Any]
    ) -> None:
        kind, version = OPERATORS[operator]
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = self._code(operator, version), inputs, outputs
        if kind:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            made.builtinOptions = getattr(schema, f"{kind}T")()
            for key, value in options.items():
                assert hasattr(made.builtinOptions, key), key
                setattr(made.builtinOptions, key, value)
        graph.operators.append(made)

    def _code(self, operator: str, version: int) -> int:
        number = getattr(schema.BuiltinOperator, operator)
        for index, known in enumerate(self._model.operatorCodes):
            if known.builtinCode == number:
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1


_RESOURCE = "resource"
_TYPES: dict[Any, int] = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int32): schema.TensorType.INT32,
}


def _type(dtype: Any) -> int:
    return int(schema.TensorType.RESOURCE if dtype is _RESOURCE else _TYPES[np.dtype(dtype)])


def _subgraph(name: str) -> Any:
    graph = schema.SubGraphT()
    graph.name, graph.tensors, graph.operators, graph.inputs, graph.outputs = name, [], [], [], []
    return graph


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator of a file that was read."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    channels: int
    """Of its first output."""


@dataclasses.dataclass(frozen=True)
class Graph:
    """What a file says of one of its graphs."""

    operators: tuple[Operator, ...]
    sizes: tuple[int, ...]
    """Bytes of each tensor."""
    constant: frozenset[int]
    """Tensors that lie in the file."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read(data: bytes) -> list[Graph]:
    """The graphs of a TFLite file. Raises ValueError for anything else."""
    model = parse(data)
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    graphs = []
    for graph in model.subgraphs:
        shapes = [[] if t.shape is None else list(map(int, t.shape)) for t in graph.tensors]
        operators = tuple(
            Operator(
                names[code(model, o)],
                _indices(o.inputs),
                _indices(o.outputs),
                shapes[_indices(o.outputs)[0]][-1]
                if len(_indices(o.outputs)) and shapes[_indices(o.outputs)[0]]
                else 0,
            )
            for o in graph.operators
        )
        graphs.append(
            Graph(
                operators,
                tuple(int(np.prod(s)) * _BYTES.get(t.type, 4) for s, t in zip(shapes, graph.tensors, strict=True)),
                frozenset(
                    i for i, t in enumerate(graph.tensors) if model.buffers[t.buffer].data is not None and t.buffer
                ),
                _indices(graph.inputs),
                _indices(graph.outputs),
            )
        )
    return graphs


_BYTES = {number: np.dtype(dtype).itemsize for dtype, number in _TYPES.items()}


def _indices(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(v) for v in values)
