"""`wakewright record`: your own recordings of the phrase, from a microphone or a long recording."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wakewright.core.audio import Samples
    from wakewright.data.takes import Collection

DEFAULT_PERSON = "me"


def record(
    phrase: Annotated[str, typer.Argument(help='What is said ("hey katya").')],
    count: Annotated[int, typer.Option(min=1, max=999, help="Takes of each person, with those there already.")] = 20,
    person: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Who speaks; several times for several people.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder; recordings/PHRASE unless named.")] = None,
    device: Annotated[str | None, typer.Option(help="The microphone: its number, or a part of its name.")] = None,
    rate: Annotated[int | None, typer.Option(min=4000, max=384_000, help="Of the microphone, in Hz.")] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A recording with the phrase many times, half a second or more apart."),
    ] = None,
    play: Annotated[bool, typer.Option("--play", help="Play each take, and ask whether to keep it.")] = False,
) -> None:
    """Record the phrase, and keep what can be used: a folder a person, for `train --audio`.

    A take that is too quiet, clipped, cut off or drowned by the room is told and taken again. The same command goes
    on where it was stopped.
    """
    from wakewright.core.audio import load
    from wakewright.core.errors import InputError, PhraseError, RunError
    from wakewright.core.lock import exclusive
    from wakewright.core.run import slug
    from wakewright.data.takes import Collection, folder_of
    from wakewright.detect.microphone import find

    if not phrase.strip():
        raise PhraseError("there is no phrase", got="nothing", do='say which: wakewright record "hey katya"')
    people = [folder_of(name) for name in person or [DEFAULT_PERSON]]
    twice = sorted({name for name in people if people.count(name) > 1})
    if twice:
        raise InputError("two people have one folder", got=", ".join(twice), do="give them different names")
    if from_file is not None and (len(people) > 1 or device is not None or rate is not None):
        raise InputError(
            "a recording is of one person and needs no microphone",
            got="--from-file with --device, --rate or several people",
            do="leave them out, or cut one recording after another",
        )
    # what cannot be opened is said before anything is made
    sound = None if from_file is None else load(from_file)
    name = None if from_file is not None else find(device).name
    folder = out or Path("recordings") / slug(phrase)
    with exclusive(folder / ".lock") as mine:
        if not mine:
            raise RunError(f"{folder} is in use", got="another `wakewright record`", do="wait until it ends")
        collection = Collection(folder, phrase)
        try:
            if sound is not None:
                _cut(collection, people[0], sound, str(from_file))
            else:
                typer.echo(f"recording {phrase!r} from {name!r}; Ctrl-C ends it, and what is kept stays")
                _live(collection, people, count, device, rate, play)
        finally:
            # also what a killed program left unlisted
            if any(collection.taken(name) for name in people):
                collection.write_list()
    have = ", ".join(f"{len(collection.taken(name))} of {name}" for name in people)
    typer.echo(f'{folder}: {have}. Train with: wakewright train "{phrase}" --audio {shlex.quote(str(folder))}')


def _cut(collection: Collection, person: str, sound: Samples, name: str) -> None:
    """Keep every usable take of a long recording; those that are there already are left as they are."""
    from wakewright.core.errors import AudioError
    from wakewright.data import takes

    found = takes.cut(sound)
    usable = [take for take in found if not take.problem]
    for take in found:
        if take.problem:
            typer.echo(f"  left out at {take.start_s:.1f} s: {take.problem}")
    if not usable:
        raise AudioError(
            f"no take in {name} can be used",
            got=f"{len(found)} stretches of sound; {found[0].problem}" if found else "nothing above the room",
            do="say the phrase once every two seconds, near the microphone, in a quiet room",
        )
    kept = [collection.keep(person, take.samples) for take in usable]
    new = len(kept) - kept.count(None)
    typer.echo(f"{person}: {new} take{'' if new == 1 else 's'} kept, {kept.count(None)} there already")


def _live(
    collection: Collection, people: list[str], count: int, device: str | None, rate: int | None, play: bool
) -> None:
    from wakewright.apps.recorder import Recorder
    from wakewright.detect.microphone import Microphone

    recorder = Recorder(lambda say: Microphone(device, rate=rate, say=say), typer.echo)
    for number, person in enumerate(people):
        have = len(collection.taken(person))
        if have >= count:
            typer.echo(f"{person} has {have} takes already; for more: --count {have + count}")
            continue
        if number and sys.stdin.isatty():
            typer.prompt(f"now {person}; Enter begins", default="", show_default=False)
        recorder.person(collection, person, count, _approved if play else None)


def _approved(samples: Samples) -> bool:
    from wakewright.detect.microphone import play

    play(samples)
    answer: str = typer.prompt("  Enter keeps it, n takes it again", default="", show_default=False)
    return not answer.strip().casefold().startswith("n")
