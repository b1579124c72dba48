"""`wakewright train`: from a phrase or a recipe to a measured wake word."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
) -> None:
    """Train a wake word and measure it.

    The phrase is spoken by every voice there is, a model learns it, its threshold is calibrated, and a report tells
    how often it misses and how often it wakes for nothing.
    """
    words = list(settings or ())
    if model:
        words.insert(0, f"model.name={model}")
    if seed is not None:
        words.append(f"seed={seed}")
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


def _yaml_list(words: Sequence[str]) -> str:
    from wakewright.core.yamltext import write

    return write(list(words))


def _run_to_resume(resume: str, what: str, output_dir: Path, changes: Sequence[str]) -> Run:
    from wakewright.core.compose import load_recipe
    from wakewright.core.errors import RecipeError
    from wakewright.core.run import Run

    if "=" in what:  # after --resume RUN the first setting stands where the phrase would
        changes, what = [what, *changes], ""
    if changes:
        raise RecipeError(
            "a resumed run keeps the recipe it began with",
            got=" ".join(changes),
            do="leave these out, or start a new run without --resume",
        )
    phrase = load_recipe(Path(what)).phrase if is_recipe(what) else what
    if not resume:
        return Run.latest(output_dir, phrase or None)
    run = Run.open(resume)
    if phrase and phrase != run.recipe.phrase:
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
