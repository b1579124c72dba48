"""Front ends give the same frames however the samples are cut, and what the device would compute."""

from __future__ import annotations

import numpy as np
import pymicro_features
import pytest

from wakewright.core.audio import to_int16
from wakewright.dsp import frontend, micro

NAMES = [
    "micro",
    "speech_embedding",
    "mel-30ms-10ms-40bands-125to7500hz",
    "mel-64ms-20ms-80bands-60to8000hz",
    "mfcc-25ms-12.5ms-40bands-0to7600hz-first13",
]


def _sound(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=int(16000 * seconds)).astype(np.float32)
    return (noise * np.linspace(0, 0.4, len(noise), dtype=np.float32)).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_pieces_give_the_same_frames_as_the_whole(name: str) -> None:
    sound = _sound(13.0)
    whole = frontend.create(name).push(sound)
    pieced = frontend.create(name)
    rng = np.random.default_rng(0)
    out, at = [], 0
    while at < len(sound):
        step = int(rng.choice([0, 1, 159, 160, 1280, 1999, 6_000, 50_000]))
        out.append(pieced.push(sound[at : at + step]))
        at += step
    np.testing.assert_array_equal(whole, np.concatenate(out))
    assert len(whole) == (len(sound) - pieced.first_end) // pieced.hop + 1


@pytest.mark.parametrize("name", NAMES)
def test_reset_starts_afresh(name: str) -> None:
    sound = _sound(2.0)
    front = frontend.create(name)
    first = front.push(sound)
    front.reset()
    np.testing.assert_array_equal(first, front.push(sound))


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_appears_exactly_when_promised(name: str) -> None:
    front = frontend.create(name)
    assert len(front.push(_sound(5)[: front.first_end - 1])) == 0
    assert len(front.push(_sound(5)[:1])) == 1


@pytest.mark.parametrize("kind", ["noise", "silence", "full scale"])
def test_micro_is_the_c_code(kind: str) -> None:
    rng = np.random.default_rng(1)
    sound = {
        "noise": rng.normal(scale=0.1, size=32000),
        "silence": np.zeros(32000),
        "full scale": np.sign(rng.normal(size=32000)),
    }[kind].astype(np.float32)
    reference = pymicro_features.MicroFrontend()
    data = to_int16(sound).tobytes()
    expected = [f for i in range(0, len(data), 320) if (f := reference.process_samples(data[i : i + 320]).features)]
    got = micro.MicroFrontend().push_integers(sound)
    np.testing.assert_array_equal(got * np.float32(micro.FEATURE_UNIT), np.asarray(expected, np.float32))


def test_quantisation_is_the_devices_integer_rule() -> None:
    values = np.arange(0, 700, dtype=np.uint16)
    expected = [min(127, (int(v) * 256 + 333) // 666 - 128) for v in values]
    np.testing.assert_array_equal(micro.quantise(values), expected)


def test_an_unknown_front_end_is_refused() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        frontend.create("nonsense")
