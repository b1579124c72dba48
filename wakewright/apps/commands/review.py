"""`wakewright review`: a person, or a list, says of each mined sound what it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wakewright.core.mined import Found, Label, Mined

KEYS = "n not the phrase, p the phrase, a again, s skip, q quit: "


def review(
    where: Annotated[Path, typer.Argument(metavar="RUN|DIR", help="The run, or the folder that was mined into.")],
    label: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A CSV file with the columns id and label: negative or phrase."),
    ] = None,
    all_negative: Annotated[
        bool, typer.Option("--all-negative", help="Say of everything without a label that it is not the phrase.")
    ] = False,
) -> None:
    """Hear what was mined and say what it is: confirmed hard negatives can be learnt from.

    Each label is written at once; go on at any time with the same command.
    """
    from wakewright.core.errors import InputError, RunError
    from wakewright.core.lock import exclusive, holder
    from wakewright.core.mined import Mined

    if label is not None and all_negative:
        raise InputError("a list or everything, not both", got="--label and --all-negative", do="leave one out")
    mined = Mined.open(where)
    lock = mined.folder / ".review.lock"
    with exclusive(lock) as alone:
        if not alone:
            raise RunError(
                f"{mined.folder} is being reviewed",
                got=f"by process {holder(lock) or 'unknown'}",
                do="wait until it ends",
            )
        if label is not None:
            mined.label_all(_listed(mined, label), "file")
        elif all_negative:
            mined.label([one.id for one in mined.unlabelled()], "negative", "all")
        else:
            _ask(mined)
    _tell(mined)


def _listed(mined: Mined, path: Path) -> dict[str, Label]:
    """The labels in a CSV file. Raises InputError naming every line that cannot be used."""
    from wakewright.core.csvfile import columns_and_rows
    from wakewright.core.errors import InputError
    from wakewright.core.mined import LABELS

    if not path.is_file():
        raise InputError(f"no labels at {path}", got="no such file", do="check the path")
    columns, lines = columns_and_rows(path)
    if not {"id", "label"} <= set(columns):
        raise InputError(
            f"{path} cannot be read", got="no columns id and label", do="begin it with the line: id,label"
        )
    rows = [(number, row["id"], row["label"]) for number, row in enumerate(lines, 2)]
    known = {one.id for one in mined.found()}
    said = {i: text for _, i, text in reversed(rows)}  # the first; a later line may say the same
    wrong = [
        f"line {n}: {i},{text}" for n, i, text in rows if not (i in known and text in LABELS and text == said[i])
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise InputError(
            f"{path} has labels that cannot be used",
            got="; ".join(wrong[:3]) + more,
            do=f"take the id from {mined.folder / 'found.jsonl'}, each once; a label is one of: {', '.join(LABELS)}",
        )
    return {i: one for _, i, text in rows for one in LABELS if one == text}


def _ask(mined: Mined) -> None:
    """Ask about each find without a label, the highest scores first, until all are done or the user ends it."""
    waiting = mined.unlabelled()
    hear = _player()
    meaning: dict[str, Label] = {"n": "negative", "p": "phrase"}
    for number, one in enumerate(waiting, 1):
        typer.echo(f"{number} of {len(waiting)}: {_line(one)}\n  {mined.sound(one)}")
        hear(mined.sound(one))
        while True:
            typer.echo(KEYS, nl=False)
            line = sys.stdin.readline()
            key = line.strip().lower()
            if not line or key == "q":
                typer.echo()
                return
            if key in meaning:
                mined.label([one.id], meaning[key], "heard")
            elif key == "a":
                hear(mined.sound(one))
                continue
            elif key != "s":
                typer.echo(f"  {key!r} is none of n, p, a, s, q")
                continue
            break


def _player() -> Callable[[Path], None]:
    """Plays a file; where that is not possible says so once, and the path that is shown has to do."""
    from wakewright.core.audio import load
    from wakewright.core.errors import EnvironmentProblem
    from wakewright.detect.microphone import play

    silent = False

    def hear(path: Path) -> None:
        nonlocal silent
        if silent:
            return
        try:
            play(load(path))
        except EnvironmentProblem as error:
            silent = True
            typer.echo(f"sounds are not played here ({error.got}): open each file in a player", err=True)

    return hear


def _line(one: Found) -> str:
    minutes, seconds = divmod(one.at_s, 60)
    judged = "" if one.judge is None else f", Judge {one.judge:.2f}"
    kind = one.kind.replace("_", " ")
    return (
        f"{kind}, score {one.score:.3f} of {one.threshold:.3f}{judged}, {one.source} at {minutes:.0f}:{seconds:04.1f}"
    )


def _tell(mined: Mined) -> None:
    negatives, phrases = len(mined.labelled("negative")), len(mined.labelled("phrase"))
    left = len(mined.unlabelled())
    typer.echo(f"{negatives} not the phrase, {phrases} the phrase, {left} without a label")
    if negatives:
        typer.echo(f"learn from them: wakewright train --from RUN --mined {mined.folder}")
    if phrases:
        typer.echo(
            f"the phrase: listed in {mined.phrases_path}; cut to the word alone they can be own recordings (--audio)"
        )
