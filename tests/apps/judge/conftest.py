"""A Judge in this process, and one in a process of its own, as users start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

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


Started = Callable[..., AbstractContextManager[tuple[str, "subprocess.Popen[str]"]]]


@pytest.fixture
def started(exported: dict[str, Path]) -> Started:
    """Start `wakewright judge serve` on a free port; gives its address and process."""

    @contextmanager
    def start(*words: str) -> Iterator[tuple[str, Any]]:
        command = [sys.executable, "-m", "wakewright", "judge", "serve", str(exported["speech_embedding"])]
        process = subprocess.Popen(
            [*command, *(() if "--port" in words else ("--port", "0")), *words],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        with process:
            try:
                assert process.stderr is not None
                line = process.stderr.readline()
                yield json.loads(line)["address"], process
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
