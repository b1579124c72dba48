"""The body of a request: read within its limits, and taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from email.errors import MessageError
from email.message import Message
from typing import Any

from starlette.requests import ClientDisconnect, Request

from wakewright.apps.judge import form, sound
from wakewright.apps.judge.bench import Bench
from wakewright.apps.judge.intake import Body, Intake
from wakewright.apps.judge.limits import Limits
from wakewright.apps.judge.refusal import Refusal
from wakewright.core.audio import Samples

TYPE_LETTERS = 300
"""Of a Content-Type: the standard library takes seconds for some of 60,000."""
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "type": "object",
    "required": [form.FIELD],
    "properties": {form.FIELD: {"type": "string", "format": "binary"}},
}


def openapi(phrases: Sequence[str]) -> dict[str, Any]:
    """What the OpenAPI page says of /verify: its body is read by hand, within limits that hold before it is kept."""
    files = ("audio/wav", "audio/flac", "audio/ogg", "audio/mpeg", "audio/L16;rate=16000")
    content = {"multipart/form-data": {"schema": _FORM}} | dict.fromkeys(files, _BINARY)
    phrase = {
        "name": "phrase",
        "in": "query",
        "required": False,
        "description": "One of /models; the first where none is named.",
        "schema": {"type": "string", "enum": list(phrases)},
    }
    return {"requestBody": {"required": True, "content": content}, "parameters": [phrase]}


async def samples(request: Request, client: str, limits: Limits, intake: Intake, unpackers: Bench[None]) -> Samples:
    """(n,) float32 16 kHz of what a request of this client brings. Raises Refusal."""
    kind, parameters = parameters_of(request.headers.get("content-type", ""))
    known = kind in ("multipart/form-data", "audio/l16") or kind in sound.WHOLE_FILES
    if not known:
        raise sound.unsupported(kind)
    with intake.body(client) as received:
        await _read(request, limits, received)
        content = received.whole()
        if kind == "audio/l16" and sound.is_plain(parameters):
            return sound.from_l16(content, parameters, limits.longest_s)

        def unpack(_: None) -> Samples:
            received.at_work = True
            if kind == "audio/l16":
                return sound.from_l16(content, parameters, limits.longest_s)
            file = form.file_in(content, parameters.get("boundary", "")) if kind == "multipart/form-data" else content
            return sound.from_file(file, limits.longest_s)

        # unpacking takes milliseconds in which other requests shall go on
        async with received.patience(None):
            return await unpackers.run(client, unpack)
    raise AssertionError("unreachable")


def parameters_of(content_type: str) -> tuple[str, dict[str, str]]:
    """`audio/L16;rate=16000` -> ("audio/l16", {"rate": "16000"}); ("", {}) for what cannot be read."""
    message = Message()
    if len(content_type) > TYPE_LETTERS:
        return "", {}
    try:
        message["content-type"] = content_type
        given = message.get_params() or []
    except (MessageError, ValueError, UnicodeError):
        return "", {}
    if not content_type.strip() or not given:
        return "", {}
    return given[0][0].strip().lower(), {str(k).lower(): str(v) for k, v in given[1:]}


def refuse_two_lengths(request: Request) -> None:
    """Raise Refusal for a body with two ends.

    Who stands between might read another end than we do, and take what follows for another's request (RFC 9112).
    """
    chunked, told = "transfer-encoding" in request.headers, "content-length" in request.headers
    if chunked and (told or request.scope["http_version"] == "1.0"):
        raise Refusal(
            400,
            "the end of this request can be read in two ways",
            got="Transfer-Encoding with Content-Length" if told else "Transfer-Encoding in HTTP/1.0",
            do="send one of both, in HTTP/1.1",
            headers={"Connection": "close"},
        )


async def _read(request: Request, limits: Limits, received: Body) -> None:
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdecimal() and int(declared) > limits.body_bytes:
        raise _too_large(f"{declared[:20]} bytes declared", limits)
    try:
        async with received.patience(limits.patience_s):
            async for piece in request.stream():
                if received.length + len(piece) > limits.body_bytes:
                    raise _too_large(f"more than {limits.body_bytes} bytes", limits)
                received.add(piece)
    except TimeoutError:
        raise Refusal(
            408,
            "the request did not come whole",
            got=f"{received.length} bytes in {limits.patience_s:g} s",
            do="send it faster, or less of it",
            headers={"Connection": "close"},
        ) from None
    except ClientDisconnect:
        raise Refusal(400, "the request broke off", got=f"{received.length} bytes", do="send it whole") from None
    if not received.length:
        raise Refusal(400, "there is no sound in the request", got="an empty body", do=f"send {sound.TYPES}")


def _too_large(got: str, limits: Limits) -> Refusal:
    return Refusal(
        413,
        "the request is too large",
        got=got,
        do=f"send the seconds around the word; {limits.body_bytes} bytes at most",
        headers={"Connection": "close"},  # what is still to come is not read
    )
