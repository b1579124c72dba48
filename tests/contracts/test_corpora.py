"""Every corpus that can be fetched is in the ledger of licences and in its document's table, as it is in the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from wakewright.data.corpus import CORPORA

ROOT = Path(__file__).parents[2]
ADAPTERS = {"common_voice", "demand", "esc50", "fma", "librispeech", "mit_rirs", "musan", "slr28", "speech_commands"}
MACHINERY = {"__init__", "clips", "corpus", "get", "unpack"}
ALLOWED = {True: "yes", False: "no", None: "not clear"}


def rows(document: str) -> dict[str, list[str]]:
    """The rows of a document's tables whose first cell is a name in backquotes, by that name."""
    found = {}
    for line in (ROOT / "docs" / document).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and cells[0].endswith("`"):
            found[cells[0].strip("`")] = cells[1:]
    return found


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_is_in_the_ledger_of_licences(name: str) -> None:
    corpus = CORPORA[name]
    row = rows("licences.md")[name]
    assert row[1:3] == [corpus.licence, ALLOWED[corpus.commercial]]


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_is_in_the_table_of_its_document(name: str) -> None:
    corpus = CORPORA[name]
    kinds, parts, checked, licence = rows("data-get.md")[name][:4]
    assert kinds == ", ".join(corpus.kinds)
    assert parts == (str(len(corpus.parts)) if corpus.parts else "by account")
    sums = {part.checksum.split(":")[0].upper() if part.checksum else "none" for part in corpus.parts} or {"none"}
    assert {checked} == sums
    assert licence == corpus.licence


def test_every_adapter_is_registered() -> None:
    files = {path.stem for path in (ROOT / "wakewright" / "data" / "corpus").glob("*.py")}
    assert files - MACHINERY == ADAPTERS
    assert {name.replace("-", "_") for name in CORPORA} == ADAPTERS
