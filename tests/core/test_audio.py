"""Sound in and out: every usual format, and a clear word about each file that cannot be used."""

from __future__ import annotations

import ctypes
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wakewright.core import audio
from wakewright.core.errors import AudioError, DiskFull

RATE = audio.SAMPLE_RATE


def tone(seconds: float = 1.0, *, rate: int = RATE, hz: float = 440.0) -> Any:
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def loudest_hz(samples: audio.Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


# ------------------------------------------------------------------------------------------- what can be read


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        ("wav", "PCM_16", 1e-4), ("wav", "PCM_24", 1e-6), ("wav", "PCM_32", 1e-6), ("wav", "FLOAT", 0.0),
        ("wav", "PCM_U8", 0.01), ("wav", "ULAW", 0.03), ("flac", "PCM_16", 1e-4), ("flac", "PCM_24", 1e-6),
        ("aiff", "PCM_16", 1e-4), ("au", "PCM_16", 1e-4), ("w64", "PCM_16", 1e-4), ("caf", "PCM_16", 1e-4),
        ("ogg", "VORBIS", 0.05), ("opus", "OPUS", 0.1), ("mp3", "MPEG_LAYER_III", 0.05),
    ],
)  # fmt: skip
def test_every_usual_format_is_read(tmp_path: Path, suffix: str, subtype: str, tolerance: float) -> None:
    kind = {"opus": "OGG"}.get(suffix, suffix.upper())
    if kind not in soundfile.available_formats() or subtype not in soundfile.available_subtypes(kind):
        pytest.skip(f"this libsndfile cannot write {suffix} {subtype}")
    path, sound = tmp_path / f"a.{suffix}", tone()
    soundfile.write(path, sound, RATE, format=kind, subtype=subtype)
    samples = audio.load(path)
    assert samples.dtype == np.float32
    assert abs(len(samples) - len(sound)) <= (0 if tolerance < 0.04 else 1200)
    middle = slice(4000, 12000)
    assert np.max(np.abs(samples[middle] - sound[middle])) <= tolerance
    assert audio.duration(path) == pytest.approx(len(samples) / RATE, abs=1e-3)
    assert audio.find_audio(tmp_path) == [path]


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_any_rate_becomes_16_khz(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(rate=rate, hz=1000.0), rate, subtype="PCM_24")
    samples = audio.load(tmp_path / "a.wav")
    assert abs(len(samples) - RATE) <= 1
    assert loudest_hz(samples) == pytest.approx(1000.0, abs=1.5)
    assert np.max(np.abs(samples)) == pytest.approx(0.5, abs=0.02)
    assert audio.duration(tmp_path / "a.wav") == pytest.approx(1.0, abs=1e-4)


def test_what_lies_above_8_khz_does_not_fold_down(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(rate=48_000, hz=11_000.0), 48_000)
    assert audio.rms(audio.load(tmp_path / "a.wav")[1000:-1000]) < 1e-3


def test_eight_channels_are_averaged_or_kept(tmp_path: Path) -> None:
    channels = np.stack([tone() * (c / 8) for c in range(8)], axis=1)
    soundfile.write(tmp_path / "a.wav", channels, RATE, subtype="FLOAT")
    np.testing.assert_allclose(audio.load(tmp_path / "a.wav"), channels.mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(audio.load(tmp_path / "a.wav", mono=False), channels)


def test_the_name_does_not_decide_the_format(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", tone(), RATE)
    (tmp_path / "a.flac").rename(tmp_path / "a.wav")
    assert len(audio.load(tmp_path / "a.wav")) == RATE


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_a_wav_from_a_pipe_without_its_size_is_read(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), RATE, subtype="PCM_16")
    raw = bytearray(path.read_bytes())
    raw[4:8] = raw[40:44] = size.to_bytes(4, "little")
    path.write_bytes(raw)
    if size == 0:  # says itself that it holds nothing
        with pytest.raises(AudioError, match="0 samples"):
            audio.load(path)
    else:
        assert len(audio.load(path)) == RATE


def test_a_flac_from_a_pipe_without_its_length_is_read(tmp_path: Path) -> None:
    path, sound = tmp_path / "a.flac", tone(3.0)
    soundfile.write(path, sound, RATE)
    raw = bytearray(path.read_bytes())
    raw[21] &= 0xF0  # the length, 36 bits, stands in the first block
    raw[22:26] = bytes(4)
    path.write_bytes(raw)
    assert audio.duration(path) == 3.0
    whole = audio.load(path)
    np.testing.assert_allclose(whole, sound, atol=1e-4)
    np.testing.assert_array_equal(np.concatenate([part[:, 0] for part, _ in audio.pieces(path, 0.7)]), whole)
    np.testing.assert_array_equal(audio.load_part(path, 1.0, 1.0), whole[RATE : 2 * RATE])
    np.testing.assert_array_equal(audio.load_part(path, 2.5, 60.0), whole[5 * RATE // 2 :])


def test_trailing_rubbish_after_the_sound_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), RATE, subtype="PCM_16")
    path.write_bytes(path.read_bytes() + b"LIST\xff\x00\x00\x00cut")
    assert len(audio.load(path)) == RATE


# ---------------------------------------------------------------------------------------------- what cannot


def missing(path: Path) -> None:
    pass


def folder(path: Path) -> None:
    path.mkdir()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def renamed_text(path: Path) -> None:
    path.write_text("these are the lyrics, not the song\n" * 40)


def headless(path: Path) -> None:
    soundfile.write(path, tone(), RATE)
    path.write_bytes(path.read_bytes()[:20])


def halved(path: Path) -> None:
    soundfile.write(path, tone(), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero_length(path: Path) -> None:
    soundfile.write(path, np.zeros(0, np.float32), RATE)


def filled_with_nan(path: Path) -> None:
    sound = tone()
    sound[100:200] = np.nan
    sound[300] = np.inf
    soundfile.write(path, sound, RATE, subtype="FLOAT")


def at_one_hertz(path: Path) -> None:
    soundfile.write(path, tone(), 1)


BAD = [
    (at_one_hertz, "a.wav", "{} cannot be used", "1 Hz", "remove it, or write it again at 4000 to"),
    (missing, "a.wav", "no recording at {}", "no such file", "check the path"),
    (folder, "a.wav", "no recording at {}", "a folder", "name a file"),
    (empty, "a.wav", "{} cannot be used", "an empty file of 0 bytes", "remove it, or record it again"),
    (renamed_text, "a.wav", "{} cannot be read as audio", "Format not recognised", "remove it, or convert it to"),
    (renamed_text, "a.flac", "{} cannot be read as audio", "Format not recognised", "remove it, or convert it to"),
    (
        renamed_text,
        "a.mp3",
        "{} cannot be read as audio",
        "no sound in a known format",
        "remove it, or convert it to",
    ),
    (headless, "a.wav", "{} cannot be read as audio", "Malformed 'fmt ' chunk", "remove it, or convert it to"),
    (halved, "a.wav", "{} is cut off", "15978 of 32000 bytes of sound", "remove it, or copy it again"),
    (halved, "a.aiff", "{} is cut off", "of 32008 bytes of sound", "remove it, or copy it again"),
    (halved, "a.flac", "{} is cut off", "the FLAC stream breaks off", "remove it, or copy it again"),
    (halved, "a.mp3", "{} is cut off", "of 16000 samples", "remove it, or copy it again"),
    (zero_length, "a.wav", "{} cannot be used", "0 samples", "remove it, or record it again"),
    (zero_length, "a.aiff", "{} cannot be used", "0 samples", "remove it, or record it again"),
    (filled_with_nan, "a.wav", "{} cannot be used", "101 values that are NaN or infinite", "remove it, or export it"),
]


@pytest.mark.parametrize(("make", "name", "what", "got", "do"), BAD, ids=lambda v: getattr(v, "__name__", None))
def test_a_bad_file_is_named_with_its_fault(
    tmp_path: Path, make: Callable[[Path], None], name: str, what: str, got: str, do: str
) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(AudioError) as caught:
        audio.load(path)
    assert caught.value.what == what.format(path)
    assert got in caught.value.got
    assert caught.value.do.startswith(do)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("make", [missing, folder, empty, renamed_text, headless, halved, zero_length, at_one_hertz])
def test_the_header_alone_shows_most_faults(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.wav")
    with pytest.raises(AudioError):
        audio.duration(tmp_path / "a.wav")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_one_may_not_read_is_named(tmp_path: Path) -> None:
    audio.write_wav(tmp_path / "a.wav", tone())
    (tmp_path / "a.wav").chmod(0)
    with pytest.raises(AudioError, match="Permission denied"):
        audio.load(tmp_path / "a.wav")


# ------------------------------------------------------------------------------------------------- writing


def test_a_written_file_reads_back_and_clips_at_full_scale(tmp_path: Path) -> None:
    audio.write_wav(tmp_path / "a.wav", np.array([0.0, 0.5, -0.5, 3.0, -3.0], np.float32))
    np.testing.assert_allclose(audio.load(tmp_path / "a.wav"), [0, 0.5, -0.5, 1.0, -1.0], atol=5e-5)
    assert soundfile.info(tmp_path / "a.wav").subtype == "PCM_16"


def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("mounting a tiny file system needs Linux and root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(tmp_path), b"tmpfs", 0, b"size=64k") != 0:
        pytest.skip(f"mount is not allowed here: {os.strerror(ctypes.get_errno())}")
    try:
        audio.write_wav(tmp_path / "a.wav", tone(0.5))
        with pytest.raises(DiskFull):
            audio.write_wav(tmp_path / "a.wav", tone(20.0))
        assert len(audio.load(tmp_path / "a.wav")) == RATE // 2
    finally:
        libc.umount2(os.fsencode(tmp_path), 2)


def test_int16_rounds_and_saturates() -> None:
    values = np.array([0.0, 1.0, -1.0, 2.0, -2.0, 0.4 / 32768, 0.6 / 32768], np.float32)
    assert audio.to_int16(values).tolist() == [0, 32767, -32768, 32767, -32768, 0, 1]


def test_sixteen_bits_are_the_same_bits_after_floats(tmp_path: Path) -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    soundfile.write(tmp_path / "every.wav", every, audio.SAMPLE_RATE, subtype="PCM_16")
    heard = audio.load(tmp_path / "every.wav")
    assert np.array_equal(audio.to_int16(heard), every)
    audio.write_wav(tmp_path / "again.wav", heard)
    assert np.array_equal(audio.load(tmp_path / "again.wav"), heard)


# ------------------------------------------------------------------------------------------------- searching


def test_folders_are_searched_in_order_and_links_followed_once(tmp_path: Path) -> None:
    for name in ("b/2.WAV", "b/1.flac", "a/x.mp3", "a/notes.txt", "a/.hidden.wav", "elsewhere/z.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    root = tmp_path / "root"
    root.mkdir()
    try:
        for name in ("a", "b"):
            (root / name).symlink_to(tmp_path / name)
        (tmp_path / "a" / "loop").symlink_to(root)
    except OSError:
        pytest.skip("links are not allowed here")
    assert [p.relative_to(root).as_posix() for p in audio.find_audio(root)] == ["a/x.mp3", "b/1.flac", "b/2.WAV"]


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(AudioError) as caught:
        audio.find_audio(tmp_path)
    assert caught.value.what == f"no audio in {tmp_path}"
    assert ".wav" in caught.value.got
    assert caught.value.do == "name a folder that holds recordings"
    with pytest.raises(AudioError, match="no such file or folder"):
        audio.find_audio(tmp_path / "nowhere")


def test_the_rms_of_nothing_is_zero() -> None:
    assert audio.rms(np.zeros(0, np.float32)) == 0.0
    assert audio.rms(np.full(100, -0.5, np.float32)) == pytest.approx(0.5)


def test_a_part_is_what_stands_there_in_the_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for rate, suffix in ((16_000, "wav"), (44_100, "flac"), (8_000, "ogg")):
        sound = np.cumsum(rng.normal(0, 0.01, (3 * rate, 2)), axis=0) % 0.5
        path = tmp_path / f"{rate}.{suffix}"
        soundfile.write(path, sound, rate)
        part = audio.load_part(path, 1.0, 0.5)
        whole = audio.load(path)[16_000:24_000]
        assert len(part) == len(whole)
        np.testing.assert_allclose(part[800:-800], whole[800:-800], atol=0 if rate == 16_000 else 2e-2)
        assert len(audio.load_part(path, 2.9, 5.0)) == pytest.approx(1600, abs=2)
        with pytest.raises(AudioError, match="0 samples"):
            audio.load_part(path, 4.0, 1.0)


def test_a_part_with_values_that_are_not_finite_is_refused(tmp_path: Path) -> None:
    sound = np.zeros(16_000, np.float32)
    sound[9000] = np.nan
    soundfile.write(tmp_path / "nan.wav", sound, 16_000, subtype="FLOAT")
    assert len(audio.load_part(tmp_path / "nan.wav", 0.0, 0.5)) == 8000
    with pytest.raises(AudioError, match="got: 1 values that are NaN or infinite"):
        audio.load_part(tmp_path / "nan.wav", 0.5, 0.5)


def test_a_sound_for_a_page_is_small_and_sounds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    at = np.arange(32_000) / 16_000
    tone = np.asarray(9000 * np.sin(2 * np.pi * 440 * at), np.int16)
    media, data = audio.for_browsers(tone)
    assert (media, audio.for_browsers(tone)[1]) == ("audio/mpeg", data)
    assert len(data) < 10_000
    heard, rate = soundfile.read(io.BytesIO(data))
    assert rate == 16_000
    assert np.argmax(np.abs(np.fft.rfft(heard[:32_000]))) == pytest.approx(880, abs=1)
    assert audio.rms(heard[4000:28_000].astype(np.float32)) == pytest.approx(9000 / 32768 / np.sqrt(2), rel=0.02)
    monkeypatch.setattr(soundfile, "available_formats", lambda: {"WAV": "WAV (Microsoft)"})
    media, data = audio.for_browsers(tone)
    assert media == "audio/wav"
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(data), dtype="int16")[0], tone)
    assert audio.for_browsers(tone[:0])[0] == "audio/wav"
