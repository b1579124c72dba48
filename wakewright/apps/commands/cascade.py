"""`wakewright cascade`: put a Sentry and a Judge together, and measure the pair."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wakewright.apps.commands.options import CascadeSettings, finite

if TYPE_CHECKING:
    from wakewright.core.recipe import Cascade as Settings
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
    fa_per_hour: Annotated[
        float, typer.Option(min=0.01, callback=finite, help="False accepts per hour that are allowed.")
    ] = 0.5,
    calls: Annotated[
        float, typer.Option(min=1, callback=finite, help="Wakes per hour that the Judge may be asked about.")
    ] = 60.0,
    settings: CascadeSettings = None,
    out: Annotated[Path, typer.Option(help="Where the pair is written.")] = Path("cascade.yaml"),
) -> None:
    """Choose both thresholds together, on validation audio, and write them for `listen` and `wyoming`."""
    from wakewright.apps.confirm import settings_of
    from wakewright.core.errors import InputError
    from wakewright.core.files import write_text
    from wakewright.core.progress import Progress
    from wakewright.core.run import Run
    from wakewright.evaluate import cascade as pairs
    from wakewright.evaluate import real

    runs, asking = (Run.open(sentry), Run.open(judge)), settings_of(settings or ())
    material = None if speech is None else real.read_material(speech, runs[0].recipe.phrase)
    if out.is_dir() or not os.access(out.absolute().parent, os.W_OK):
        raise InputError(f"{out} cannot be written", got="no folder to write into", do="name another --out")
    found = pairs.choose(*runs, settings=asking, fa_per_hour=fa_per_hour, most_calls=calls, progress=Progress())
    pairs.table(found, typer.echo)
    if found.confirm < USELESS:
        typer.echo("! the Judge confirms nearly everything at this threshold: as a pair they are no better than one")
    write_text(out, _text(runs, found, asking))
    typer.echo(f"{out}: wakewright listen {out}")
    if material is not None:
        _measured(runs, found, asking, material)


def _text(runs: tuple[Run, Run], chosen: Pairing, asking: Settings) -> str:
    from wakewright.core import yamltext

    sentry, judge = (str(run.folder.resolve()) for run in runs)
    return (
        "# Written by: wakewright cascade\n"
        + yamltext.write(
            {
                "phrase": runs[0].recipe.phrase,
                "cascade": asking.model_dump()
                | {
                    "sentry": sentry,
                    "judge": judge,
                    "trigger": chosen.trigger,
                    "confirm": math.ceil(1e6 * chosen.confirm) / 1e6,  # never below what was chosen
                },
            }
        )
        + "\n"
    )


def _measured(runs: tuple[Run, Run], chosen: Pairing, asking: Settings, material: Material) -> None:
    """Misses and false accepts of the Sentry alone, the Judge alone and the pair, on recordings."""
    import json
    import statistics

    from wakewright.detect.cascade import moments_s
    from wakewright.detect.detector import BEFORE_S
    from wakewright.evaluate import cascade_real, real
    from wakewright.evaluate.metrics import det_curve
    from wakewright.evaluate.pair import CALLED
    from wakewright.evaluate.shares import latency

    sentry, judge = runs
    workers = sentry.workers(judge.metadata_path)
    pair = cascade_real.measure(material, sentry.folder, judge.folder, chosen.trigger, asking, workers=workers)
    rows = [("cascade", (pair.words, pair.others), chosen.confirm)]
    for name, run in (("Judge alone", judge), ("Sentry alone", sentry)):
        level = json.loads(run.metadata_path.read_text(encoding="utf-8"))["threshold"]
        rows.insert(0, (name, real.measure(material, run.folder, workers=workers), level))
    for name, (words, others), level in rows:
        for condition, trials in words.items():
            curve = det_curve(trials, others["speech"])
            at = curve.at(level)
            typer.echo(
                f"{name}, {condition}: missed {at.misses} of {len(trials)} ({at.frr:.1%}), {at.false_accepts} false "
                f"accepts in {at.hours:.2f} h; at 0.5 per hour missed {curve.frr_at(0.5):.1%}"
            )
    if "as recorded" in pair.words and (waited := latency(pair.words["as recorded"], CALLED / 2)) is not None:
        typer.echo(
            f"from the end of the word to the wake {1000 * waited.median_s:.0f} ms (median of {waited.detected}; a "
            "word ends with its last 20 ms within 30 dB of the loudest)"
        )
    if pair.judged_s:
        shares, took_s = pair.confirmed_at(chosen.confirm, asking.asks), statistics.median(pair.judged_s)
        moments, calls = zip(shares, moments_s(asking), strict=True), pair.calls_per_hour("speech")
        hears_s = calls * asking.asks * (BEFORE_S + asking.after_ms / 1000)
        typer.echo(
            f"the Judge is asked about {calls:.1f} wakes an hour of other speech, {asking.asks} times at most, so "
            f"that it hears {hears_s / 3600:.1%} of it at most, and takes {1000 * took_s:.0f} ms (median)"
            "; of the words that it confirms, after the wake: "
            + ", ".join(f"{share:.0%} by {1000 * (moment + took_s):.0f} ms" for share, moment in moments)
        )
