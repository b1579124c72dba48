"""Recordings listed in a table: CSV, TSV or JSON Lines with columns of any name, and the table of Common Voice."""

from __future__ import annotations

import csv
import itertools
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
SEPARATORS = (",", ";", "\t", "|")
"""What stands between the columns of a CSV; spreadsheets write another one in other languages."""


def rows(table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, {column: value}) of a CSV, TSV or JSON Lines file. Raises InputError for what is neither.

    Columns of a CSV are parted by what its first line has most of: commas, semicolons, tabs or bars.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            if table.suffix.lower() in (".jsonl", ".ndjson", ".json"):
                for number, line in enumerate(stream, 1):
                    if line.strip():
                        yield number, _object(line)
                return
            tabs = table.suffix.lower() == ".tsv"
            first = stream.readline()
            # a TSV of Common Voice holds quotation marks that quote nothing
            reader = csv.DictReader(
                itertools.chain([first], stream),
                delimiter="\t" if tabs else max(SEPARATORS, key=first.count),
                quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
                skipinitialspace=not tabs,
            )
            for row in reader:
                yield reader.line_num, row
    except FileNotFoundError as error:
        raise InputError(f"no table at {table}", got="no such file", do="check the path") from error
    except (OSError, ValueError, TypeError, RecursionError, csv.Error) as error:
        raise InputError(
            f"{table} cannot be read as a table", got=str(error), do="write it as CSV, TSV or JSON Lines, in UTF-8"
        ) from error


def _object(line: str) -> dict[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise TypeError("a line that is no JSON object")
    return value


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
        if any(c == "\0" or "\ud800" <= c <= "\udfff" for text in cells.values() for c in text):
            raise InputError(
                f"{table}, line {line}, holds a character that no name can have",
                got=ascii({name: text for name, text in cells.items() if text}),
                do="write the table again, in UTF-8",
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
    found: dict[Path, Found] = {}
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
        name = row["path"]  # the first releases left the ending out
        path = folder / "clips" / (name if "." in name else f"{name}.mp3")
        clip = Found(path, kind, row["client_id"], source, row["sentence"], COMMON_VOICE_LICENCE)
        found.setdefault(path, clip)
    if not found:
        raise InputError(f"{table} lists no recording", got="no row that is used", do="name another folder")
    return sorted(found.values(), key=lambda f: f.path)
