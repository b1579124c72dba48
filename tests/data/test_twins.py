"""One recording under two names is found, whatever format, gain and trim; two recordings of one thing are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.core.audio import Samples, load
from wakewright.core.manifest import Manifest
from wakewright.data import fingerprints, twins


def recoded(samples: Samples, path: Path, fmt: str, subtype: str, gain: float = 0.5, trim: int = 0) -> Path:
    soundfile.write(path, samples[trim:] * gain, 16_000, format=fmt, subtype=subtype)
    return path


@pytest.mark.parametrize(
    ("fmt", "subtype", "gain", "trim"),
    [
        ("OGG", "VORBIS", 0.7, 0),
        ("MP3", "MPEG_LAYER_III", 0.7, 0),
        ("WAV", "ULAW", 0.5, 0),
        ("WAV", "PCM_U8", 0.6, 0),
        ("FLAC", "PCM_16", -0.1, 777),
    ],
)
def test_other_forms_of_a_recording_are_twins(
    spoken: Manifest, tmp_path: Path, fmt: str, subtype: str, gain: float, trim: int
) -> None:
    paths = [c.path for c in spoken]
    for i, clip in enumerate(spoken):
        paths.append(str(recoded(load(clip.path), tmp_path / f"{i}.{fmt.lower()}", fmt, subtype, gain, trim)))
    found = twins.find(paths, [fingerprints.take(load(p)) for p in paths], workers=1)
    right = {(i, i + len(spoken)) for i in range(len(spoken))}
    assert {(t.first, t.second) for t in found} <= right
    assert len(found) >= len(spoken) - 1
    assert all(t.correlation > 0.9 for t in found)
    assert all(abs(t.offset_s + trim / 16_000) < 0.05 for t in found)


def test_takes_of_one_phrase_are_no_twins(spoken: Manifest) -> None:
    paths = [c.path for c in spoken]
    assert twins.find(paths, [fingerprints.take(load(p)) for p in paths], workers=1) == []


def test_one_process_and_two_find_the_same(spoken: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "_WORTH_A_POOL", 1)
    paths = [c.path for c in spoken]
    paths += [str(recoded(load(p), tmp_path / f"{i}.ogg", "OGG", "VORBIS")) for i, p in enumerate(paths)]
    prints = [fingerprints.take(load(p)) for p in paths]
    assert twins.find(paths, prints, workers=1) == twins.find(paths, prints, workers=2)


def test_a_fingerprint_travels_as_text(spoken: Manifest) -> None:
    taken = fingerprints.take(load(spoken.clips[0].path))
    again = fingerprints.unpack(taken.packed())
    for field in ("bits", "loud", "keys", "weak"):
        np.testing.assert_array_equal(getattr(taken, field), getattr(again, field))
    with pytest.raises(ValueError, match="not whole"):
        fingerprints.unpack(taken.packed()[:-8])


def test_silence_and_a_click_have_no_twin(tmp_path: Path) -> None:
    silence = np.zeros(16_000, np.float32)
    click = silence.copy()
    click[8000] = 0.5
    prints = [fingerprints.take(s) for s in (silence, silence, click, click[:160])]
    assert twins.find(["a", "b", "c", "d"], prints[:2], workers=1) == []
    assert not len(prints[0].keys)
    for taken in prints:
        assert len(fingerprints.unpack(taken.packed()).bits) == len(taken.bits)


def test_groups_join_what_is_joined() -> None:
    pairs = [twins.Twins(0, 3, 0.0, 1.0), twins.Twins(1, 2, 0.0, 1.0), twins.Twins(3, 5, 0.0, 1.0)]
    assert twins.groups(pairs) == [[0, 3, 5], [1, 2]]
    assert twins.of_one_digest(["a", "b", "a", "c", "b"]) == [[0, 2], [1, 4]]
