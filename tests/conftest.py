"""What many tests need: real spoken clips, exported detectors, and a cache that is nobody else's."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

from wakewright import pipeline
from wakewright.core.manifest import Kind, Manifest
from wakewright.core.recipe import Model, ModelName, Recipe
from wakewright.core.run import Run
from wakewright.data.voices import engine_named, plan, speak_all
from wakewright.detect.detector import Detector
from wakewright.detect.policy import Scores
from wakewright.dsp.frontend import Frames
from wakewright.models import quantised, registry

hypothesis.settings.register_profile("any machine", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("any machine")

NAMES: tuple[ModelName, ...] = ("speech_embedding", "mixednet", "tc_resnet")


@pytest.fixture
def disk_of(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a file system of a size such as "64k" or "1m"."""
    folder = tmp_path / "tiny"
    libc = ctypes.CDLL(None, use_errno=True)

    def make(size: str) -> Path:
        if not sys.platform.startswith("linux") or os.geteuid() != 0:
            pytest.skip("mounting a tiny file system needs Linux and root")
        folder.mkdir()
        if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={size}".encode()) != 0:
            pytest.skip(f"mount is not allowed here: {os.strerror(ctypes.get_errno())}")
        return folder

    yield make
    if folder.is_mount():
        libc.umount2(os.fsencode(folder), 2)


@pytest.fixture(autouse=True)
def _parts_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """People of one name in two tests are not the same people."""
    monkeypatch.setenv("WAKEWRIGHT_PARTS", str(tmp_path_factory.mktemp("parts") / "parts.jsonl"))


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of spoken clips and rooms for the whole run of the tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def spoken(shared_cache: Path) -> Manifest:
    """Twelve clips of "hey katya", four of "okay katie" and eight sentences, by espeak-ng."""
    recipe = Recipe(phrase="hey katya")
    engines = [engine_named("espeak")]
    texts: tuple[tuple[Kind, str, int], ...] = (
        ("positive", "hey katya", 12),
        ("near_miss", "okay katie", 4),
        ("speech", "the kettle is on and the bread is cut", 8),
    )
    said = Manifest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
        for kind, text, count in texts:
            said += speak_all(plan([text], count, engines, recipe, np.random.default_rng(1)), kind, workers=1)
    assert len(said) == 24
    return said


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Run folder by model name, weights random: how they are trained does not matter. The threshold is 0.5."""
    folders = {}
    for name in NAMES:
        run = Run.create(Recipe(phrase="hey katya", model=Model(name=name)), tmp_path_factory.mktemp(name))
        torch.manual_seed(2)
        model = registry.create(registry.Dimensions(name)).eval()
        with torch.no_grad():
            for parameter in model.last.parameters():
                parameter.mul_(5.0)  # so that the scores move
        pipeline._export(run, model)
        folders[name] = run.folder
    return folders


@pytest.fixture(scope="session")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run whose model rounds; the threshold in it is 0.5."""
    run = Run.create(Recipe(phrase="hey katya", model=Model(name="mixednet")), tmp_path_factory.mktemp("int8"))
    torch.manual_seed(2)
    model = registry.create(registry.Dimensions("mixednet", 0.25))
    heard = torch.rand(8, model.receptive_field + 60, 40) * 15
    with torch.no_grad():
        model.train()(heard)
        for parameter in model.last.parameters():
            parameter.mul_(20.0)
        quantised.prepare(model)
        model.eval()(heard)
    quantised.set_rounding(model, rounds=True, watches=False)
    pipeline._export(run, model)
    return run.folder


class _Script:
    """A network that gives these scores, one a step, whatever it hears."""

    def __init__(self, scores: Scores, stride: int) -> None:
        self._scores, self._stride, self._at = scores, stride, 0

    def reset(self) -> None:
        self._at = 0

    def __call__(self, frames: Frames) -> Scores:
        begun, self._at = self._at, self._at + len(frames) // self._stride
        return self._scores[begun : self._at]


@pytest.fixture(scope="session")
def scripted(exported: dict[str, Path]) -> Callable[[Sequence[tuple[float, float, float]], float], Detector]:
    """A detector whose model's score is what is written: (from_s, to_s, score), and a threshold.

    All else of it is real: front end, times, smoothing and policy.
    """

    def make(levels: Sequence[tuple[float, float, float]], threshold: float) -> Detector:
        detector = Detector.load(exported["mixednet"], threshold=threshold)
        scores = np.zeros(3000, np.float32)
        times = detector.first_step_s + detector.hop_s * np.arange(len(scores))
        for start, end, level in levels:
            scores[(times >= start) & (times < end)] = level
        detector._network = _Script(scores, detector.stride)
        return detector

    return make
