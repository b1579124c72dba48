"""One branch of the recipe tree: what all of them have in common, and what their fields mean."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import sys
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Span = tuple[float, float]


class Node(BaseModel):
    """Common ground of every part of the recipe: frozen, no unknown keys, docstrings are descriptions."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        allow_inf_nan=False,
        defer_build=True,  # a detector needs one part of the tree, and all of it takes a tenth of a second to build
    )

    @model_validator(mode="after")
    def _spans_rise(self) -> Node:
        for name, value in self:
            span = isinstance(value, tuple) and len(value) == 2 and all(isinstance(end, int | float) for end in value)
            if span and value[0] > value[1]:
                raise ValueError(f"{name}: the low end {value[0]} is above the high end {value[1]}")
        return self


def meaning(node: type[Node], field: str) -> str:
    """The words under a field in its class: what it means, for people; empty where there are none.

    pydantic can read them too, but reads the whole file for each class, at each import: 0.1 s in every detector.
    """
    source = sys.modules[node.__module__].__file__
    return _meanings(source or "").get((node.__name__, field), "")


@functools.cache
def _meanings(source: str) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    tree = ast.parse(Path(source).read_text(encoding="utf-8"))
    for node in (part for part in tree.body if isinstance(part, ast.ClassDef)):
        for field, below in itertools.pairwise(node.body):
            said = below.value if isinstance(below, ast.Expr) else None
            if isinstance(field, ast.AnnAssign) and isinstance(said, ast.Constant) and isinstance(said.value, str):
                found[node.name, ast.unparse(field.target)] = inspect.cleandoc(said.value)
    return found
