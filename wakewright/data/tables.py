"""Recordings listed in a table: CSV, TSV or JSON Lines with columns of any name, and the table of Common Voice."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wakewright.core.errors import InputError
from wakewright.core.files import one_spelling
from wakewright.core.manifest import Kind
from wakewright.data.corpora import name_of
from wakewright.data.layouts import COMMON_VOICE_LICENCE, Found, kind_named, plain

COLUMNS = ("path", "kind", "speaker", "text", "licence")
"""What a table can tell about a clip; path and kind it must."""


def rows(table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, {column: value}) of a CSV, TSV or JSON Lines file. Raises InputError for what is neither."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            if table.suffix.lower() in (".jsonl", ".ndjson", ".json"):
                for number, line in enumerate(stream, 1):
                    if line.strip():
                        yield number, dict(json.loads(line))
                return
            tabs = table.suffix.lower() == ".tsv"
            # a TSV of Common Voice holds quotation marks that quote nothing
            reader = csv.DictReader(
                stream, delimiter="\t" if tabs else ",", quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL
            )
            for row in reader:
                yield reader.line_num, row
    except FileNotFoundError as error:
        raise InputError(f"no table at {table}", got="no such file", do="check the path") from error
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise InputError(
            f"{table} cannot be read as a table", got=str(error), do="write it as CSV, TSV or JSON Lines, in UTF-8"
        ) from error


def listed(
    folder: Path, table: Path, columns: Mapping[str, str], mapping: Mapping[str, str], licence: str = ""
) -> list[Found]:
    """The recordings a table lists, in its order; paths are below `folder` unless absolute.

    `columns` says which of its columns is which of COLUMNS, by default that of the same name; `mapping` what the
    words in the column of the kind mean. Raises InputError for a column, a kind or a row that cannot be used.
    """
    strange = sorted(set(columns) - set(COLUMNS))
    if strange:
        raise InputError("--columns names what a clip does not have", got=", ".join(strange), do=_columns_help())
    folder, chosen = one_spelling(folder), {name: columns.get(name, name) for name in COLUMNS}
    found: dict[tuple[Path, Kind], Found] = {}
    for line, row in rows(table):
        for name in {"path", "kind", *columns} - {n for n in COLUMNS if chosen[n] in row}:
            raise InputError(
                f"{table} has no column for the {name} of a clip",
                got=f"{chosen[name]!r}; there are " + ", ".join(str(key) for key in row),
                do=_columns_help(),
            )
        cells = {name: _words_of(row.get(column)) for name, column in chosen.items()}
        if not cells["path"]:
            raise InputError(
                f"{table}, line {line}, names no file", got="an empty path", do="fill it in, or remove it"
            )
        word = cells["kind"]
        kind = kind_named(mapping.get(word, word), f"{table}, line {line}, with no --map {word}=KIND for it,")
        if kind is None:
            continue
        path = one_spelling(folder / Path(cells["path"]).expanduser())
        speaker = cells["speaker"] or str(path)
        clip = Found(path, kind, speaker, name_of(folder), cells["text"], cells["licence"] or licence)
        found.setdefault((path, kind), clip)
    if not found:
        raise InputError(f"{table} lists no recording", got="no row that is used", do="name another table")
    return list(found.values())


def _columns_help() -> str:
    return "--columns path=...,kind=...,speaker=...,text=...,licence=... with the names that the table has"


def _words_of(value: Any) -> str:
    """A cell in words; JSON's true and false are written as JSON writes them, as --map then names them."""
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, bool) else str(value).strip()


def common_voice(folder: Path, phrase: str = "") -> list[Found]:
    """A release of Common Voice: validated.tsv and clips/; the client is the speaker, the sentence is the text.

    A clip that says the phrase alone is a positive. A sentence that holds the phrase among other words is neither it
    nor without it, and is left out.
    """
    table = folder / "validated.tsv"
    wanted, source = plain(phrase), name_of(folder)
    found = []
    for line, row in rows(table):
        missing = [name for name in ("client_id", "path", "sentence") if row.get(name) is None]
        if missing:
            raise InputError(
                f"{table} is not that of a Common Voice release",
                got=f"no {', '.join(missing)} in line {line}",
                do="use --layout folders, or --csv with --columns",
            )
        said = plain(row["sentence"])
        if wanted and wanted != said and f"_{wanted}_" in f"_{said}_":
            continue
        kind: Kind = "positive" if wanted and said == wanted else "speech"
        path = folder / "clips" / row["path"]
        found.append(Found(path, kind, row["client_id"], source, row["sentence"], COMMON_VOICE_LICENCE))
    if not found:
        raise InputError(f"{table} lists no recording", got="no row that is used", do="name another folder")
    return sorted(found, key=lambda f: f.path)
