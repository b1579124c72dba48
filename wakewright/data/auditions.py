"""Each augmentation of a recipe on one clip, alone and all together: before, after, and what was drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples, load
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.recipe import Augment, Recipe
from wakewright.core.recipe_augment import Babble, Codec, Dropouts, Schedule
from wakewright.data import augment, streams
from wakewright.data.batches import EARLY_S, LATE_S
from wakewright.data.changes import Changes
from wakewright.data.pitch import Pitch
from wakewright.data.scene import Room, word_bounds
from wakewright.dsp.frontend import Frames
from wakewright.dsp.micro import MicroFrontend

SILENCE_S = (0.5, 0.8)
"""Silence before and after the clip as it is shown."""
ROOMS = 8
"""Rooms are simulated for this at most."""

SOUNDS: dict[str, tuple[type, str, str]] = {
    "trim": (augment.Trim, "trim_share", "the silence around the word is cut short, the word kept whole"),
    "speed": (augment.Speed, "speed", "tempo and pitch together"),
    "pitch": (Pitch, "pitch", "pitch without tempo"),
    "stretch": (augment.Stretch, "stretch", "tempo without pitch"),
    "equaliser": (augment.Equaliser, "eq_db", "another mouth, microphone or distance"),
    "room": (Room, "room_share, rooms, wet", "a simulated or a measured room"),
    "noise": (augment.Mix, "noise_share, snr_db", "background noise or music"),
    "babble": (augment.Babble, "babble", "several people talking at once"),
    "band": (augment.BandLimit, "band_limit_share", "a telephone's, small loudspeaker's or 8 kHz band"),
    "overload": (augment.Overload, "overload_share", "a microphone that clips, hard or softly"),
    "gain": (augment.Gain, "gain_db", "quieter or louder"),
    "hiss": (augment.NoiseFloor, "", "the microphone's own hiss"),
    "codec": (augment.Codec, "codec", "coded and decoded again"),
    "dropouts": (augment.Dropouts, "dropouts", "lost packets"),
}
"""What is done to sound: its transform, its settings, its meaning."""
FEATURES = {
    "warp": ("vtlp", "another vocal tract: the frequency axis is warped"),
    "tempo": ("tempo", "the time axis is stretched"),
    "specaugment": ("spec_time, spec_freq", "stripes of time and frequency are blanked"),
    "mixup": ("mixup, mixup_labels", "two examples, and their labels, are blended"),
}
"""What is done to features when a batch is drawn: it can be seen and not heard."""
NAMES = (*SOUNDS, "schedule", "shift", *FEATURES, "all")
SHARES = {"before": "of the silence before the word", "after": "of that after it"}
"""What a plan calls these are shares."""


@dataclasses.dataclass(frozen=True)
class Audition:
    """One augmentation on one clip."""

    name: str
    settings: str
    """Names of its settings under `augment` (mixup: `train`)."""
    meaning: str
    on: bool
    """Whether the recipe has it; what it has not is shown with its usual settings."""
    drawn: str
    """What was drawn for it."""
    before: Samples | Frames
    """(n,) sound, or (frames, channels) features."""
    after: Samples | Frames


@dataclasses.dataclass(frozen=True)
class Stage:
    """What a recipe's clips are heard in."""

    recipe: Recipe
    rirs: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    """Speech without the phrase."""

    @classmethod
    def of(cls, recipe: Recipe, clips: Manifest) -> Stage:
        """With the rooms, the background and the speech among these clips."""
        return cls(
            recipe, *(tuple(c.path for c in clips.of(*k)) for k in (("rir",), ("noise", "music"), ("speech",)))
        )

    def surroundings(self, *, everything: bool) -> streams.Surroundings:
        """Those of the recipe, or those in which whatever it leaves out has its usual settings."""
        own = self.recipe.augment
        own = own.model_copy(update={"rooms": min(own.rooms, ROOMS), "schedule": None})
        chosen = _filled(own) if everything else own
        voices = self.voices if chosen.babble is not None else ()
        return streams.Surroundings(chosen, self.recipe.seed, self.rirs, self.backgrounds, voices)


def _filled(own: Augment) -> Augment:
    usual: dict[str, Any] = {
        "babble": Babble(),
        "codec": Codec(),
        "dropouts": Dropouts(),
        "pitch": (0.88, 1.14),
        "stretch": (0.9, 1.15),
        "trim_share": 0.5,
        "room_share": 0.5,
        "rooms": ROOMS,
        "noise_share": 0.7,
        "vtlp": 0.18,
        "spec_time": 2,
        "spec_freq": 2,
    }
    return own.model_copy(update={name: value for name, value in usual.items() if not getattr(own, name)})


def auditions(stage: Stage, clips: Sequence[Clip], names: Sequence[str] = NAMES) -> Iterator[tuple[Clip, Audition]]:
    """Each of `names` on each clip, drawn from the recipe's seed.

    Raises AudioError for a clip that cannot be read, and as augment.surroundings does.
    """
    around = stage.surroundings(everything=True)
    here = _transforms(around, names)
    for number, clip in enumerate(clips):
        sound, other = _placed(load(clip.path)), _placed(load(clips[(number + 1) % len(clips)].path))
        for name in names:
            rng = np.random.default_rng([stage.recipe.seed, number, NAMES.index(name)])
            if name == "all":
                yield clip, _all(stage, clip, sound, rng)
            elif name == "schedule":
                yield from ((clip, one) for one in _scheduled(stage.recipe.augment, around, sound, rng))
            elif name == "shift":
                yield clip, _shifted(sound, rng)
            elif name in FEATURES:
                yield clip, _seen(stage.recipe, around.settings, name, sound, other, rng)
            else:
                yield clip, _heard(stage.recipe.augment, name, here[name], sound, rng)


def _placed(samples: Samples) -> Samples:
    before, after = (np.zeros(round(s * SAMPLE_RATE), np.float32) for s in SILENCE_S)
    return np.concatenate([before, samples, after])


def _transforms(around: streams.Surroundings, names: Sequence[str]) -> dict[str, Any]:
    steps = augment.voice(around.settings).transforms
    if set(names) & set(SOUNDS):
        steps += around.chain().transforms
    found: dict[str, Any] = {}
    for step in steps:
        alone = step.transform if isinstance(step, augment.Sometimes) else step
        core = alone.transform if isinstance(alone, augment.Partly) else alone
        found |= {name: alone for name, (kind, _, _) in SOUNDS.items() if isinstance(core, kind)}
    return found


def _heard(own: Augment, name: str, transform: Any, sound: Samples, rng: np.random.Generator) -> Audition:
    _, settings, meaning = SOUNDS[name]
    plan = transform.draw(rng)
    first = settings.split(",")[0]
    on = not first or bool(getattr(own, first))
    return Audition(name, settings, meaning, on, told(plan), sound, transform.apply(sound, plan))


def _scheduled(
    own: Augment, around: streams.Surroundings, sound: Samples, rng: np.random.Generator
) -> Iterator[Audition]:
    """The same place of the same background at each level of the schedule, the faintest first."""
    schedule = own.schedule or Schedule()
    alone = {"schedule": schedule, "rooms": 0, "babble": None}
    level_by_level = dataclasses.replace(around, settings=around.settings.model_copy(update=alone), rirs=())
    seed = int(rng.integers(2**32))
    for level in range(schedule.levels):
        chain = level_by_level.chain(level)
        inside = (step.transform for step in chain.transforms if isinstance(step, augment.Sometimes))
        mix = next(step for step in inside if isinstance(step, augment.Mix))
        plan = mix.draw(np.random.default_rng(seed))
        first, whole = (100 * schedule.until * part / (schedule.levels - 1) for part in (level - 1, level))
        when = f"comes in from {first:.0f} to {whole:.0f} % of the steps" if level else "heard from the first step on"
        yield Audition(
            "schedule",
            "schedule, snr_db",
            "clean to hard: background is faint in the first steps and grows louder",
            own.schedule is not None,
            f"level {level + 1} of {schedule.levels}, {when}: {mix.snr_db[0]:.0f} to {mix.snr_db[1]:.0f} dB, "
            f"here {plan.snr_db:.1f}",
            sound,
            mix.apply(sound, plan),
        )


def _shifted(sound: Samples, rng: np.random.Generator) -> Audition:
    """The clip as a window of a batch may hold it: as much sound, up to some moment around the end of the word."""
    late = float(rng.uniform(-EARLY_S, LATE_S))
    end = word_bounds(sound)[1] + round(late * SAMPLE_RATE)
    window = np.concatenate([np.zeros_like(sound), sound, np.zeros_like(sound)])[end : end + len(sound)]
    return Audition(
        "shift",
        "",
        "time shift: in a stream words come after pauses of any length, and a window that is to say yes ends at any "
        "moment around the end of the word, which it holds from its beginning on",
        True,
        f"it ends {abs(late):.2f} s {'after' if late >= 0 else 'before'} the end of the word",
        sound,
        window,
    )


def told(plan: Any) -> str:
    """What a plan holds, in words; seeds are left out."""
    parts = []
    for field in dataclasses.fields(plan):
        value = getattr(plan, field.name)
        if field.name == "seed":
            continue
        if dataclasses.is_dataclass(value):
            parts.append(told(value))
        elif field.name in SHARES:
            parts.append(f"{100 * value:.0f} % {SHARES[field.name]}")
        elif isinstance(value, tuple):
            parts.append(f"{field.name} " + " ".join(f"{v:.1f}" for v in value))
        else:
            parts.append(f"{field.name} {value:.3g}" if isinstance(value, float) else f"{field.name} {value}")
    return ", ".join(parts)


def _all(stage: Stage, clip: Clip, sound: Samples, rng: np.random.Generator) -> Audition:
    around = stage.surroundings(everything=False)
    (plan,) = streams.plan(Manifest((clip,)), {(clip.kind, clip.real): 1}, around, rng)[:1]
    samples, _ = streams.render(plan, around)
    drawn = [
        f"{type(getattr(t, 'transform', t)).__name__}: {told(step)}"
        for t, step in [
            *zip(augment.voice(around.settings).transforms, plan.items[0].voice.steps, strict=True),
            *zip(around.chain().transforms, plan.surroundings.steps, strict=True),
        ]
        if getattr(step, "inner", step) is not None
    ]
    return Audition("all", "", "a stream as the training hears it", True, "; ".join(drawn), sound, samples)


def _seen(
    recipe: Recipe, chosen: Augment, name: str, sound: Samples, other: Samples, rng: np.random.Generator
) -> Audition:
    settings, meaning = FEATURES[name]
    before, partner = (MicroFrontend().push(s) for s in (sound, other))
    own, frames = recipe.augment, before[None].copy()
    drawn, on = "", True
    if name == "warp":
        frames, on = _changed(chosen.model_copy(update={"spec_time": 0, "spec_freq": 0}), before, rng), own.vtlp > 0
    elif name == "tempo":
        factor = float(np.exp(rng.uniform(*np.log(chosen.tempo))))
        at = np.rint(np.arange(round(len(before) * factor)) / factor).astype(int)
        frames, drawn, on = before[None, np.minimum(at, len(before) - 1)], f"length {factor:.2f}", own.tempo != (1, 1)
    elif name == "specaugment":
        frames = _changed(chosen.model_copy(update={"vtlp": 0.0}), before, rng)
        on = bool(own.spec_time or own.spec_freq)
    else:
        alpha = recipe.train.mixup or 0.4
        share = max(half := float(rng.beta(alpha, alpha)), 1 - half)
        size = min(len(before), len(partner))
        frames = (np.float32(share) * before[:size] + np.float32(1 - share) * partner[:size])[None]
        drawn, on = f"{share:.2f} of this and {1 - share:.2f} of the next clip", recipe.train.mixup > 0
    return Audition(name, settings, meaning, on, drawn, before, frames[0])


def _changed(settings: Augment, frames: Frames, rng: np.random.Generator) -> Frames:
    """(frames, channels) of the micro front end -> (1, frames, channels), warped and hidden as in a batch."""
    out = np.empty((1, *frames.shape), np.float32)
    changes = Changes.draw(settings, (1, *frames.shape), True, rng)
    changes.apply(frames[None], slice(None), np.zeros(frames.shape[1], np.float32), out)
    return out
