"""A Judge in this process, and one in a process of its own, as users start it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.apps.judge.dialling import Judge
from wakewright.apps.judge.limits import Limits
from wakewright.apps.judge.server import Court, create_app
from wakewright.core.audio import Samples, load
from wakewright.core.manifest import Manifest


@pytest.fixture(scope="session")
def clip(spoken: Manifest) -> Samples:
    """A second or two of speech."""
    return load(next(iter(spoken.of("positive"))).path)


@pytest.fixture
def client(exported: dict[str, Path]) -> Iterator[TestClient]:
    """A Judge without keys and without a rate."""
    court = Court((exported["speech_embedding"],), Limits(per_second=0), threads=2)
    with TestClient(create_app(court)) as test_client:
        yield test_client


@pytest.fixture
def judge(exported: dict[str, Path]) -> Iterator[Judge]:
    """One that loses its patience soon."""
    limits = Limits(per_second=0, patience_s=1.0)
    with Judge(Court((exported["speech_embedding"],), limits, threads=1)).running() as one:
        yield one


@dataclasses.dataclass
class Served:
    """A Judge that runs."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path
    """What it writes to standard error: a file, since a pipe that nobody empties would stop it."""


Started = Callable[..., AbstractContextManager[Served]]


@pytest.fixture
def started(exported: dict[str, Path], tmp_path: Path) -> Started:
    """Start `wakewright judge serve` on a free port."""
    number = itertools.count()

    @contextmanager
    def start(*words: str) -> Iterator[Served]:
        command = [sys.executable, "-m", "wakewright", "judge", "serve", str(exported["speech_embedding"])]
        command += [*(() if "--port" in words else ("--port", "0")), *words]
        log = tmp_path / f"judge-{next(number)}.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(command, stderr=stderr, env={**os.environ, "OMP_NUM_THREADS": "1"})
        with process:
            try:
                while not log.read_bytes().endswith(b"\n"):
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.02)
                yield Served(json.loads(log.read_text().splitlines()[0])["address"], process, log)
            finally:
                process.terminate()

    return start


@pytest.fixture(scope="session")
def sound(spoken: Manifest) -> Samples:
    """Twelve seconds of speech with pauses."""
    rest = np.random.default_rng(0).normal(0, 0.002, 8000).astype(np.float32)
    return np.concatenate([part for clip in spoken for part in (load(clip.path), rest)])[: 12 * 16000]


@pytest.fixture
def noise() -> Samples:
    """Two seconds of hiss."""
    return np.random.default_rng(0).normal(0, 0.01, 32000).astype(np.float32)
