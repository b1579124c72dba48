"""ESP-DL through a Python of its own: what is asked of it, and what is said when it fails or is not there."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wakewright.core.errors import MissingPackage, WakewrightError
from wakewright.export import espdl
from wakewright.models import registry

DIMS = registry.Dimensions("mixednet", 0.25)
STAND_IN = """#!{python}
# stands in for the Python that has esp-ppq: reads and writes the same files, its scores off by a hundredth
import sys
import numpy, onnxruntime
assert sys.argv[1] == "-I" and sys.argv[2].endswith("espdl_program.py") and sys.argv[4] == "esp32s3"
folder, windows = sys.argv[3], numpy.load(sys.argv[3] + "/windows.npy")
session = onnxruntime.InferenceSession(folder + "/model.onnx")
scores = [float(session.run(None, dict(frames=window[None]))[0][0, 0]) + 0.01 for window in windows]
numpy.save(folder + "/scores.npy", numpy.asarray(scores, "f4"))
open(folder + "/model.espdl", "wb").write(b"EDL2")
open(folder + "/model.info", "w").write("layers")
"""


def program(folder: Path, text: str) -> str:
    path = folder / "python-with-espdl"
    path.write_text(text.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
def model() -> object:
    torch.manual_seed(1)
    return registry.create(DIMS).eval()


FRAMES = np.random.default_rng(1).uniform(0, 26, (290, 40)).astype(np.float32)


def test_without_esp_ppq_it_says_how_to_get_it(
    model: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(espdl.PYTHON, raising=False)
    with pytest.raises(MissingPackage, match=r"do: .*pip install esp-ppq"):
        espdl.write(model, FRAMES, tmp_path, "hey", "esp32-s3")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a Unix script")
def test_it_states_how_far_off_the_scores_are(model: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(espdl.PYTHON, program(tmp_path, STAND_IN))
    files = espdl.write(model, FRAMES, tmp_path / "out", "hey", "esp32-s3")
    assert [file.name for file in files[:3]] == ["hey.espdl", "hey.info", "hey.espdl.json"]
    about = json.loads(files[2].read_text())
    assert about["difference_from_trained"] == {"largest": 0.01, "mean": 0.01}
    assert about["windows"] == (290 - about["frames"]) // 3 + 1


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a Unix script")
def test_it_leaves_what_a_device_can_replay(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(espdl.PYTHON, program(tmp_path, STAND_IN))
    files = espdl.write(model, FRAMES, tmp_path / "out", "hey", "esp32-s3")
    assert [file.name for file in files[3:]] == ["golden_features.npy", "golden_scores.npy", "parity.json"]
    features, scores, told = np.load(files[3]), np.load(files[4]), json.loads(files[5].read_text())
    np.testing.assert_array_equal(features, FRAMES)
    assert len(scores) == len(told["starts"]) == told["steps"] > 1
    windows = np.stack([features[at : at + model.receptive_field] for at in told["starts"]])
    with torch.no_grad():
        own = torch.sigmoid(model(torch.from_numpy(windows))[0][:, 0]).numpy()
    np.testing.assert_allclose(scores, own + 0.01, atol=1e-5)
    assert told["esp_ppq_torch"] == pytest.approx(0.01, abs=1e-5)
    assert 0 <= told["onnx_torch"] < 1e-4
    assert told["esp_dl"] is None  # nothing ran the file itself, and that is said


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a Unix script")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("#!/bin/sh\necho noise\necho 'no such operator: Foo' >&2\nexit 3\n", "no such operator: Foo"),
        ("#!/nowhere/python\n", "No such file"),
    ],
)
def test_its_own_last_words_are_passed_on(
    text: str, told: str, model: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(espdl.PYTHON, program(tmp_path, text))
    with pytest.raises(WakewrightError, match=told):
        espdl.write(model, FRAMES, tmp_path / "out", "hey", "esp32-s3")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.skipif(espdl.PYTHON not in os.environ, reason=f"esp-ppq itself: set {espdl.PYTHON}")
def test_esp_ppq_itself_quantises_a_model(model: object, tmp_path: Path) -> None:
    files = espdl.write(model, FRAMES, tmp_path, "hey", "esp32-s3")
    assert files[0].read_bytes()[:3] == b"EDL"
    assert json.loads(files[2].read_text())["difference_from_trained"]["largest"] < 0.1
