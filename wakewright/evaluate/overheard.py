"""A trained Judge listens to recordings that should not hold its phrase."""

from __future__ import annotations

import functools

from wakewright.core.audio import SAMPLE_RATE, load_part, pieces
from wakewright.detect.judge import SHORTEST_S, Judge

PIECE_S = 20.0
"""Seconds judged at once."""
OVERLAP_S = 2.0
"""Seconds of a piece that the next one has too: a phrase that lies across their border is whole in one of them."""


@functools.lru_cache(maxsize=1)
def _judge(folder: str) -> Judge:
    return Judge.load(folder)


def overheard(path: str, folder: str) -> tuple[bool, float, float]:
    """Whether the Judge in `folder` hears its phrase in a recording, its confidence, and after how many seconds.

    What is too short to judge holds no phrase. Raises AudioError for a recording that cannot be read, RunError for a
    folder without a Judge.
    """
    judge = _judge(folder)
    seconds = sum(len(samples) / rate for samples, rate in pieces(path))
    best, at_s, start_s = 0.0, 0.0, 0.0
    while seconds - start_s >= SHORTEST_S:
        samples = load_part(path, start_s, PIECE_S)
        if len(samples) < SHORTEST_S * SAMPLE_RATE:
            break
        verdict = judge.verify(samples)
        if verdict.confidence > best:
            best, at_s = verdict.confidence, start_s + verdict.end_s
        start_s += PIECE_S - OVERLAP_S
    return best >= judge.threshold, best, at_s
