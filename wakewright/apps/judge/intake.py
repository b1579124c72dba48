"""What is held of the bodies of all requests, from each one's first byte until it is unpacked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

from wakewright.apps.judge.fair import end_wait, gives_way, takes_most
from wakewright.apps.judge.refusal import Refusal


class Intake:
    """Bytes of bodies that are held at once, over all connections; where they are too many, see `fair`."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bodies: dict[Body, None] = {}
        """Oldest first."""
        self.held = 0

    @contextlib.contextmanager
    def body(self, client: str = "-") -> Iterator[Body]:
        """A body to add to; what it holds is let go at the end."""
        body = Body(self, client)
        self._bodies[body] = None
        try:
            yield body
        finally:
            body.let_go()
            self._bodies.pop(body, None)

    def count(self, body: Body, more: int) -> None:
        """Hold so many bytes more for this body, or fewer.

        Raises Refusal where they would be more than may be held: 429 where most of them are this client's, 503
        else. A body that is refused makes room for the others, so that of many that come at once some come whole.
        """
        while self.held + more > self._most and (other := self._gives_way(body, more)) is not None:
            other.send_away()
        if self.held + more > self._most:
            if takes_most(self._by_client(), body.client):
                raise _share()
            raise Refusal.busy(
                "the Judge receives more than it can hold",
                got=f"more than {self._most} bytes of all requests together",
                do="with the one to three seconds around the word",
                reason="receiving",
            )
        self.held += more

    def _by_client(self) -> dict[str, int]:
        held: dict[str, int] = {}
        for body in self._bodies:
            if body.length:
                held[body.client] = held.get(body.client, 0) + body.length
        return held

    def _gives_way(self, asks: Body, more: int) -> Body | None:
        """The newest body of the client that holds most, in two bodies or more."""
        movable = [body for body in self._bodies if body.length and not body.at_work]
        several = {one.client for one in movable if sum(one.client == other.client for other in movable) > 1}
        held = {name: length for name, length in self._by_client().items() if name in several or name == asks.client}
        client = gives_way(held, asks.client, more)
        return None if client is None else next(body for body in reversed(movable) if body.client == client)


class Body:
    """The body of one request, as it comes."""

    def __init__(self, intake: Intake, client: str) -> None:
        self._intake, self.client, self.length = intake, client, 0
        self.at_work = False
        """A thread unpacks it: too late to send it away."""
        # and no growing array: where many grow side by side, half as much again is lost between them
        self._pieces: list[bytes] = []
        self._sent_away = False
        self._interrupt: Callable[[], None] | None = None

    def add(self, piece: bytes) -> None:
        """What has come. Raises what Intake.count raises."""
        if self._sent_away:
            raise _share()
        self._intake.count(self, len(piece))
        self.length += len(piece)
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """All of it, once; it counts as held until it is let go."""
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content

    @contextlib.asynccontextmanager
    async def patience(self, seconds: float | None) -> AsyncIterator[None]:
        """Wait no longer than this for what is done within. Raises TimeoutError, and Refusal for a body sent away."""
        try:
            async with asyncio.timeout(seconds) as limit:
                self._interrupt = lambda: end_wait(limit)
                try:
                    yield
                finally:
                    self._interrupt = None
        except TimeoutError:
            if self._sent_away:
                raise _share() from None
            raise

    def send_away(self) -> None:
        """Make room for another client's."""
        self.let_go()
        self._sent_away = True
        if self._interrupt is not None:
            self._interrupt()

    def let_go(self) -> None:
        """Make room. The pieces go at once, though a refusal's traceback may hold this body for longer."""
        self._intake.count(self, -self.length)
        self._pieces.clear()
        self.length = 0


def _share() -> Refusal:
    """With the connection, since what is still to come is not read."""
    refusal = Refusal.share("this client has its share of what the Judge can hold", got="others wait too")
    refusal.headers["Connection"] = "close"
    return refusal
