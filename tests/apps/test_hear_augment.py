"""`wakewright data hear`: one page without any other file, and what it refuses."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.apps.cli import main
from wakewright.core.recipe import Recipe
from wakewright.core.run import Run
from wakewright.evaluate import picture


@pytest.fixture(autouse=True)
def _place(shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
    monkeypatch.chdir(tmp_path)


def test_each_that_is_named_is_on_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    time = np.arange(16_000) / 16_000
    soundfile.write(tmp_path / "me <b>.wav", 0.3 * np.sin(2 * np.pi * 300 * time), 16_000)
    words = ["data", "hear", "hey katya", "voices.engines=[espeak]", "--audio", "me <b>.wav", "--out", "page"]
    only = ("trim", "stretch", "mixup")
    assert main([*words, *(word for name in only for word in ("--only", name))]) == 0
    assert "page/index.html" in capsys.readouterr().out
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<h2>(\w+)", page) == list(only)
    assert page.count("data:audio/flac") == 4
    widths = [float(width) for width in re.findall(r'width:([\d.]+)%" src', page)]
    assert widths[0] == 100 > widths[1]
    assert max(widths[2:4]) == 100
    assert "% of the silence before the word, " in page
    assert page.count("data:image/png") == 6
    assert page.count("off in this recipe") == 3
    assert "me &lt;b&gt;.wav" in page
    assert "src=" not in re.sub(r'src="data:', "", page)


def test_the_schedule_is_heard_level_by_level_and_a_shift_keeps_the_word_whole(tmp_path: Path) -> None:
    time = np.arange(8_000) / 16_000
    soundfile.write(tmp_path / "me.wav", 0.3 * np.sin(2 * np.pi * 300 * time), 16_000)
    words = ["data", "hear", "hey katya", "voices.engines=[espeak]", "augment.schedule.levels=4", "--out", "page"]
    assert main([*words, "--audio", "me.wav", "--only", "schedule", "--only", "shift"]) == 0
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<h2>(\w+)", page) == ["schedule", "shift"]
    assert "augment.schedule, augment.snr_db" in page
    assert "off in this recipe" not in page
    told = re.findall(r"level (\d) of 4, [^:]+: (-?\d+) to (-?\d+) dB, here (-?[\d.]+)<", page)
    assert [one[0] for one in told] == list("1234")
    ratios = [float(one[3]) for one in told]
    assert ratios == sorted(ratios, reverse=True)
    assert all(
        float(low) - 0.5 <= here <= float(high) + 0.5 for (_, low, high, _), here in zip(told, ratios, strict=True)
    )
    assert re.findall(r"heard from the first step on|comes in from \d+ to \d+", page) == [
        "heard from the first step on", "comes in from 0 to 20", "comes in from 20 to 40", "comes in from 40 to 60",
    ]  # fmt: skip
    (late,) = re.findall(r"it ends ([\d.]+ s \w+) the end of the word", page)
    sounds = [
        soundfile.read(io.BytesIO(base64.b64decode(code)))[0] for code in re.findall(r"flac;base64,([^\"]+)", page)
    ]
    assert len(sounds) == 10
    levels = [float(np.std(after - before)) for before, after in zip(sounds[:8:2], sounds[1:8:2], strict=True)]
    assert levels == sorted(levels)
    before, after = sounds[-2:]
    loud = [np.flatnonzero(np.abs(sound) > 0.05) for sound in (before, after)]
    kept, moved = len(loud[1]) / len(loud[0]), len(after) - 1 - loud[1][-1]
    assert kept == pytest.approx(1.0, abs=0.13), "at most 60 ms of half a second"
    seconds, side = float(late.split()[0]), late.split()[2]
    assert moved / 16_000 == pytest.approx(seconds if side == "after" else 0.0, abs=0.03)


def test_what_it_cannot_do_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "hear", "hey katya", "--only", "echo"]) == 2
    assert "--only names no augmentation" in capsys.readouterr().err
    run = Run.create(Recipe(phrase="hey katya"), tmp_path / "runs")
    assert main(["data", "hear", str(run.folder), "augment.rooms=0"]) == 2
    assert "a run keeps its recipe" in capsys.readouterr().err


def test_a_spectrogram_shows_a_tone_where_it_is() -> None:
    from PIL import Image

    tone = np.sin(2 * np.pi * 2_000 * np.arange(16_000) / 16_000).astype(np.float32)
    image = np.asarray(Image.open(io.BytesIO(picture.spectrogram(tone))).convert("L"), int)
    bright = int(np.argmax(image.sum(axis=1)))
    assert bright == pytest.approx(image.shape[0] * 0.75, abs=2)
