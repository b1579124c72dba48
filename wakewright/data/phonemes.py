"""How a text sounds: phonemes from espeak-ng, and how far apart two texts sound.

Phonemes are plain IPA strings without stress, length and tone: a consonant (`k`), an affricate (`tʃ`), a vowel or a
diphthong (`aɪ`). The distance is a weighted edit distance (Wagner & Fischer 1974) in which one whole phoneme more,
less or replaced costs about 1, and replacing it by one articulated alike costs less. The features and their ordering
are those of the IPA chart (2020) on scales as in Kondrak's ALINE ("A new algorithm for the alignment of phonetic
sequences", NAACL 2000); the weights are this module's own and are written once, below.
"""

from __future__ import annotations

import ctypes
import functools
import re
import unicodedata
from collections.abc import Sequence

from wakewright.data import espeak_library

Phonemes = tuple[str, ...]

_UTF8 = 1
_IPA_WITH_UNDERSCORES = 0x02 | (ord("_") << 8)
"""espeak_TextToPhonemes: IPA names, with "_" between phonemes."""
_SWITCH = re.compile(r"\([a-z0-9-]+\)")
"""Marks where espeak-ng speaks a word by another language's rules: (en)."""

VOWELS = {
    # letter: (height 0 open .. 1 close, backness 0 front .. 1 back, rounded)
    "i": (1.0, 0.0, 0), "y": (1.0, 0.0, 1), "ɨ": (1.0, 0.5, 0), "ʉ": (1.0, 0.5, 1), "ɯ": (1.0, 1.0, 0),
    "u": (1.0, 1.0, 1), "ɪ": (0.85, 0.15, 0), "ʏ": (0.85, 0.15, 1), "ʊ": (0.85, 0.85, 1), "e": (0.67, 0.0, 0),
    "ø": (0.67, 0.0, 1), "ɘ": (0.67, 0.5, 0), "ɵ": (0.67, 0.5, 1), "ɤ": (0.67, 1.0, 0), "o": (0.67, 1.0, 1),
    "ə": (0.5, 0.5, 0), "ɚ": (0.5, 0.5, 0), "ɛ": (0.33, 0.0, 0), "œ": (0.33, 0.0, 1), "ɜ": (0.33, 0.5, 0),
    "ɝ": (0.33, 0.5, 0), "ɞ": (0.33, 0.5, 1), "ʌ": (0.33, 0.6, 0), "ɔ": (0.33, 1.0, 1), "æ": (0.15, 0.0, 0),
    "ɐ": (0.15, 0.5, 0), "a": (0.0, 0.25, 0), "ɶ": (0.0, 0.0, 1), "ɑ": (0.0, 1.0, 0), "ɒ": (0.0, 1.0, 1),
    "ᵻ": (0.9, 0.4, 0),
}  # fmt: skip
_WEAK = frozenset("əɚɐɨᵻ")
"""Vowels that come and go in fluent speech."""

_PLACE = {
    "bilabial": 1.0, "labiodental": 0.95, "dental": 0.9, "alveolar": 0.85, "retroflex": 0.8, "postalveolar": 0.75,
    "palatal": 0.7, "velar": 0.6, "uvular": 0.5, "pharyngeal": 0.3, "glottal": 0.1,
}  # fmt: skip
_MANNER = {"stop": 1.0, "affricate": 0.9, "fricative": 0.8, "tap": 0.7, "trill": 0.65, "approximant": 0.6}
_CHART = {
    # manner, sonority: place -> voiceless and voiced letters ("-" where there is none)
    ("stop", ""): {"bilabial": "pb", "alveolar": "td", "retroflex": "ʈɖ", "palatal": "cɟ", "velar": "kɡ",
                   "uvular": "qɢ", "glottal": "ʔ-"},
    ("stop", "nasal"): {"bilabial": "-m", "labiodental": "-ɱ", "alveolar": "-n", "retroflex": "-ɳ", "palatal": "-ɲ",
                        "velar": "-ŋ", "uvular": "-ɴ"},
    ("trill", "rhotic"): {"bilabial": "-ʙ", "alveolar": "-r", "uvular": "-ʀ"},
    ("tap", "rhotic"): {"alveolar": "-ɾ", "retroflex": "-ɽ"},
    ("fricative", ""): {"bilabial": "ɸβ", "labiodental": "fv", "dental": "θð", "alveolar": "sz", "postalveolar": "ʃʒ",
                        "retroflex": "ʂʐ", "palatal": "çʝ", "velar": "xɣ", "uvular": "χ-", "pharyngeal": "ħʕ",
                        "glottal": "hɦ"},
    ("fricative", "rhotic"): {"uvular": "-ʁ"},
    ("fricative", "lateral"): {"alveolar": "ɬɮ"},
    ("approximant", ""): {"labiodental": "-ʋ", "palatal": "-j", "velar": "ʍw"},
    ("approximant", "rhotic"): {"alveolar": "-ɹ", "retroflex": "-ɻ"},
    ("approximant", "lateral"): {"alveolar": "-l", "retroflex": "-ɭ", "palatal": "-ʎ", "velar": "-ʟ"},
}  # fmt: skip
CONSONANTS: dict[str, tuple[float, float, bool, str]] = {
    letter: (_PLACE[place], _MANNER[manner], voiced, sonority)
    for (manner, sonority), row in _CHART.items()
    for place, pair in row.items()
    for letter, voiced in zip(pair, (False, True), strict=True)
    if letter != "-"
}
CONSONANTS |= {
    "ɕ": (0.73, 0.8, False, ""), "ʑ": (0.73, 0.8, True, ""), "ɥ": (0.69, 0.6, True, ""), "ɰ": (0.61, 0.6, True, ""),
    "ɫ": (0.83, 0.6, True, "lateral"), "ɧ": (0.67, 0.8, False, ""), "ɓ": (1.0, 1.0, True, "implosive"),
    "ɗ": (0.85, 1.0, True, "implosive"), "ɠ": (0.6, 1.0, True, "implosive"),
    "ɺ": (0.85, 0.7, True, "lateral"),
}  # fmt: skip
_FRICATIVES = frozenset(letter for letter, (_, manner, _, _) in CONSONANTS.items() if manner == 0.8)
_SAME_ORGAN = 0.16
"""A stop and a fricative spoken at places at most this far apart in one phoneme are an affricate: tʃ, pf, ts."""
_TYPED = str.maketrans({"ä": "a", "ʦ": "ts", "ε": "ɛ", "?": "ʔ", "g": "ɡ"})
"""Letters some of espeak-ng's languages use beside the IPA's own."""
_GLIDES = {"j": "i", "w": "u", "ɥ": "y", "ɰ": "ɯ", "ɹ": "ɚ", "ɻ": "ɚ", "ʋ": "u"}
"""Consonants that are a vowel in motion: close to that vowel, and easily lost."""

_VOWEL_GAP, _WEAK_GAP, _CONSONANT_GAP, _GLIDE_GAP, _BREATH_GAP, _CATCH_GAP = 0.9, 0.4, 1.0, 0.6, 0.7, 0.2
_VOWEL_FOR_CONSONANT = 1.2


def _raw(text: str, language: str) -> list[str]:
    """What espeak-ng answers, clause by clause: words apart by spaces, phonemes by underscores."""
    identifier = espeak_library.identifier(language)
    with espeak_library.LOCK:
        lib = espeak_library.set_voice(identifier)
        buffer = ctypes.create_string_buffer(text.replace("\0", " ").encode())
        rest = ctypes.cast(buffer, ctypes.c_char_p)
        clauses: list[str] = []
        while rest.value is not None:
            clauses.append(lib.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA_WITH_UNDERSCORES).decode())
    return [_SWITCH.sub("", clause) for clause in clauses]


def ipa(text: str, language: str) -> str:
    """The text in IPA with stress and length marks, words apart by spaces, for reading. Raises RecipeError."""
    return " ".join(" ".join(clause.replace("_", "").split()) for clause in _raw(text, language)).strip()


@functools.lru_cache(maxsize=65536)
def phonemes(text: str, language: str) -> Phonemes:
    """The text's phonemes in order, without word boundaries, stress, length or tone; empty when nothing is spoken.

    Raises RecipeError for a language espeak-ng lacks, MissingPackage or NoVoice without espeak-ng.
    """
    tonal = espeak_library.identifier(language).split("/")[0] in ("sit", "aav", "tai")
    found: list[str] = []
    for clause in _raw(text, language):
        for name in re.split(r"[_\s]+", clause):
            found += _segments(name, tonal)
    return tuple(found)


@functools.lru_cache(maxsize=65536)
def spelt_out(word: str, language: str) -> bool:
    """Whether espeak-ng reads the word letter by letter ("xqz", "usa"), for want of a way to pronounce it."""
    letters = [char for char in word if char.isalpha()]
    if len(letters) < 2 or len(letters) < len(word) or any(char.lower() == char.upper() for char in letters):
        return False
    said = phonemes(word, language)
    names = [sound for char in letters for sound in phonemes(char, language)]
    # "io" in Italian also is the names of its letters, and still a word: names are longer than sounds.
    # A name may change a little between others: r at its end, the length of a vowel.
    return len(said) > len(letters) and distance(said, names) <= 0.1 * len(letters)


def _segments(name: str, tonal: bool) -> list[str]:
    """One phoneme as espeak-ng writes it -> our phonemes: `ɔːɹ` is `ɔ` and `ɹ`; `dʒ` and `aɪ` stay whole."""
    if tonal and len(name) > 1:
        name = name.rstrip("ɜ")  # espeak-ng's tone digit 3, put through its IPA table
    letters: list[str] = []
    for char in unicodedata.normalize("NFD", name.translate(_TYPED).replace("ç", "\0")):
        char = "ç" if char == "\0" else char
        if char == "\u0329" and letters:  # syllabic consonant: a weak vowel before it
            letters.insert(-1, "ə")
        elif char == "\u0303" and letters:  # nasal vowel
            letters[-1] += char
        elif char in VOWELS or char in CONSONANTS:
            letters.append(char)
    joined: list[str] = []
    for letter in letters:
        if joined and _belongs(joined[-1], letter):
            joined[-1] += letter
        else:
            joined.append(letter)
    return joined


def _belongs(before: str, letter: str) -> bool:
    if before[0] in VOWELS and letter[0] in VOWELS:
        return letter not in ("ɚ", "ə") and len(before.replace("\u0303", "")) == 1
    if before in CONSONANTS and letter in _FRICATIVES:
        place, manner, _, sonority = CONSONANTS[before]
        return manner == 1.0 and not sonority and abs(place - CONSONANTS[letter][0]) <= _SAME_ORGAN
    return False


def is_vowel(phoneme: str) -> bool:
    """Whether it is the nucleus of a syllable."""
    return phoneme[0] in VOWELS


def syllables(sounds: Sequence[str]) -> int:
    """Number of syllables: of vowels and diphthongs."""
    return sum(is_vowel(phoneme) for phoneme in sounds)


@functools.cache
def gap(phoneme: str) -> float:
    """Cost of the phoneme being there in one text only."""
    if is_vowel(phoneme):
        return _WEAK_GAP if phoneme in _WEAK else _VOWEL_GAP
    if phoneme in _GLIDES:
        return _GLIDE_GAP
    return {"h": _BREATH_GAP, "ɦ": _BREATH_GAP, "ʔ": _CATCH_GAP}.get(phoneme, _CONSONANT_GAP)


@functools.cache
def substitution(a: str, b: str) -> float:
    """Cost of hearing phoneme `b` for `a`: 0 for the same, up to 1 within vowels and consonants, 1.2 across."""
    if a == b:
        return 0.0
    if is_vowel(a) and is_vowel(b):
        return _vowels_apart(a, b)
    if not is_vowel(a) and not is_vowel(b):
        return _consonants_apart(a, b)
    vowel, consonant = (a, b) if is_vowel(a) else (b, a)
    if consonant in _GLIDES:
        return min(_VOWEL_FOR_CONSONANT, 0.3 + _vowels_apart(vowel, _GLIDES[consonant]))
    return _VOWEL_FOR_CONSONANT


def _vowels_apart(a: str, b: str) -> float:
    """Mean of the distances of the beginnings and the ends (of a diphthong), plus nasality and r-colour."""
    plain_a, plain_b = a.replace("\u0303", ""), b.replace("\u0303", "")
    ends = ((plain_a[0], plain_b[0]), (plain_a[-1], plain_b[-1]))
    cost = 0.0 if plain_a == plain_b else 0.1
    for one, other in ends:
        (height, back, rounded), (other_height, other_back, other_rounded) = VOWELS[one], VOWELS[other]
        cost += 0.275 * abs(height - other_height) + 0.175 * abs(back - other_back)
        cost += 0.075 * abs(rounded - other_rounded)
    cost += 0.15 * (("\u0303" in a) != ("\u0303" in b))
    cost += 0.1 * (any(c in "ɚɝ" for c in a) != any(c in "ɚɝ" for c in b))
    return min(cost, 1.0)


def _consonants_apart(a: str, b: str) -> float:
    """Sum over place, manner, voicing and sonority; an affricate has its fricative's place and voicing."""
    place, manner, voiced, sonority = _consonant(a)
    other_place, other_manner, other_voiced, other_sonority = _consonant(b)
    cost = 0.25 * (voiced != other_voiced)
    if place != other_place:
        cost += 0.25 + 0.35 * min(1.0, abs(place - other_place) / 0.5)
    if manner != other_manner:
        cost += 0.1 + 0.75 * abs(manner - other_manner)
    if sonority != other_sonority:
        # the tap is how some accents say t, d or r: it is as near to the stops as to the other rhotics
        cost += 0.0 if "ɾ" in (a, b) and "" in (sonority, other_sonority) else 0.3
    return min(cost, 1.0)


def _consonant(phoneme: str) -> tuple[float, float, bool, str]:
    if len(phoneme) == 1:
        return CONSONANTS[phoneme]
    place, _, voiced, _ = CONSONANTS[phoneme[-1]]
    return place, _MANNER["affricate"], voiced, ""


def distance(a: Sequence[str], b: Sequence[str]) -> float:
    """Weighted edit distance of two phoneme sequences, in phonemes: 0 when they sound the same."""
    row = [0.0]
    for heard in b:
        row.append(row[-1] + gap(heard))
    return _align(a, b, row)[-1]


def span_distance(phrase: Sequence[str], heard: Sequence[str]) -> float:
    """Distance of the phrase from the stretch of `heard` that is most like it, in phonemes.

    0 when `heard` contains the phrase: what comes before and after it costs nothing (Sellers 1980). An empty
    stretch is allowed, so the result is at most the phrase's own length.
    """
    return min(_align(phrase, heard, [0.0] * (len(heard) + 1)))


def _align(phrase: Sequence[str], heard: Sequence[str], row: list[float]) -> list[float]:
    """Last row of the alignment table, from its first row."""
    gaps = [gap(sound) for sound in heard]
    for wanted in phrase:
        missing = gap(wanted)
        diagonal = row[0]
        left = diagonal + missing
        new = [left]
        for index, sound in enumerate(heard):
            above = row[index + 1]
            left = min(diagonal + substitution(wanted, sound), above + missing, left + gaps[index])
            new.append(left)
            diagonal = above
        row = new
    return row
