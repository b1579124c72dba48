"""`wakewright doctor`: is everything here that training needs?"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path

import typer

LEAST_DISK_GIB = 3.0
LEAST_MEMORY_GIB = 4.0


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the table."""

    what: str
    found: str
    problem: str = ""
    """What to do; empty when all is well."""


def doctor() -> None:
    """Check that all is here that training needs.

    Python, packages, voices, cores, memory, disk and cache; exit status 3 when something is missing.
    """
    from rich.console import Console
    from rich.table import Table

    findings = [*machine(), *packages(), *engines(), *storage()]
    table = Table("what", "found", "do", title="wakewright doctor", title_justify="left")
    for finding in findings:
        table.add_row(finding.what, finding.found, finding.problem)
    Console().print(table)
    problems = sum(bool(finding.problem) for finding in findings)
    typer.echo(f"{problems} to see to" if problems else "all well")
    if problems:
        raise typer.Exit(3)


def machine() -> list[Finding]:
    """Interpreter, system, cores and memory."""
    import wakewright
    from wakewright.core.engine import cores

    memory = memory_gib()
    low = memory is not None and memory < LEAST_MEMORY_GIB * 0.95
    return [
        Finding("wakewright", wakewright.__version__),
        Finding("python", platform.python_version(), "" if sys.version_info >= (3, 11) else "install 3.11 or later"),
        Finding("system", platform.platform()),
        Finding("cores", str(cores())),
        Finding(
            "memory",
            "unknown" if memory is None else f"{memory:.1f} GiB",
            "training wants 4 GiB: close other programs, set engine.workers=1" if low else "",
        ),
    ]


def packages() -> list[Finding]:
    """Every package that running and training need, with its version; optional ones too when they are here."""
    from packaging.markers import Marker

    needed: dict[str, bool] = {}  # several extras ask for the same package
    for line in importlib.metadata.requires("wakewright") or []:
        requirement, _, marker = line.partition(";")
        name = requirement.strip().split(">")[0].split("=")[0].split("[")[0].strip()
        here = not marker or Marker(marker).evaluate({"extra": "train"})  # some are for one system alone
        needed[name] = needed.get(name, False) or here
    findings = []
    for name, must in needed.items():
        try:
            findings.append(Finding(name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            if must:
                findings.append(Finding(name, "not installed", f"pip install {name}, or start with run.py"))
    return findings


def engines() -> list[Finding]:
    """The speech synthesisers that are here."""
    from wakewright.data.voices import all_engines

    here = [engine.name for engine in all_engines() if engine.installed()]
    advice = "" if here else "training needs one: pip install espeakng-loader; see: wakewright voices"
    return [Finding("voices", ", ".join(here) or "none", advice)]


def storage() -> list[Finding]:
    """Room on the disk of the working folder, and the size of the cache."""
    from wakewright.core.files import cache_dir

    free = shutil.disk_usage(Path.cwd()).free / 2**30
    advice = f"free some: training wants {LEAST_DISK_GIB:.0f} GiB" if free < LEAST_DISK_GIB else ""
    cache = cache_dir()
    size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) / 2**30
    nearest = next(folder for folder in (cache, *cache.parents) if folder.exists())
    writable = os.access(nearest, os.W_OK)
    return [
        Finding("disk", f"{free:.1f} GiB free", advice),
        Finding(
            "cache",
            f"{cache}, {size:.2f} GiB",
            "" if writable else "it cannot be written: set WAKEWRIGHT_CACHE to a folder that can",
        ),
    ]


def memory_gib() -> float | None:
    """Memory of the machine, or the container's limit when that is less; None where the system does not tell."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        limit = "max"
    return min(total, int(limit)) / 2**30 if limit.isdigit() else total / 2**30
