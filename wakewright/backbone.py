"""A general beginning for tiny models, for any phrase: speak → split → hear → imitate → measure → one file.

What it learns is to give, from the micro front end, what the speech embedding gives: once, from hours of speech, so
that a wake word has only its phrase left to learn. Every stage leaves plain files in its folder and goes on from
them when it is called again.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wakewright import __version__
from wakewright.core.cluster import workers_of
from wakewright.core.compose import commented, load_recipe
from wakewright.core.errors import RecipeError, RunError
from wakewright.core.files import fingerprint, write_text
from wakewright.core.lock import exclusive
from wakewright.core.manifest import Kind, Manifest, Part
from wakewright.core.progress import Progress
from wakewright.core.recipe import Model, Pretrain, Recipe, Train
from wakewright.core.where import Engine
from wakewright.data import corpora, splits, spoken, store, terms
from wakewright.data import parts as scenes
from wakewright.models import backbone as files
from wakewright.models import registry
from wakewright.train import general, phonetic

FRONTS = ("micro", "speech_embedding")
NO_PHRASE = "wakewright"
"""What stands in the recipe for a phrase: it is not spoken, and sentences are kept clear of it."""
OFTEN: dict[tuple[Kind, bool], int] = {("noise", True): 4, ("music", True): 4}
"""How often each recording of noise and music is heard."""
UNHEARD_COPIES = 3
"""How often each recording is heard, each time at another speed and place, of the people it is measured on."""


def train(recipe: Recipe, out: Path, licences: Sequence[str], progress: Progress) -> Path:
    """Make the backbone that `recipe` describes in the folder `out`; returns its file, with a card beside it.

    `licences` are those of folders that say nothing themselves (see terms.licence_of). What hinders passing the
    backbone on is said, here and in the card. A folder that holds the beginning of the same work is gone on with.
    Raises RecipeError, RunError for a folder of other work, AudioError, NoVoice, TrainingDiverged, DiskFull.
    """
    settings = recipe.train.pretrain
    if recipe.model.frontend is not None:
        raise RecipeError(
            "backbones hear through the micro front end",
            got=f"model.frontend.kind={recipe.model.frontend.kind}",
            do="leave model.frontend out; a model of another front end learns to hear on its own streams",
        )
    if settings is None or registry.frontend_of(recipe.model) != "micro":
        raise RecipeError(
            "there is nothing to train a backbone for",
            got=f"model.name={recipe.model.name}",
            do="choose a tiny model, such as model.name=mixednet",
        )
    with exclusive(out / "backbone.lock") as held:
        if not held:
            raise RunError(
                f"another process works in {out}", got="it is locked", do="wait for it, or name another --out"
            )
        _claim(out, recipe)
        learnt, unheard = _split(corpora.scan(recipe.background) + spoken.speak_sentences(recipe, progress), recipe)
        phonetic.refuse_mute(settings, learnt)
        heard = _heard(out, "train", learnt, recipe, progress)
        others = _heard(out, "unheard", unheard, recipe, progress)
        work = fingerprint(recipe.model.model_dump(), recipe.train.model_dump(), recipe.seed)
        body, likeness = general.learn(recipe, settings, learnt, heard, others, out / f"{work}.pt", progress)
        about = _about(recipe, settings, learnt, unheard, heard.seconds, licences)
        about |= likeness
        done = out / files.file_name(body.dims)
        files.write(done, dataclasses.replace(body, about=about))
        write_text(done.with_suffix(".md"), card(body.dims, about))
    for line in about["hindered"]:
        progress.say(f"what learnt from this cannot simply be passed on: {line}")
    return done


def ask_licences(recipe: Recipe, licences: Sequence[str]) -> None:
    """Raises RecipeError for recordings of which nothing says under which licence they come."""
    found = terms.recordings(corpora.scan(recipe.background), licences)
    silent = sorted({one["corpus"] for one in found if one["licence"] == terms.UNSTATED})
    if silent:
        raise RecipeError(
            "the card of a backbone names the licence of every recording",
            got=f"none for {', '.join(silent)}",
            do=f'say which: --licence "{silent[0]}=CC-BY-4.0", or --licence TEXT for all of them',
        )


def _claim(out: Path, recipe: Recipe) -> None:
    """Store what is heard in `out`, or make sure that it is the same; the model and its training may differ."""
    heard = recipe.model_copy(update={"model": Model(), "train": Train(), "engine": Engine()})
    path = out / "heard.yaml"
    if path.is_file() and load_recipe(path) != heard:
        raise RunError(
            f"{out} holds a backbone that hears something else",
            got="other settings, in heard.yaml",
            do="name another --out, or remove that folder",
        )
    write_text(path, commented(heard))


def _split(clips: Manifest, recipe: Recipe) -> tuple[Manifest, Manifest]:
    """What is learnt from, and who is kept unheard to measure on: whom a run would validate or test on.

    So a wake word that begins from it, and hears the same background, is measured on nobody it has learnt from.
    Without real speech, synthetic voices are kept instead.
    """
    kept = [clip for clip in clips.of("speech") if clip.real] or list(clips.of("speech"))
    _, unheard = splits.apart(kept, recipe)
    gone = {clip.path for clip in unheard}
    return Manifest(tuple(clip for clip in clips if clip.path not in gone)), unheard


def _heard(out: Path, name: str, clips: Manifest, recipe: Recipe, progress: Progress) -> store.Store:
    clips.write(out / f"manifest-{name}.jsonl")
    learns = name == "train"
    copies: dict[tuple[Kind, bool], int] = {
        ("speech", False): recipe.augment.copies,
        ("speech", True): recipe.augment.real_copies if learns else UNHEARD_COPIES,
    }
    settings = None if learns else scenes.mild(recipe.augment)
    part: Part = "train" if learns else "validation"
    what = scenes.scene({part: clips}, part, OFTEN | copies, recipe, settings=settings)
    with progress.stage(f"hear {name}", len(what.plans), "streams") as bar:
        return store.build(
            out / "features" / name, what.plans, what.surroundings, FRONTS, workers=workers_of(recipe), bar=bar
        )


def _about(
    recipe: Recipe, settings: Pretrain, learnt: Manifest, unheard: Manifest, seconds: float, licences: Sequence[str]
) -> dict[str, Any]:
    spoken_clips = [clip for clip in learnt.of("speech") if not clip.real]
    sources, engines = terms.recordings(learnt, licences), terms.voices(learnt)
    return {
        "made": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "version": __version__,
        "seed": recipe.seed,
        "steps": settings.steps,
        "phonemes": settings.phonemes,
        "hours_heard": round(seconds / 3600, 2),
        "hours_real": round(learnt.of("speech").real_seconds / 3600, 3),
        "real_copies": recipe.augment.real_copies,
        "people": len(_people(learnt)),
        "sentences": len(spoken_clips),
        "voices": sorted({f"{clip.source}: {clip.licence}" for clip in spoken_clips}),
        "recordings": sorted({one["licence"] for one in sources}),
        "sources": sources,
        "engines": engines,
        "hindered": terms.hindered([*sources, *engines]),
        "unheard_people": len(_people(unheard)),
        "unheard_hours": round(unheard.seconds / 3600, 3),
    }


def _people(clips: Manifest) -> set[tuple[str, str]]:
    return {(clip.source, clip.speaker) for clip in clips.of("speech") if clip.real}


def card(dims: registry.Dimensions, about: Mapping[str, Any]) -> str:
    """What a backbone is and what it comes from, as Markdown."""
    phonemes = about.get("phonemes")
    lines = [
        f"# Backbone for {dims.name} of width {dims.width:g}",
        "",
        "Trunk and readout of a tiny model over the micro front end, trained to give what the shared speech "
        f"embedding gives{f', and to tell phonemes (weight {phonemes:g})' if phonemes else ''}. It knows no phrase.",
        "",
        "| | |",
        "|---|---|",
        f"| made | {about['made']}, wakewright {about['version']}: `wakewright backbone train`, {about['steps']:,} "
        f"steps, seed {about['seed']} |",
        f"| heard | {about['hours_heard']:.1f} h in rooms and noise: {about['hours_real']:.2f} h of "
        f"{about['people']} speakers, recordings of unnamed ones counted singly, {about['real_copies']} times over; "
        f"{about['sentences']:,} synthetic sentences |",
        f"| on {about['unheard_people']} speakers it never heard | cosine to the embedding {about['cosine']:.3f}, R2 "
        f"{about['r2']:.3f}, over {about['unheard_hours']:.2f} h |",
        f"| licences of the recordings | {'; '.join(about['recordings']) or 'no recordings'} |",
        f"| voices | {'; '.join(about['voices']) or 'none'} |",
        f"| against passing it on | {'; '.join(about['hindered']) or 'nothing in these licences'} |",
        "",
        "## Recordings it learnt from",
        "",
        "| corpus | what | licence | clips | hours |",
        "|---|---|---|---|---|",
        *(
            f"| {one['corpus']} | {one['kind']} | {one['licence']} | {one['clips']:,} | {one['hours']:.3f} |"
            for one in about["sources"]
        ),
        "",
        "## Voices it learnt from",
        "",
        "| engine | licence | voices | sentences | hours |",
        "|---|---|---|---|---|",
        *(
            f"| {one['engine']} | {one['licence']} | {one['voices']:,} | {one['clips']:,} | {one['hours']:.3f} |"
            for one in about["engines"]
        ),
    ]
    return "\n".join(lines) + "\n"
