"""Trimming keeps the word; the checks refuse what no voice would say."""

from __future__ import annotations

import numpy as np
import pytest

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.errors import NoVoice
from wakewright.data.voices import Utterance, engine_named
from wakewright.data.voices.clean import MARGIN_S, clean, trim

MARGIN = round(MARGIN_S * SAMPLE_RATE)
HEY = Utterance("hey katya", "espeak", "gmw/en-US")


def tone(seconds: float, level: float = 0.5) -> Samples:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.cos(2 * np.pi * 200 * t)).astype(np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def test_silence_goes_and_the_margin_stays() -> None:
    kept = trim(np.concatenate([silence(0.5), tone(0.4), silence(1.0)]))
    assert len(kept) == pytest.approx(0.4 * SAMPLE_RATE + 2 * MARGIN, abs=20)


def test_a_weak_beginning_stays() -> None:
    # an [h] or [f] 45 dB below the vowel
    breath = np.random.default_rng(1).normal(0, 0.5 * 10 ** (-45 / 20), 1600).astype(np.float32)
    kept = trim(np.concatenate([silence(0.5), breath, tone(0.4), breath, silence(0.5)]))
    assert len(kept) >= 0.6 * SAMPLE_RATE + 2 * MARGIN - 100


def test_dither_goes() -> None:
    dither = np.random.default_rng(1).choice(np.array([-1, 0, 1], np.float32), 16000) / 32768
    kept = trim(np.concatenate([dither, tone(0.4), dither]))
    assert len(kept) == pytest.approx(0.4 * SAMPLE_RATE + 2 * MARGIN, abs=20)


def test_sound_up_to_the_edge_stays_whole() -> None:
    assert np.array_equal(trim(tone(0.4)), tone(0.4))
    assert len(trim(silence(0.4))) == 0
    assert len(trim(silence(0))) == 0


@pytest.mark.parametrize("name", ["espeak", "flite", "pico", "mbrola", "rhvoice", "festival"])
@pytest.mark.parametrize("text", ["half", "fish", "hey alexa"])
def test_no_part_of_a_real_word_is_cut(name: str, text: str) -> None:
    engine = engine_named(name)
    if not engine.installed():
        pytest.skip(f"{name} is not installed")
    for voice in engine.voices("en-us")[:4]:
        samples = engine.speak(Utterance(text, name, voice.name))
        kept = trim(samples)
        assert len(kept) <= len(samples)
        lost = float(np.sum(samples.astype(np.float64) ** 2) - np.sum(kept.astype(np.float64) ** 2))
        assert lost / float(np.sum(samples.astype(np.float64) ** 2)) < 1e-5, voice


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (silence(0.5), "silence"),
        (tone(0.5, 1e-5), "silence"),
        (np.clip(tone(0.5, 3.0), -1, 1), "at full scale"),
        (np.append(tone(0.5), np.float32(np.nan)), "NaN or infinite"),
        (tone(0.05), "0.05 s, where 0.12 to"),
        (tone(13.0), "13.00 s, where 0.12 to 6.00 s"),
    ],
)
def test_what_is_no_speech_is_refused(samples: Samples, reason: str) -> None:
    with pytest.raises(NoVoice, match=rf"(?s)espeak/gmw/en-US did not speak 'hey katya' properly.*{reason}"):
        clean(samples, HEY)


def test_a_peak_just_over_full_scale_is_brought_down() -> None:
    samples = tone(0.5)
    samples[4000] = 1.05
    assert np.abs(clean(samples, HEY)).max() == pytest.approx(0.99)


def test_a_good_clip_is_left_as_it_is() -> None:
    assert np.array_equal(clean(tone(0.5), HEY), tone(0.5))
