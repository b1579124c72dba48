"""openWakeWord's own runtime loads the exported head and fires where our detector does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from wakewright.core.audio import load, to_int16
from wakewright.core.errors import InputError, WakewrightError
from wakewright.core.manifest import Manifest
from wakewright.detect.networks import OnnxNetwork
from wakewright.dsp.embedding import SpeechEmbedding
from wakewright.export import onnx, openwakeword, parity_head
from wakewright.models import registry


def logits(shares: np.ndarray) -> np.ndarray:
    clipped = np.clip(shares, 1e-6, 1 - 1e-6)
    return np.log(clipped) - np.log1p(-clipped)


@pytest.fixture(scope="module")
def head() -> Any:
    torch.manual_seed(3)
    model = registry.create(registry.Dimensions("speech_embedding"))
    model.set_statistics(torch.full((96,), 2.0), torch.full((96,), 9.0))
    with torch.no_grad():
        # the package lays its windows some frames beside ours: what it hears must not hang on single moments
        model.temporal.weight.copy_(model.temporal.weight.mean(dim=2, keepdim=True).expand(-1, -1, 16))
        model.last.weight.mul_(20.0)
    return model.eval()


@pytest.fixture(scope="module")
def sound(spoken: Manifest) -> np.ndarray:
    hiss = np.random.default_rng(0).normal(0, 0.003, 40_000).astype(np.float32)
    return np.concatenate([hiss, *(load(clip.path) for clip in spoken), hiss])[: 12 * 16000]


def test_its_package_hears_what_our_front_end_and_head_hear(head: Any, sound: np.ndarray, tmp_path: Path) -> None:
    """The package lays its windows some frames beside ours, so that the two are alike and not the same."""
    package = pytest.importorskip("pyopen_wakeword")
    onnx.write(head, tmp_path / "model.onnx")
    ours = OnnxNetwork(tmp_path / "model.onnx", 1, 96, "speech_embedding")(SpeechEmbedding().push(sound))
    openwakeword.write(head, 0.5, tmp_path / "hey.onnx", tmp_path / "hey.tflite")
    peer = package.OpenWakeWord.from_model(tmp_path / "hey.tflite")
    features, theirs = package.OpenWakeWordFeatures.from_builtin(), []
    data = to_int16(sound).tobytes()
    for at in range(0, len(data), 2560):
        for embeddings in features.process_streaming(data[at : at + 2560]):
            theirs += list(peer.process_streaming(embeddings))
    count = len(ours) - 40  # it hears silence of its own before; the ends are the same sound
    one, other = logits(ours[-count:]), logits(np.array(theirs[-count:]))
    assert np.corrcoef(one, other)[0, 1] > 0.93
    assert np.abs(np.mean(one) - np.mean(other)) < 0.1 * np.std(one)


def test_both_files_say_the_same_and_the_threshold_lies_at_a_half(head: Any, tmp_path: Path) -> None:
    paths = tmp_path / "hey.onnx", tmp_path / "hey.tflite"
    window = (2.0 + 9.0 * torch.randn(1, 16, 96, generator=torch.Generator().manual_seed(1))).numpy()
    with torch.no_grad():
        own = torch.sigmoid(head(torch.from_numpy(window))[0]).item()
    openwakeword.write(head, own, *paths)
    session = onnxruntime.InferenceSession(str(paths[0]))
    assert session.get_inputs()[0].shape == [1, 16, 96]
    from wakewright.dsp.litert import Net

    values = session.run(None, {session.get_inputs()[0].name: window})[0], Net(paths[1].read_bytes())(window)
    for value in values:
        assert value.shape == (1, 1)
        assert value[0, 0] == pytest.approx(0.5, abs=1e-4)


def test_the_package_itself_is_held_to_the_trained_head(head: Any, sound: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("pyopen_wakeword")
    paths = tmp_path / "hey.onnx", tmp_path / "hey.tflite"
    shifted = openwakeword.write(head, 0.7, *paths)
    frames = SpeechEmbedding().push(sound)
    found, scores = parity_head.prove(shifted, *paths, frames)
    assert found.steps == len(scores) == len(frames) - 15
    assert found.pyopen_wakeword is not None
    assert max(found.onnx_torch, found.tflite_torch, found.pyopen_wakeword) < 1e-5
    theirs = parity_head.on_package(paths[1], frames)
    assert theirs is not None
    np.testing.assert_allclose(theirs, scores, atol=1e-5)


def test_another_heads_file_is_refused_with_its_step(head: Any, tmp_path: Path) -> None:
    frames = (2.0 + 9.0 * np.random.default_rng(1).normal(size=(40, 96))).astype(np.float32)
    other, own = ([tmp_path / f"{name}.{end}" for end in ("onnx", "tflite")] for name in ("other", "own"))
    openwakeword.write(head, 0.9, *other)
    shifted = openwakeword.write(head, 0.5, *own)
    for name, files in (("ONNX Runtime", (other[0], own[1])), ("LiteRT", (own[0], other[1]))):
        with pytest.raises(WakewrightError, match=rf"{name} does not give what .*\n  got: .* off at step \d+"):
            parity_head.prove(shifted, *files, frames)


def test_without_the_package_its_runtime_is_said_not_to_have_run(
    head: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = tmp_path / "hey.onnx", tmp_path / "hey.tflite"
    shifted = openwakeword.write(head, 0.5, *paths)
    monkeypatch.setitem(sys.modules, "pyopen_wakeword", None)
    found, _ = parity_head.prove(shifted, *paths, np.zeros((20, 96), np.float32))
    assert found.pyopen_wakeword is None


def test_a_tiny_model_and_a_file_that_differs_are_refused(
    head: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = tmp_path / "hey.onnx", tmp_path / "hey.tflite"
    tiny = registry.create(registry.Dimensions("mixednet", 0.25))
    with pytest.raises(InputError, match=r"mixednet is no head on the speech embedding\n  got: a model on the micro"):
        openwakeword.write(tiny, 0.5, *paths)
    monkeypatch.setattr(openwakeword, "TOLERANCE", -1.0)
    with pytest.raises(WakewrightError, match="the TFLite model does not give what the trained model gives"):
        openwakeword.write(head, 0.5, *paths)
    assert list(tmp_path.iterdir()) == []
