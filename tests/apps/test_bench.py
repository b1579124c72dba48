"""`wakewright bench`: a row for each way to run a detector, as a table and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wakewright.apps import bench
from wakewright.apps.cli import main
from wakewright.core.audio import Samples
from wakewright.core.listening import Cascade as Settings
from wakewright.detect.judge import Judge, Verdict


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
        "cascade, a wake a minute",
        "cascade, wake to answer",
    ]
    for row in found["rows"]:
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["cpu_ms_per_s"] > 0
    assert [row["count"] for row in found["rows"]] == [66, 10, 10, 66, 10]
    for row in found["rows"][:4]:
        assert row["load_s"] > 0
        assert row["memory_mb"] > 10
    assert found["load_s"]["torch"] is False, "a detector runs without it"
    assert found["machine"]["cores"] >= 1
    assert main(["bench", run, "--seconds", "2"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 5
    assert "step of 30 ms" in out[-1]


def test_the_cpu_of_a_judge_over_http_is_that_of_both_processes() -> None:
    """The server works while the client sleeps."""
    code = "import time; print(flush=True)\nwhile time.process_time() < 0.5: pass\nprint(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        both, mine = bench._cpu_s(process.pid), bench._cpu_s(None)
        process.stdout.readline()
        both_after, mine_after = bench._cpu_s(process.pid), bench._cpu_s(None)
        process.stdin.write("\n")
        process.stdin.close()
    if both is None or both_after is None:
        pytest.skip("this system does not tell what another process takes")
    assert mine is not None
    assert mine_after is not None
    assert 0.3 < (both_after - both) - (mine_after - mine) < 0.7


def test_a_wake_comes_as_often_as_is_said(exported: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    judge = Judge.load(exported["speech_embedding"])
    verify = judge.verify

    def counted(samples: Samples) -> Verdict:
        asked.append(len(samples))
        return verify(samples)

    monkeypatch.setattr(judge, "verify", counted)
    monkeypatch.setattr(bench, "WAKES_APART_S", 4.0)
    bench.together(exported["mixednet"], judge, 8.0)
    assert len(asked) == 2 * Settings().asks
