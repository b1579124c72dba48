"""The command line: which commands there are, and how they end.

Exit status: 0 done, 2 the input cannot be used, 3 the machine lacks something, 4 training diverged, 130 Ctrl-C.
Each command lives in a file of `commands/` and imports what it needs when it is called, so that `--help` is quick.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

import wakewright
from wakewright.apps.commands import (
    backbone,
    bench,
    budget,
    calibrate,
    cascade,
    compare,
    data,
    doctor,
    evaluate,
    export,
    judge,
    listen,
    mine,
    new,
    promote,
    record,
    review,
    runs,
    train,
    voices,
    wyoming,
)
from wakewright.core.errors import MissingPackage, WakewrightError

EXTRA_OF = {
    **dict.fromkeys(
        ("espeakng_loader", "matplotlib", "onnx", "pyroomacoustics", "safetensors", "scipy", "torch"), "train"
    ),
    **dict.fromkeys(("fastapi", "starlette", "uvicorn", "prometheus_client"), "judge"),
    "httpx2": "cascade",
    **dict.fromkeys(("wyoming", "zeroconf"), "wyoming"),
}
"""Packages by the extra that brings them: a detector runs without them, as the plain package is installed."""

app = typer.Typer(
    name="wakewright",
    help="From a phrase to a wake word that works on real voices.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(new.new)
app.command()(record.record)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(compare.compare)
app.command()(calibrate.calibrate)
app.command()(export.export)
app.command()(budget.budget)
app.command()(listen.listen)
app.command()(cascade.cascade)
app.command()(mine.mine)
app.command()(review.review)
app.command()(bench.bench)
app.command()(wyoming.wyoming)
app.add_typer(judge.app)
app.add_typer(backbone.app)
app.add_typer(voices.app)
app.add_typer(data.app)
app.add_typer(runs.app)
app.command()(promote.promote)
app.command()(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"wakewright {wakewright.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
) -> None:
    """From a phrase to a wake word that works on real voices."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status. `words`: None takes those of the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a phrase may hold letters that an old console cannot show
    try:
        app(args=with_optional_values(sys.argv[1:] if words is None else words), prog_name="wakewright")
    except WakewrightError as error:
        typer.echo(f"wakewright: {error}", err=True)
        return error.exit_code
    except ModuleNotFoundError as error:
        extra = EXTRA_OF.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        problem = MissingPackage(
            "this command needs packages that are not installed",
            got=f"no package {error.name}",
            do=f"pip install wakewright[{extra}]",
        )
        typer.echo(f"wakewright: {problem}", err=True)
        return problem.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    return 0


def with_optional_values(words: Sequence[str]) -> list[str]:
    """`--resume` and `--mined` may stand alone or name something: give them the value "" where they do not.

    A run is a folder with a record.json, a path in one, or a path below `runs` that may not exist. A mined folder
    is any folder, or a path that may not exist. `mine review` is `review`, which some look for beside `mine`.
    """
    if list(words[:2]) == ["mine", "review"]:
        words = words[1:]
    named = {"--resume": _names_a_run, "--mined": _names_a_folder}
    result: list[str] = []
    for position, word in enumerate(words):
        following = words[position + 1] if position + 1 < len(words) else "-"
        alone = word in named and not named[word](following)
        result.append(f"{word}=" if alone else word)
    return result


def _names_a_folder(word: str) -> bool:
    return not word.startswith("-") and "=" not in word and (Path(word).is_dir() or os.sep in word or "/" in word)


def _names_a_run(word: str) -> bool:
    path = Path(word)
    if word.startswith("-") or "=" in word:
        return False
    if path.exists():
        return any((folder / "record.json").is_file() for folder in (path, *path.resolve().parents))
    return (os.sep in word or "/" in word) and path.suffix not in {".yaml", ".yml"}
