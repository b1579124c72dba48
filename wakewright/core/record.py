"""What a run notes about the ground it stood on: versions, machine, source revision, command."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import wakewright


def now() -> str:
    """The time in UTC, ISO 8601 to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def packages() -> dict[str, str]:
    """Installed version of every package that wakewright names among its requirements, extras included."""
    try:
        required = importlib.metadata.requires("wakewright") or []
    except importlib.metadata.PackageNotFoundError:
        required = []
    names = {match.group() for line in required if (match := re.match(r"[A-Za-z0-9._-]+", line))}
    found = {}
    for name in sorted(names, key=str.lower):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def source_revision() -> dict[str, Any] | None:
    """{"commit", "changed"} of the checkout this package runs from; None for an installed package or without git."""
    root = Path(wakewright.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "changed": bool(_git(root, "status", "--porcelain", "--untracked-files=no"))}


def surroundings() -> dict[str, Any]:
    """Version, interpreter, platform, cores, packages and source revision, ready for JSON."""
    return {
        "version": wakewright.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": packages(),
        "git": source_revision(),
        "command": list(sys.argv),
    }


def _git(root: Path, *words: str) -> str | None:
    """Output of a git command, None when git is absent, slow or unwilling."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=5, check=True, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
