"""`wakewright runs`: what has been trained, read from the files, and which run of a phrase is in use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from wakewright.core.run import Run


app = typer.Typer(name="runs", help="List the runs with misses and false accepts.", rich_markup_mode=None)

Output = Annotated[Path, typer.Option(help="Folder the runs are stored in.")]


@app.callback(invoke_without_command=True)
def _runs(
    context: typer.Context,
    output_dir: Output = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per run.")] = False,
) -> None:
    if context.invoked_subcommand is None:
        list_runs(output_dir, as_json)


@app.command("rollback")
def rollback(
    phrase: Annotated[str, typer.Argument(help="The phrase whose run before is to be used again.")],
    output_dir: Output = Path("runs"),
) -> None:
    """Take the run into use again that was before the last one promoted."""
    from wakewright.core import current
    from wakewright.core.run import slug

    typer.echo(f"{current.rollback(output_dir / slug(phrase))} is in use again")


def list_runs(output_dir: Path, as_json: bool) -> None:
    """Print the runs below a folder."""
    from wakewright.core.errors import WakewrightError
    from wakewright.core.run import Run

    rows = []
    for folder in Run.all(output_dir):
        try:
            rows.append(facts(Run.open(folder)))
        except WakewrightError as error:
            rows.append({"run": str(folder), "status": error.what})
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    if not rows:
        typer.echo(f'no runs in {output_dir}; train one: wakewright train "hey katya"')
        return
    for row in rows:
        cells = [row.get(cell) for cell in ("phrase", "created", "model", "status")]
        if row.get("missed"):
            cells.append(f"missed {row['missed']}")
        if row.get("current"):
            cells.append("in use")
        if row.get("false_accepts"):
            cells.append(f"false accepts per hour {row['false_accepts']}")
        # on a line of its own the folder can be copied, however narrow the terminal
        typer.echo(f"{', '.join(str(cell) for cell in cells if cell)}\n  {row['run']}")


def facts(run: Run) -> dict[str, Any]:
    """What the files of a run tell: phrase, begin, model, status, and the two rates with their evidence."""
    metrics: dict[str, Any] = {}
    if run.metadata_path.is_file():
        metrics = json.loads(run.metadata_path.read_text(encoding="utf-8")).get("metrics") or {}
    from wakewright.core.current import in_use

    return {
        "run": str(run.folder),
        "current": in_use(run),
        "phrase": run.recipe.phrase,
        "created": str(run.record.get("created", "")).replace("+00:00", "Z"),
        "model": run.recipe.model.name,
        "status": run.status,
        "missed": _missed(metrics),
        "false_accepts": _false_accepts(metrics),
    }


def _missed(metrics: dict[str, Any]) -> str | None:
    """`3.1 % (10 of 320)` from frr and positives."""
    share, total = metrics.get("frr"), metrics.get("positives")
    if share is None or not total:
        return None
    return f"{100 * share:.1f} % ({round(share * total)} of {total})"


def _false_accepts(metrics: dict[str, Any]) -> str | None:
    """`0.40 (1 in 2.5 h)` from fa_per_hour and hours."""
    rate, hours = metrics.get("fa_per_hour"), metrics.get("hours")
    if rate is None or not hours:
        return None
    return f"{rate:.2f} ({round(rate * hours)} in {hours:.1f} h)"
