"""`wakewright compare`: two runs side by side."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[Path, typer.Argument(help="Run to compare with.")],
    second: Annotated[Path, typer.Argument(help="Run that is better or worse.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per figure.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write a page: curves, differences, groups.")
    ] = None,
) -> None:
    """Put the last evaluations of two runs side by side: each figure with its evidence.

    `better` and `worse` are said of the second where the 95 % intervals do not overlap. Evaluate both on the same
    recordings first.
    """
    from wakewright.core.errors import InputError
    from wakewright.core.files import write_text
    from wakewright.core.run import Run
    from wakewright.evaluate import compare_page
    from wakewright.evaluate.compare import compare as side_by_side
    from wakewright.evaluate.report import columns
    from wakewright.evaluate.result import read_result

    runs = [Run.open(path) for path in (first, second)]
    results = [read_result(run.eval_dir / "result.json") for run in runs]
    if results[0].phrase != results[1].phrase:
        raise InputError(
            "these runs are of two phrases",
            got=" and ".join(repr(result.phrase) for result in results),
            do="name runs of one phrase",
        )
    lines = side_by_side(*results)
    if as_json:
        for line in lines:
            typer.echo(json.dumps(dataclasses.asdict(line), ensure_ascii=False))
    else:
        rows = [["", *(f"{result.model}, {result.created[:16]}" for result in results), ""]]
        typer.echo(columns(rows + [[line.name, line.first, line.second, line.verdict] for line in lines]))
    if out is not None:
        page = out / "compare.html" if out.is_dir() else out
        write_text(page, compare_page.html(results[0], results[1], (str(runs[0].folder), str(runs[1].folder))))
        typer.echo(str(page), err=as_json)
