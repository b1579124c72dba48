"""Speech Commands v2: a hundred thousand single words by 2,618 people, and six minutes of noise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wakewright.data.corpus.corpus import Corpus, Found, Part

_NOISE = "_background_noise_"


def _clips(folder: Path) -> Iterator[Found]:
    """WORD/SPEAKER_nohash_NUMBER.wav and _background_noise_/NAME.wav."""
    for path in sorted(folder.rglob("*.wav")):
        word = path.parent.name
        if word == _NOISE:
            yield Found(path, "noise", path.stem)
        else:
            yield Found(path, "speech", path.stem.partition("_nohash_")[0], word)


CORPUS = Corpus(
    name="speech-commands",
    title="Speech Commands v0.02 (Warden, Google)",
    page="https://www.tensorflow.org/datasets/catalog/speech_commands",
    licence="CC-BY-4.0",
    commercial=True,
    purpose="single words by thousands of people",
    kinds=("speech", "noise"),
    parts=(
        Part(
            "v2",
            "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            2_428_923_189,
            3_900_000_000,
            "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        ),
    ),
    usual=("v2",),
    clips=_clips,
)
