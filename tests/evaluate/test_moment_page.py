"""What is looked at on the page: whole, escaped, bounded, and the sound is the one that was heard."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import soundfile

from wakewright.core.audio import SAMPLE_RATE
from wakewright.evaluate.moment_page import SCORE, WIDTH, drawing, galleries_html
from wakewright.evaluate.moments import LONGEST_S, MOST, Cut, Moment, gallery

EVIL = '<script>"'
THRESHOLD = 0.8


def cut(peak: float = 0.5, seconds: float = 2.0, *, word: bool = True, noise: bool = False) -> Cut:
    """A tone of 500 Hz that beats, or noise, with a score that rises to its peak."""
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    samples = 3000 * np.sin(2 * np.pi * 500 * at) * np.sin(2 * np.pi * 1.5 * at)
    if noise:
        samples = np.random.default_rng(0).normal(0, 6000, len(at))
    scores = np.linspace(0, peak, int(seconds / 0.08), dtype=np.float32)
    return Cut(peak, 0, 0.3, samples.astype(np.int16), scores, 0.03, 0.08, (0.7, 1.2) if word else None)


def moment(peak: float, **how: bool) -> Moment:
    return Moment(cut(peak, **how), "“hey”", "ann", "home", "/far/away/a.wav", 1.5, ("in a room",))


def test_the_sound_is_in_the_page_and_is_the_one_that_was_heard() -> None:
    page = galleries_html([gallery("clean", "missed", 1, [moment(0.5)])], THRESHOLD)
    (media, data) = re.findall(r'src="data:([a-z/]+);base64,([^"]+)"', page)[0]
    assert media == "audio/mpeg"
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
    assert rate == SAMPLE_RATE
    want = cut().samples / 32768
    assert len(sound) == pytest.approx(len(want), abs=2000)
    lags = np.fft.irfft(np.fft.rfft(sound, 80_000) * np.conj(np.fft.rfft(want, 80_000)))
    alike = lags.max() / (np.linalg.norm(sound) * np.linalg.norm(want))
    assert alike > 0.97
    assert np.abs(sound).max() == pytest.approx(0.7, abs=0.1), "raised for the ear"


def test_what_is_said_of_a_moment_is_there_and_escaped() -> None:
    odd = Moment(cut(), EVIL, EVIL, EVIL, f"/x/{EVIL}", 1.5, (EVIL,))
    page = galleries_html([gallery(EVIL, "missed", 1, [odd])], THRESHOLD)
    assert "<script" not in page
    assert page.count("&lt;script&gt;&quot;") == 7
    plain = galleries_html([gallery("clean", "missed", 1, [moment(0.512)])], THRESHOLD)
    for text in ("“hey”", "score 0.512", "ann; in a room", "a.wav (home), at 1.50 s", "All 1,", "0.800", "Shaded"):
        assert text in plain


def test_it_is_told_how_many_there_are_and_a_page_stays_small() -> None:
    loud = [
        Moment(cut(0.9, LONGEST_S, word=False, noise=True), "speech", "", "", "b.wav", 0.0) for _ in range(MOST + 3)
    ]
    page = galleries_html([gallery("speech", "accepted", 31, loud)], THRESHOLD)
    assert f"The {MOST} worst of 31, highest score first" in page
    assert page.count("<audio") == page.count("<figure>") == MOST
    assert len(page) < MOST * 60_000
    told = re.search(r"\(([\d.]+) MB of it\)", page)
    assert told is not None
    assert float(told[1]) == pytest.approx(len(page) / 1e6, abs=0.06)
    assert "Shaded" not in page
    nothing = [gallery("clean", "missed", 0, []), gallery("speech", "accepted", 0, [])]
    page = galleries_html(nothing, THRESHOLD)
    assert "No wake word was missed." in page
    assert "Nothing else was taken for the word." in page
    assert galleries_html([], THRESHOLD) == ""


def test_the_drawing_has_axes_and_the_threshold_at_its_height() -> None:
    for peak, threshold, top in ((0.5, 0.8, 1.0), (0.01, 0.02, 0.026)):
        drawn = drawing(cut(peak), threshold)
        root = ElementTree.fromstring(drawn)
        said = [text.text for text in root.iter("text")]
        assert {"kHz", "score", "seconds", "0.5", "1", "4", "7.5"} <= set(said)
        assert f"{top:.2g}" in said
        (mark,) = [path.get("d") or "" for path in root.iter("path") if path.get("class") == "mark"]
        height = SCORE[1] - threshold / top * (SCORE[1] - SCORE[0])
        assert float(mark.split()[1].split("H")[0]) == pytest.approx(height, abs=0.1)
        (line,) = [path.get("d") or "" for path in root.iter("path") if path.get("class") == "score"]
        spots = np.asarray([[float(v) for v in spot.split()] for spot in line[1:].split("L")])
        assert (np.diff(spots[:, 0]) > 0).all()
        assert spots[:, 0].max() <= WIDTH
        assert spots[-1, 1] == pytest.approx(SCORE[1] - peak / top * (SCORE[1] - SCORE[0]), abs=0.1)
    silent = Cut(0.0, -1, 0.0, np.zeros(16_000, np.int16), np.zeros(0, np.float32), 0.0, 0.08, None)
    assert "<image" in drawing(silent, 0.5)
    assert 'class="score"' not in drawing(silent, 0.5)
