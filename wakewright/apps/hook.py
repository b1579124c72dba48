"""A command of the user's, run on each detection."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

from wakewright.detect.detector import Detection

MOST_AT_ONCE = 8
"""Commands that may still run when another detection comes; a command that never ends must not fill the machine."""
LAST_WAIT_S = 5.0
"""Given to all that still runs when listening ends."""


class Hook:
    """Runs the command through the shell, without waiting for it."""

    def __init__(self, command: str, *, apart: bool = False) -> None:
        """`apart`: what it prints goes to standard error, since standard output is for other programs."""
        self._command, self._apart = command, apart
        self._running: list[subprocess.Popen[bytes]] = []

    def run(self, detection: Detection) -> str | None:
        """Start it for this detection; gives a line to tell the user when something went wrong, now or before.

        It finds WAKEWRIGHT_PHRASE, WAKEWRIGHT_SCORE and WAKEWRIGHT_TIME (seconds into the stream) in its environment.
        """
        problem = self._reap()
        if len(self._running) >= MOST_AT_ONCE:
            return f"--exec: {len(self._running)} of it still run; not started again"
        about = {
            "WAKEWRIGHT_PHRASE": detection.phrase,
            "WAKEWRIGHT_SCORE": f"{detection.score:.4f}",
            "WAKEWRIGHT_TIME": f"{detection.end_s:.3f}",
        }
        # the user's own words, as typed on the command line; what was heard goes by the environment alone
        out = sys.__stderr__ if self._apart else None
        environment = {**os.environ, **about}
        started = subprocess.Popen(self._command, shell=True, stdin=subprocess.DEVNULL, stdout=out, env=environment)
        self._running.append(started)
        return problem

    def _reap(self) -> str | None:
        ended = [process for process in self._running if process.poll() is not None]
        self._running = [process for process in self._running if process not in ended]
        failed = [process.returncode for process in ended if process.returncode]
        return f"--exec: the command ended with status {failed[-1]}" if failed else None

    def wait(self) -> str | None:
        """Give what still runs a moment, and leave it running beyond that; gives a line as `run` does."""
        until = time.monotonic() + LAST_WAIT_S
        for process in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        return self._reap()
