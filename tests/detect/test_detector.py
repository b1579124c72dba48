"""The detector: the same answers however the audio comes, and clear words when it cannot be loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wakewright import Detector
from wakewright.core.audio import Samples, load
from wakewright.core.errors import InputError, RunError
from wakewright.core.manifest import Manifest

NAMES = ["speech_embedding", "mixednet", "tc_resnet"]


@pytest.fixture(scope="module")
def sound(spoken: Manifest) -> Samples:
    """Twenty seconds of speech over hiss."""
    hiss = np.random.default_rng(0).normal(0, 0.003, 2 * 16000).astype(np.float32)
    parts = [hiss]
    for clip in (*spoken, *spoken):
        parts += [load(clip.path), hiss[:4000]]
    return np.concatenate(parts)[: 20 * 16000]


@pytest.mark.parametrize("name", NAMES)
def test_scores_and_events_are_the_same_however_the_audio_is_cut(
    name: str, exported: dict[str, Path], sound: Samples
) -> None:
    whole = Detector.load(exported[name]).score(sound)
    threshold = float(np.quantile(whole, 0.8))
    assert whole.std() > 1e-3
    expected = list(Detector.load(exported[name], threshold=threshold).stream(sound))
    assert expected
    rng = np.random.default_rng(1)
    pieces, at = [], 0
    while at < len(sound):
        size = int(rng.choice([0, 1, 7, 160, 333, 1280, 4999, 40_000]))
        pieces.append(sound[at : at + size])
        at += size
    detector = Detector.load(exported[name], threshold=threshold)
    cut = np.concatenate([detector.score(piece) for piece in pieces])
    np.testing.assert_allclose(cut, whole, atol=1e-5)
    found = list(detector.stream(pieces))  # from a fresh start
    assert [d.sample for d in found] == [d.sample for d in expected]
    np.testing.assert_allclose([d.score for d in found], [d.score for d in expected], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_steps_come_when_they_are_promised(name: str, exported: dict[str, Path], sound: Samples) -> None:
    detector = Detector.load(exported[name], threshold=0.0)
    first = round(detector.first_step_s * 16000)
    assert len(detector.score(sound[: first - 1])) == 0
    assert len(detector.score(sound[first - 1 : first])) == 1
    hop = round(detector.hop_s * 16000)
    assert len(detector.score(sound[first : first + hop - 1])) == 0
    assert len(detector.score(sound[first + hop - 1 : first + hop])) == 1


@pytest.mark.parametrize("name", ["speech_embedding", "mixednet"])
def test_reset_forgets_everything(name: str, exported: dict[str, Path], sound: Samples) -> None:
    detector = Detector.load(exported[name])
    first = detector.score(sound[:80_000])
    assert not np.allclose(first, detector.score(sound[:80_000])[: len(first)])
    detector.reset()
    np.testing.assert_array_equal(first, detector.score(sound[:80_000]))


def test_a_detection_tells_what_when_and_how_sure(exported: dict[str, Path], sound: Samples) -> None:
    detector = Detector.load(exported["mixednet"], threshold=0.0)
    (detection,) = detector.stream(sound)
    assert detection.phrase == "hey katya"
    assert 0.0 <= detection.score <= 1.0
    assert detection.end_s == detection.sample / 16000
    assert 2.0 <= detection.end_s < 2.1  # when the warm-up ends
    assert list(detector.stream([])) == []
    assert detector.push(np.zeros(0, np.float32)) == []
    assert len(detector.score(np.zeros(0, np.float32))) == 0


def test_the_threshold_is_the_calibrated_one_unless_given(exported: dict[str, Path]) -> None:
    assert Detector.load(exported["mixednet"]).threshold == 0.5
    assert Detector.load(str(exported["mixednet"]), threshold=0.9).threshold == 0.9


def broken(source: Path, target: Path, **changes: object) -> Path:
    shutil.copytree(source, target)
    about = json.loads((target / "metadata.json").read_text()) | changes
    (target / "metadata.json").write_text(json.dumps(about))
    return target


def test_the_folder_of_a_phrase_names_its_runs(exported: dict[str, Path], tmp_path: Path) -> None:
    """`listen runs/hey-katya` hears the run in use; before any was taken into use there is none."""
    for name in ("20261101-120000-a", "20261102-120000-b"):
        shutil.copytree(exported["mixednet"], tmp_path / "hey-katya" / name)
    (tmp_path / "hey-katya" / "20261103-120000-unfinished").mkdir()
    with pytest.raises(RunError) as told:
        Detector.load(tmp_path / "hey-katya")
    assert told.value.got == "the folder of a phrase with 2 runs, none of them in use"
    last = tmp_path / "hey-katya" / "20261102-120000-b"
    assert told.value.do == f"name a run, such as {last}, or take one into use: wakewright promote {last}"


def test_what_cannot_be_loaded_is_said(exported: dict[str, Path], tmp_path: Path) -> None:
    source = exported["mixednet"]
    with pytest.raises(RunError, match=r"no detector in .*gone\n  got: no metadata.json\n  do:  train first"):
        Detector.load(tmp_path / "gone")
    newer = broken(source, tmp_path / "newer", format=99)
    with pytest.raises(RunError, match=r"newer wakewright\n  got: format 99\n  do:  update"):
        Detector.load(newer)
    without = broken(source, tmp_path / "without")
    (without / "model.onnx").unlink()
    with pytest.raises(RunError, match=r"no model in .*without\n  got: no model.onnx\n  do:  "):
        Detector.load(without)
    torn = broken(source, tmp_path / "torn")
    (torn / "metadata.json").write_text('{"format": 1, "thr')
    with pytest.raises(RunError, match=r"torn/metadata.json is damaged\n  got: .*\n  do:  "):
        Detector.load(torn)
    short = broken(source, tmp_path / "short")
    (short / "metadata.json").write_text('{"format": 1}')
    with pytest.raises(RunError, match=r"metadata.json is damaged\n  got: no 'original_wake_word'"):
        Detector.load(short)
    for number, (entry, value) in enumerate(
        [("stride", 0), ("stride", "3"), ("threshold", None), ("policy", {"smooth": 1}), ("frontend", 7)]
    ):
        odd = broken(source, tmp_path / f"odd{number}", **{entry: value})
        with pytest.raises(RunError, match=r"metadata.json is damaged\n  got: .+\n  do:  "):
            Detector.load(odd)
    (short / "metadata.json").write_text("[1, 2]")
    with pytest.raises(RunError, match=r"metadata.json is damaged\n  got: a list where entries belong"):
        Detector.load(short)
    cut = broken(source, tmp_path / "cut")
    (cut / "model.onnx").write_bytes((source / "model.onnx").read_bytes()[:1000])
    with pytest.raises(RunError, match=r"model.onnx is damaged\n  got: .+\n  do:  "):
        Detector.load(cut)


def test_other_samples_are_refused(exported: dict[str, Path]) -> None:
    detector = Detector.load(next(iter(exported.values())))
    for samples in (np.zeros(1600, np.int16), np.zeros((1600, 2), np.float32)):
        with pytest.raises(InputError, match="float32"):
            detector.push(samples)  # type: ignore[arg-type]


def test_the_detector_runs_without_torch(exported: dict[str, Path]) -> None:
    code = (
        "import sys; import wakewright.detect.detector; from wakewright import Detector; import numpy as np; "
        "list(Detector.load(sys.argv[1]).stream(np.zeros(32000, np.float32))); "
        "print(sorted({'torch', 'onnx', 'scipy', 'matplotlib', 'typer'} & set(sys.modules)))"
    )
    for name in ("speech_embedding", "mixednet"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(exported[name])], check=True, capture_output=True, text=True
        )
        assert done.stdout.strip() == "[]"
        assert done.stderr == ""


def test_a_tiny_detector_loads_only_what_it_needs(int8: Path) -> None:
    """One interpreter, no reader of sound files, and of the recipe only how to listen: it is ready a fifth sooner."""
    code = (
        "import sys; from wakewright import Detector; Detector.load(sys.argv[1]); "
        "print(sorted({'onnxruntime', 'soundfile', 'wakewright.core.recipe'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(int8)], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_package_offers_the_detector_and_nothing_else_by_chance() -> None:
    import wakewright

    assert wakewright.Detector is Detector
    with pytest.raises(AttributeError, match="no attribute 'Detectr'"):
        _ = wakewright.Detectr
