"""The MIT survey of reverberation: 271 real rooms and places of daily life, one response each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wakewright.data.corpus.corpus import Corpus, Found, Part


def _clips(folder: Path) -> Iterator[Found]:
    """Audio/hNUMBER_PLACE_COUNTtxts.wav, each place once."""
    for path in sorted(folder.rglob("*.wav")):
        yield Found(path, "rir", path.stem.split("_")[0])


CORPUS = Corpus(
    name="mit-rirs",
    title="MIT Acoustical Reverberation Scene Statistics Survey (Traer, McDermott)",
    page="https://mcdermottlab.mit.edu/Reverb/IR_Survey.html",
    licence="none stated",
    commercial=None,
    purpose="real room responses",
    kinds=("rir",),
    parts=(
        Part(
            "all",
            "https://mcdermottlab.mit.edu/Reverb/IRMAudio/Audio.zip",
            30_000_000,
            60_000_000,
            None,
            exact=False,
        ),
    ),
    usual=("all",),
    clips=_clips,
    remark="The publisher's page names no licence: ask before you sell what learnt from it.",
)
