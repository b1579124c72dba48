"""The log of a Judge: one JSON object a line, and never more lines than a disk has room for.

What was answered is logged each time, since `--rate` bounds it. What is refused, and what asks for no key, is bounded
by nothing but the network. So of each kind so many lines are written at once and then one a second, 13 MB a day, and
the others are counted: the log says how many of a kind were left out. Kinds are counted apart, so that a flood of one
hides nothing of another. The exact numbers are in /metrics.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

LOG = logging.getLogger("wakewright.judge")
BURST = 50
"""Lines of one kind that are written at once."""
PER_SECOND = 1.0
"""Lines of one kind that are written for good."""
TELL_S = 10.0
"""How often it is said what was left out."""


def escaped(text: str) -> str:
    """Text of a client as it may stand in a log: what moves a cursor, ends a line or turns the script is escaped."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class Log:
    """Writes lines; of any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}
        self._left_out: dict[str, int] = {}
        self._told = clock()

    def line(self, about: Mapping[str, Any]) -> None:
        """One line, whatever was written before."""
        self.tell_left_out()
        LOG.info(json.dumps(about, ensure_ascii=False))

    def limited(self, kind: str, about: Mapping[str, Any], level: int = logging.INFO, error: Any = None) -> None:
        """One line of this kind, or one more that is left out; `error` is one whose traceback follows."""
        self.tell_left_out()
        if self._take(kind):
            LOG.log(level, json.dumps(about, ensure_ascii=False), exc_info=error)

    def _take(self, kind: str) -> bool:
        with self._lock:
            now = self._clock()
            left, then = self._buckets.get(kind, (float(BURST), now))
            left = min(float(BURST), left + (now - then) * PER_SECOND)
            taken = left >= 1
            self._buckets[kind] = (left - 1 if taken else left, now)
            if not taken:
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return taken

    def tell_left_out(self, *, at_once: bool = False) -> None:
        """Say how many lines of which kind were left out, where that is due, or `at_once`."""
        with self._lock:
            if not self._left_out or (not at_once and self._clock() - self._told < TELL_S):
                return
            left_out, self._left_out, self._told = self._left_out, {}, self._clock()
        LOG.warning(json.dumps({"event": "left out", "lines": left_out}))


class Others(logging.Handler):
    """What the libraries beneath have to say, as lines of ours: they write as often as a client makes them."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One line of theirs."""
        about = {"event": "server", "of": record.name, "what": escaped(record.getMessage().strip()[:300])}
        self._log.limited("server", about, record.levelno, record.exc_info)
