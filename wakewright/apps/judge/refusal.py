"""How the Judge says no: JSON that tells what, got and do, with the status of HTTP that means it."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse


class Refusal(Exception):
    """A request that is not answered, and why."""

    def __init__(
        self, status: int, what: str, *, got: str, do: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.what, self.got, self.do = status, what, got, do
        self.headers = dict(headers or {})
        super().__init__(what)

    @classmethod
    def busy(cls, what: str, *, got: str, do: str) -> Refusal:
        """For now: the same request may be answered in a second."""
        return cls(503, what, got=got, do=f"try again in a second, {do}", headers={"Retry-After": "1"})

    def content(self) -> dict[str, dict[str, str]]:
        """The body."""
        return {"error": {"what": self.what, "got": self.got, "do": self.do}}

    def response(self) -> JSONResponse:
        """As it goes out."""
        return JSONResponse(self.content(), self.status, self.headers)
