"""What Prometheus reads of a Judge."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from wakewright.apps.judge.refusal import REASONS

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counters of one server."""

    def __init__(self, waiting: Callable[[], float], streams: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "wakewright_judge_requests", "Requests by route and status", ["route", "status"], registry=self._registry
        )
        self.verdicts = Counter(
            "wakewright_judge_verdicts", "Verdicts by phrase", ["phrase", "prediction"], registry=self._registry
        )
        self.seconds = Histogram(
            "wakewright_judge_request_seconds",
            "From the first byte of a request to its answer",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.audio = Counter("wakewright_judge_audio_seconds", "Sound that was judged", registry=self._registry)
        self.refused_keys = Counter(
            "wakewright_judge_unauthorised", "Requests without a valid key", ["reason"], registry=self._registry
        )
        self.refused = Counter(
            "wakewright_judge_refused",
            "Requests, streams and connections that were refused, each once",
            ["reason"],
            registry=self._registry,
        )
        for reason in REASONS:
            self.refused.labels(reason)  # so that each is there, and 0, before it has happened
        open_streams = Gauge("wakewright_judge_streams", "Open streams", registry=self._registry)
        open_streams.set_function(streams)
        busy = Gauge("wakewright_judge_busy", "Requests at work or waiting", registry=self._registry)
        busy.set_function(waiting)

    def text(self) -> bytes:
        """In the format that Prometheus reads."""
        return generate_latest(self._registry)
