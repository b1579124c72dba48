"""How the Judge says no: JSON that tells what, got and do, with the status of HTTP that means it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from starlette.responses import JSONResponse

Reason = Literal[
    "busy",
    "connections",
    "failed",
    "handshake",
    "key",
    "large",
    "late",
    "malformed",
    "rate",
    "receiving",
    "share",
    "streams",
    "unheard",
    "unknown",
]
"""Why something was refused, as it is counted and logged."""
REASONS: tuple[Reason, ...] = get_args(Reason)
_REASON_OF: dict[int, Reason] = {
    401: "key",
    404: "unknown",
    405: "unknown",
    408: "late",
    413: "large",
    415: "unheard",
    422: "unheard",
    429: "rate",
    431: "large",
    500: "failed",
    503: "busy",
}


class Refusal(Exception):
    """A request that is not answered, and why."""

    def __init__(
        self,
        status: int,
        what: str,
        *,
        got: str,
        do: str,
        headers: Mapping[str, str] | None = None,
        reason: Reason | None = None,
    ) -> None:
        """Without a reason it is the one that the status means, and "malformed" for any other."""
        self.status, self.what, self.got, self.do = status, what, _sayable(got), _sayable(do)
        self.headers = dict(headers or {})
        self.reason: Reason = reason or _REASON_OF.get(status, "malformed")
        super().__init__(what)

    @classmethod
    def busy(cls, what: str, *, got: str, do: str, reason: Reason = "busy") -> Refusal:
        """For now: the same request may be answered in a second."""
        again = f"try again in a second, {do}"
        return cls(503, what, got=got, do=again, headers={"Retry-After": "1"}, reason=reason)

    @classmethod
    def share(cls, what: str, *, got: str) -> Refusal:
        """For now, and for this client alone: others want their share of what it takes."""
        do = "send less at once, and try again in a second"
        return cls(429, what, got=got, do=do, headers={"Retry-After": "1"}, reason="share")

    def content(self) -> dict[str, dict[str, str]]:
        """The body."""
        return {"error": {"what": self.what, "got": self.got, "do": self.do}}

    def response(self) -> JSONResponse:
        """As it goes out."""
        return JSONResponse(self.content(), self.status, self.headers)


def _sayable(text: str) -> str:
    """What can be written as UTF-8: of what was sent, anything may be quoted."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
