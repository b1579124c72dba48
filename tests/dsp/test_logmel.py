"""Log mel bands and cepstral coefficients against their definitions, and what is asked of their names."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.fft

from wakewright.core.errors import InputError
from wakewright.core.recipe import Frontend
from wakewright.dsp import frontend, logmel

SETTINGS = [
    Frontend(),
    Frontend(window_ms=25, hop_ms=12.5, n_mels=23, fmin_hz=0, fmax_hz=8000),
    Frontend(kind="mfcc", window_ms=64, hop_ms=20, n_mels=26, n_mfcc=20, fmin_hz=300, fmax_hz=3400),
]


def sound(seconds: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(4)
    time = np.arange(int(16000 * seconds)) / 16000
    chirp = np.sin(2 * np.pi * (200 + 1500 * time) * time)
    return (0.3 * chirp * np.sin(2 * np.pi * 3 * time) ** 2 + rng.normal(0, 1e-3, len(time))).astype(np.float32)


def by_definition(settings: Frontend, samples: np.ndarray) -> np.ndarray:
    """The same in plain sums: a discrete Fourier transform as it is defined, and triangles in mel, one by one."""
    window, hop = round(16 * settings.window_ms), round(16 * settings.hop_ms)
    length = 1
    while length < window:
        length *= 2
    bins = np.arange(length // 2 + 1)
    wave = np.exp(-2j * np.pi * np.outer(bins, np.arange(window)) / length)
    hann = np.array([math.sin(math.pi * n / window) ** 2 for n in range(window)])

    def mel(hertz: float) -> float:
        return 2595 * math.log10(1 + hertz / 700)

    low, high = mel(settings.fmin_hz), mel(settings.fmax_hz)
    corner = [low + (high - low) * i / (settings.n_mels + 1) for i in range(settings.n_mels + 2)]
    rows = []
    for start in range(0, len(samples) - window + 1, hop):
        power = np.abs(wave @ (samples[start : start + window].astype(np.float64) * hann)) ** 2
        row = []
        for left, top, right in zip(corner, corner[1:], corner[2:], strict=False):
            energy = 0.0
            for k in bins:
                here = mel(k * 16000 / length)
                if left < here < right:
                    energy += power[k] * (
                        (here - left) / (top - left) if here < top else (right - here) / (right - top)
                    )
            row.append(math.log(max(energy, 1e-8)))
        rows.append(row)
    bands = np.array(rows)
    if settings.kind == "mel":
        return bands
    return np.asarray(scipy.fft.dct(bands, type=2, norm="ortho", axis=1))[:, : settings.n_mfcc]


@pytest.mark.parametrize("settings", SETTINGS, ids=logmel.name_of)
def test_frames_are_what_the_definition_gives(settings: Frontend) -> None:
    expected = by_definition(settings, sound(0.4))
    got = logmel.LogMel(settings).push(sound(0.4))
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    assert expected.std() > 1
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("settings", SETTINGS, ids=logmel.name_of)
def test_one_sample_at_a_time_gives_the_same_bits(settings: Frontend) -> None:
    samples = sound(0.3)
    whole = logmel.LogMel(settings).push(samples)
    slow = logmel.LogMel(settings)
    pieces = [slow.push(samples[i : i + 1]) for i in range(len(samples))]
    assert max(len(piece) for piece in pieces) == 1
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize("band", [4, 20, 35])
def test_a_tone_is_loudest_in_the_band_it_lies_in(band: int) -> None:
    low, high = logmel.to_mel(np.array([125.0, 7500.0]))
    hertz = 700 * math.expm1((low + (high - low) * (band + 1) / 41) / 1127)
    tone = np.sin(2 * np.pi * hertz * np.arange(8000) / 16000).astype(np.float32)
    assert (logmel.LogMel(Frontend()).push(tone).argmax(axis=1) == band).all()


def test_silence_is_what_16_bits_round_to_and_never_minus_infinity() -> None:
    frames = logmel.LogMel(Frontend()).push(np.zeros(16000, np.float32))
    assert (frames == np.float32(math.log(logmel.FLOOR))).all()
    quiet = np.rint(np.random.default_rng(1).normal(0, 0.5, 16000)).astype(np.float32) / 32768
    assert (logmel.LogMel(Frontend()).push(quiet).mean(axis=0) > math.log(logmel.FLOOR)).all()


def test_a_name_says_all_that_frames_depend_on() -> None:
    for settings in SETTINGS:
        again = logmel.settings_of(logmel.name_of(settings))
        assert logmel.name_of(again) == logmel.name_of(settings)
        assert logmel.LogMel(again).push(sound()).tobytes() == logmel.LogMel(settings).push(sound()).tobytes()
    assert logmel.name_of(Frontend(cmvn=False)) == logmel.name_of(Frontend()), "the model's matter"
    names = {logmel.name_of(Frontend(kind="mfcc", **{key: value})) for key, value in CHANGES.items()}
    assert len(names) == len(CHANGES)
    assert {frontend.kind_of(name) for name in names} == {"mfcc"}


CHANGES = {"window_ms": 25, "hop_ms": 12.5, "n_mels": 32, "n_mfcc": 20, "fmin_hz": 20, "fmax_hz": 7600}


@pytest.mark.parametrize(
    "name",
    [
        "mel",
        "mel-30ms-10ms-40bands",
        "mel-30ms-10ms-40bands-125to7500hz-first13",
        "mfcc-30ms-10ms-40bands-125to7500hz-first50",
        "mel-30ms-10ms-4000bands-125to7500hz",
        "mel-30.0ms-10ms-40bands-125to7500hz",
        "mel-..ms-10ms-40bands-125to7500hz",
    ],
)
def test_other_names_are_unknown(name: str) -> None:
    with pytest.raises(KeyError, match=name[:3]):
        frontend.create(name)


def test_bands_that_would_hear_nothing_are_refused() -> None:
    with pytest.raises(InputError, match=r"1 of the 128 bands .* would hear nothing\n  got: n_mels=128, .*31\.2 Hz"):
        logmel.LogMel(Frontend(n_mels=128, fmin_hz=20, window_ms=25))
    logmel.LogMel(Frontend(n_mels=128, fmin_hz=20, window_ms=64))
