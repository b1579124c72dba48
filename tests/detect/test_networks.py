"""Exported models as a detector meets them: foreign, damaged, and the int8 file to the bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from wakewright import Detector
from wakewright.core.errors import RunError
from wakewright.detect.networks import TfliteNetwork, open_network
from wakewright.dsp.micro import SCALE, dequantise, requantise

SOUND = np.random.default_rng(1).normal(0, 0.1, 5 * 16000).astype(np.float32)


def test_the_int8_file_is_what_is_loaded_and_reset_brings_silence_back(int8: Path) -> None:
    assert json.loads((int8 / "metadata.json").read_text())["model"] == "model.tflite"
    detector = Detector.load(int8, reference=True)
    first = detector.score(SOUND)
    assert len(first) > 150
    assert np.ptp(first) > 0
    detector.reset()
    np.testing.assert_array_equal(detector.score(SOUND), first)
    fast = Detector.load(int8).score(SOUND)
    assert np.abs(fast - first).max() < 4 / 256  # other kernels round otherwise, now and then


def test_frames_go_through_as_the_device_has_them() -> None:
    whole = np.arange(-128, 128, dtype=np.int8)
    np.testing.assert_array_equal(requantise(dequantise(whole)), whole)


@pytest.mark.parametrize("cut", [0, 100, 5000, -1000])
def test_a_cut_or_empty_file_is_said_to_be_damaged(int8: Path, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes((int8 / "model.tflite").read_bytes()[:cut])
    with pytest.raises(RunError, match=r"model.tflite is damaged\n  got: .+\n  do:  export or train again"):
        open_network(path, 3, 40)


def test_noise_in_the_place_of_a_model_is_said_to_be_damaged(int8: Path, tmp_path: Path) -> None:
    whole = bytearray((int8 / "model.tflite").read_bytes())
    whole[8:2000] = np.random.default_rng(0).bytes(1992)
    path = tmp_path / "model.tflite"
    path.write_bytes(bytes(whole))
    with pytest.raises(RunError, match=r"model.tflite is damaged"):
        open_network(path, 3, 40)


def test_a_model_for_something_else_is_said_to_be_foreign(int8: Path, exported: dict[str, Path]) -> None:
    with pytest.raises(RunError, match=r"another front end.*\n  got: int8 of shape \(1, 3, 40\) in, uint8 out"):
        TfliteNetwork(int8 / "model.tflite", 4, 40)
    with pytest.raises(RunError, match=r"another front end.*\n  got: inputs .*, where frames of 40 values is needed"):
        open_network(exported["speech_embedding"] / "model.onnx", 1, 40)
    assert pytest.approx(0.10196079) == SCALE
    path = exported["speech_embedding"] / "model.onnx"
    with pytest.raises(RunError, match=r"another front end.*\n  got: frontend speech_embedding, where frontend mel-"):
        open_network(path, 1, 96, frontend="mel-30ms")
    with pytest.raises(RunError, match=r"another front end.*\n  got: stride 1, where stride 3 is needed"):
        open_network(path, 3, 96, frontend="speech_embedding")


def test_a_description_without_its_model_is_said(int8: Path, tmp_path: Path) -> None:
    shutil.copyfile(int8 / "metadata.json", tmp_path / "metadata.json")
    with pytest.raises(RunError, match=r"no model in .*\n  got: no model.tflite\n  do:  export or train again"):
        Detector.load(tmp_path)
