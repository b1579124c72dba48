"""Who goes first and who gives way, where clients together want more than there is.

While there is room, anyone may take all of it: a client that is alone is held to nothing but the whole, be it one on
loopback with as many connections as it likes. Where there is no room, whoever holds most gives up its newest for one
that would still hold less (longest queue drop). So a share bites only when others wait, no client has to be known
beforehand, and many of them end with as much each. Nobody gives up its only one: who asks once floods nothing.

A client is the holder of a key, or an address where there are no keys. Whoever has many addresses has many shares;
where others can reach a Judge, it asks for keys.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from wakewright.apps.judge.refusal import Refusal

E = TypeVar("E")


def gives_way(held: Mapping[str, int], client: str, more: int) -> str | None:
    """Who has to give something up so that `client` may hold so much more; None where nobody has."""
    if not held:
        return None
    most = max(held, key=held.__getitem__)
    return most if most != client and held[most] > held.get(client, 0) + more else None


def takes_most(held: Mapping[str, int], client: str) -> bool:
    """Whether it is this client's own doing that there is no room, and others want some."""
    return len(held) > 1 and held.get(client, 0) >= max(held.values())


class Lines(Generic[E]):
    """A line of those who wait for each client; from each in turn one is taken."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[E]] = OrderedDict()

    def add(self, client: str, entry: E) -> None:
        """To the end of the client's line."""
        self._lines.setdefault(client, deque()).append(entry)

    def take(self) -> E | None:
        """The first of the client whose turn it is, whose next turn comes after all others'."""
        if not self._lines:
            return None
        client, line = self._lines.popitem(last=False)
        entry = line.popleft()
        if line:
            self._lines[client] = line
        return entry

    def take_newest(self, client: str) -> E | None:
        """The last of a client's line."""
        line = self._lines.get(client)
        if line is None:
            return None
        entry = line.pop()
        if not line:
            del self._lines[client]
        return entry

    def drop(self, client: str, entry: E) -> None:
        """One that waits no longer; nothing where it does not wait."""
        line = self._lines.get(client)
        if line is not None and entry in line:
            line.remove(entry)
            if not line:
                del self._lines[client]


class Place:
    """One of so many; its holder is told when it has to give it up."""

    def __init__(self) -> None:
        self._lost = False
        self.on_loss: Callable[[], None] | None = None

    def is_lost(self) -> bool:
        """Whether another client has it."""
        return self._lost

    def lose(self) -> None:
        """Take it away."""
        self._lost = True
        if self.on_loss is not None:
            self.on_loss()


class Places:
    """So many streams at once, over all clients."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[str, list[Place]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    @contextlib.contextmanager
    def place(self, client: str) -> Iterator[Place]:
        """A place until the end, or until it is lost. Raises Refusal where there is none for this client."""
        if len(self) >= self._most:
            self._make_room(client)
        place = Place()
        self._held.setdefault(client, []).append(place)
        try:
            yield place
        finally:
            self._leave(client, place)

    def _make_room(self, client: str) -> None:
        held = {name: len(places) for name, places in self._held.items()}
        other = gives_way(held, client, 1)
        if other is not None:
            place = self._held[other][-1]
            self._leave(other, place)
            place.lose()
        elif takes_most(held, client):
            raise Refusal.share("this client has its share of the streams", got=f"{held[client]} streams")
        else:
            raise Refusal.busy(
                "too many streams at once", got=str(self._most), do="or end one that is not used", reason="streams"
            )

    def _leave(self, client: str, place: Place) -> None:
        places = self._held.get(client, [])
        if place in places:
            places.remove(place)
        if not places:
            self._held.pop(client, None)


def lost_stream() -> Refusal:
    """For a stream whose place another client took."""
    return Refusal.share("this client has more than its share of the streams", got="another client that has fewer")


def end_wait(limit: asyncio.Timeout) -> None:
    """End what waits under this limit; nothing where its time is up already, which asyncio would call an error."""
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time())
