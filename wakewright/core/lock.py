"""One process at a time: a lock that the operating system drops when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        # A locked byte cannot be read by others on Windows, so one far behind the pid is locked.
        os.lseek(handle, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Hold `path` locked during the block; yields False, holding nothing, when another process has it.

    The lock belongs to the open file, so it goes when the process ends, kill -9 included; the file stays and holds
    the pid of its last holder. Child processes started by exec do not inherit it; `os.fork` alone would.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        held = _try_lock(handle)
        for _ in range(10):  # `holder` takes the lock for an instant to see whether it can
            if held:
                break
            time.sleep(0.02)
            held = _try_lock(handle)
        if held:
            os.ftruncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, str(os.getpid()).encode())
        yield held
    finally:
        os.close(handle)


def holder(path: Path) -> int | None:
    """Process id of who holds `path` locked now, 0 when it has not said yet; None when nobody does."""
    if not path.exists():
        return None
    handle = os.open(path, os.O_RDWR)
    try:
        if _try_lock(handle):
            return None
        os.lseek(handle, 0, os.SEEK_SET)
        text = os.read(handle, 32).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(handle)
