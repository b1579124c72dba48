"""A Judge that listens to recordings: all of them, in pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from wakewright.core.manifest import Manifest
from wakewright.detect.judge import Judge
from wakewright.evaluate.overheard import overheard


def test_a_long_recording_is_judged_piece_by_piece(
    exported: dict[str, Path], spoken: Manifest, tmp_path: Path
) -> None:
    folder = str(exported["speech_embedding"])
    clip = spoken.clips[0].path
    samples, _ = soundfile.read(clip, dtype="float32")
    alone = Judge.load(folder).verify(samples)
    holds, sure, at_s = overheard(clip, folder)
    assert (holds, sure) == (alone.prediction, alone.confidence)
    assert at_s == alone.end_s
    hiss = np.random.default_rng(1).standard_normal(16_000 * 30).astype(np.float32) * np.float32(1e-3)
    soundfile.write(tmp_path / "long.wav", np.concatenate([hiss, samples]), 16_000)
    pieces = [overheard(str(tmp_path / "long.wav"), folder)[1] for _ in range(2)]
    assert pieces[0] == pieces[1]
    assert 0.0 <= pieces[0] <= 1.0
    soundfile.write(tmp_path / "short.wav", samples[:1000], 16_000)
    assert overheard(str(tmp_path / "short.wav"), folder) == (False, 0.0, 0.0)
