"""FMA small: eight thousand half minutes of music, each under the licence its artist chose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wakewright.data.corpus.corpus import Corpus, Found, Part


def _clips(folder: Path) -> Iterator[Found]:
    """fma_small/NNN/NNNNNN.mp3, each a track of its own."""
    for path in sorted(folder.rglob("*.mp3")):
        yield Found(path, "music", path.stem)


CORPUS = Corpus(
    name="fma",
    title="FMA: A Dataset For Music Analysis (Defferrard et al.)",
    page="https://github.com/mdeff/fma",
    licence="per track",
    commercial=None,
    purpose="music behind the phrase",
    kinds=("music",),
    parts=(
        Part(
            "small",
            "https://os.unil.cloud.switch.ch/fma/fma_small.zip",
            7_679_594_875,
            7_800_000_000,
            "sha1:ade154f733639d52e35e32f5593efe5be76c6d70",
        ),
    ),
    usual=("small",),
    clips=_clips,
    remark="Most tracks are Creative Commons, many of them non-commercial; which is which stands in the publisher's "
    "fma_metadata.zip, which is not fetched.",
)
