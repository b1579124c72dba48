"""The parts of a recipe that say how a model is listened with: all of it that a detector needs, and loads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from wakewright.core.node import Node, Share


class Gate(Node):
    """Voice gate: where nobody speaks, no score of a live detector is computed."""

    kind: Literal["energy", "silero"] = "energy"
    """energy: by loudness; silero: by the voice activity detector of that name, which costs more than it saves."""
    level_db: Annotated[float, Field(ge=-100, le=0)] = -60.0
    """Loudness of 20 ms from which there may be a voice, in decibels below full scale (energy)."""
    probability: Share = 0.3
    """Probability of speech from which there may be a voice (silero)."""
    hold_ms: Annotated[int, Field(ge=200)] = 1500
    """Time after the last voice in which it stays open."""


class Policy(Node):
    """From scores to detections."""

    smoothing: PositiveInt = 5
    """Steps over which scores are averaged."""
    consecutive: PositiveInt = 1
    """Steps in a row whose averages must reach the threshold. ESPHome's firmware knows only 1."""
    release: Share = 0.3
    """After a detection the smoothed score must fall below this (or 3/7 of the threshold, if lower) first."""
    threshold: Share | None = None
    """Smoothed score that counts as a detection; null is calibrated."""
    cooldown_ms: Annotated[int, Field(ge=0)] = 500
    """Time after a detection in which no other is given."""
    warmup_ms: Annotated[int, Field(ge=0)] = 2000
    """Time after the start in which nothing is detected, while the front end settles."""
    gate: Gate | None = None
    """Voice gate of live listening; null hears everything. Rates are measured without one."""


class Cascade(Node):
    """A Sentry that wakes early and a Judge that confirms."""

    sentry: str | None = None
    """Run or exported folder of the Sentry."""
    judge: str | None = None
    """Run or exported folder of the Judge, or the address of one: http://HOST:PORT."""
    trigger: Share | None = None
    """Score at which the Sentry wakes; null takes its calibrated threshold."""
    confirm: Share | None = None
    """Confidence from which the Judge confirms; null takes its calibrated threshold."""
    after_ms: Annotated[int, Field(ge=0, le=2000)] = 350
    """Sound after the wake that the Judge hears too: a Sentry may wake before the word has ended."""
    asks: Annotated[int, Field(ge=1, le=10)] = 2
    """How often the Judge is asked about a wake until it confirms: the word may go on when it is first asked."""
    again_ms: Annotated[int, Field(ge=50, le=2000)] = 300
    """Sound from one asking to the next."""
    rewake_ms: Annotated[int, Field(ge=500, le=10_000)] | None = 1600
    """Sound after a wake that was cancelled, from which the Sentry may wake again though its score has not fallen:
    noise may have been the wake, and the word came later; null waits until the score has fallen."""
    timeout_ms: PositiveInt = 300
    """Time the Judge may take, once it has the sound."""
    on_timeout: Literal["accept", "reject"] = "accept"
    """What becomes of a wake that no Judge answers for: accept confirms it, reject cancels it."""
