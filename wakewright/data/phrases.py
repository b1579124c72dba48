"""What is spoken besides the phrase: near misses that must not wake it, and ordinary sentences.

Everything is checked by sound: no text may contain a stretch that sounds like the phrase or one of its spellings
(see `Sound.of`), however it is written: "a lexus" is "alexa".
"""

from __future__ import annotations

import functools
import itertools
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wakewright.core.errors import PhraseError
from wakewright.core.recipe import Recipe
from wakewright.data import sentences as grammar
from wakewright.data.lexicon import is_vowel_letter, letters, lexicon
from wakewright.data.phonemes import Phonemes, distance, gap, is_vowel, phonemes, span_distance, spelt_out

TELL_APART = 0.55
"""An invented near miss differs in this share of the phrase's phonemes. Nearer by lies how somebody else says the
phrase itself, and a model taught to refuse that refuses people with another accent; only words that people really
say ("can you put a", for "computer") are worth that risk."""
_BANDS = (0.5, 0.3, 0.2)
"""Shares of the near misses drawn from the nearest, the middle and the farthest third of the useful distances."""
_FARTHEST = 0.9
"""A candidate farther than this share of the whole phrase is no near miss any more."""
_MIX = {"words": 0.5, "pieces": 0.15, "invented": 0.35}
"""Shares of the near misses made of common words, of pieces of the phrase, and of pseudo-words."""
_TRIES = 150
"""Draws per wanted text before giving up: reached only where a language hardly has other words."""


@dataclass(frozen=True)
class Sound:
    """How the phrase may be said, and how far from it another text must stay."""

    language: str
    forms: tuple[Phonemes, ...]
    """The phrase, then its other spellings."""
    limit: float
    """Smallest distance, in phonemes, of a text that is not the phrase."""
    size: float
    """What it costs to leave the whole phrase out: its length in phonemes, weak ones counting less."""

    @classmethod
    def of(cls, recipe: Recipe) -> Sound:
        """From a recipe. The limit is `phrases.min_distance`, but at most a third of a very short phrase.

        Without that a two-phoneme word would be "heard" in every sentence, and none could be spoken. Raises
        PhraseError when espeak-ng finds nothing to say, RecipeError for a language it lacks.
        """
        texts = (recipe.phrase, *recipe.phrases.spellings)
        forms = tuple(phonemes(text, recipe.language) for text in texts)
        for text, form in zip(texts, forms, strict=True):
            if not form:
                raise PhraseError(
                    "the phrase cannot be spoken",
                    got=f"{text!r}, in which espeak-ng finds no sound in {recipe.language}",
                    do="write it in letters, as it sounds",
                )
        size = sum(map(gap, forms[0]))
        return cls(recipe.language, forms, min(recipe.phrases.min_distance, size / 3), size)

    def away(self, text: str, language: str | None = None) -> float:
        """Distance in phonemes of the stretch of `text` that sounds most like the phrase; infinite for silence.

        `language` is the one in which the text is read, if not the phrase's own.
        """
        heard = phonemes(text, language or self.language)
        return min(span_distance(form, heard) for form in self.forms) if heard else math.inf

    def clear(self, text: str) -> bool:
        """Whether `text` is spoken, and nowhere sounds like the phrase."""
        return self.limit <= self.away(text) < math.inf


def avoided(recipe: Recipe) -> list[str]:
    """`phrases.avoid`, without repetitions. Raises PhraseError for one that sounds exactly like the phrase."""
    sound = Sound.of(recipe)
    for text in recipe.phrases.avoid:
        if sound.away(text) == 0.0:
            raise PhraseError(
                "phrases.avoid: cannot be told from the phrase by its sound",
                got=f"{text!r} beside {recipe.phrase!r}",
                do="remove it from phrases.avoid, or choose another phrase",
            )
    return list(dict.fromkeys(recipe.phrases.avoid))


def near_misses(recipe: Recipe, count: int, rng: np.random.Generator) -> list[str]:
    """Texts that sound a little like the phrase, none of which is it; `phrases.avoid` first, and always.

    Made of common words that sound alike, alone or together; of the phrase's own pieces (first words, last words,
    cut at a syllable, swapped, after another first word); and of pseudo-words with some letters changed. Spread over
    distances from `Sound.limit` up. Distinct in writing and in sound; the same for the same generator state. Fewer
    than `count` only when the language offers no more. Raises PhraseError, RecipeError.
    """
    sound = Sound.of(recipe)
    texts = avoided(recipe)
    heard = {phonemes(text, recipe.language) for text in texts}
    sources = {
        "pieces": itertools.chain(_shuffled(_pieces(recipe), rng), _shuffled(_readdressed(recipe), rng)),
        "words": _alike(recipe, sound, rng),
        "invented": _invented(recipe, rng),
    }
    quota = {name: math.ceil(share * max(0, count - len(texts))) for name, share in _MIX.items()}
    # what one source lacks, the last makes up for, and at last at any distance that tells it apart
    for turn, name in enumerate(("pieces", "words", "invented", "invented", "invented")):
        wanted = min(count, len(texts) + quota[name])
        apart = TELL_APART * sound.size if name == "invented" else 0.0
        bands = _Bands(sound, wanted - len(texts), apart, picky=turn < 4)
        for text in itertools.islice(sources[name], _TRIES * max(1, quota[name])):
            if len(texts) >= wanted:
                break
            said = phonemes(text, recipe.language)
            if said not in heard and bands.take(sound.away(text), free=name == "pieces"):
                heard.add(said)
                texts.append(text)
        quota["invented"] = max(quota["invented"], count - len(texts)) if name == "invented" else quota["invented"]
    return texts


class _Bands:
    """Keeps the near misses from crowding at one distance: each band of distances has its share."""

    def __init__(self, sound: Sound, count: int, apart: float, *, picky: bool) -> None:
        self._picky = picky
        self._nearest = sound.limit
        self._low = max(sound.limit, apart)
        self._high = max(_FARTHEST * sound.size, self._low + 0.1)
        self._left = [math.ceil(share * count) for share in _BANDS]
        self._refused = 0

    def take(self, away: float, *, free: bool) -> bool:
        """Whether a text that far away is wanted; `free` ones need only not be the phrase."""
        if free:
            return self._nearest <= away < math.inf
        if not self._low <= away < math.inf:
            return False
        if not self._picky:
            return True
        if away > self._high:
            return False
        place = min(int(len(_BANDS) * (away - self._low) / (self._high - self._low)), len(_BANDS) - 1)
        if self._left[place] <= 0:
            # a full band opens again when the others stay empty for long: few languages fill all three
            self._refused += 1
            if self._refused < 12:
                return False
        self._refused = 0
        self._left[place] -= 1
        return True


def sentences(recipe: Recipe, count: int, rng: np.random.Generator) -> list[str]:
    """Ordinary sentences of 2 to 12 words, distinct, none of which contains or sounds like the phrase.

    English comes from sentence patterns; languages with a word list from its words and numbers in any order; others
    from pseudo-words in the phrase's own script and from numbers in figures, which espeak-ng speaks in the language.
    Each place in the list has a generator of its own, so that another phrase changes only the sentences that sound
    like it. Fewer than `count` only when nearly everything sounds like the phrase. Raises PhraseError, RecipeError.
    """
    sound = Sound.of(recipe)
    found: dict[str, None] = {}
    for place in rng.spawn(count):
        for _ in range(_TRIES):
            text = grammar.sentence(recipe.language, recipe.phrase, place)
            if text not in found and sound.clear(text):
                found[text] = None
                break
    return list(found)


def _shuffled(texts: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    yield from (texts[int(index)] for index in rng.permutation(len(texts)))


def _pieces(recipe: Recipe) -> list[str]:
    """The phrase in part and in another order."""
    words = recipe.phrase.split()
    found = [" ".join(words[:end]) for end in range(1, len(words))]
    found += [" ".join(words[start:]) for start in range(1, len(words))]
    found += [" ".join(order) for order in itertools.islice(itertools.permutations(words), 1, 24)]
    for index, word in enumerate(words):
        for cut in _cuts(word):
            found += [" ".join([*words[:index], word[:cut]]), " ".join([word[cut:], *words[index + 1 :]])]
            found.append(" ".join([*words[:index], word[cut:] + word[:cut], *words[index + 1 :]]))
    return list(dict.fromkeys(text for text in found if text))


def _readdressed(recipe: Recipe) -> list[str]:
    """The phrase after another first word, and its first words before another name."""
    words = recipe.phrase.split()
    known = lexicon(recipe.language)
    found = [" ".join([opening, *(words[1:] or words)]) for opening in known["address"]]
    if len(words) > 1:
        found += [" ".join([*words[:-1], name]) for name in known["name"]]
    return list(dict.fromkeys(found))


def _cuts(word: str) -> list[int]:
    """Where a word may be cut: before the consonant that opens a syllable; anywhere in a script without vowels."""
    vowels = [is_vowel_letter(char) for char in word]
    if not any(vowels):
        return [i for i in range(1, len(word)) if not unicodedata.category(word[i]).startswith("M")]
    return [i for i in range(2, len(word) - 1) if vowels[i - 1] and not vowels[i]]


@functools.cache
def _spoken_words(language: str) -> tuple[tuple[str, Phonemes], ...]:
    spoken = ((word, phonemes(word, language)) for word in lexicon(language).words)
    return tuple((word, sounds) for word, sounds in spoken if sounds)


@functools.lru_cache(maxsize=256)
def nearest_words(sounds: Phonemes, language: str, count: int) -> tuple[tuple[str, float], ...]:
    """The `count` common words closest to `sounds`, with their distances in phonemes, nearest first."""
    size = sum(map(gap, sounds))
    ranked = [
        (distance(sounds, said), index, word)
        for index, (word, said) in enumerate(_spoken_words(language))
        if abs(len(said) - len(sounds)) <= max(2.0, 0.6 * size)
    ]
    return tuple((word, away) for away, _, word in sorted(ranked)[:count])


def _alike(recipe: Recipe, sound: Sound, rng: np.random.Generator) -> Iterator[str]:
    """Common words that sound like the phrase, or like its parts, one after the other."""
    ways = splits(sound.forms[0])
    words = recipe.phrase.split()
    parts = [phonemes(word, recipe.language) for word in words]
    if not lexicon(recipe.language).words:
        return
    while True:
        if len(words) > 1 and rng.random() < 0.4:
            # one word of the phrase replaced, the others kept
            keep = int(rng.integers(len(words)))
            close = nearest_words(parts[keep], recipe.language, 150)
            if close:
                yield " ".join([*words[:keep], close[int(rng.integers(len(close)))][0], *words[keep + 1 :]])
            continue
        split = ways[int(rng.integers(len(ways)))]
        reach = 400 if len(split) == 1 else 40
        chosen = [nearest_words(piece, recipe.language, reach) for piece in split]
        if all(chosen):
            yield " ".join(close[int(len(close) * rng.random() ** 1.5)][0] for close in chosen)


def splits(sounds: Phonemes) -> list[tuple[Phonemes, ...]]:
    """The whole, and every way to cut it in two before a syllable's consonant or between vowels."""
    places = [i for i in range(1, len(sounds)) if any(map(is_vowel, sounds[:i])) and any(map(is_vowel, sounds[i:]))]
    inner = [i for i in places if is_vowel(sounds[i - 1])]
    return [(sounds,), *((sounds[:i], sounds[i:]) for i in inner[:6])]


def _invented(recipe: Recipe, rng: np.random.Generator) -> Iterator[str]:
    """The phrase with a third to two thirds of its letters changed, dropped or added; vowels for vowels."""
    alphabet = letters(recipe.language, recipe.phrase)
    vowels = [char for char in alphabet if is_vowel_letter(char)]
    others = [char for char in alphabet if not is_vowel_letter(char)]
    text = re.sub(r"\s+", " ", recipe.phrase.strip().lower())
    places = [index for index, char in enumerate(text) if char.isalpha()]
    if not places:
        return
    fewest, most = max(1, len(places) // 3), min(len(places), max(4, 2 * len(places) // 3))
    while True:
        chars = list(text)
        for place in rng.choice(places, size=int(rng.integers(fewest, most + 1)), replace=False):
            pool = vowels if is_vowel_letter(text[place]) else others
            change = rng.random()
            if pool and change < 0.8:
                chars[place] = pool[int(rng.integers(len(pool)))]
            elif change < 0.9 and len(places) > 3:
                chars[place] = ""
            else:
                chars[place] += alphabet[int(rng.integers(len(alphabet)))]
        made = "".join(chars).split()
        if not any(spelt_out(word, recipe.language) for word in made):
            yield " ".join(made)
