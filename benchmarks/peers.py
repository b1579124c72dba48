"""Wake words that other projects ship, heard on the same streams as ours.

pymicro-wakeword runs ESPHome's microWakeWord models, pyopen-wakeword runs openWakeWord's; both carry models.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np

from wakewright.core.audio import Samples
from wakewright.dsp.embedding import model_folder
from wakewright.dsp.frontend import create
from wakewright.evaluate.metrics import Scores
from wakewright.evaluate.real import Ear

PACKAGES = ("pymicro-wakeword", "pyopen-wakeword")


def _folder(package: str) -> Path:
    if package == "pyopen-wakeword":
        return model_folder()
    import pymicro_wakeword

    return Path(pymicro_wakeword.__file__).parent / "models"


def knows(package: str, word: str) -> bool:
    """Whether the package carries a model for this word."""
    return (_folder(package) / f"{word}.tflite").is_file()


def threshold(package: str, word: str) -> float:
    """The threshold the package ships: the manifest's cutoff, or openWakeWord's 0.5."""
    if package == "pyopen-wakeword":
        return 0.5
    return float(json.loads((_folder(package) / f"{word}.json").read_text())["micro"]["probability_cutoff"])


class MicroEar:
    """pymicro-wakeword's own loop, its probability averaged over its own window at each 30 ms step."""

    hop_s = 0.03
    first_step_s = 0.05

    def __init__(self, word: str) -> None:
        from pymicro_wakeword import MicroWakeWord

        self._word = MicroWakeWord.from_config(_folder("pymicro-wakeword") / f"{word}.json")

    def hear(self, samples: Samples) -> Scores:
        """(n,) -> (steps,) the mean probability the package compares with its cutoff."""
        self._word.reset()
        front = create("micro")
        front.reset()
        integers = front.push_integers(samples)  # type: ignore[attr-defined]
        features = integers.astype(np.float32) * np.float32(0.0390625)
        probabilities = []
        for i, frame in enumerate(features):
            value = self._word.process_streaming_prob(frame[None, None, :])
            if i % 3 == 2:
                probabilities.append(value or 0.0)
        return np.asarray(probabilities, np.float32)


class OpenEar:
    """An openWakeWord head on the shared embedding: its probability at each 80 ms, as its runtimes compare it."""

    def __init__(self, word: str) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._front = create("speech_embedding")
        self._net = Interpreter(str(_folder("pyopen-wakeword") / f"{word}.tflite"), num_threads=1)
        self._net.allocate_tensors()
        self._in = self._net.get_input_details()[0]
        self._out = self._net.get_output_details()[0]["index"]
        self.hop_s = 0.08
        self.first_step_s = self._front.first_end / 16000

    def hear(self, samples: Samples) -> Scores:
        """(n,) -> (steps,) probability per embedding; zero until the head's window is full."""
        self._front.reset()
        frames = self._front.push(samples)
        window = int(self._in["shape"][1])
        scores = np.zeros(len(frames), np.float32)
        for i in range(window, len(frames) + 1):
            self._net.set_tensor(self._in["index"], frames[None, i - window : i])
            self._net.invoke()
            scores[i - 1] = self._net.get_tensor(self._out).ravel()[0]
        return scores


@functools.lru_cache(maxsize=2)
def ear(package: str, word: str) -> Ear:
    """The package's detector for this word, loaded once per process."""
    return MicroEar(word) if package == "pymicro-wakeword" else OpenEar(word)
