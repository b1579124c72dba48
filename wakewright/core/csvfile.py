"""CSV files that people write by hand or in a spreadsheet: manifest.csv, and lists of labels."""

from __future__ import annotations

import csv
from pathlib import Path

from wakewright.core.errors import InputError


def columns_and_rows(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """The names in the first line, and every row by them; what a row lacks is empty.

    Raises InputError for what is no CSV file in UTF-8.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a byte order mark in front
            reader = csv.DictReader(file, restval="")
            return tuple(reader.fieldnames or ()), list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read", got=str(error), do="write it as CSV in UTF-8") from error
