"""House rules that can be read from the source: docstrings, names, lengths."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from wakewright.core.compose import _node_type, field_names
from wakewright.core.node import Node, meaning
from wakewright.core.recipe import Recipe

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "wakewright").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LONGEST = 400
FORBIDDEN = re.compile(r"utils|helpers?(?![a-z])|Manager|advanced_|(?<![A-Za-z_])new_|_v2(?![a-z0-9])", re.ASCII)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def promised(files: list[Path]) -> set[str]:
    """Names of the methods that a Protocol of the package documents: who implements one need not repeat it."""
    names = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases):
                names |= {f.name for f in node.body if isinstance(f, ast.FunctionDef) and ast.get_docstring(f)}
    return names


PROMISED = promised(FILES)


def undocumented(tree: ast.Module) -> Iterator[str]:
    """The module, public functions, classes and methods without a docstring."""
    if not ast.get_docstring(tree):
        yield "module"
    queue: list[ast.AST] = [tree]
    while queue:
        parent = queue.pop()
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith(
                "_"
            ):
                by_protocol = isinstance(parent, ast.ClassDef) and node.name in PROMISED
                if not ast.get_docstring(node) and not by_protocol:
                    yield f"{node.name}, line {node.lineno}"
                if isinstance(node, ast.ClassDef):
                    queue.append(node)
            elif isinstance(node, ast.If | ast.Try):
                queue.append(node)


def named(tree: ast.Module) -> Iterator[str]:
    """Every name a file gives: functions, classes, arguments, variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_public_things_carry_docstrings(path: Path) -> None:
    assert list(undocumented(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("path", [*FILES, *TESTS], ids=name_of)
def test_names_say_what_things_are(path: Path) -> None:
    names = {path.stem, *named(ast.parse(path.read_text(encoding="utf-8")))}
    assert [name for name in sorted(names) if FORBIDDEN.search(name)] == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_text_is_read_in_a_named_encoding(path: Path) -> None:
    """On Windows the default is another encoding, and every file here is written as UTF-8."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "read_text":
            assert "encoding" in {word.arg for word in node.keywords}, f"line {node.lineno}"


def test_every_recipe_field_has_a_meaning() -> None:
    def silent(node: type[Node], prefix: str = "") -> Iterator[str]:
        for name, field in node.model_fields.items():
            if not meaning(node, name):
                yield prefix + name
            inner = _node_type(field.annotation)
            if inner:
                yield from silent(inner, f"{prefix}{name}.")

    assert list(silent(Recipe)) == []
    assert len(list(field_names())) > 60


def test_the_rules_find_a_breach() -> None:
    bad = ast.parse("class DataManager:\n    def go(self, new_rate):\n        pass\ndef f(x):\n    y_v2 = x\n")
    assert list(undocumented(bad)) == ["module", "DataManager, line 1", "f, line 4", "go, line 2"]
    assert sorted(n for n in named(bad) if FORBIDDEN.search(n)) == ["DataManager", "new_rate", "y_v2"]
    assert not FORBIDDEN.search("renew_lease")
