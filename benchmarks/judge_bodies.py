"""What bodies that are half sent cost a Judge: its memory before, at most while they hang, and afterwards.

    python benchmarks/judge_bodies.py RUN [--clients 120] [--megabytes 2.8]

A Judge is started as users start it, on loopback. So many connections each declare a body of so many megabytes, send
half of it, and wait for what they are told. A request that is whole is sent while they hang, and one after them.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import selectors
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from wakewright.apps.bench import drained, memory_mb, served

WATCHED_S = 20.0


class Client:
    """A connection that sends half a body and reads what it is told."""

    def __init__(self, address: str, size: int) -> None:
        place = urlsplit(address)
        self.socket = socket.create_connection((place.hostname or "", place.port or 0))
        self.socket.setblocking(False)
        head = f"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: {size}\r\n\r\n"
        self.left = memoryview(head.encode() + bytes(size // 2))
        self.told = b""

    def go_on(self) -> bool:
        """Send and read what goes now; False once the other side has closed."""
        with contextlib.suppress(OSError):  # what it was told before it was cut off is still to be read
            if self.left:
                self.left = self.left[self.socket.send(self.left) :]
        try:
            came = self.socket.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.told += came
        return bool(came)


def status_of(told: bytes) -> str:
    """Of the first answer."""
    return told.split(b" ", 2)[1].decode() if told else "closed without a word"


def whole(address: str) -> str:
    """What becomes of a request of two seconds of silence, and after how long."""
    request = urllib.request.Request(f"{address}/verify", bytes(64_000), {"Content-Type": "audio/L16"})
    began = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            status = response.status
    except urllib.error.HTTPError as error:
        status = error.code
    return f"{status} after {1000 * (time.perf_counter() - began):.0f} ms"


def hang(address: str, pid: int, clients: list[Client]) -> tuple[float, str]:
    """Keep them half sent until each is closed -> most memory in MB, and what a whole request got meanwhile."""
    most, asked, until = 0.0, "", time.monotonic() + WATCHED_S
    watched = selectors.DefaultSelector()
    for client in clients:
        watched.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
    while watched.get_map() and time.monotonic() < until:
        for key, _ in watched.select(0.05):
            client: Client = key.data
            if not client.go_on():
                watched.unregister(client.socket)
            elif not client.left:
                watched.modify(client.socket, selectors.EVENT_READ, client)
        most = max(most, memory_mb(pid))
        if not asked and not any(client.left and not client.told for client in clients):
            asked = whole(address)
    return most, asked


def main() -> None:
    """Print what was held, and what the clients were told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--clients", type=int, default=120)
    parser.add_argument("--megabytes", type=float, default=2.8)
    asked = parser.parse_args()
    with served(asked.run) as (address, process), drained(process):
        for _ in range(20):
            whole(address)
        before = memory_mb(process.pid)
        clients = [Client(address, round(1e6 * asked.megabytes)) for _ in range(asked.clients)]
        most, meanwhile = hang(address, process.pid, clients)
        told = collections.Counter(status_of(client.told) for client in clients)
        for client in clients:
            client.socket.close()
        print(f"{asked.clients} bodies of {asked.megabytes:g} MB, each half sent: {dict(told)}")
        print(f"memory {before:.1f} MB before, {most:.1f} at most ({most - before:+.1f}), ", end="")
        print(f"{memory_mb(process.pid):.1f} afterwards")
        print(f"a whole request meanwhile: {meanwhile or 'not sent'}; afterwards: {whole(address)}")


if __name__ == "__main__":
    main()
