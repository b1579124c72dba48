"""Common words by language: what near misses are built from and what ordinary sentences are made of.

A list is `words/<language>.txt`: `[section]` lines, then words. Languages without a list have an empty lexicon, and
`letters` gives what pseudo-words can be spelt with instead.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

_FOLDER = "words"
_ALIASES = {"zh": "cmn", "nb": "no"}
_VOWEL_LETTERS = frozenset("aeiouyæøœаеёиоуыэюяіїєαεηιουωāēīōū")
_ENGLISH_VOWELS = frozenset("aeiou")
_PLAIN = {"LATIN": ("a", "z"), "CYRILLIC": ("а", "я"), "GREEK": ("α", "ω")}
"""First and last letter of the alphabets whose Unicode rows hold many letters no living language uses."""


@dataclass(frozen=True)
class Lexicon:
    """Words of one language by kind; `words` holds all of them once, lower and upper case as written."""

    sections: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]

    def __getitem__(self, section: str) -> tuple[str, ...]:
        return self.sections.get(section, ())


def lexicon(language: str) -> Lexicon:
    """The word list for an espeak-ng language tag (`en-us` -> en); empty when there is none for the language."""
    tag = language.strip().lower().replace("_", "-").split("-")[0]
    return _read(_ALIASES.get(tag, tag))


@functools.cache
def _read(tag: str) -> Lexicon:
    file = resources.files("wakewright.data").joinpath(_FOLDER, f"{tag}.txt")
    if not file.is_file():
        return Lexicon(MappingProxyType({}), ())
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[] \n"), [])
        elif not line.startswith("#"):
            current += line.split()
    if tag == "en":
        sections["plural"] = [plural(noun) for noun in sections["noun"]]
        sections["third"] = [plural(verb) for verb in sections["verb"]]
        sections["doing"] = [doing(verb) for verb in sections["verb"]]
    unique = dict.fromkeys(word for part in sections.values() for word in part)
    return Lexicon(MappingProxyType({name: tuple(part) for name, part in sections.items()}), tuple(unique))


_PLURALS = {
    "child": "children", "foot": "feet", "goose": "geese", "knife": "knives", "leaf": "leaves", "wife": "wives",
    "loaf": "loaves", "mouse": "mice", "person": "people", "shelf": "shelves", "thief": "thieves", "tooth": "teeth",
    "wolf": "wolves", "woman": "women", "deer": "deer", "fish": "fish", "sheep": "sheep", "scissors": "scissors",
    "trousers": "trousers", "echo": "echoes", "hero": "heroes", "potato": "potatoes", "tomato": "tomatoes",
    "have": "has", "fax": "faxes", "quiz": "quizzes",
}  # fmt: skip


def plural(word: str) -> str:
    """English plural of a noun, which is spelt like the third person of a verb."""
    if word in _PLURALS:
        return _PLURALS[word]
    if word.endswith("y") and word[-2] not in _ENGLISH_VOWELS:
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "sh", "ch", "x", "z")) else "s")


def doing(verb: str) -> str:
    """English present participle."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    groups = sum(a in _ENGLISH_VOWELS and (i == 0 or verb[i - 1] not in _ENGLISH_VOWELS) for i, a in enumerate(verb))
    closed = len(verb) > 2 and verb[-1] not in "aeiouwxy" and verb[-2] in _ENGLISH_VOWELS
    short = closed and (verb[-3] not in _ENGLISH_VOWELS or verb[-4:-1] == "qui")
    doubled = (groups == 1 and short) or verb in _LAST_STRESSED
    return verb + (verb[-1] if doubled else "") + "ing"


_LAST_STRESSED = frozenset(("admit", "begin", "control", "forbid", "forget", "occur", "permit", "prefer", "regret"))
"""Verbs of two syllables that double their last letter, since the stress is on it."""


def is_vowel_letter(letter: str) -> bool:
    """Whether an alphabetic letter (Latin, Cyrillic, Greek; accents ignored) usually is a vowel."""
    return unicodedata.normalize("NFD", letter.lower())[0] in _VOWEL_LETTERS


@functools.cache
def letters(language: str, phrase: str) -> tuple[str, ...]:
    """Letters that a pseudo-word beside `phrase` may be spelt with, sorted.

    Those of the language's words in the phrase's script; with no list, the plain letters of that script (a to z),
    or the letters of the same Unicode rows as the phrase's own.
    """
    own = [char for char in phrase.lower() if char.isalpha()]
    scripts = {_script(char) for char in own}
    known = {char for word in lexicon(language).words for char in word.lower() if _script(char) in scripts}
    if known:
        return tuple(sorted(known | set(own)))
    found = set(own)
    for char in own:
        row = ord(char) & ~0x7F
        first, last = _PLAIN.get(_script(char), (chr(row), chr(row + 0x7F)))
        nearby = [chr(code) for code in range(ord(first), ord(last) + 1)]
        found |= {c for c in nearby if c.isalpha() and c == c.lower() and _script(c) == _script(char)}
    return tuple(sorted(found))


def _script(char: str) -> str:
    return unicodedata.name(char, "").split(" ")[0] if char.isalpha() else ""
