"""`wakewright bench`: a row for each way to run a detector, as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wakewright.apps import bench
from wakewright.apps.cli import main


def test_every_way_to_run_it_is_measured(
    exported: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "LOADS", 1)
    run, judge = str(exported["mixednet"]), str(exported["speech_embedding"])
    words = ["bench", run, "--judge", judge, "--seconds", "2", "--count", "10"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["what"] for row in found["rows"]] == [
        "Sentry, model.onnx",
        "Judge in this process",
        "Judge over HTTP",
        "cascade, wake to answer",
    ]
    for row in found["rows"]:
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
    assert [row["count"] for row in found["rows"]] == [66, 10, 10, 10]
    assert found["rows"][2]["cpu_ms_per_s"] is None
    assert found["load_s"]["torch"] is False, "a detector runs without it"
    assert found["machine"]["cores"] >= 1
    assert main(["bench", run, "--seconds", "2"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 5
    assert "step of 30 ms" in out[-1]
