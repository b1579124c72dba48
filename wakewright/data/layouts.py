"""How people lay out recordings: folders by kind, Common Voice, Speech Commands. What is found is not opened yet."""

from __future__ import annotations

import dataclasses
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from wakewright.core.audio import find_audio
from wakewright.core.errors import InputError
from wakewright.core.files import one_spelling
from wakewright.core.manifest import Kind, Part
from wakewright.data.corpora import name_of
from wakewright.data.grouping import Grouping

Layout = Literal["auto", "folders", "common-voice", "speech-commands"]
SKIP = "skip"
"""Said instead of a kind: leave this folder out."""

_SPELLINGS: dict[Kind, str] = {
    "positive": "positive positives pos wake_word wake_words wakeword wakewords keyword keywords target targets",
    "near_miss": "near_miss near_misses hard_negative hard_negatives confusable confusables adversarial similar",
    "speech": "negative negatives neg speech other others non_wakeword not_wake_word not_wakeword unknown voices",
    "noise": "noise noises background backgrounds background_noise ambient ambience environment",
    "music": "music",
    "rir": "rir rirs impulse_response impulse_responses room_impulse_responses rooms",
}
KIND_OF: dict[str, Kind] = {name: kind for kind, names in _SPELLINGS.items() for name in names.split()}
"""Folder names, in lower case with _ between words, by what they say about the clips in them."""
PARTS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""Folder names that divide a set into parts."""
COMMON_VOICE_LICENCE = "CC0-1.0"
SPEECH_COMMANDS_LICENCE = "CC-BY-4.0"


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A file and what its place says about it."""

    path: Path
    kind: Kind
    speaker: str
    source: str
    text: str = ""
    licence: str = ""
    part: Part | Literal[""] = ""
    """train, validation or test where the folders say so, else empty."""


REPORT = "health.json"
"""A folder with this file holds a report of the health check, in SOUNDS the copies of the worst clips."""
SOUNDS = "sounds"
"""Folder of these copies within the report, which may lie among recordings."""
_COPY = re.compile(r"\d{3,}\.wav")


def plain(name: str) -> str:
    """A folder's name or a text, in lower case, with one _ where something other than a letter or digit stands.

    However an accent is written it is the same; a vowel sign belongs to the letter before it.
    """
    text = name.casefold()
    if not text.isascii():
        kept = ""
        for c in unicodedata.normalize("NFC", text):
            sign = unicodedata.category(c)[0] == "M" and kept[-1:] not in ("", "_")
            kept += c if c.isalnum() or sign else "_"
        return re.sub("_+", "_", kept).strip("_")
    return re.sub(r"[\W_]+", "_", text).strip("_")


def kind_named(name: str, where: str) -> Kind | None:
    """The kind that a word of the user means; None for SKIP. Raises InputError for another."""
    if plain(name) == SKIP:
        return None
    kind = KIND_OF.get(plain(name))
    if kind is None:
        raise InputError(
            f"{where} names no kind of clip",
            got=name or "nothing",
            do=f"write one of: positive, negative, near_miss, noise, music, rir, {SKIP}",
        )
    return kind


def find(
    folder: Path,
    layout: Layout = "auto",
    *,
    mapping: Mapping[str, str] | None = None,
    groups: Sequence[str] = (),
    phrase: str = "",
    licence: str = "",
) -> list[Found]:
    """Every recording below `folder`, with what it is for, sorted by path; no file is opened but a table.

    `mapping` says what folders are, by their path below `folder`, before their names do; that of `.` holds where
    nothing else does. `groups` say who is heard where folders do not (see `grouping`). `phrase` makes the clips of
    Common Voice and Speech Commands that say it positives. The copies in a report of the health check are left out.
    Raises InputError for a folder that nothing is known of, AudioError where there is no audio.
    """
    folder = one_spelling(folder)
    plain_folders = bool(mapping or groups)  # what is said of folders holds for nothing else
    if layout == "common-voice" or (layout == "auto" and not plain_folders and (folder / "validated.tsv").is_file()):
        from wakewright.data.tables import common_voice

        refuse_groups(groups, "the table of Common Voice tells who speaks")
        return common_voice(folder, phrase)
    if folder.is_file():
        raise InputError(f"{folder} is no folder", got="a file", do="name the folder it lies in")
    copies = {path.parent / SOUNDS for path in folder.rglob(REPORT)}
    files = [
        file for file in find_audio(folder, gone=True) if file.parent not in copies or not _COPY.fullmatch(file.name)
    ]
    if layout == "speech-commands" or (layout == "auto" and not plain_folders and _of_speech_commands(folder, files)):
        refuse_groups(groups, "the file names of Speech Commands tell who speaks")
        return _speech_commands(folder, files, phrase)
    return _folders(folder, files, mapping or {}, groups, licence)


def refuse_groups(groups: Sequence[str], told: str) -> None:
    """Raise InputError where --group-by is given for recordings that tell by themselves who speaks."""
    if groups:
        raise InputError("--group-by is for folders", got=told, do="leave it out, or import with --layout folders")


def _folders(
    folder: Path, files: Sequence[Path], mapping: Mapping[str, str], groups: Sequence[str], licence: str
) -> list[Found]:
    wishes, grouping = _wishes(mapping), Grouping(groups)
    unused, unknown = set(wishes), set()
    found = []
    for file in files:
        below = file.relative_to(folder).parts[:-1]
        part, rest = _part(below)
        told, inner = _kind(rest)
        named = len(below) - len(rest) + inner if told else 0
        depth = next((d for d in range(len(below), 0, -1) if "/".join(below[:d]) in wishes), named)
        wish = "/".join(below[:depth]) or "."
        if wish not in wishes and not named:
            unknown.add("/".join(below[: len(below) - len(rest) + 1]) or ".")
            continue
        unused.discard(wish)
        kind = wishes.get(wish, told)
        if kind is not None:
            speaker = grouping.group_of(file, folder, depth, kind)
            found.append(Found(file, kind, speaker, name_of(folder), licence=licence, part=part))
    if unknown or unused:
        raise _unclear(folder, sorted(unknown), sorted(unused))
    grouping.refuse_unused(folder)
    return sorted(found, key=lambda f: f.path)


def _wishes(mapping: Mapping[str, str]) -> dict[str, Kind | None]:
    """Kinds by folder, whatever its spelling. Raises InputError for a folder that is said to be two things."""
    wishes: dict[str, Kind | None] = {}
    for key, value in mapping.items():
        kind = kind_named(value, f"--map {key}")
        if wishes.setdefault(posixpath.normpath(Path(key).as_posix()), kind) != kind:
            raise InputError(f"--map says two things of {key}", got=", ".join(mapping.values()), do="leave one out")
    return wishes


def _part(below: Sequence[str]) -> tuple[Part | Literal[""], Sequence[str]]:
    part: Part | Literal[""] = PARTS.get(plain(below[0]), "") if below else ""
    return part, below[1:] if part else below


def _kind(below: Sequence[str]) -> tuple[Kind | None, int]:
    """What the names of the folders from the set's root inwards say, and how many of them until it is said; speech or
    music within a background is that."""
    kind = KIND_OF.get(plain(below[0])) if below else None
    if kind == "noise":
        inner = ((KIND_OF.get(plain(name)), depth) for depth, name in enumerate(below[1:], 2))
        return next(((k, depth) for k, depth in inner if k in ("speech", "music")), (kind, 1))
    return kind, 1


def _unclear(folder: Path, unknown: Sequence[str], unused: Sequence[str]) -> InputError:
    if unused:
        return InputError(
            "--map names folders without audio",
            got=", ".join(unused),
            do=f"write the path of a folder below {folder}, or . for itself",
        )
    first = unknown[0]
    return InputError(
        f"nobody knows what is in some folders of {folder}",
        got=", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""),
        do=f"say it: --map {first}=positive (or negative, near_miss, noise, music, rir, {SKIP})",
    )


def _of_speech_commands(folder: Path, files: Sequence[Path]) -> bool:
    """Whether most files, but the noise, are named as there, and no folder of them as ours is: one that strayed into
    other recordings would make all of them other speech."""
    named = [file for file in files if "_nohash_" in file.name]
    others = [file for file in files if plain(_word(folder, file)) != "background_noise"]
    ours = any(_kind(_part(file.relative_to(folder).parts[:-1])[1])[0] for file in others)
    return 2 * len(named) > len(others) and not ours


def _word(folder: Path, file: Path) -> str:
    """The outermost folder, which Speech Commands names by the word."""
    inside = file.relative_to(folder).parts[:-1]
    return inside[0] if inside else ""


def _speech_commands(folder: Path, files: Iterable[Path], phrase: str) -> list[Found]:
    """Folders by word; the speaker is the hash before _nohash_ in a file's name."""
    found, source, wanted = [], name_of(folder), plain(phrase)
    for file in files:
        word = _word(folder, file)
        if plain(word) == "background_noise":
            found.append(Found(file, "noise", str(file), source, licence=SPEECH_COMMANDS_LICENCE))
            continue
        speaker, known, _ = file.name.partition("_nohash_")
        kind: Kind = "positive" if wanted and plain(word) == wanted else "speech"
        found.append(Found(file, kind, speaker if known else str(file), source, word, SPEECH_COMMANDS_LICENCE))
    if wanted and not any(f.kind == "positive" for f in found):
        raise InputError(
            f"{folder} has no folder of the phrase",
            got=f"{phrase!r}; there are " + ", ".join(sorted({f.text for f in found if f.text})[:40]),
            do="name one of these with --phrase, or leave it out",
        )
    return found
