"""Piper itself, with a voice file made here: two speakers, each a tone of its own pitch, as long as its phonemes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from wakewright.core.audio import SAMPLE_RATE
from wakewright.core.errors import NoVoice
from wakewright.core.recipe import Recipe, Voices
from wakewright.data.voices import Utterance, all_engines, engine_named, plan, speak_all
from wakewright.data.voices.piper import Piper

onnx = pytest.importorskip("onnx", reason="makes the voice file")
pytest.importorskip("piper", reason="piper-tts is optional")

RATE, HOP = 22050, 512
PITCH_HZ = (200.0, 300.0)
PHONEMES = "_^$ heɪkætiəˈˌʌɐoʊɡʊdɹmnɔːŋɾʲ"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one voice."""
    make_voice(tmp_path / "piper" / "en_GB-tones-low.onnx")
    return tmp_path / "piper"


def make_voice(path: Path) -> None:
    from onnx import TensorProto as T
    from onnx import helper as h

    def constant(name: str, value: object, kind: int, shape: tuple[int, ...] = ()) -> onnx.NodeProto:
        values = np.ravel(np.asarray(value)).tolist()
        return h.make_node("Constant", [], [name], value=h.make_tensor(name, kind, shape, values))

    nodes = [
        constant("one", 1, T.INT64),
        constant("hop", float(HOP), T.FLOAT),
        constant("zero_f", 0.0, T.FLOAT),
        constant("one_f", 1.0, T.FLOAT),
        constant("loud", 0.3, T.FLOAT),
        constant("steps", [2 * np.pi * hz / RATE for hz in PITCH_HZ], T.FLOAT, (2,)),
        constant("shape", [1, 1, 1, -1], T.INT64, (4,)),
        h.make_node("Gather", ["scales", "one"], ["length_scale"]),
        h.make_node("Squeeze", ["input_lengths"], ["phonemes"]),
        h.make_node("Cast", ["phonemes"], ["phonemes_f"], to=T.FLOAT),
        h.make_node("Mul", ["phonemes_f", "hop"], ["plain"]),
        h.make_node("Mul", ["plain", "length_scale"], ["samples"]),
        h.make_node("Range", ["zero_f", "samples", "one_f"], ["time"]),
        h.make_node("Gather", ["steps", "sid"], ["step"]),
        h.make_node("Mul", ["time", "step"], ["phase"]),
        h.make_node("Sin", ["phase"], ["wave"]),
        h.make_node("Mul", ["wave", "loud"], ["quiet"]),
        h.make_node("Reshape", ["quiet", "shape"], ["output"]),
    ]
    inputs = [
        h.make_tensor_value_info("input", T.INT64, [1, "n"]),
        h.make_tensor_value_info("input_lengths", T.INT64, [1]),
        h.make_tensor_value_info("scales", T.FLOAT, [3]),
        h.make_tensor_value_info("sid", T.INT64, [1]),
    ]
    outputs = [h.make_tensor_value_info("output", T.FLOAT, [1, 1, 1, "t"])]
    graph = h.make_graph(nodes, "tones", inputs, outputs)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    config = {
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "language": {"code": "en_GB"},
        "num_symbols": 256,
        "num_speakers": 2,
        "speaker_id_map": {"p200": 0, "p300": 1},
        "phoneme_id_map": {sign: [i] for i, sign in enumerate(PHONEMES)},
    }
    path.with_name(path.name + ".json").write_text(json.dumps(config))
    path.with_name(path.stem + ".MODEL_CARD").write_text("# Model card\n* License: CC BY 4.0\n")


def said(folder: Path, variant: str, rate: float = 1.0) -> np.ndarray:
    voice = Piper(folder).voices("en")[0]
    utterance = Utterance("hey katya", "piper", voice.name, variant, rate, settings=voice.settings)
    return engine_named("piper").speak(utterance)


def test_the_voice_and_its_speakers(folder: Path) -> None:
    (voice,) = Piper(folder).voices("en-us")
    assert (voice.name, voice.language, voice.licence) == ("en_GB-tones-low", "en-gb", "CC BY 4.0")
    assert voice.variants == ("p200", "p300")
    assert Piper(folder).voices("de") == []


@pytest.mark.parametrize(("speaker", "hz"), [("p200", 200), ("p300", 300)])
def test_the_speaker_asked_for_speaks(folder: Path, speaker: str, hz: float) -> None:
    samples = said(folder, speaker)
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(samples) == pytest.approx(hz, abs=3)


def test_rate_is_the_inverse_of_the_length_scale(folder: Path) -> None:
    assert len(said(folder, "p200", 0.5)) == pytest.approx(2 * len(said(folder, "p200")), abs=4)


def test_an_unknown_speaker(folder: Path) -> None:
    with pytest.raises(NoVoice, match="has no speaker 'nobody'"):
        said(folder, "nobody")


def test_planned_and_spoken_like_any_other(folder: Path) -> None:
    recipe = Recipe(phrase="hey katya", voices=Voices(engines=("piper",), piper_dir=str(folder)))
    (piper,) = [e for e in all_engines(recipe) if e.name == "piper"]
    assert piper.installed()
    utterances = plan(["hey katya"], 6, [piper], recipe, np.random.default_rng(1))
    assert {u.speaker for u in utterances} == {"piper/en_GB-tones-low+p200", "piper/en_GB-tones-low+p300"}
    assert len({u.setting("noise") for u in utterances}) == 6
    assert all(0.5 <= float(str(u.setting("noise_w"))) <= 1.1 for u in utterances)
    manifest = speak_all(utterances, "positive", workers=1)
    assert len(manifest) == 6
    assert manifest.clips[0].licence == "CC BY 4.0"


def test_without_voices_it_is_not_installed(folder: Path) -> None:
    assert not Piper().installed()
    assert Piper(folder).installed()


def test_a_broken_voice_says_how_to_mend_it(folder: Path) -> None:
    (folder / "en_GB-tones-low.onnx.json").write_text("{}")
    with pytest.raises(NoVoice, match=r"(?s)en_GB-tones-low.onnx cannot be used.*num_speakers.*voices get"):
        Piper(folder).voices("en")


def test_a_model_that_is_none(folder: Path) -> None:
    (folder / "en_GB-tones-low.onnx").write_bytes(b"nothing")
    with pytest.raises(NoVoice, match=r"(?s)piper could not speak.*en_GB-tones-low.onnx"):
        said(folder, "p200")
