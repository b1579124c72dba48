"""The body of a request: read within its limits, and taken apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from email.errors import MessageError
from email.message import Message
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from wakewright.apps.judge import sound
from wakewright.apps.judge.limits import Body, Intake, Limits
from wakewright.apps.judge.refusal import Refusal
from wakewright.core.audio import Samples

FIELD = "file"
MOST_FIELDS = 8
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {"type": "object", "required": [FIELD], "properties": {FIELD: {"type": "string", "format": "binary"}}}


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


async def samples(request: Request, limits: Limits, intake: Intake) -> Samples:
    """(n,) float32 16 kHz of what a request brings. Raises Refusal."""
    kind, parameters = parameters_of(request.headers.get("content-type", ""))
    known = kind in ("multipart/form-data", "audio/l16") or kind in sound.WHOLE_FILES
    if not known:
        raise sound.unsupported(kind)
    with intake.body() as received:
        await _read(request, limits, received)
        content = received.whole()
        if kind == "audio/l16":
            return sound.from_l16(content, parameters, limits.longest_s)
        if kind == "multipart/form-data":
            content = await _file_in(request, content)
        # unpacking a file takes milliseconds in which other requests shall go on
        return await asyncio.to_thread(sound.from_file, content, limits.longest_s)


def parameters_of(content_type: str) -> tuple[str, dict[str, str]]:
    """`audio/L16;rate=16000` -> ("audio/l16", {"rate": "16000"}); ("", {}) for what cannot be read."""
    message = Message()
    try:
        message["content-type"] = content_type
        given = message.get_params() or []
    except (MessageError, ValueError, UnicodeError):
        return "", {}
    if not content_type.strip() or not given:
        return "", {}
    return given[0][0].strip().lower(), {str(k).lower(): str(v) for k, v in given[1:]}


async def _read(request: Request, limits: Limits, received: Body) -> None:
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdecimal() and int(declared) > limits.body_bytes:
        raise _too_large(f"{declared[:20]} bytes declared", limits)
    try:
        async with asyncio.timeout(limits.patience_s):
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


async def _file_in(request: Request, content: bytes) -> bytes:
    async def whole() -> AsyncIterator[bytes]:
        yield content

    parser = MultiPartParser(request.headers, whole(), max_files=1, max_fields=MOST_FIELDS)  # type: ignore[arg-type]
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, UnicodeError, AssertionError) as error:
        got = getattr(error, "message", "") or str(error) or type(error).__name__
        raise Refusal(
            400, "the form cannot be read", got=got[:200], do=f"send one multipart field `{FIELD}` with the sound"
        ) from error
    try:
        given = form.getlist(FIELD)
        if len(given) != 1 or not isinstance(given[0], UploadFile):
            got = ", ".join(sorted({name[:40] for name, _ in form.multi_items()})) or "no field"
            raise Refusal(
                400,
                f"the form needs one file called `{FIELD}`",
                got=got[:200],
                do="curl -F file=@clip.wav .../verify",
            )
        found: bytes = await given[0].read()
    finally:
        await form.close()
    if not found:
        raise Refusal(400, "there is no sound in the form", got="an empty file", do=f"send {sound.TYPES}")
    return found
