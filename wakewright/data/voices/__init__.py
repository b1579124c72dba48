"""Speech synthesis, one file per engine.

`installed_engines(recipe)`, then `plan(texts, count, engines, recipe, rng)`, then `speak_all(utterances, kind)`.
"""

from wakewright.data.voices.engines import absent_engines, all_engines, engine_named, installed_engines
from wakewright.data.voices.plan import plan
from wakewright.data.voices.protocol import BatchEngine, Engine, Utterance, Voice
from wakewright.data.voices.speak import speak_all

__all__ = [
    "BatchEngine",
    "Engine",
    "Utterance",
    "Voice",
    "absent_engines",
    "all_engines",
    "engine_named",
    "installed_engines",
    "plan",
    "speak_all",
]
