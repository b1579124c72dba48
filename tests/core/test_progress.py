"""Progress: what is said, how often, and that it never stops the work."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import numpy as np
import pytest

from wakewright.core import progress
from wakewright.core.progress import Progress, duration, resident_bytes


def test_plain_lines_come_at_the_start_and_the_end_only_when_it_is_quick() -> None:
    stream = io.StringIO()
    with Progress(stream).stage("speak", total=300, unit="clips") as bar:
        for _ in range(300):
            bar.advance()
        bar.note("6 engines")
    first, last = stream.getvalue().splitlines()
    assert first == "speak: starting, 300 clips"
    assert last.startswith("speak: done, 300 clips, 0 s, ")
    assert "clips/s" in last
    assert last.endswith("6 engines")


def test_plain_lines_tell_share_pace_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("wakewright.core.progress.time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    with Progress(stream).stage("train", total=1200, unit="steps") as bar:
        for _ in range(600):
            clock[0] += 0.1
            bar.advance()
    middle = stream.getvalue().splitlines()[1:-1]
    assert 11 <= len(middle) <= 12
    assert middle[0].startswith("train: 51/1,200 steps (4 %), 10.0 steps/s, 1 min 55 s left") or middle[0].startswith(
        "train: 50/1,200 steps (4 %), 10.0 steps/s, 1 min 55 s left"
    )


def test_a_resumed_stage_counts_what_was_done_but_not_in_its_pace() -> None:
    stream = io.StringIO()
    with Progress(stream).stage("train", total=10, unit="steps", done=8) as bar:
        assert bar.pace == 0.0
        bar.advance(2)
    assert "train: done, 10 steps" in stream.getvalue()


def test_what_a_stage_finds_done_is_counted_but_not_in_its_pace() -> None:
    stream = io.StringIO()
    with Progress(stream).stage("hear", total=10, unit="streams") as bar:
        bar.already(8)
        assert (bar.done, bar.pace) == (8, 0.0)
    assert "hear: done, 8 streams" in stream.getvalue()
    assert "/s" not in stream.getvalue()


def test_a_live_line_is_rewritten_and_notes_stand_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LIVE_SECONDS", 0.0)
    monkeypatch.setattr(progress.shutil, "get_terminal_size", lambda: os.terminal_size((40, 20)))
    stream = io.StringIO()
    teller = Progress(stream, live=True)
    with teller.stage("speak", total=4, unit="clips") as bar:
        bar.advance()
        teller.say("a remark")
        bar.advance()
    text = stream.getvalue()
    assert text.startswith("\rspeak: 1/4 clips (25 %)")
    assert "\ra remark\n\rspeak: 2/4" in text
    assert all(len(line) < 40 for line in text.replace("\n", "\r").split("\r")[:-2])


def test_a_stopped_stage_says_so() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), Progress(stream).stage("train"):
        raise KeyboardInterrupt
    assert stream.getvalue().splitlines()[-1].startswith("train: stopped")


def test_a_closed_stream_and_an_ascii_stream_do_not_stop_the_work() -> None:
    closed = io.StringIO()
    closed.close()
    with Progress(closed).stage("speak", total=1) as bar:
        bar.advance()
    ascii_bytes = io.BytesIO()
    with Progress(io.TextIOWrapper(ascii_bytes, encoding="ascii", write_through=True)).stage("größe") as bar:
        bar.advance()
    assert b"gr??e: done" in ascii_bytes.getvalue()


def test_a_reader_that_goes_away_does_not_stop_the_work() -> None:
    code = (
        "import os, sys, time\nfrom wakewright.core.progress import Progress\n"
        "teller = Progress()\nsys.stdin.readline()\n"
        "for _ in range(100): teller.say('x' * 1000)\n"
        "os.write(1, b'survived')\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    child.stderr.close()
    child.stdin.write(b"go\n")
    child.stdin.close()
    assert child.stdout.read() == b"survived"
    child.stdout.close()
    child.wait()


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_memory_is_that_of_the_whole_family() -> None:
    before = resident_bytes()
    if before is None or not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells the memory of children")
    hog = "b = bytearray(120_000_000); b[::4096] = bytes([1]) * len(b[::4096]); print(1, flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", hog], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        assert (resident_bytes() or 0) - before > 100_000_000
        child.communicate(b"\n")
    own = np.ones(20_000_000)
    assert (resident_bytes() or 0) > own.nbytes
