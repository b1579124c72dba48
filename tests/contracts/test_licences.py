"""Every package that the project asks for is in the ledger of licences."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def asked_for() -> list[str]:
    """Names of the packages in pyproject.toml, of every extra."""
    extras = PROJECT["optional-dependencies"].values()
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    return sorted({re.split(r"[^\w.-]", line)[0].lower() for line in lines})


@pytest.mark.parametrize("name", asked_for())
def test_a_package_is_in_the_ledger(name: str) -> None:
    told = re.findall(r"[\w.-]+", (ROOT / "docs/licences.md").read_text(encoding="utf-8").lower().replace("_", "-"))
    assert name in told, f"docs/licences.md says nothing of {name}"
