"""How far the work is: stage, done of total, pace, time left, memory.

On a terminal one line is kept up to date; elsewhere (a log file, a pipe, the web page) a plain line comes at most
every five seconds, and one at the start and the end. A reader that goes away, or a terminal that cannot show a
character, never stops the work.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

PLAIN_SECONDS = 5.0
"""Seconds between two plain lines."""
LIVE_SECONDS = 0.2
"""Seconds between two updates of the live line."""
_WINDOW_SECONDS = 30.0  # the pace is that of the last half minute, so that the time left follows a change of load


class Progress:
    """Where progress is told: `stream` (None: standard error), live or plain as the stream can."""

    def __init__(self, stream: TextIO | None = None, *, live: bool | None = None, quiet: bool = False) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet or self._stream is None  # pythonw and some services have no stderr at all
        self.live = self._is_terminal() if live is None else live
        self._shown = 0

    @contextlib.contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "", *, done: int = 0) -> Iterator[Bar]:
        """Tell the progress of the block. `done` units were done before, in an earlier run that is resumed."""
        bar = Bar(self, name, total, unit, done)
        bar.begin()
        try:
            yield bar
        except BaseException:
            bar.end("stopped")
            raise
        bar.end("done")

    def say(self, text: str) -> None:
        """A line of its own, above the live line."""
        self._write(self._cleared() + text + "\n")

    def show(self, text: str) -> None:
        """Replace the live line."""
        width = shutil.get_terminal_size().columns - 1
        text = text[:width]
        padded = text.ljust(self._shown)
        self._shown = len(text)
        self._write("\r" + padded)

    def _cleared(self) -> str:
        blank = "\r" + " " * self._shown + "\r" if self._shown else ""
        self._shown = 0
        return blank

    def _is_terminal(self) -> bool:
        try:
            return bool(self._stream.isatty()) and os.environ.get("TERM") != "dumb"
        except (AttributeError, ValueError):
            return False

    def _write(self, text: str) -> None:
        if self._quiet:
            return
        try:
            encoding = getattr(self._stream, "encoding", None) or "utf-8"
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):  # closed, or its reader is gone: work on in silence
            self._quiet = True


class Bar:
    """The progress of one stage."""

    def __init__(self, progress: Progress, name: str, total: int | None, unit: str, done: int = 0) -> None:
        self.name, self.total, self.unit, self.done = name, total, unit, done
        self.peak_bytes = 0
        """Largest resident memory seen, in bytes, of this process and its children together."""
        self._progress = progress
        self._first = done
        self._start = self._told = time.monotonic()
        self._last_note = ""
        self._history: deque[tuple[float, int]] = deque([(self._start, done)])

    @property
    def seconds(self) -> float:
        """Seconds since the stage began."""
        return time.monotonic() - self._start

    @property
    def pace(self) -> float:
        """Units per second over the last half minute."""
        then, done = self._history[0]
        elapsed = time.monotonic() - then
        return (self.done - done) / elapsed if elapsed > 0 else 0.0

    def advance(self, units: int = 1) -> None:
        """Count `units` more as done."""
        self.done += units
        now = time.monotonic()
        if now - self._told >= (LIVE_SECONDS if self._progress.live else PLAIN_SECONDS):
            self._tell(now)

    def already(self, units: int) -> None:
        """Count `units` that an earlier run has done: they are no part of the pace."""
        self._first += units
        self._history = deque((then, done + units) for then, done in self._history)
        self.advance(units)

    def note(self, text: str) -> None:
        """Text shown at the end of the line from now on, such as the loss."""
        self._last_note = text

    def begin(self) -> None:
        """Tell that the stage starts."""
        if not self._progress.live:
            self._progress.say(f"{self.name}: starting" + (f", {self._amount(self.total)}" if self.total else ""))

    def end(self, how: str) -> None:
        """Tell that the stage is over, and what it took."""
        self._measure()
        parts = [f"{self.name}: {how}"]
        if self.done:
            parts.append(self._amount(self.done))
        parts.append(duration(self.seconds))
        work = self.done - self._first
        if work and self.seconds > 0:
            parts.append(f"{work / self.seconds:,.1f} {self.unit}/s".replace(" /s", "/s"))
        self._progress.say(", ".join([*parts, *self._tail()]))

    def _tell(self, now: float) -> None:
        self._told = now
        self._measure()
        while len(self._history) > 1 and now - self._history[0][0] > _WINDOW_SECONDS:
            self._history.popleft()
        text = self._line()
        if now - self._history[-1][0] >= 1.0:
            self._history.append((now, self.done))
        if self._progress.live:
            self._progress.show(text)
        else:
            self._progress.say(text)

    def _line(self) -> str:
        parts = [f"{self.name}: {self._amount(self.done)}"]
        pace = self.pace
        if self.total:
            share = 100 * self.done / self.total
            parts = [f"{self.name}: {self.done:,}/{self._amount(self.total)} ({share:.0f} %)"]
        parts.append(f"{pace:,.1f} {self.unit}/s".replace(" /s", "/s"))
        if self.total and pace > 0:
            parts.append(f"{duration(max(0, self.total - self.done) / pace)} left")
        return ", ".join([*parts, *self._tail()])

    def _tail(self) -> list[str]:
        memory = [f"{self.peak_bytes / 2**30:.1f} GiB"] if self.peak_bytes else []
        return memory + ([self._last_note] if self._last_note else [])

    def _amount(self, number: int | None) -> str:
        return f"{number:,} {self.unit}".strip()

    def _measure(self) -> None:
        self.peak_bytes = max(self.peak_bytes, resident_bytes() or 0)


def stage(
    name: str, total: int | None = None, unit: str = "", *, done: int = 0
) -> contextlib.AbstractContextManager[Bar]:
    """`Progress().stage(...)`: progress on standard error."""
    return Progress().stage(name, total, unit, done=done)


def duration(seconds: float) -> str:
    """12 s, 3 min 05 s, 2 h 07 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def resident_bytes() -> int | None:
    """Memory in use by this process and all its descendants, in bytes; where /proc is missing, this process's peak.

    None on a system that tells neither.
    """
    if Path("/proc/self/statm").exists():
        return sum(_proc_resident(pid) for pid in _family(os.getpid()))
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _family(pid: int) -> Iterator[int]:
    """The process and its descendants, as Linux lists them per thread."""
    yield pid
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError, ValueError):  # it ended while we looked
            for child in listing.read_text(encoding="ascii").split():
                yield from _family(int(child))


def _proc_resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):  # it ended while we looked
        return 0
