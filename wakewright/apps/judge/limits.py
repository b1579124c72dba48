"""What the Judge takes on: how much at once, how often from one client, and how long a client may take."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from wakewright.apps.judge.refusal import Refusal

CLIENTS_KEPT = 10_000
"""Clients whose rate is remembered; the one not seen for longest is forgotten first."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """All of them, with the defaults of the command line."""

    body_bytes: int = 4_000_000
    """Largest body of a request."""
    longest_s: float = 10.0
    """Longest sound."""
    received_bytes: int = 32_000_000
    """Bodies of all requests together, whole or half sent, until they are unpacked; more is sent away with 503."""
    waiting: int = 64
    """Requests that may wait for a core; more are sent away with 503."""
    per_second: float = 50.0
    """Requests a second from one key, or one address where there are no keys; 0 allows any number."""
    burst: int = 100
    """Requests that one client may send at once."""
    patience_s: float = 10.0
    """Seconds in which a request must have come whole."""
    streams: int = 16
    """Streams at once."""
    idle_s: float = 60.0
    """A stream that sends nothing for so long is closed."""


class Rates:
    """A bucket of requests for each client that fills up again at a steady rate (token bucket)."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Count one request of this client. Raises Refusal 429 when there were too many."""
        rate = self._limits.per_second
        if not rate:
            return
        now = self._clock()
        left, then = self._buckets.pop(client, (float(self._limits.burst), now))
        left = min(float(self._limits.burst), left + (now - then) * rate)
        self._buckets[client] = (max(0.0, left - 1), now) if left >= 1 else (left, now)
        if len(self._buckets) > CLIENTS_KEPT:
            self._buckets.popitem(last=False)
        if left < 1:
            wait = (1 - left) / rate
            raise Refusal(
                429,
                "too many requests from one client",
                got=f"more than {rate:g} a second",
                do=f"wait {wait:.1f} s, or raise --rate where the Judge is started",
                headers={"Retry-After": str(math.ceil(wait))},
            )
