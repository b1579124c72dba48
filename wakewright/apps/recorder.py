"""Recording takes of the phrase from a microphone: a count before each, and again what cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples
from wakewright.core.errors import EnvironmentProblem
from wakewright.data import takes
from wakewright.data.takes import Collection, Take

BEATS = ("3", "2", "1")
BEAT_S = 0.6
EARLY_S = 0.3
"""Sound from before the end of the count that belongs to the take: some begin with it."""
TAKE_S = 3.0
"""Time to say the phrase in."""
PATIENCE = 8
"""Takes in a row that may be of no use before something is taken to be wrong."""

Say = Callable[[str], None]


class Source(Protocol):
    """A microphone: pieces of 16 kHz until it is closed."""

    def __iter__(self) -> Iterator[Samples]: ...

    def close(self) -> None:
        """End the loop over it."""
        ...


class Recorder:
    """Takes from a source that is opened anew for each, so that nothing of the time between is in them."""

    def __init__(self, opened: Callable[[Say], Source], say: Say) -> None:
        """`opened` gives a source that tells its troubles to what it is given."""
        self._opened, self._say = opened, say

    def take(self) -> Take:
        """Count, and record one take. Raises what opening the source raises."""
        troubles: list[str] = []

        def trouble(text: str) -> None:
            troubles.append(text)
            self._say(text)

        source = self._opened(trouble)
        counted, ends = 0, round((len(BEATS) * BEAT_S + TAKE_S) * SAMPLE_RATE)
        parts, heard = [np.zeros(0, np.float32)], 0
        for piece in source:
            while counted <= len(BEATS) and heard >= counted * BEAT_S * SAMPLE_RATE:
                self._say(BEATS[counted] if counted < len(BEATS) else "now")
                counted += 1
            parts.append(piece)
            heard += len(piece)
            if heard >= ends:
                source.close()
        sound = np.concatenate(parts)[:ends]
        begins = round((len(BEATS) * BEAT_S - EARLY_S) * SAMPLE_RATE)
        if troubles:
            return Take(sound[:0], 0.0, "the microphone was away, or sound was lost")
        return takes.single(sound[begins:], takes.room_level(sound[begins - SAMPLE_RATE : begins]))

    def person(
        self, collection: Collection, person: str, count: int, approved: Callable[[Samples], bool] | None = None
    ) -> int:
        """Record until this person has `count` takes; returns how many were added.

        `approved` hears each usable take and says whether it is kept. Raises EnvironmentProblem when take after take
        is of no use, and what opening the source raises; what was kept stays.
        """
        added, useless = 0, 0
        have = len(collection.taken(person))
        while have + added < count:
            self._say(f"{person}: take {have + added + 1} of {count}")
            take = self.take()
            if take.problem:
                useless += 1
                self._say(f"  again: {take.problem}")
                if useless == PATIENCE:
                    raise EnvironmentProblem(
                        f"{PATIENCE} takes in a row were of no use",
                        got=take.problem,
                        do="look at the microphone and its level, or name another: wakewright listen --list-devices",
                    )
                continue
            useless = 0
            if approved is not None and not approved(take.samples):
                continue
            path = collection.keep(person, take.samples)
            collection.write_list()
            added += path is not None
            self._say(f"  kept {len(take.samples) / SAMPLE_RATE:.1f} s: {path}")
        return added
