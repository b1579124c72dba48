"""What a device is given beside the int8 file: ESPHome's manifest and a piece of YAML, or C arrays."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from typing import Any

from wakewright import __version__
from wakewright.core.errors import RunError
from wakewright.detect import device_rule
from wakewright.dsp import micro
from wakewright.export.arena import Arena

FEATURE_STEP_MS = 10
OLDEST_ESPHOME = "2024.7.0"
WEBSITE = "https://esphome.io/components/micro_wake_word"
"""Where a reader of the manifest learns what the file is for, unless the user names a site of their own."""
PER_LINE = 16


@dataclasses.dataclass(frozen=True)
class Device:
    """An int8 wake word and all that its device must know."""

    name: str
    """The phrase as a C identifier and file name."""
    phrase: str
    language: str
    cutoff: int
    """Fires when the sum of the last `window` scores exceeds this times the window; 0 to 255."""
    window: int
    stride: int
    """Frames per step."""
    arena: Arena
    gain_db: float = 0.0
    """Gain of the microphone that the threshold was fitted with; it is not in the model."""

    @classmethod
    def of(cls, about: dict[str, Any], arena: Arena) -> Device:
        """From a run's metadata, as calibrated through the int8 file.

        Raises RunError where the policy is one that the firmware does not know.
        """
        window, consecutive = about["policy"]["smoothing"], about["policy"].get("consecutive", 1)
        if consecutive != 1:
            raise RunError(
                "ESPHome's firmware decides by the mean of a window alone",
                got=f"policy.consecutive={consecutive}",
                do="train with policy.consecutive=1 and a longer policy.smoothing",
            )
        cutoff = device_rule.cutoff_of(about["threshold"], window)
        phrase, language = about["original_wake_word"], about["language"]
        gain_db = about.get("input_gain_db", 0.0)
        return cls(identifier(about["wake_word"]), phrase, language, cutoff, window, about["stride"], arena, gain_db)


def identifier(name: str) -> str:
    """The name as files and C symbols can have it: ASCII letters, digits and underscores, no digit first."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    return plain if plain[:1].isalpha() else f"wake_{plain}".rstrip("_")


def manifest(device: Device, *, author: str, website: str = WEBSITE) -> dict[str, Any]:
    """ESPHome's model manifest, version 2; every number follows from the calibrated policy and the arena."""
    return {
        "type": "micro",
        "wake_word": device.phrase,
        "author": author,
        "website": website,
        "model": f"{device.name}.tflite",
        "trained_languages": [device.language.split("-")[0]],
        "version": 2,
        "micro": {
            "probability_cutoff": device_rule.probability_cutoff(device.cutoff),
            "sliding_window_size": device.window,
            "feature_step_size": FEATURE_STEP_MS,
            "tensor_arena_size": device.arena.advised,
            "minimum_esphome_version": OLDEST_ESPHOME,
        },
    }


def esphome_yaml(device: Device) -> str:
    """The part of an ESPHome configuration that uses the model; it stands beside the model's files."""
    told = ""
    if device.gain_db:
        told = (
            f"# Fitted to a household with the microphone {device.gain_db:+g} dB (a factor of "
            f"{10 ** (device.gain_db / 20):.2f}) against what it\n# recorded with. That is not in the model: set the "
            "microphone's own gain so.\n"
        )
    return told + textwrap.dedent(f"""\
        # Copy {device.name}.json and {device.name}.tflite beside your device's configuration, and this into it.
        # It needs microphone: and voice_assistant: there, and a board with PSRAM (an ESP32-S3) is advised.
        micro_wake_word:
          models:
            - model: {device.name}.json
          on_wake_word_detected:
            - voice_assistant.start:
                wake_word: !lambda return wake_word;
        """)


def c_files(device: Device, model: bytes) -> dict[str, str]:
    """NAME.h and NAME.c: the model as an array that interpreters can read in place, and what it must be run with."""
    upper, symbol = device.name.upper(), f"{device.name}_model"
    lines = [
        "    " + ", ".join(f"0x{byte:02x}" for byte in model[at : at + PER_LINE]) + ","
        for at in range(0, len(model), PER_LINE)
    ]
    about: dict[str, tuple[float, str]] = {
        "STRIDE": (device.stride, "frames of features per step"),
        "CHANNELS": (micro.CHANNELS, "int8 features per frame"),
        "FRAME_MS": (FEATURE_STEP_MS, "milliseconds from frame to frame"),
        "WINDOW": (device.window, "scores in the sum"),
        "CUTOFF": (device.cutoff, "said when the sum of the last WINDOW scores exceeds WINDOW times this"),
        "ARENA_BYTES": (device.arena.advised, "tensor arena to set aside"),
    }
    if device.gain_db:
        about["GAIN_DB"] = (device.gain_db, "decibels to raise the microphone by; it is not in the model")
    defines = "".join(f"#define {upper}_{key} {value} /* {comment} */\n" for key, (value, comment) in about.items())
    header = (
        f"/* The wake word {c_comment(device.phrase)}, an int8 TensorFlow Lite Micro model; made by wakewright "
        f"{__version__}. */\n#ifndef {upper}_MODEL_H\n#define {upper}_MODEL_H\n\n"
        f'#define {upper}_PHRASE "{c_string(device.phrase)}"\n#define {upper}_VERSION "{__version__}"\n{defines}\n'
        f'#ifdef __cplusplus\nextern "C" {{\n#endif\n'
        f"extern const unsigned char {symbol}[];\nextern const unsigned int {symbol}_size;\n"
        f"#ifdef __cplusplus\n}}\n#endif\n\n#endif\n"
    )
    source = (
        f'#include "{device.name}.h"\n\n/* Weights are read in place: they must be aligned. */\n'
        "#if defined(__GNUC__) || defined(__clang__)\n#define ALIGNED __attribute__((aligned(16)))\n"
        "#elif defined(__cplusplus)\n#define ALIGNED alignas(16)\n#else\n#define ALIGNED _Alignas(16)\n#endif\n\n"
        f"ALIGNED const unsigned char {symbol}[] = {{\n" + "\n".join(lines) + "\n};\n"
        f"const unsigned int {symbol}_size = {len(model)};\n"
    )
    return {f"{device.name}.h": header, f"{device.name}.c": source}


def c_string(text: str) -> str:
    """The text inside a C string literal: UTF-8, anything unusual as octal."""
    return "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in text.encode())


def c_comment(text: str) -> str:
    """The text inside a C comment, which it cannot end."""
    return '"' + text.replace("*/", "* /") + '"'
