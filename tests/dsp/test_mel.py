"""The mel spectrogram in blocks: equal to one call per chunk, as openWakeWord's runtimes make them."""

from pathlib import Path

import numpy as np
import pytest

from wakewright.core.errors import AudioError
from wakewright.dsp import mel
from wakewright.dsp.embedding import model_folder
from wakewright.dsp.litert import Net

MODELS = model_folder()


def signal(chunks: int) -> np.ndarray:
    """int16 values as floats: loud, quiet and silent stretches, so that the range is limited in some chunks."""
    rng = np.random.default_rng(3)
    length = (chunks - 1) * mel.HOP + mel.CHUNK
    swell = np.clip(np.sin(np.arange(length) / 5000) * 9000, 0, None)
    return np.rint(rng.standard_normal(length) * swell).astype(np.float32)


@pytest.mark.parametrize("chunks", [1, 31, 32, 33, 200])
def test_blocks_equal_single_chunks_to_the_bit(chunks: int) -> None:
    samples = signal(chunks)
    spectrogram, alone = (
        mel.MelSpectrogram(MODELS / "melspectrogram.tflite"),
        Net((MODELS / "melspectrogram.tflite").read_bytes(), (1, mel.CHUNK)),
    )
    wanted = [
        alone(samples[None, i * mel.HOP : i * mel.HOP + mel.CHUNK]).reshape(-1, mel.BANDS) for i in range(chunks)
    ]
    assert np.array_equal(spectrogram(samples), np.concatenate(wanted))


def test_the_range_is_limited_within_each_chunk() -> None:
    values = mel.MelSpectrogram(MODELS / "melspectrogram.tflite")(signal(200)).reshape(200, -1)
    spread = values.max(axis=1) - values.min(axis=1)
    assert spread.max() == pytest.approx(80.0, abs=1e-4)
    assert values.max() - values.min() > 85.0, "the range held over all chunks says nothing about each"


def test_less_than_a_chunk_gives_nothing() -> None:
    spectrogram = mel.MelSpectrogram(MODELS / "melspectrogram.tflite")
    assert spectrogram(np.zeros(mel.CHUNK - 1, np.float32)).shape == (0, mel.BANDS)


def test_a_model_with_another_end_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "mel.tflite"
    other.write_bytes((MODELS / "embedding_model.tflite").read_bytes())
    with pytest.raises(AudioError, match="limiting its dynamic range"):
        mel._without_end(other)
