"""Simulated and measured rooms, and noise made from nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.errors import AudioError, MissingPackage
from wakewright.data import rooms
from wakewright.data.scene import Room, RoomPlan, direct_path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def rt60(response: Samples) -> float:
    """By Schroeder's backward integration, from -5 to -25 dB."""
    energy = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0] + 1e-12)
    return 3 * float(np.argmax(level < -25) - np.argmax(level < -5)) / SAMPLE_RATE


def test_drawn_rooms_are_rooms() -> None:
    shapes = [rooms.draw_room(np.random.default_rng(seed)) for seed in range(200)]
    for shape in shapes:
        size = np.array(shape.size_m)
        assert np.all(size >= 2.0)
        assert np.all(size <= 8.0)
        for place in (shape.source_m, shape.microphone_m):
            assert np.all(np.array(place) > 0.0)
            assert np.all(np.array(place) < size)
        assert 0.15 <= shape.rt60_s <= 0.8
    distances = [np.linalg.norm(np.subtract(s.source_m, s.microphone_m)) for s in shapes]
    assert 0.2 < min(distances) < 0.6
    assert 3.0 < max(distances) < 5.3
    assert np.mean([s.rt60_s > 0.4 for s in shapes]) > 0.15


def test_a_simulated_room_rings_as_long_as_it_was_told() -> None:
    pytest.importorskip("pyroomacoustics")
    for wanted in (0.2, 0.4, 0.7):
        shape = rooms.RoomShape((5.0, 4.0, 2.8), (1.0, 1.2, 1.5), (3.4, 2.7, 1.0), wanted, 3)
        assert rt60(rooms.simulate_room(shape)) == pytest.approx(wanted, rel=0.3)


def test_a_near_speaker_is_heard_more_directly() -> None:
    pytest.importorskip("pyroomacoustics")

    def direct_share(distance: float) -> float:
        response = rooms.simulate_room(
            rooms.RoomShape((6.0, 5.0, 2.8), (1.0 + distance, 2.0, 1.5), (1.0, 2.0, 1.5), 0.5, 3)
        )
        at = direct_path(response)
        return float(np.sum(response[: at + 40] ** 2) / np.sum(response**2))

    assert direct_share(0.4) > 2 * direct_share(3.5)


def test_simulated_rooms_follow_the_seed_and_are_kept(own_cache: Path) -> None:
    pytest.importorskip("pyroomacoustics")
    first = rooms.simulate_rooms(3, seed=7)
    assert len(list((own_cache / "rooms").glob("*.npz"))) == 1
    kept = rooms.simulate_rooms(3, seed=7)
    next((own_cache / "rooms").glob("*.npz")).write_bytes(b"not an archive")
    again = rooms.simulate_rooms(3, seed=7)
    for one, two, three in zip(first, kept, again, strict=True):
        assert one.tobytes() == two.tobytes() == three.tobytes()
        assert one.dtype == np.float32
        assert np.isfinite(one).all()
        assert direct_path(one) == rooms.BEFORE
        assert len(one) <= rooms.BEFORE + rooms.LONGEST_S * SAMPLE_RATE
    assert rooms.simulate_rooms(3, seed=8)[0].tobytes() != first[0].tobytes()
    np.testing.assert_array_equal(rooms.simulate_rooms(5, seed=7)[0], first[0])
    Room(first).apply(np.ones(4_000, np.float32), RoomPlan(2))


def test_no_rooms_are_no_work() -> None:
    assert rooms.simulate_rooms(0, seed=1) == []


def test_a_missing_simulator_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(MissingPackage) as caught:
        rooms.simulate_rooms(1, seed=1)
    assert caught.value.what == "rooms cannot be simulated"
    assert caught.value.got == "no package pyroomacoustics"
    assert "augment.rooms=0" in caught.value.do


def measured(delay: int, channels: int, seconds: float, rate: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    response = np.exp(-np.arange(round(seconds * rate)) / (0.1 * rate))[:, None]
    response = 0.1 * response * rng.standard_normal((len(response), channels))
    response[:delay] = 0.0
    response[delay] = 0.6
    return response


def test_measured_rooms_are_aligned_cut_and_normalised(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", measured(4_000, 5, 2.0, 48_000), 48_000)
    soundfile.write(tmp_path / "b.flac", measured(30, 1, 0.2, 16_000), 16_000)
    found = rooms.load_rirs([tmp_path])
    assert len(found) == 3
    for response in found:
        at = direct_path(response)
        assert at == (rooms.BEFORE if response is not found[2] else 30)
        assert len(response) <= at + rooms.LONGEST_S * SAMPLE_RATE
        assert float(np.sum(response[: at + 800] ** 2)) == pytest.approx(1.0, rel=1e-3)


def test_a_silent_or_broken_impulse_response_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((100, 2)), 16_000)
    with pytest.raises(AudioError) as caught:
        rooms.load_rirs([tmp_path / "a.wav"])
    assert caught.value.what == f"{tmp_path / 'a.wav'} cannot be used as a room impulse response"
    assert (caught.value.got, caught.value.do) == ("silence", "remove it")
    (tmp_path / "a.wav").write_text("text")
    with pytest.raises(AudioError, match="cannot be read as audio"):
        rooms.load_rirs([tmp_path])


# ------------------------------------------------------------------------------------------------------ noise


@pytest.mark.parametrize("seconds", [0.0, 0.01, 3.0])
@pytest.mark.parametrize("seed", range(12))
def test_synthetic_noise_is_sound_of_the_length_asked_for(seconds: float, seed: int) -> None:
    speech = [np.sin(np.arange(9_000, dtype=np.float32) / 5), np.zeros(0, np.float32)]
    noise = rooms.synthetic_noise(np.random.default_rng(seed), seconds, speech)
    assert noise.dtype == np.float32
    assert len(noise) == round(seconds * SAMPLE_RATE)
    assert np.isfinite(noise).all()
    if seconds == 3.0:
        assert np.max(np.abs(noise)) == pytest.approx(0.5, rel=1e-3)
        assert noise.tobytes() == rooms.synthetic_noise(np.random.default_rng(seed), seconds, speech).tobytes()


def test_synthetic_noise_varies() -> None:
    made = [rooms.synthetic_noise(np.random.default_rng(seed), 2.0) for seed in range(24)]
    flatness = []
    for noise in made:
        power = np.abs(np.fft.rfft(noise))[1:] ** 2 + 1e-12
        flatness.append(float(np.exp(np.log(power).mean()) / power.mean()))
    assert min(flatness) < 0.01
    assert max(flatness) > 0.4


def test_babble_is_made_of_the_speech_given() -> None:
    speech = [np.sin(2 * np.pi * 1_000 * np.arange(16_000) / SAMPLE_RATE).astype(np.float32)]
    for seed in range(40):
        noise = rooms.synthetic_noise(np.random.default_rng(seed), 2.0, speech)
        power = np.abs(np.fft.rfft(noise)) ** 2
        if power[1_900:2_100].sum() > 0.95 * power.sum():
            return
    pytest.fail("forty draws and never babble")
