"""Bad input to `train`: a clear message, the right exit status, and nothing left behind or lost."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.apps.cli import main
from wakewright.apps.commands.train import compose
from wakewright.core.compose import load_recipe
from wakewright.core.run import Run
from wakewright.data import parts as scenes
from wakewright.data import spoken as spoken_words
from wakewright.data import streams
from wakewright.models import backbone

TINY = """
base: quick
phrase: hey katya
voices: {engines: [espeak], positives: 60, near_misses: 0, sentences: 40}
augment: {copies: 1, rooms: 0}
train: {steps: 10, mine_every: 0, validate_every: 10, batch_size: 32}
engine: {workers: 1}
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))


def refused(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a command that ends with this status, having stored nothing."""
    assert main(words) == status
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert not Path("runs").exists()
    message = err[err.index("wakewright: ") :]
    assert "\n  do:  " in message
    return message


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("a", "phrase: one letter is too short to be told from other speech\n  got: 'a'"),
        ("ab" * 100, "phrase: longer than 60 characters\n  got: 200 characters"),
        ("hey 🐱", "phrase: has a symbol that is not spoken\n  got: '🐱' (CAT FACE)"),
        ("?!...", "phrase: has no letter that can be spoken"),
        ("\u200b", "phrase: "),
    ],
)
def test_a_phrase_that_cannot_be_learnt(phrase: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(["train", phrase], 2, capsys)


def test_an_emoji_from_a_real_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wakewright", "train", "🐱"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("wakewright: phrase: has a symbol that is not spoken")
    assert "Traceback" not in done.stderr
    assert not Path("runs").exists()


def wav(samples: np.ndarray, rate: int = 16_000, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format="WAV")
    return file.getvalue()


TONE = 0.3 * np.sin(np.arange(16_000) * 0.1)
BROKEN = {
    "empty": (b"", "got: an empty file of 0 bytes"),
    "truncated": (wav(TONE)[:9000], "is cut off"),
    "text": (b"this is not sound\n" * 50, "cannot be read as audio"),
    "nan": (wav(np.full(16_000, np.nan), subtype="FLOAT"), "got: 16000 values that are NaN or infinite"),
    "zero-length": (wav(TONE[:0]), "got: 0 samples"),
    "long": (wav(np.tile(TONE, 11)), "got: 11 s, where the phrase takes one or two"),
    "silent": (wav(np.zeros(16_000)), "got: silence, where the phrase should be"),
}


@pytest.mark.parametrize("kind", list(BROKEN))
@pytest.mark.parametrize("whole", [False, True], ids=["file", "folder"])
def test_a_recording_that_cannot_be_used_is_named(
    kind: str, whole: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, said = BROKEN[kind]
    mine = Path("mine") / f"{kind}.wav"
    mine.parent.mkdir()
    (mine.parent / "good.wav").write_bytes(wav(TONE))
    mine.write_bytes(data)
    monkeypatch.setattr(spoken_words, "speak_all", lambda *_: pytest.fail("spoke before it looked"))
    message = refused(["train", "hey katya", "--audio", str(mine.parent if whole else mine)], 2, capsys)
    assert str(mine) in message
    assert said in message


def test_a_recording_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no audio at gone.wav\n  got: no such file" in refused(
        ["train", "hey katya", "--audio", "gone.wav"], 2, capsys
    )
    Path("nothing").mkdir()
    assert "no audio in nothing" in refused(["train", "hey katya", "--audio", "nothing"], 2, capsys)
    assert "no audio at street" in refused(["train", "hey katya", "background.noise=[street]"], 2, capsys)


def test_many_channels_and_high_rates_are_taken() -> None:
    Path("mine").mkdir()
    eight = np.stack([TONE * (0.5 + channel / 10) for channel in range(8)], axis=1)
    high = 0.3 * np.sin(np.arange(192_000) * 0.01)
    Path("mine/eight.wav").write_bytes(wav(eight))
    Path("mine/high.wav").write_bytes(wav(high, 192_000, "PCM_24"))
    recipe = compose("hey katya", ["augment.rooms=0"], audio=["mine"])
    own = spoken_words.gather(recipe)
    assert [(c.kind, c.real, round(c.seconds, 3)) for c in own] == [("positive", True, 1.0)] * 2
    scene = scenes.scene({"train": own}, "train", {("positive", True): 1}, recipe)
    samples, events = streams.render(scene.plans[0], scene.surroundings)
    assert len(events) == 2
    assert np.isfinite(samples).all()


def test_no_voice_installed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    words = ["train", "hey katya", "voices.engines=[piper]", f"voices.piper_dir={tmp_path / 'voices'}"]
    message = refused(words, 3, capsys)
    assert message.startswith("wakewright: no speech synthesiser is installed\n  got: none of piper")
    assert "voices get" in message or "piper-tts" in message


def test_an_engine_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(["train", "hey katya", "voices.engines=[espek]"], 2, capsys)
    assert "voices.engines: no such engine\n  got: 'espek'\n  do:  did you mean 'espeak'?" in message


def test_a_backbone_that_cannot_be_begun_from(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["train", "hey katya", "--for", "esp32-s3"]
    nowhere = tmp_path / "nowhere.safetensors"
    assert "no backbone at" in refused([*words, f"train.pretrain.backbone={nowhere}"], 2, capsys)
    wide = backbone.SHIPPED / "mixednet-1.safetensors"
    message = refused([*words, f"train.pretrain.backbone={wide}"], 2, capsys)
    assert "the backbone is for another model\n  got: one for mixednet of width 1\n" in message
    assert "width 0.375" in message
    through = "model.frontend.kind=mfcc"
    message = refused([*words, f"train.pretrain.backbone={wide}", "qat=null", "model.width=1", through], 2, capsys)
    assert "learnt through another front end\n  got: micro, where the model hears through mfcc-30ms" in message
    assert "qat=null" in refused([*words, through], 2, capsys)
    narrow = "model.frontend={n_mels: 128, fmin_hz: 20, window_ms: 25}"
    assert "would hear nothing" in refused([*words, "qat=null", narrow], 2, capsys)


def test_nothing_to_stay_silent_for(capsys: pytest.CaptureFixture[str]) -> None:
    Path("tiny.yaml").write_text(TINY)
    assert main(["train", "tiny.yaml", "voices.sentences=0"]) == 2
    assert "nothing that the model could learn to stay silent for" in capsys.readouterr().err


def test_a_seed_that_generators_cannot_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "hey katya", "--seed", str(2**45)]) == 2
    assert "seed: should be less than 4294967296" in capsys.readouterr().err


def test_a_recipe_from_a_newer_version(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("format: 99\nphrase: hey katya\n")
    message = refused(["train", "mine.yaml"], 2, capsys)
    assert "mine.yaml" in message
    assert "99" in message
    assert "newer" in message


def test_a_second_process_in_a_running_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = Run.create(load_recipe(phrase="hey katya"), tmp_path / "elsewhere")
    with run.working():
        message = refused(["train", "--resume", str(run.folder)], 2, capsys)
        assert run.status == "running"
    assert f"the run {run.folder.resolve()} is in use\n  got: process {os.getpid()} is working in it" in message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], capture_output=True, check=False
        )
    except OSError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_the_run_can_go_on(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("tiny.yaml").write_text(TINY)
    done = subprocess.run(
        [sys.executable, "-m", "wakewright", "train", "tiny.yaml", "--output-dir", str(small_disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 3
    message = done.stderr[done.stderr.index("wakewright: ") :]
    assert f"no room to write {small_disk}" in message
    assert "features" in message  # what was being written, not the record of the failure
    assert "do:  free some space, or point --output-dir" in message
    (folder,) = Run.all(small_disk)
    assert Run.open(folder).status in ("failed", "interrupted")
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert main(["train", "--resume", str(folder)]) == 0
    assert "report.html" in capsys.readouterr().out
    assert Run.open(folder).status == "complete"
