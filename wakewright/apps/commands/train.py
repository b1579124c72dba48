"""`wakewright train`: from a phrase or a recipe to a measured wake word."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wakewright.core.recipe import Recipe
    from wakewright.core.run import Run

MICROCONTROLLERS = ("esp32", "esp32-s3", "rp2040")
SETTING = re.compile(r"[a-z_]+(\.[a-z_]+)*=")
"""How a setting begins; a phrase does not."""


def train(
    what: Annotated[
        str, typer.Argument(metavar="PHRASE|RECIPE", help='The phrase ("hey katya") or a recipe (*.yaml).')
    ] = "",
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings, such as train.lr=3e-4.")
    ] = None,
    audio: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|DIR", help="Your own recordings of the phrase; may be given several times."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MANIFEST", help="Recordings that `data import` brought in; may be given several times."
        ),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="speech_embedding, mixednet, tc_resnet, ...")] = "",
    target: Annotated[str, typer.Option("--for", metavar="DEVICE", help="pi, server, esp32, esp32-s3, rp2040.")] = "",
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Train this many passes over the augmented clips of the phrase.")
    ] = None,
    output_dir: Annotated[Path, typer.Option(help="Folder the run is stored in.")] = Path("runs"),
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look within minutes, not a wake word to live with.")
    ] = False,
    resume: Annotated[
        str | None, typer.Option(metavar="[RUN]", help="Continue this run, or without a name the last one.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Everything random follows from it.")] = None,
    from_run: Annotated[
        str,
        typer.Option(
            "--from", metavar="RUN", help="Go on learning from this run: its recipe, its weights, less long."
        ),
    ] = "",
    mined: Annotated[
        str | None,
        typer.Option(
            metavar="[DIR]", help="Learn confirmed mistakes: of this folder, or without one of --from's run."
        ),
    ] = None,
) -> None:
    """Train a wake word and measure it.

    The phrase is spoken by every voice there is, a model learns it, its threshold is calibrated, and a report tells
    how often it misses and how often it wakes for nothing.
    """
    words = list(settings or ())
    if data:
        words.insert(0, f"dataset.manifests={_yaml_list(data)}")
    if seed is not None:
        words.append(f"seed={seed}")
    if from_run:
        given = {
            "--for": target,
            "--model": model,
            "--quick": quick,
            "--epochs": epochs,
            "--resume": resume is not None,
        }
        if "=" in what:  # after --from RUN the first setting stands where the phrase would
            words, what = [what, *words], ""
        _start(further(from_run, what, words, mined, given=given, audio=audio or ()), output_dir, None)
        return
    if mined is not None:
        words.insert(0, f"mined.paths={_yaml_list([_mined_folder(mined)])}")
    if model:
        words.insert(0, f"model.name={model}")
    # a tiny model never starts from nothing: its preset brings the teacher and the pretraining
    target = target or ("esp32" if model not in ("", "speech_embedding") else "")
    layers = [*target_layer(target), *(["quick"] if quick else [])]
    if quick and target in MICROCONTROLLERS:
        layers.append("quick-esp32")
    if resume is not None:
        changes = [*layers, *words, *(audio or ()), *([f"--epochs {epochs}"] if epochs else [])]
        run = _run_to_resume(resume, what, output_dir, changes)
        _start(run.recipe, output_dir, run)
        return
    recipe = compose(what, words, layers=layers, audio=audio or (), epochs=epochs or 0)
    _start(recipe, output_dir, None)


def compose(
    what: str, words: Sequence[str], *, layers: Sequence[str] = (), audio: Sequence[str] = (), epochs: int = 0
) -> Recipe:
    """The recipe that the words of the command line describe.

    Raises RecipeError for settings that cannot be used, AudioError for recordings that are not there.
    """
    from wakewright.core.audio import find_audio
    from wakewright.core.compose import load_recipe
    from wakewright.core.errors import PhraseError, RecipeError

    stray = [word for word in words if "=" not in word]
    if stray:
        raise RecipeError(
            "a setting must read key=value",
            got=" ".join(stray),
            do=f'put a phrase of several words in quotes: "{what} {" ".join(stray)}"; '
            "give each further recording its own --audio",
        )
    if not what.strip() or SETTING.match(what):
        raise PhraseError(
            "there is no phrase", got=what.strip() or "nothing", do='say which: wakewright train "hey katya"'
        )
    for path in audio:
        find_audio(path)
    if audio:
        words = [f"recordings.paths={_yaml_list(audio)}", *words]
    source, phrase = (Path(what), None) if is_recipe(what) else (None, what)
    recipe = load_recipe(source, words, phrase, layers=layers)
    if epochs:
        steps = epochs * recipe.steps_per_epoch
        recipe = load_recipe(source, [*words, f"train.steps={steps}"], phrase, layers=layers)
    return recipe


FURTHER_STEPS, FURTHER_LR = 0.25, 0.3
"""What `--from` takes of the steps and of the learning rate of the run it goes on from."""


def further(
    from_run: str,
    what: str,
    words: Sequence[str],
    mined: str | None = None,
    *,
    given: Mapping[str, object] | None = None,
    audio: Sequence[str] = (),
) -> Recipe:
    """The recipe that goes on learning from a run: its own, with its weights, fewer steps and a lower rate.

    `mined` adds the mistakes in that folder, or for "" in the run's own, to those it has learnt. A run that rounds
    does so from the first step on. Raises RecipeError for what does not go together with it (`given` are options and
    their values), and for mistakes in recordings that the run measures on.
    """
    from wakewright.core.compose import load_recipe
    from wakewright.core.errors import RecipeError
    from wakewright.core.manifest import Manifest
    from wakewright.core.run import Run
    from wakewright.data import hard

    wrong = [name for name, value in (given or {}).items() if value not in (None, "", False)]
    if wrong or what:
        raise RecipeError(
            "--from keeps phrase, model and recipe of the run",
            got=" ".join([*wrong, *([repr(what)] if what else [])]),
            do="leave these out; single settings may follow as key=value",
        )
    run = Run.open(from_run)
    run.require("model.pt")
    plain = run.recipe.train
    steps = max(1, round(plain.steps * FURTHER_STEPS))
    own = [
        f"train.start={_yaml_text(str(run.folder))}",
        f"train.steps={steps}",
        f"train.lr={plain.lr * FURTHER_LR:.6g}",
        f"train.validate_every={max(1, min(plain.validate_every, steps // 4))}",
        *(["qat.start_epoch=0"] if run.recipe.qat is not None else []),
        *([f"recordings.paths={_yaml_list(audio)}"] if audio else []),
    ]
    if mined is not None:
        before = run.recipe.mined.paths if run.recipe.mined else ()
        paths = dict.fromkeys([*before, _mined_folder(mined or str(run.folder))])
        own.append(f"mined.paths={_yaml_list(list(paths))}")
    recipe = load_recipe(run.recipe_path, [*own, *words])
    held = [run.require(f"manifest-{part}.jsonl") for part in ("validation", "test")]
    hard.refuse_held_out(hard.hard_negatives(recipe), [clip.path for path in held for clip in Manifest.read(path)])
    return recipe


def _mined_folder(mined: str) -> str:
    """The mined folder that was meant. Raises InputError where nothing was mined."""
    from wakewright.core.errors import RecipeError
    from wakewright.core.mined import Mined

    if not mined:
        raise RecipeError(
            "--mined names no folder", got="neither a folder nor --from", do="write --mined DIR, or add --from RUN"
        )
    return str(Mined.open(mined).folder.resolve())


def is_recipe(what: str) -> bool:
    """Whether the word names a recipe file rather than a phrase."""
    return what.lower().endswith((".yaml", ".yml")) or Path(what).is_file()


def target_layer(target: str) -> list[str]:
    """The preset for `--for`, as layers; none for "". Raises RecipeError for a device there is no preset for."""
    from wakewright.core.compose import TARGETS
    from wakewright.core.errors import RecipeError

    if target and target not in TARGETS:
        raise RecipeError("--for names no known device", got=target, do="choose one of: " + ", ".join(TARGETS))
    return [target] if target else []


def _yaml_text(text: str) -> str:
    from wakewright.core.yamltext import write

    return write(text)


def _yaml_list(words: Sequence[str]) -> str:
    from wakewright.core.yamltext import write

    return write(list(words))


def _run_to_resume(resume: str, what: str, output_dir: Path, changes: Sequence[str]) -> Run:
    from wakewright.core.compose import load_recipe
    from wakewright.core.errors import RecipeError
    from wakewright.core.run import Run

    if "=" in what:  # after --resume RUN the first setting stands where the phrase would
        changes, what = [what, *changes], ""
    engine = [word for word in changes if word.startswith("engine.")]
    if len(engine) < len(changes):
        raise RecipeError(
            "a resumed run keeps the recipe it began with",
            got=" ".join(word for word in changes if word not in engine),
            do="leave these out (only where it runs may change: engine.*), or start a new run without --resume",
        )
    phrase = load_recipe(Path(what)).phrase if is_recipe(what) else what
    run = Run.open(resume) if resume else Run.latest(output_dir, phrase or None)
    if engine:
        run = dataclasses.replace(run, recipe=load_recipe(run.recipe_path, engine))
    if resume and phrase and phrase != run.recipe.phrase:
        raise RecipeError(
            f"the run {resume} is of another phrase",
            got=f"{phrase!r}, where it has {run.recipe.phrase!r}",
            do="leave the phrase out: --resume keeps the recipe of the run",
        )
    return run


def _start(recipe: Recipe, output_dir: Path, run: Run | None) -> None:
    from wakewright import pipeline
    from wakewright.evaluate.report import terminal_table
    from wakewright.evaluate.result import read_result

    try:
        done = pipeline.train(recipe, output_dir=output_dir, resume=run)
    except KeyboardInterrupt:
        typer.echo(
            f"\nstopped; nothing is lost. Continue with:\n  {_resume_words(recipe, output_dir, run)}", err=True
        )
        raise
    typer.echo(terminal_table(read_result(done.eval_dir / "result.json")))
    typer.echo(f"{done.report_path}")


def _resume_words(recipe: Recipe, output_dir: Path, resumed: Run | None) -> str:
    """The command that goes on with the run that was stopped; the same again when there was none yet."""
    from wakewright.core.run import Run

    if resumed is not None:
        return f"wakewright train --resume {resumed.folder}"
    folders = Run.all(output_dir, recipe.phrase)
    if folders and Run.open(folders[-1]).status in ("created", "interrupted"):
        return f"wakewright train --resume {folders[-1]}"
    return "the same command again"
