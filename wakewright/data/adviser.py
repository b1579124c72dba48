"""What to expect of a phrase before anything is trained: how it sounds, and what it will be confused with."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from wakewright.core.errors import PhraseError
from wakewright.core.recipe import Recipe
from wakewright.data.lexicon import lexicon
from wakewright.data.phonemes import Phonemes, distance, ipa, phonemes, spelt_out, syllables
from wakewright.data.phrases import Sound, nearest_words, splits

LONGEST = 60
"""Characters in a phrase; a longer one does not fit a detector's window."""
MOST_WORDS = 8
ENOUGH_SYLLABLES = 3
ENOUGH_PHONEMES = 6
"""From these on, chance agreement with ordinary speech becomes rare."""
_LIKELY = 0.5
"""A confusion is worth telling when at most this share of the phrase would have to be misheard."""
_MOST_CONFUSIONS = 6


@dataclass(frozen=True)
class Advice:
    """What the adviser found about one phrase; `render` makes lines of it."""

    phrase: str
    language: str
    ipa: str
    """How espeak-ng says it, with stress."""
    phonemes: Phonemes
    syllables: int
    confusions: tuple[tuple[str, float], ...]
    """Common words, or two of them together, that sound alike, with their distance in phonemes; nearest first."""
    notes: tuple[str, ...]
    """Warnings, one sentence each; empty for a good phrase."""
    hint: str | None
    """How the phrase might better be spelt; None when there is no reason to."""

    @property
    def good(self) -> bool:
        """Whether there is nothing to warn of."""
        return not self.notes and self.hint is None


def check_phrase(recipe: Recipe) -> None:
    """Refuse what cannot be a wake phrase; the other spellings of the recipe are held to the same.

    Raises PhraseError when it is empty, a single letter, over 60 characters or 8 words, has an emoji or a control
    character, or nothing in it can be spoken; RecipeError for a language espeak-ng lacks.
    """
    for field, text in (
        ("phrase", recipe.phrase),
        *(("phrases.spellings", spelling) for spelling in recipe.phrases.spellings),
    ):
        check_writing(field, text)
        _check_reading(field, text, recipe.language)
    Sound.of(recipe)


def check_writing(field: str, text: str) -> None:
    """Refuse, as `check_phrase` does, what cannot be a phrase however it is read aloud; no synthesiser is needed."""
    spoken = [char for char in text if char.isalnum()]
    if not text.strip():
        raise PhraseError(f"{field}: there is nothing to say", got=repr(text), do='give a word or two: "hey katya"')
    if len(text) > LONGEST:
        raise PhraseError(
            f"{field}: longer than {LONGEST} characters",
            got=f"{len(text)} characters, {text[:20]!r}...",
            do="choose two to four words; a second of speech is enough",
        )
    if len(text.split()) > MOST_WORDS:
        raise PhraseError(
            f"{field}: more than {MOST_WORDS} words", got=f"{len(text.split())} words", do="choose two to four words"
        )
    strange = [char for char in text if not char.isspace() and _unspeakable(char)]
    if strange:
        raise PhraseError(
            f"{field}: has a symbol that is not spoken",
            got=f"{strange[0]!r} ({unicodedata.name(strange[0], 'a control character')}) in {text!r}",
            do="leave it out, or write it in words",
        )
    if not spoken:
        raise PhraseError(f"{field}: has no letter that can be spoken", got=repr(text), do="write it in letters")
    if len(spoken) == 1 and spoken[0].lower() != spoken[0].upper():
        raise PhraseError(
            f"{field}: one letter is too short to be told from other speech",
            got=repr(text),
            do="choose a word of three syllables or more, or two words",
        )


def _unspeakable(char: str) -> bool:
    """Emoji and other pictures, their modifiers and joiners, control characters, unassigned ones."""
    return unicodedata.category(char) in ("So", "Sk", "Cc", "Cn", "Co", "Cs") or char in "\ufe0f\u20e3"


def _check_reading(field: str, text: str, language: str) -> None:
    """Refuse a script of which espeak-ng only says that it is a letter: every one sounds the same."""
    letters = [char for char in text if char.isalpha()]
    if letters and all(_unread(char, language) for char in letters):
        raise PhraseError(
            f"{field}: its letters cannot be read in {language}",
            got=f"{text!r}, spoken as {ipa(text, language)!r}",
            do="give the language of the phrase, for instance language=cmn, or write it in other letters",
        )


def _unread(char: str, language: str) -> bool:
    neighbours = [chr(ord(char) + step) for step in range(1, 5) if chr(ord(char) + step).isalpha()]
    said = phonemes(char, language)
    return len(neighbours) >= 3 and all(phonemes(other, language) == said for other in neighbours)


def advise(recipe: Recipe) -> Advice:
    """Syllables, phonemes, likely confusions and warnings for the recipe's phrase; refuses only as `check_phrase`."""
    check_phrase(recipe)
    sound = Sound.of(recipe)
    sounds = sound.forms[0]
    confusions = _confusions(recipe, sound)
    notes = [*_length_notes(recipe, sounds), *_confusion_notes(recipe, sound, confusions)]
    return Advice(
        phrase=recipe.phrase,
        language=recipe.language,
        ipa=ipa(recipe.phrase, recipe.language),
        phonemes=sounds,
        syllables=syllables(sounds),
        confusions=confusions,
        notes=tuple(notes),
        hint=_hint(recipe),
    )


def _confusions(recipe: Recipe, sound: Sound) -> tuple[tuple[str, float], ...]:
    sounds, language = sound.forms[0], recipe.language
    texts = [word for word, _ in nearest_words(sounds, language, 2 * _MOST_CONFUSIONS)]
    for first, second in (split for split in splits(sounds) if len(split) == 2):
        texts += [
            f"{a} {b}" for a, _ in nearest_words(first, language, 3) for b, _ in nearest_words(second, language, 3)
        ]
    own, plain = recipe.phrase.strip().lower(), _plainly(recipe.phrase)
    measured = {text: distance(sounds, phonemes(text, language)) for text in texts if own not in text.lower()}
    others = [(away, text) for text, away in measured.items() if away > 0 or _plainly(text) != plain]
    likely = [(away, text) for away, text in others if away <= _LIKELY * sound.size]
    return tuple((text, round(away, 2)) for away, text in sorted(likely)[:_MOST_CONFUSIONS])


def _plainly(text: str) -> str:
    """Its words in lower case, without accents or punctuation: "Hey, Zoë!" is "hey zoe"."""
    apart = unicodedata.normalize("NFD", text.casefold())
    kept = (
        " " if unicodedata.category(char)[0] in "PZ" else char for char in apart if not unicodedata.combining(char)
    )
    return " ".join("".join(kept).split())


def _length_notes(recipe: Recipe, sounds: Phonemes) -> list[str]:
    count = syllables(sounds)
    if count >= ENOUGH_SYLLABLES and len(sounds) >= ENOUGH_PHONEMES:
        return []
    size = f"{_counted(count, 'syllable')} and {_counted(len(sounds), 'phoneme')}"
    if len(recipe.phrase.split()) == 1 and count < ENOUGH_SYLLABLES:
        return [f"A single short word ({size}) is easily met in other speech: put a word before it, such as hey."]
    return [
        f"Short ({size}): {ENOUGH_SYLLABLES} syllables and {ENOUGH_PHONEMES} phonemes or more are told apart better."
    ]


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _confusion_notes(recipe: Recipe, sound: Sound, confusions: tuple[tuple[str, float], ...]) -> list[str]:
    notes = []
    words = {word.lower() for word in lexicon(recipe.language).words}
    if recipe.phrase.strip().lower() in words:
        notes.append("It is an everyday word: it will wake whenever someone says it in passing.")
    close = [text for text, away in confusions if away < sound.limit and " " not in text]
    if close:
        notes.append(
            f"Sounds nearly like {', '.join(close)}: too close to train against, so saying that may wake it."
        )
    for text in recipe.phrases.avoid:
        if 0.0 < sound.away(text) < sound.limit:
            notes.append(
                f'"{text}" in phrases.avoid sounds nearly like it: the phrase itself may be missed more often.'
            )
    if not words:
        notes.append(
            f"There is no word list for {recipe.language}: near misses are pseudo-words, confusions unknown."
        )
    return notes


def _hint(recipe: Recipe) -> str | None:
    """What in the spelling will be read otherwise than it is meant."""
    for word in recipe.phrase.split():
        bare = "".join(char for char in word if char.isalnum())
        if spelt_out(bare, recipe.language):
            return (
                f'"{bare}" is read letter by letter, as {ipa(bare, recipe.language)}: unless you say it so, write it '
                "as it sounds."
            )
        if any(char.isdigit() for char in bare):
            return f'"{bare}" is read as {ipa(bare, recipe.language)}, perhaps otherwise by other voices: use words.'
        if any(unicodedata.category(char)[0] not in "LNMC" and char not in "'’-,.!?" for char in word):
            return f'"{word}" has a sign that voices read in different ways: write it in words.'
    return None


def render(advice: Advice) -> list[str]:
    """The advice as plain lines for the terminal."""
    lines = [
        f'"{advice.phrase}" sounds like {advice.ipa} in {advice.language}: '
        f"{_counted(advice.syllables, 'syllable')}, {_counted(len(advice.phonemes), 'phoneme')}"
    ]
    if advice.confusions:
        near = ", ".join(f"{text} ({away:.1f})" for text, away in advice.confusions)
        lines.append(f"likely confusions (phonemes apart): {near}")
    lines += [f"note: {note}" for note in advice.notes]
    if advice.hint:
        lines.append(f"hint: {advice.hint}")
    if advice.good:
        lines.append("a good length, and no single common word sounds nearly like it")
    lines.append("if it does not sound like what you say, spell it as it sounds, or add to phrases.spellings")
    return lines
