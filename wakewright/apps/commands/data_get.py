"""`wakewright data get`: fetch public corpora."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wakewright.core.manifest import Manifest
    from wakewright.data.corpus.corpus import Corpus
    from wakewright.data.corpus.get import Wanted

_SETTING = {
    "speech": "background.speech",
    "noise": "background.noise",
    "music": "background.music",
    "rir": "background.rirs",
}


def get(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Such as musan or librispeech/dev-clean.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for corpora; by default one in the cache.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show which there are, and which are here.")] = False,
    given: Annotated[
        Path | None,
        typer.Option("--from", "--path", metavar="PATH", help="Use this archive or folder that you have already."),
    ] = None,
) -> None:
    """Fetch public corpora, check and unpack them; what was interrupted goes on where it stopped."""
    from wakewright.core.errors import InputError
    from wakewright.data.corpus.get import default_root, take

    root = (to or default_root()).expanduser()
    if listed:
        _show(root, names or [])
        return
    if not names:
        raise InputError("which corpus?", got="no name", do="name some; wakewright data get --list shows them")
    if given is not None:
        if len(names) != 1:
            raise InputError("--from gives one archive", got=" ".join(names), do="name the one corpus that it is")
        _tell([take(names[0], given, root, say=typer.echo)])
        return
    _fetch(names, root, yes)


def _fetch(names: Sequence[str], root: Path, yes: bool) -> None:
    from wakewright.core.errors import InputError
    from wakewright.data.corpus import get as corpus

    orders = corpus.wanted(names, root)
    missing = [one for one in orders if not one.here]
    for one in missing:
        typer.echo(corpus.describe(one))
    corpus.refuse_without_room(orders, root)
    if missing and not yes:
        coming = corpus.size(sum(one.to_fetch for one in missing))
        if not sys.stdin.isatty():
            raise InputError(f"{coming} would be fetched", got="no terminal to ask on", do="say so with --yes")
        if not typer.confirm(f"Fetch {coming}?", default=True):
            typer.echo("nothing fetched")
            return
    _tell([(one, corpus.fetch(one, say=typer.echo)) for one in orders])


def _tell(got: Sequence[tuple[Wanted, Manifest]]) -> None:
    """What there is now, and which setting takes it; parts that are all there is of a corpus go by its folder."""
    from wakewright.core.manifest import Manifest
    from wakewright.core.progress import duration
    from wakewright.data.corpus.clips import manifests_in

    for name in dict.fromkeys(one.corpus.name for one, _ in got):
        parts = {one.folder: (one.name, made) for one, made in got if one.corpus.name == name}
        below = next(iter(parts)).parent
        if len(parts) > 1 and {path.parent for path in manifests_in(below)} == parts.keys():
            parts = {below: (name, sum((made for _, made in parts.values()), Manifest()))}
        for folder, (label, made) in parts.items():
            for kind, count in Counter(clip.kind for clip in made).items():
                clips, length = f"{count:,} clip{'s' * (count > 1)} of {kind}", duration(made.of(kind).seconds)
                typer.echo(f"{label}: {clips}, {length}: {_SETTING[kind]}=[{folder}]")


def _show(root: Path, names: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    from wakewright.data.corpus import CORPORA, named

    chosen = [named(name)[0] for name in names] or list(CORPORA.values())
    table = Table(title=f"corpora in {root}", title_justify="left")
    for heading in ("name", "size", "licence", "commercial", "for", "here"):
        table.add_column(heading, no_wrap=heading in ("name", "licence"))
    for corpus in chosen:
        allowed = {True: "yes", False: "no", None: "not clear"}[corpus.commercial]
        table.add_row(corpus.name, _sizes(corpus), corpus.licence, allowed, corpus.purpose, _here(corpus, root))
    Console().print(table)
    for corpus in chosen:
        if len(corpus.parts) > 1:
            typer.echo(f"{corpus.name}/PART, where PART is one of: {', '.join(part.name for part in corpus.parts)}")


def _sizes(corpus: Corpus) -> str:
    from wakewright.data.corpus.get import size

    if not corpus.parts:
        return "by account"
    sizes = sorted(part.size for part in corpus.parts)
    if len(sizes) == 1:
        return ("" if corpus.parts[0].exact else "about ") + size(sizes[0])
    return f"{len(sizes)} parts, {size(sizes[0])} to {size(sizes[-1])}"


def _here(corpus: Corpus, root: Path) -> str:
    from wakewright.data.corpus.clips import MANIFEST

    there = sorted(path.parent.name for path in (root / corpus.name).glob(f"*/{MANIFEST}"))
    if not there:
        return "no"
    whole = len(corpus.parts) in (1, len(there))
    return "yes" if whole else ", ".join(there)
