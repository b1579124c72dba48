"""Public corpora: one file each says where it is, under which licence, and what its files are."""

from __future__ import annotations

import difflib

from wakewright.core.errors import InputError
from wakewright.data.corpus import (
    common_voice,
    demand,
    esc50,
    fma,
    librispeech,
    mit_rirs,
    musan,
    slr28,
    speech_commands,
)
from wakewright.data.corpus.corpus import Corpus, Part

CORPORA: dict[str, Corpus] = {
    module.CORPUS.name: module.CORPUS
    for module in (librispeech, common_voice, speech_commands, musan, demand, esc50, fma, mit_rirs, slr28)
}
"""Every corpus, by name."""


def named(name: str) -> tuple[Corpus, tuple[Part, ...]]:
    """A corpus and the parts meant: `demand` its usual ones, `demand/tbus` one. Raises InputError for other names."""
    first, _, second = name.partition("/")
    corpus = CORPORA.get(first)
    if corpus is None:
        near = difflib.get_close_matches(first, CORPORA, n=3, cutoff=0.3) or sorted(CORPORA)
        raise InputError("no such corpus", got=repr(name), do="did you mean " + ", ".join(near) + "?")
    if not second:
        return corpus, tuple(part for part in corpus.parts if part.name in corpus.usual)
    part = corpus.part(second)
    if part is None:
        known = ", ".join(f"{first}/{part.name}" for part in corpus.parts)
        raise InputError(f"{first} has no such part", got=repr(second), do=f"take one of: {known or first}")
    return corpus, (part,)
