"""YAML as recipes use it: safe, duplicate keys refused, numbers and booleans as YAML 1.2 reads them.

PyYAML follows YAML 1.1, where `3e-4` is a string, `on` a boolean, `1:30` ninety and `2026-01-01` a date. A wake word
may well be "on", and a learning rate is a number, so the core schema of YAML 1.2 (section 10.3.2) is used instead,
for reading and for writing alike.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from wakewright.core.errors import RecipeError

_SCHEMA = (
    ("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("tag:yaml.org,2002:int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        re.compile(
            r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        list("-+0123456789."),
    ),
    ("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"]),
)


class _Loader(yaml.SafeLoader):
    """The safe loader with the YAML 1.2 core schema and no duplicate keys."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own class attribute

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build the mapping, refusing a key that stands in it twice."""
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} stands here twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def whole_number(self, node: yaml.ScalarNode) -> int:
        """`12`, `-3`, `0x1f`, `0o17`; a leading zero does not mean octal."""
        text = str(self.construct_scalar(node))
        return int(text, 0) if text.startswith(("0x", "0o")) else int(text)


class _Dumper(yaml.SafeDumper):
    """The safe dumper, quoting exactly what `_Loader` would otherwise read as something else."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own class attribute

    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out in full."""
        return True

    def line_of_text(self, text: str) -> yaml.ScalarNode:
        """Text with line ends (Unicode's too) in double quotes, where they are escaped and so kept as they are."""
        style = '"' if any(end in text for end in "\n\x85\u2028\u2029") else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


for _tag, _pattern, _first in _SCHEMA:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)
_Dumper.add_representer(str, _Dumper.line_of_text)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole_number)


def read(text: str, where: str) -> Any:
    """The value that `text` holds. Raises RecipeError naming `where`, the line and the column for broken YAML."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RecipeError(
            f"{where}{place} is not valid YAML", got=error.problem or str(error), do="correct that line"
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecipeError(f"{where} is not valid YAML", got=reason, do="save it as UTF-8 text") from error


def write(value: Any) -> str:
    """`value` (scalar, list or mapping) on one line of YAML; `read` gives it back unchanged."""
    text = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=float("inf"), sort_keys=False
    )
    return text.removesuffix("...\n").strip("\n")
