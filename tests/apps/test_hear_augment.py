"""`wakewright data hear`: one page without any other file, and what it refuses."""

from __future__ import annotations

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


def test_what_it_cannot_do_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "hear", "hey katya", "--only", "echo"]) == 2
    assert "--only names no augmentation" in capsys.readouterr().err
    run = Run.create(Recipe(phrase="hey katya"), tmp_path / "runs")
    assert main(["data", "hear", str(run.folder), "augment.rooms=0"]) == 2
    assert "a run keeps its recipe" in capsys.readouterr().err


def test_a_spectrogram_shows_a_tone_where_it_is() -> None:
    import io

    from PIL import Image

    tone = np.sin(2 * np.pi * 2_000 * np.arange(16_000) / 16_000).astype(np.float32)
    image = np.asarray(Image.open(io.BytesIO(picture.spectrogram(tone))).convert("L"), int)
    bright = int(np.argmax(image.sum(axis=1)))
    assert bright == pytest.approx(image.shape[0] * 0.75, abs=2)
