"""`wakewright cascade`: put a Sentry and a Judge together, and measure the pair."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wakewright.core.run import Run
    from wakewright.evaluate.cascade import Pairing
    from wakewright.evaluate.real import Material


USELESS = 0.01
"""A threshold of the Judge below this confirms nearly everything."""


def cascade(
    sentry: Annotated[Path, typer.Argument(help="Run of the tiny model that wakes.")],
    judge: Annotated[Path, typer.Argument(help="Run of the model that confirms.")],
    speech: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Recordings to measure the pair on, as for evaluate.")
    ] = None,
    fa_per_hour: Annotated[float, typer.Option(min=0.01, help="False accepts per hour that are allowed.")] = 0.5,
    calls: Annotated[float, typer.Option(min=1, help="Wakes per hour that the Judge may be asked about.")] = 60.0,
    after_ms: Annotated[int, typer.Option(min=0, max=2000, help="Sound after the wake that the Judge hears.")] = 200,
    out: Annotated[Path, typer.Option(help="Where the pair is written.")] = Path("cascade.yaml"),
) -> None:
    """Choose both thresholds together, on validation audio, and write them for `listen` and `wyoming`."""
    from wakewright.core.errors import InputError
    from wakewright.core.files import write_text
    from wakewright.core.progress import Progress
    from wakewright.core.run import Run
    from wakewright.evaluate import cascade as pairs
    from wakewright.evaluate import real

    runs = Run.open(sentry), Run.open(judge)
    material = None if speech is None else real.read_material(speech, runs[0].recipe.phrase)
    if out.is_dir() or not os.access(out.absolute().parent, os.W_OK):
        raise InputError(f"{out} cannot be written", got="no folder to write into", do="name another --out")
    found = pairs.choose(
        *runs, after_s=after_ms / 1000, fa_per_hour=fa_per_hour, most_calls=calls, progress=Progress()
    )
    pairs.table(found, typer.echo)
    if found[0].confirm < USELESS:
        typer.echo("! the Judge confirms nearly everything at this threshold: as a pair they are no better than one")
    write_text(out, _text(runs, found[0], after_ms))
    typer.echo(f"{out}: wakewright listen {out}")
    if material is not None:
        _measured(runs, found[0], after_ms / 1000, material)


def _text(runs: tuple[Run, Run], chosen: Pairing, after_ms: int) -> str:
    from wakewright.core import yamltext

    sentry, judge = (str(run.folder.resolve()) for run in runs)
    return (
        "# Written by: wakewright cascade\n"
        + yamltext.write(
            {
                "phrase": runs[0].recipe.phrase,
                "cascade": {
                    "sentry": sentry,
                    "judge": judge,
                    "trigger": chosen.trigger,
                    "confirm": round(chosen.confirm, 4),
                    "after_ms": after_ms,
                },
            }
        )
        + "\n"
    )


def _measured(runs: tuple[Run, Run], chosen: Pairing, after_s: float, material: Material) -> None:
    """Misses and false accepts of the Sentry alone, the Judge alone and the pair, on recordings."""
    import json
    import statistics

    from wakewright.detect.detector import BEFORE_S
    from wakewright.evaluate import cascade as pairs
    from wakewright.evaluate import real
    from wakewright.evaluate.metrics import det_curve
    from wakewright.evaluate.shares import latency

    sentry, judge = runs
    workers = sentry.recipe.engine.workers
    (words, others), judged = pairs.measure(
        material, sentry.folder, judge.folder, chosen.trigger, after_s, workers=workers
    )
    confirm = chosen.confirm
    rows = [("Sentry alone", *real.measure(material, sentry.folder, workers=workers), sentry)]
    rows += [("Judge alone", *real.measure(material, judge.folder, workers=workers), judge)]
    levels = [json.loads(run.metadata_path.read_text(encoding="utf-8"))["threshold"] for *_, run in rows]
    figures = [(name, w, o, level) for (name, w, o, _), level in zip(rows, levels, strict=True)]
    for name, w, o, level in [*figures, ("cascade", words, others, confirm)]:
        for condition, trials in w.items():
            curve = det_curve(trials, o["speech"])
            at = curve.at(level)
            typer.echo(
                f"{name}, {condition}: missed {at.misses} of {len(trials)} ({at.frr:.1%}), {at.false_accepts} false "
                f"accepts in {o['speech'].hours:.2f} h; at 0.5 per hour missed {curve.frr_at(0.5):.1%}"
            )
    waited = latency(words["as recorded"], pairs.CALLED / 2) if "as recorded" in words else None
    if waited is not None:
        typer.echo(
            f"from the end of the word to the wake {1000 * waited.median_s:.0f} ms (median of {waited.detected}; a "
            "word ends with its last 20 ms within 30 dB of the loudest)"
        )
    asked = pairs.calls_per_hour(others["speech"])
    if judged:
        spent, share = 1000 * statistics.median(judged), asked * (BEFORE_S + after_s) / 3600
        typer.echo(
            f"the Judge is asked {asked:.1f} times an hour and hears {share:.2%} of the sound; "
            f"it waits {1000 * after_s:.0f} ms for sound after the wake, and takes {spent:.0f} ms (median)"
        )
