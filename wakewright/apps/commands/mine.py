"""`wakewright mine`: mistakes found in hours of audio without the phrase."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wakewright.core.engine import Workers
    from wakewright.core.mined import Mined
    from wakewright.evaluate.mine import Totals


def mine(
    run: Annotated[Path, typer.Argument(help="The run, or exported folder, whose detector listens.")],
    audio: Annotated[
        list[str],
        typer.Argument(
            metavar="AUDIO...", help="Files, folders, or the address of a WAV, MP3, FLAC or Ogg, without the phrase."
        ),
    ],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Instead of RUN/mined.")] = None,
    judge: Annotated[
        Path | None, typer.Option(metavar="RUN", help="A slower Judge that looks at what stirred the detector.")
    ] = None,
    near: Annotated[
        float | None, typer.Option(metavar="SCORE", help="Collect peaks from here on; half the threshold otherwise.")
    ] = None,
    most: Annotated[int, typer.Option(metavar="N", min=1, help="Unlabelled sounds kept, the highest scores.")] = 1000,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Processes here, 0 one per core; otherwise as the run's recipe says."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A Ray cluster listens; with --workers so many at once.")
    ] = None,
) -> None:
    """Search hours of audio without the phrase for what wakes the detector, or nearly does.

    What was interrupted goes on where it stopped: the same command again. Then: wakewright review RUN.
    """
    from wakewright.core.current import chosen
    from wakewright.core.errors import RunError
    from wakewright.core.lock import exclusive, holder
    from wakewright.core.mined import Mined, remember
    from wakewright.evaluate import mine as search
    from wakewright.evaluate.sources import material

    folder = chosen(run.parent if run.is_file() else run)
    wanted = search.Search.of(folder, near=near, judge=judge)
    found = material(audio)
    for line in found.problems:
        typer.echo(f"left out: {line}", err=True)
    if found.left_out:
        typer.echo(f"left out: {found.left_out} recordings that a manifest.csv keeps for measuring", err=True)
    mined = Mined(out or folder / "mined")
    lock = mined.folder / ".lock"
    with exclusive(lock) as mine_alone:
        if not mine_alone:
            raise RunError(
                f"{mined.folder} is being filled",
                got=f"process {holder(lock) or 'unknown'} mines into it",
                do="wait until it ends, or name another folder with --out",
            )
        if (
            folder / "record.json"
        ).is_file():  # before anything is found, so that a kill leaves no folder that nobody knows of
            remember(folder, mined.folder)
        try:
            totals = search.mine(
                wanted,
                found,
                mined,
                most=most,
                workers=_workers(folder, workers, address),
                say=lambda line: typer.echo(line, err=True),
            )
        except KeyboardInterrupt:  # which is how an endless stream ends
            _tell(mined, search.Totals.of(mined, wanted.key()), wanted.near)
            raise
    _tell(mined, totals, wanted.near)


def _workers(folder: Path, workers: int | None, address: str | None) -> Workers:
    """Who listens: as the options say, else as the run does; an exported folder has no recipe to say it."""
    from wakewright.core.cluster import Cluster
    from wakewright.core.run import Run

    if address is not None:
        return Cluster(address, workers or 0)
    if workers is None and (folder / "recipe.yaml").is_file():
        return Run.open(folder).workers()
    return workers or 0


def _tell(mined: Mined, totals: Totals, near: float) -> None:
    from wakewright.evaluate.intervals import rate_interval

    hours = totals.seconds / 3600
    low, high = rate_interval(totals.false_accepts, hours)
    if hours:
        rate = f"{totals.false_accepts / hours:.2f} per hour (95 %: {low:.2f} to {high:.2f})"
        typer.echo(
            f"{hours:.2f} h searched: {totals.false_accepts} false accepts, {rate}, "
            f"and {totals.near_misses} near misses from {near:.3g} on"
        )
    found = mined.found()
    kept = sum(one.kind == "false_accept" for one in found)
    typer.echo(f"{mined.folder}: {len(found)} different sounds, {kept} of them false accepts")
    left = len(mined.unlabelled())
    if left:
        typer.echo(f"{left} wait for a label: wakewright review {mined.folder}")
