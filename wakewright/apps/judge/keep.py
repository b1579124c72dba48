"""Sound kept for mining, where that was asked for: never more than so many bytes, the oldest going first."""

from __future__ import annotations

import datetime
import itertools
import json
import threading
from pathlib import Path

from wakewright.core.audio import Samples, write_wav
from wakewright.core.errors import DiskFull
from wakewright.core.files import write_bytes
from wakewright.detect.judge import Verdict


class Keeper:
    """Writes each clip as a WAV with its verdict beside it."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._most = folder, most_bytes
        self._number = itertools.count()
        self._lock = threading.Lock()

    def keep(self, samples: Samples, verdict: Verdict, model: str) -> str | None:
        """Keep this clip; gives a line for the log when the disk is full. Nothing of the request names the file."""
        now = datetime.datetime.now(datetime.UTC)
        stem = f"{now:%Y%m%dT%H%M%S.%f}-{next(self._number):06d}"
        about = {
            "time": now.isoformat(timespec="milliseconds"),
            "phrase": verdict.phrase,
            "prediction": verdict.prediction,
            "confidence": round(verdict.confidence, 4),
            "threshold": verdict.threshold,
            "model": model,
        }
        with self._lock:
            try:
                write_wav(self._folder / f"{stem}.wav", samples)
                write_bytes(self._folder / f"{stem}.json", json.dumps(about, ensure_ascii=False).encode())
            except DiskFull as error:
                return error.what
            self._make_room()
        return None

    def _make_room(self) -> None:
        files = sorted(path for path in self._folder.iterdir() if path.suffix in (".wav", ".json"))
        sizes = {path: path.stat().st_size for path in files}
        total = sum(sizes.values())
        for path in files:
            if total <= self._most:
                return
            path.unlink(missing_ok=True)
            total -= sizes[path]
