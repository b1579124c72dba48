"""Running the server: where it listens, and when it refuses to start."""

from __future__ import annotations

import ipaddress
import json
import logging
import socket
import sys
from typing import Any

import uvicorn

from wakewright.apps.judge.connection import impatient
from wakewright.apps.judge.log import Log, Others
from wakewright.apps.judge.server import Court, create_app
from wakewright.apps.judge.websocket import bounded_stream
from wakewright.core.errors import EnvironmentProblem, InputError

BACKLOG = 256
"""Connections that may wait to be taken."""
MESSAGE_BYTES = 1 << 18
"""Largest message of a stream: two seconds at 48 kHz."""
STOP_S = 15.0
"""Given to what was accepted when the server is told to stop."""


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_open_door(host: str, court: Court) -> None:
    """Raise InputError where others could reach a Judge that asks for no key."""
    if is_loopback(host) or (court.keys is not None and len(court.keys)):
        return
    raise InputError(
        f"a Judge on {host} can be reached by others and needs a key",
        got="no key",
        do="make one: wakewright judge key add NAME --keys keys.json; then start it with --keys keys.json",
    )


def configure(court: Court, host: str, port: int) -> uvicorn.Config:
    """How uvicorn is run."""
    return uvicorn.Config(
        create_app(court),
        host=host,
        port=port,
        http=impatient(court.limits.patience_s, court.note_refusal),
        ws=bounded_stream(court.limits.patience_s, court.note_refusal),
        ws_per_message_deflate=False,  # sound hardly shrinks, and a message of 256 bytes would hold seconds of it
        ws_max_size=MESSAGE_BYTES,
        ws_max_queue=4,
        timeout_graceful_shutdown=round(STOP_S),
        log_config=None,
        proxy_headers=False,  # a client would name itself anew for each request, and no rate would hold it
        access_log=False,
        server_header=False,
    )


def log_to_stderr(log_of: Log) -> None:
    """One JSON object per line, and nothing else but tracebacks of failures, our own and of what lies beneath."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("wakewright.judge")
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    for name, level in (("uvicorn", logging.ERROR), ("asyncio", logging.WARNING)):  # of requests we tell ourselves
        beneath = logging.getLogger(name)
        beneath.handlers, beneath.propagate = [Others(log_of)], False
        beneath.setLevel(level)


def serve(court: Court, host: str, port: int) -> None:
    """Serve until told to stop (SIGTERM, Ctrl-C), then finish what was accepted.

    Raises InputError for an open door, EnvironmentProblem where the address cannot be listened on.
    """
    refuse_open_door(host, court)
    log_to_stderr(court.log)
    config = configure(court, host, port)
    listening = _bind(host, port)
    about: dict[str, Any] = {
        "event": "listening",
        "address": f"http://{_in_url(host)}:{listening.getsockname()[1]}",
        "phrases": list(court.phrases),
        "threads": court.bench.threads,
        "keys": None if court.keys is None else len(court.keys),
    }
    logging.getLogger("wakewright.judge").info(json.dumps(about, ensure_ascii=False))
    uvicorn.Server(config).run(sockets=[listening])


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise EnvironmentProblem(
            f"the Judge cannot listen on {_in_url(host)}:{port}",
            got=error.strerror or str(error),
            do="end what else listens there, or name another --port",
        ) from error
