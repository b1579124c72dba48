"""OpenSLR 28, "RIRS_NOISES": of it the real room responses, and the noises recorded in those rooms.

Its simulated rooms are left packed, since wakewright simulates its own, and so are its point-source noises, which are
MUSAN's own: the same sound under two names could be learnt from and measured on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from wakewright.core.errors import InputError
from wakewright.core.manifest import Kind
from wakewright.data.corpus.corpus import Corpus, Found, Part

_REAL = "real_rirs_isotropic_noises"
_LISTS: tuple[tuple[str, Kind, str], ...] = (
    ("rir_list", "rir", "--room-id"),
    ("noise_list", "noise", "--room-linkage"),
)


def _clips(folder: Path) -> Iterator[Found]:
    """RIRS_NOISES/real_rirs_isotropic_noises: `rir_list` and `noise_list` name a room and a file on each line."""
    for listing, kind, key in _LISTS:
        for path in sorted(folder.rglob(f"{_REAL}/{listing}")):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                words = line.split()
                if len(words) < 2:
                    raise InputError(
                        f"{path}, line {number}, names no file", got=repr(line), do="get the corpus again"
                    )
                room = words[words.index(key) + 1] if key in words else PurePosixPath(words[-1]).stem
                yield Found(path.parent / PurePosixPath(words[-1]).name, kind, room)


def _keep(path: PurePosixPath) -> bool:
    return _REAL in path.parts or len(path.parts) <= 2  # and the notes at the root


CORPUS = Corpus(
    name="slr28",
    title="Room Impulse Response and Noise Database (Ko et al., OpenSLR 28)",
    page="https://www.openslr.org/28",
    licence="Apache-2.0",
    commercial=True,
    purpose="real room responses, and noise in those rooms",
    kinds=("rir", "noise"),
    parts=(
        Part(
            "all",
            "https://www.openslr.org/resources/28/rirs_noises.zip",
            1_311_166_223,
            1_500_000_000,
            "md5:e6f48e257286e05de56413b4779d8ffb",
        ),
    ),
    usual=("all",),
    clips=_clips,
    keep=_keep,
    remark="The simulated rooms and the point-source noises (which are MUSAN's) stay packed.",
)
