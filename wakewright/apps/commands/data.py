"""`wakewright data`: fetch recordings, bring them in, and look whether they are fit to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wakewright.apps.commands.data_get import get

app = typer.Typer(
    name="data",
    help="Recordings: fetch them, bring them in, and look whether they are fit to learn from.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("get")(get)

Layout = Annotated[str, typer.Option(metavar="NAME", help="folders, common-voice, speech-commands or auto.")]
Mapped = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FOLDER=KIND", help="What a folder holds; may be given several times."),
]
Grouped = Annotated[
    list[str] | None,
    typer.Option(
        "--group-by",
        metavar="[FOLDER=]PATTERN",
        help="Who is heard: {group} in a pattern of the path, as '{group}-*', or FOLDER=file; several times.",
    ),
]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0 is one per core.")]
Licence = Annotated[str, typer.Option(metavar="TEXT", help="Licence of recordings whose own is not told.")]


@app.command("import")
def import_data(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of recordings.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The manifest; DIR.jsonl here if not given.")
    ] = None,
    mapping: Mapped = None,
    groups: Grouped = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV, TSV or JSONL that lists them.")] = None,
    columns: Annotated[
        str, typer.Option(metavar="FIELD=COLUMN,...", help="Columns for path, kind, speaker, text, licence.")
    ] = "",
    layout: Layout = "auto",
    phrase: Annotated[str, typer.Option(metavar="TEXT", help="What a positive says, where texts are known.")] = "",
    licence: Licence = "",
    workers: Workers = 0,
) -> None:
    """Read every recording of a folder and write a manifest; the recordings stay as they are.

    Folders are named positive, negative, hard_negative, background, rirs, or what --map says. A folder below one of
    these is a person, who is never in two parts of a training, or what --group-by says. Started again it opens
    only what is new or has changed. Clips that `data check --quarantine` listed beside the manifest are left out.
    """
    from wakewright.apps import datasets

    datasets.bring_in(
        datasets.Source(folder, layout, mapping or (), csv, columns, phrase, licence, groups or ()),
        out,
        workers,
        typer.echo,
    )


@app.command("check")
def check(
    what: Annotated[
        list[Path],
        typer.Argument(metavar="MANIFEST|DIR...", help="A manifest or a folder; or train, validation and test."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    set_aside: Annotated[
        bool,
        typer.Option(
            "--quarantine", help="List the clips with a fault beside the manifest; `data import` leaves these out."
        ),
    ] = False,
    commercial_only: Annotated[
        bool, typer.Option("--commercial-only", help="A licence that forbids selling, or none, is a fault.")
    ] = False,
    phrase: Annotated[str, typer.Option(metavar="TEXT", help="What the positives say, where texts are known.")] = "",
    judge: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Let this model look for the phrase in the negatives.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the report; NAME-health beside it if not given.")
    ] = None,
    mapping: Mapped = None,
    groups: Grouped = None,
    layout: Layout = "auto",
    workers: Workers = 0,
) -> None:
    """Look for faults: unreadable, silent, clipped or cut off clips, copies, wrong labels, leaks between parts.

    Exit status 0: no fault; 1: faults; 2: the input cannot be used. No recording is moved or changed. With
    --quarantine the clips with a fault are written to MANIFEST.quarantine.jsonl; import to the same manifest again,
    and they are left out, each until its file changes. Remove a line, or the list, to have a clip back.
    """
    from wakewright.apps import datasets

    sources = [datasets.Source(path, layout, mapping or (), phrase=phrase, groups=groups or ()) for path in what]
    wish = datasets.Wish(as_json, set_aside, commercial_only, phrase, judge, out, workers)
    raise typer.Exit(datasets.look(sources, wish, typer.echo))


@app.command("hear")
def hear(
    what: Annotated[str, typer.Argument(metavar="PHRASE|RECIPE|RUN", help="Whose augmentation is to be heard.")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings, such as augment.wet=[0.3,1].")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=20, metavar="N", help="Clips of each.")] = 3,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the page; PHRASE-heard here if not given.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This one alone; may be given several times.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Hear it on this recording, not on the phrase's clips.")
    ] = None,
) -> None:
    """Hear and see what training makes of the phrase: each augmentation alone, then all together, on one page."""
    from wakewright.apps import hearing

    hearing.hear(hearing.Wish(what, settings or (), count, out, only or (), audio), typer.echo)
