"""Sound kept for mining, where that was asked for: never more than so many bytes, the oldest going first."""

from __future__ import annotations

import datetime
import itertools
import json
import re
import threading
from collections import deque
from pathlib import Path

from wakewright.core.audio import Samples, write_wav
from wakewright.core.errors import DiskFull
from wakewright.core.files import write_bytes
from wakewright.detect.judge import Verdict

OURS = re.compile(r"\d{8}T\d{6}\.\d{6}-\d{6,}\.(wav|json)")
"""Names of files that were kept: what else lies in the folder is left alone."""


class Keeper:
    """Writes each clip as a WAV with its verdict beside it."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._most = folder, most_bytes
        self._number = itertools.count()
        self._lock = threading.Lock()
        # counted once: to look at all files for each clip would take the longer the smaller the clips are
        found = sorted(path for path in folder.iterdir() if OURS.fullmatch(path.name))
        self._files = deque((path, path.stat().st_size) for path in found)
        self._total = sum(size for _, size in self._files)

    def keep(self, samples: Samples, verdict: Verdict, model: str) -> str | None:
        """Keep this clip; gives a line for the log where it cannot be. Nothing of the request names the file."""
        now = datetime.datetime.now(datetime.UTC)
        about = {
            "time": now.isoformat(timespec="milliseconds"),
            "phrase": verdict.phrase,
            "prediction": verdict.prediction,
            "confidence": round(verdict.confidence, 4),
            "threshold": verdict.threshold,
            "model": model,
        }
        with self._lock:
            stem = self._folder / f"{now:%Y%m%dT%H%M%S.%f}-{next(self._number):06d}"
            try:
                self._write(stem, json.dumps(about, ensure_ascii=False).encode(), samples)
            except DiskFull as error:
                return error.what
            except OSError as error:  # a card that turned read-only, say: a verdict is worth more than its sound
                return f"{self._folder} cannot be written: {error.strerror or error}"
        return None

    def _write(self, stem: Path, verdict: bytes, samples: Samples) -> None:
        sound, verdict_file = stem.with_name(stem.name + ".wav"), stem.with_name(stem.name + ".json")
        try:
            write_bytes(verdict_file, verdict)
            self._count(verdict_file)
            write_wav(sound, samples)
            self._count(sound)
        finally:
            self._make_room()

    def _count(self, path: Path) -> None:
        size = path.stat().st_size
        self._files.append((path, size))
        self._total += size

    def _make_room(self) -> None:
        while self._total > self._most:
            path, size = self._files[0]
            path.unlink(missing_ok=True)
            self._files.popleft()
            self._total -= size
