"""Common Voice: people of a hundred languages reading sentences. It needs an account, so the user brings it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from wakewright.core.errors import InputError
from wakewright.data.corpus.corpus import Corpus, Found

_NEEDED = {"client_id", "path", "sentence"}


def _clips(folder: Path) -> Iterator[Found]:
    """RELEASE/LANGUAGE/validated.tsv and clips/*.mp3; clip_durations.tsv saves reading their headers."""
    for listing in sorted(folder.rglob("validated.tsv")):
        seconds = _durations(listing.parent / "clip_durations.tsv")
        with listing.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            if not _NEEDED.issubset(rows.fieldnames or ()):
                raise InputError(
                    f"{listing} is not Common Voice's list",
                    got="columns " + ", ".join(rows.fieldnames or ["none"]),
                    do="give the folder of one language, with validated.tsv and clips in it",
                )
            for row in rows:
                if not all(row[column] for column in _NEEDED):
                    raise InputError(
                        f"{listing}, line {rows.line_num}, is cut off", got=str(row)[:200], do="get the corpus again"
                    )
                name = PurePosixPath(row["path"]).name
                path = listing.parent / "clips" / (name if "." in name else f"{name}.mp3")
                yield Found(path, "speech", row["client_id"], row["sentence"], seconds=seconds.get(path.name))


def _durations(listing: Path) -> dict[str, float]:
    """Seconds by file name, from a list of milliseconds."""
    if not listing.is_file():
        return {}
    found = {}
    for line in listing.read_text(encoding="utf-8").splitlines()[1:]:
        name, _, milliseconds = line.partition("\t")
        if milliseconds.isdigit() and int(milliseconds) > 0:
            found[name] = int(milliseconds) / 1000
    return found


CORPUS = Corpus(
    name="common-voice",
    title="Common Voice (Mozilla)",
    page="https://commonvoice.mozilla.org/datasets",
    licence="CC0-1.0",
    commercial=True,
    purpose="real speech of many people, in your language",
    kinds=("speech",),
    parts=(),
    usual=(),
    clips=_clips,
    account="it is given only to people with an account: download your language at "
    "https://commonvoice.mozilla.org/datasets, then: wakewright data get common-voice --path "
    "cv-corpus-LANGUAGE.tar.gz (or the folder you unpacked)",
    remark="Its terms forbid finding out who a speaker is, and passing the corpus on.",
)
