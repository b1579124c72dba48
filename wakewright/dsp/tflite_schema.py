"""TFLite files as objects of the schema's own classes, which come with LiteRT. No TensorFlow."""

from __future__ import annotations

import struct
from typing import Any

import ai_edge_litert.schema_py_generated as schema
import flatbuffers

__all__ = ["Builder", "code", "pack", "parse", "schema"]

Builder: Any = flatbuffers.Builder
"""What a file is built with; a class of its own may write vectors its own way."""


def parse(data: bytes) -> Any:
    """A file -> its ModelT. Raises ValueError for anything else."""
    if data[4:8] != b"TFL3":
        raise ValueError("not a TFLite file")
    try:
        return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    except (struct.error, TypeError, IndexError, AttributeError) as error:  # offsets that lead out of the file
        raise ValueError(f"a TFLite file of {len(data):,} bytes that is not whole") from error


def pack(model: Any, builder: Any = None) -> bytes:
    """A ModelT -> the file."""
    builder = builder or Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def code(model: Any, operator: Any) -> int:
    """Number of an operator's kind, one of schema.BuiltinOperator."""
    of = model.operatorCodes[operator.opcodeIndex]
    return max(int(of.builtinCode), int(of.deprecatedBuiltinCode))  # old files have the second alone
