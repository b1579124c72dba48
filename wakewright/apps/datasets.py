"""What the commands of `wakewright data` do: words of the command line become datasets, results become words."""

from __future__ import annotations

import dataclasses
import functools
import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from wakewright.core.audio import unread
from wakewright.core.errors import InputError
from wakewright.core.files import one_spelling, write_json
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.progress import Progress
from wakewright.data import dataset, grouping, health, layouts, quarantine, tables
from wakewright.data.importing import Imported, clip_of, import_found, journal_of
from wakewright.detect.judge import Judge
from wakewright.evaluate import health_page
from wakewright.evaluate.overheard import overheard

Say = Callable[[str], None]
SHOWN = 20
"""Unreadable files that are named on the terminal; the journal holds all."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A folder of recordings and what the user says about it."""

    folder: Path
    layout: str = "auto"
    mapping: Sequence[str] = ()
    """folder=kind words."""
    table: Path | None = None
    columns: str = ""
    """field=column words, separated by commas."""
    phrase: str = ""
    licence: str = ""
    groups: Sequence[str] = ()
    """[folder=]pattern words."""

    @property
    def by_folder(self) -> bool:
        """Whether folders say who is heard."""
        return self.table is None and self.layout in ("auto", "folders")


def find(source: Source) -> list[layouts.Found]:
    """The recordings of a source. Raises InputError and AudioError as layouts.find and tables.listed do."""
    mapping = _pairs("--map", source.mapping)
    if source.table is not None:
        layouts.refuse_groups(source.groups, "a table, whose --columns speaker=NAME tells who speaks")
        columns = _pairs("--columns", [word for word in source.columns.split(",") if word])
        return tables.listed(source.folder, source.table, columns, mapping, source.licence)
    if source.columns:
        raise InputError("--columns needs a table", got="no --csv", do="name it with --csv FILE")
    for layout in get_args(layouts.Layout):
        if source.layout == layout:
            return layouts.find(
                source.folder,
                layout,
                mapping=mapping,
                groups=source.groups,
                phrase=source.phrase,
                licence=source.licence,
            )
    raise InputError(
        "--layout names none that is known",
        got=source.layout,
        do="write one of: " + ", ".join(get_args(layouts.Layout)),
    )


def _pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise InputError(
                f"{option} takes NAME=VALUE", got=word, do=f"write it with = and without spaces: {option} a=b"
            )
        found[name.strip()] = value.strip()
    return found


def default_out(folder: Path) -> Path:
    """DIR.jsonl in the working folder."""
    return Path(f"{one_spelling(folder).name or 'clips'}.jsonl")


def bring_in(source: Source, out: Path | None, workers: int, say: Say) -> Imported:
    """Import and tell."""
    out = out or default_out(source.folder)
    if out.is_dir():
        raise InputError(f"{out} cannot be written", got="a folder", do="name a file: --out clips.jsonl")
    if source.table is None and (passed := unread(source.folder)):
        endings = ", ".join(f"{suffix} ({count:,})" for suffix, count in passed.most_common())
        are = "file is" if passed.total() == 1 else "files are"
        say(f"{passed.total():,} {are} of formats that are not read: {endings}; convert them to WAV or FLAC")
    done = import_found(find(source), out, Progress(), workers=workers)
    for path, why in done.unreadable[:SHOWN]:
        say(f"left out, cannot be read: {path}: {why.got}")
    if len(done.unreadable) > SHOWN:
        say(f"and {len(done.unreadable) - SHOWN:,} more that cannot be read")
    if done.quarantined:
        say(f"left out, in {quarantine.beside(out)}: {done.quarantined:,}")
    kinds = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in sorted(done.counts.items()))
    length = f"{len(done.manifest):,} clips, {done.manifest.seconds / 3600:.2f} h"
    say(f"{out}: {length} ({kinds}); {done.opened:,} files read")
    for line in grouping.told(done.manifest.clips, source.by_folder):
        say(line)
    say(f"look whether they are fit: wakewright data check {shlex.quote(str(out))}")
    return done


@dataclasses.dataclass(frozen=True)
class Wish:
    """How a dataset is to be looked at."""

    as_json: bool = False
    set_aside: bool = False
    commercial_only: bool = False
    phrase: str = ""
    judge: Path | None = None
    out: Path | None = None
    workers: int = 0


def look(sources: Sequence[Source], wish: Wish, say: Say) -> int:
    """Check, tell, and write the report; the exit status: 0 without a fault, 1 with faults."""
    asks = None
    if wish.judge is not None:
        Judge.load(wish.judge)  # here, so that a folder without a model is told at once
        asks = functools.partial(overheard, folder=str(wish.judge))
    first = sources[0].folder
    report = wish.out or Path(f"{first.stem if first.is_file() else default_out(first).stem}-health")
    if wish.out is None and first.is_file():
        report = first.with_name(report.name)
    health_page.refuse_foreign(report)
    progress = Progress(quiet=wish.as_json)
    of_each = [parts_of(source, report) for source in sources]
    parts = [part for each in of_each for part in each]
    if wish.set_aside and not all(source.folder.is_file() for source in sources):
        raise InputError(
            "a quarantine lies beside a manifest", got="a folder", do="import it first: wakewright data import"
        )
    report.mkdir(parents=True, exist_ok=True)
    found = health.check(
        parts,
        report,
        progress,
        workers=wish.workers,
        phrase=wish.phrase,
        commercial_only=wish.commercial_only,
        asks=asks,
    )
    write_json(report / layouts.REPORT, health_page.as_json(found))  # first: with it the folder is known for a report
    page = health_page.write(found, report, ", ".join(source.folder.name for source in sources))
    if wish.as_json:
        say(json.dumps(health_page.as_json(found), ensure_ascii=False))
    else:
        for line in health_page.words(found):
            say(line)
        say(str(page))
    if wish.set_aside:
        _set_aside(sources, of_each, found, (lambda _: None) if wish.as_json else say)
    return 1 if found.findings else 0


def parts_of(source: Source, report: Path) -> list[health.Part]:
    """What is to be looked at: a manifest less what is quarantined, or a folder, by part where its folders say so.

    Raises InputError and AudioError for what cannot be used.
    """
    path = source.folder
    if path.is_file():
        layouts.refuse_groups(source.groups, f"{path}, a manifest that tells who is heard")
        clips = quarantine.without(dataset.placed(path), quarantine.beside(path))
        if not clips.clips:
            raise InputError(f"{path} has no clip to look at", got="0 clips", do="import a folder first")
        return _by_part(clips, path.stem, journal_of(path))
    clips = Manifest(tuple(clip_of(found, 0.0) for found in find(source)))
    return _by_part(clips, path.name, report / health_page.JOURNAL)


def _by_part(clips: Manifest, name: str, journal: Path) -> list[health.Part]:
    """The clips by the part they were put into; those of no part go by the dataset's name."""
    by_part: dict[str, list[Clip]] = {}
    for clip in clips:
        by_part.setdefault(clip.part or name, []).append(clip)
    return [health.Part(part, Manifest(tuple(group)), journal) for part, group in by_part.items()]


def _set_aside(
    sources: Sequence[Source], of_each: Sequence[Sequence[health.Part]], found: health.Health, say: Say
) -> None:
    """Write the list beside each manifest."""
    for source, parts in zip(sources, of_each, strict=True):
        mine = {(part.name, clip.path) for part in parts for clip in part.clips}
        reasons: dict[str, list[str]] = {}
        for finding in found.findings:
            if (finding.part, finding.path) in mine:
                reasons.setdefault(finding.path, []).append(finding.fault)
        path = quarantine.beside(source.folder)
        held = quarantine.add(path, reasons)
        say(f"{path}: {held:,} clips, left out by the next import to {source.folder}")
