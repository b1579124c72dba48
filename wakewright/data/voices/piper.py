"""Piper: neural voices (VITS), one voice file with up to 900 speakers. Voice files come by `wakewright voices get`.

Its sound draws on noise inside the model that no seed of ours reaches, so a clip spoken anew differs a little; the
cache keeps the one that was made.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wakewright.core.audio import Samples, resample
from wakewright.core.errors import NoVoice
from wakewright.core.files import cache_dir
from wakewright.data.voices.program import failed
from wakewright.data.voices.protocol import Setting, Utterance, Voice, same_language

LICENCE = "GPL-3.0-or-later (piper-tts)"
NOISE = (0.4, 0.9)
"""Range of the noise in the timbre (`noise_scale`); Piper's own is 0.667."""
NOISE_W = (0.5, 1.1)
"""Range of the noise in the rhythm (`noise_w_scale`); Piper's own is 0.8."""


class Piper:
    """The engine `piper`.

    Parameters
    ----------
    folder: where *.onnx and *.onnx.json lie; None is where `wakewright voices get` puts them.
    """

    name = "piper"
    licence = LICENCE
    how_to_get = "pip install piper-tts, then: wakewright voices get en_US-libritts_r-medium"
    varies: frozenset[Literal["rate", "pitch"]] = frozenset({"rate"})

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def installed(self) -> bool:
        """Whether the package and at least one voice file are there."""
        return importlib.util.find_spec("piper") is not None and bool(self._models())

    def voices(self, language: str) -> list[Voice]:
        """One voice per file; its speakers are the variants. Raises NoVoice for a voice file that cannot be read."""
        voices = [_voice(model) for model in self._models()]
        return [voice for voice in voices if same_language(language, voice.language)]

    def draw(self, rng: np.random.Generator) -> tuple[Setting, ...]:
        """How free the timbre and the rhythm are."""
        return (("noise", round(float(rng.uniform(*NOISE)), 3)), ("noise_w", round(float(rng.uniform(*NOISE_W)), 3)))

    def speak(self, utterance: Utterance) -> Samples:
        """Speak it, on one thread: the processes around it share the cores."""
        from piper import SynthesisConfig

        model = str(utterance.setting("model"))
        voice = _loaded(model)
        speaker = _speakers(_config(Path(model))).get(utterance.variant) if utterance.variant else None
        if utterance.variant and speaker is None:
            raise failed(self.name, f"{utterance.voice} has no speaker {utterance.variant!r}")
        config = SynthesisConfig(
            speaker_id=speaker,
            length_scale=1.0 / utterance.rate,
            noise_scale=_number(utterance, "noise", 0.667),
            noise_w_scale=_number(utterance, "noise_w", 0.8),
            normalize_audio=False,  # a peak put at full scale could not be told from clipping
        )
        chunks = list(voice.synthesize(utterance.text, config))
        if not chunks:
            raise failed(self.name, f"no sound for {utterance.text!r}")
        samples = np.concatenate([np.asarray(c.audio_float_array, dtype=np.float32) for c in chunks])
        return resample(samples, int(chunks[0].sample_rate))

    def _models(self) -> list[Path]:
        folder = self.folder or cache_dir() / "piper"
        return sorted(p for p in folder.glob("*.onnx") if p.with_name(p.name + ".json").is_file())


def _voice(model: Path) -> Voice:
    config = _config(model)
    speakers = _speakers(config)
    return Voice(
        engine="piper",
        name=model.stem,
        language=_tag(config, model),
        licence=_licence(model),
        variants=tuple(speakers) if len(speakers) > 1 else (),
        settings=(("model", str(model.resolve())),),
    )


def _config(model: Path) -> dict[str, Any]:
    path = model.with_name(model.name + ".json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return {"speakers": int(config["num_speakers"]), **config}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoVoice(
            f"the Piper voice {model.name} cannot be used",
            got=f"{path.name}: {type(error).__name__}: {error}",
            do="fetch it again: wakewright voices get " + model.stem,
        ) from error


def _speakers(config: dict[str, Any]) -> dict[str, int]:
    """Name to number; speakers without a name are called by their number."""
    named = {str(name): int(number) for name, number in (config.get("speaker_id_map") or {}).items()}
    return named or {str(number): number for number in range(config["speakers"])}


def _tag(config: dict[str, Any], model: Path) -> str:
    code = (config.get("language") or {}).get("code") or (config.get("espeak") or {}).get("voice") or model.stem
    return str(code).split("-")[0].replace("_", "-").lower() if "_" in str(code) else str(code).lower()


def _licence(model: Path) -> str:
    """The line of the model card that names the licence."""
    card = model.with_name(model.stem + ".MODEL_CARD")
    if card.is_file():
        for line in card.read_text(encoding="utf-8", errors="replace").splitlines():
            if "licen" in line.lower() and ":" in line:
                return line.split(":", 1)[1].strip()[:120]
    return "see the voice's model card"


def _number(utterance: Utterance, name: str, default: float) -> float:
    value = utterance.setting(name)
    return float(value) if isinstance(value, int | float) else default


@functools.lru_cache(maxsize=2)
def _loaded(model: str) -> Any:
    import onnxruntime
    from piper import PiperConfig, PiperVoice

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class but this
        raise failed("piper", f"{model}: {error}") from error
    return PiperVoice(session=session, config=PiperConfig.from_dict(_config(Path(model))))
