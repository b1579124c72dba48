"""CSV files that people write: what a spreadsheet makes of them is read, what cannot be read is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from wakewright.core.csvfile import columns_and_rows
from wakewright.core.errors import InputError


def test_columns_and_rows_are_named_and_what_lacks_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfpath,use\r\na.wav,evaluate\r\nb.wav\r\n")
    rows = [{"path": "a.wav", "use": "evaluate"}, {"path": "b.wav", "use": ""}]
    assert columns_and_rows(path) == (("path", "use"), rows)
    path.write_bytes(b"")
    assert columns_and_rows(path) == ((), [])


def test_what_is_not_utf_8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("path,use\nMüller.wav,evaluate\n".encode("latin-1"))
    with pytest.raises(
        InputError, match=r"a\.csv cannot be read\n  got: 'utf-8' codec.*\n  do:  write it as CSV in UTF-8"
    ):
        columns_and_rows(path)
