"""How people with another mother tongue may say the phrase: voices of other languages read it by their own rules.

A synthesiser says a word the one way its dictionary has it, people say it in hundreds. A voice of another language
brings both its speaker and its sounds: "computer" from a German, Italian or Romanian voice is what a guest from
there may say. What a language reads quite differently (a Spanish "jarvis" begins with a rasp) is left out, by the
distance of its phonemes from those of the phrase's own language.
"""

from __future__ import annotations

from wakewright.core.recipe import Recipe
from wakewright.data.phonemes import distance, phonemes
from wakewright.data.phrases import TELL_APART, Sound

LANGUAGES = (
    *("af", "ca", "cs", "da", "de", "es", "es-419", "et", "eu", "fi", "fr-fr", "hr", "hu", "id", "is", "it", "lt"),
    *("lv", "ms", "nb", "nl", "pl", "pt", "pt-br", "ro", "sk", "sq", "sv", "sw", "tr", "en-us"),
)
"""Languages written in Latin letters that espeak-ng reads by rules of their own."""

MOST = 16
"""Languages used at most, the nearest ones: the farther ones are the more doubtful."""


def accents(recipe: Recipe) -> list[str]:
    """The languages whose reading of the phrase is still the phrase, nearest first; or those the recipe names.

    None for a phrase that is not written in plain Latin letters: other languages would spell it out.
    """
    if recipe.voices.accents is not None:
        return list(recipe.voices.accents)
    if not recipe.phrase.replace(" ", "").isascii():
        return []
    sound = Sound.of(recipe)
    own = recipe.language.split("-")[0]
    found = []
    for language in LANGUAGES:
        if language.split("-")[0] == own:
            continue
        away = distance(sound.forms[0], phonemes(recipe.phrase, language))
        if away <= TELL_APART * sound.size:
            found.append((away, language))
    return [language for _, language in sorted(found)[:MOST]]
