"""ONNX files: checked against torch before they get their name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx as onnx_package
import pytest
import torch

from wakewright.core.errors import RunError, WakewrightError
from wakewright.detect.networks import OnnxNetwork
from wakewright.export import onnx
from wakewright.models import registry


def model(name: str) -> object:
    torch.manual_seed(4)
    made = registry.create(registry.Dimensions(name, {"resnet18": 0.125, "mobilenet_v3": 0.25}.get(name, 0.5)))
    with torch.no_grad():
        made.train()(
            torch.rand(8, made.receptive_field + 30, made.channels) * 20
        )  # statistics of the normalisation that are not 0 and 1
    return made.eval()


@pytest.mark.parametrize("name", registry.NAMES)
def test_the_file_gives_what_torch_gives(name: str, tmp_path: Path) -> None:
    made = model(name)
    difference = onnx.write(made, tmp_path / "model.onnx")
    assert 0 <= difference < 1e-5
    assert [f.name for f in tmp_path.iterdir()] == ["model.onnx"]
    onnx_package.checker.check_model(str(tmp_path / "model.onnx"), full_check=True)
    frames = np.random.default_rng(0).uniform(0, 20, (60 * made.stride, made.channels)).astype(np.float32)  # type: ignore[attr-defined]
    with torch.no_grad():
        logits, _ = made(torch.from_numpy(frames)[None], made.initial_state(1))  # type: ignore[operator, attr-defined]
    network = OnnxNetwork(tmp_path / "model.onnx", made.stride, made.channels, made.frontend)  # type: ignore[attr-defined]
    pieces = [network(part) for part in np.split(frames, [made.stride, 7 * made.stride])]  # type: ignore[attr-defined]
    np.testing.assert_allclose(np.concatenate(pieces), torch.sigmoid(logits[0]).numpy(), atol=1e-5)
    network.reset()
    np.testing.assert_allclose(network(frames)[:1], pieces[0], atol=1e-6)


@pytest.mark.parametrize("name", ["mixednet", "bc_resnet"])
def test_a_normalisation_is_the_first_step_of_the_file(name: str, tmp_path: Path) -> None:
    """Of coefficients as they come, far from 0 and of unlike spread."""
    torch.manual_seed(4)
    made = registry.create(registry.Dimensions(name, 0.5, frontend="mfcc-30ms-10ms-40bands-125to7500hz-first13"))
    mean, std = torch.linspace(-60, 5, 13), torch.linspace(20, 0.5, 13)
    made.set_statistics(mean, std)
    made.eval()
    assert onnx.write(made, tmp_path / "model.onnx") < 1e-5
    assert onnx.write_windowed(made, tmp_path / "windowed.onnx") < 1e-5
    frames = mean + std * torch.randn(60 * made.stride, 13)
    with torch.no_grad():
        logits, _ = made(frames[None], made.initial_state(1))
        bare = registry.create(registry.Dimensions(name, 0.5, frontend=made.frontend)).eval()
        bare.load_state_dict({k: v for k, v in made.state_dict().items() if k not in ("mean", "std")}, strict=False)
        normal, _ = bare(((frames - mean) / std)[None], bare.initial_state(1))
    scores = OnnxNetwork(tmp_path / "model.onnx", made.stride, 13, made.frontend)(frames.numpy())
    np.testing.assert_allclose(scores, torch.sigmoid(logits[0]).numpy(), atol=1e-5)
    np.testing.assert_allclose(scores, torch.sigmoid(normal[0]).numpy(), atol=1e-5)


def test_a_file_that_differs_is_refused_and_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "TOLERANCE", -1.0)
    with pytest.raises(WakewrightError, match=r"does not give what the trained model gives\n  got: a difference of"):
        onnx.write(model("speech_embedding"), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_survives_a_refused_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx.write(model("speech_embedding"), tmp_path / "model.onnx")
    before = (tmp_path / "model.onnx").read_bytes()
    monkeypatch.setattr(onnx, "TOLERANCE", -1.0)
    with pytest.raises(WakewrightError):
        onnx.write(model("mixednet"), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == before


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    broken = model("speech_embedding")
    with torch.no_grad():
        next(broken.last.parameters()).fill_(float("nan"))  # type: ignore[attr-defined]
    with pytest.raises(WakewrightError, match="difference of nan"):
        onnx.write(broken, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(RunError, match=r"model.onnx is damaged\n  got: No graph"):
        OnnxNetwork(tmp_path / "model.onnx", 3, 40, "micro")
