"""The parts of a recipe that name recordings: of the phrase, of everything else, and of earlier mistakes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wakewright.core.node import Node


class Recordings(Node):
    """The user's own recordings of the phrase."""

    paths: tuple[str, ...] = ()
    """Files or folders; each folder directly below one of these holds one person."""
    weight: Annotated[float, Field(ge=0.3, le=0.7)] = 0.5
    """Share of the positives in each batch that are recordings, own ones or those of a dataset. They are laid into so
    many streams, each time in other surroundings, that they are heard in this share of them too, but no more than 60
    times each."""


class Dataset(Node):
    """Recordings that `wakewright data import` brought in: of the phrase, near it, and of everything else."""

    manifests: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files that the import wrote. What is quarantined beside them is left out."""
    validation_share: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.1
    """Share of the speakers kept for choosing and calibrating, where the folders did not say which."""
    test_share: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.1
    """Share of the speakers kept for measuring at the end."""


class Background(Node):
    """Real sound the model must stay silent for. Folders are searched for audio; nothing in them is changed."""

    speech: tuple[str, ...] = ()
    """Folders of speech without the phrase; where a folder has many sub-folders, each is taken for one speaker."""
    noise: tuple[str, ...] = ()
    """Folders of noise."""
    music: tuple[str, ...] = ()
    """Folders of music."""
    rirs: tuple[str, ...] = ()
    """Folders of measured room impulse responses; simulated rooms are used besides them."""
    guard: Annotated[float, Field(gt=0.0, lt=1.0)] | None = 0.1
    """Leave out speech that sounds more like the phrase than this share of the spoken phrases; null keeps all."""
    validation_share: Annotated[float, Field(gt=0.0, lt=0.9)] = 0.25
    """Share of the speakers (files, for noise and music) kept out of training, for choosing and calibrating."""


class Mined(Node):
    """Mistakes that an earlier run made, found by `wakewright mine` and confirmed by `wakewright review`."""

    paths: tuple[str, ...]
    """Runs, or folders that were mined into; what was labelled negative there is learnt, and nothing else."""
