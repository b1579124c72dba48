"""Addresses that break, as radios and networks do: what came is heard, and a radio is connected to again."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.core.audio import SAMPLE_RATE
from wakewright.core.errors import DiskFull, InputError
from wakewright.core.mined import Mined
from wakewright.core.progress import Progress
from wakewright.evaluate import addresses, sources
from wakewright.evaluate.addresses import Ending, blocks_at
from wakewright.evaluate.mine import Search, mine
from wakewright.evaluate.sources import Block, material

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]
SECONDS = 20


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "PAUSE_S", 0.001)
    monkeypatch.setattr(addresses, "TRIES", 3)
    monkeypatch.setattr(addresses, "TIMEOUT_S", 1.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Twenty seconds of noise as files."""
    folder = tmp_path_factory.mktemp("sound")
    sound = 0.1 * np.random.default_rng(1).normal(size=SECONDS * SAMPLE_RATE)
    for kind in ("wav", "mp3", "flac", "ogg"):
        soundfile.write(folder / f"a.{kind}", sound, SAMPLE_RATE, format=kind.upper())
    return {path.suffix[1:]: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def served() -> Iterator[Callable[..., str]]:
    """Starts a server that answers with these, one after another, and from then on as the last; gives its address."""
    servers: list[tuple[http.server.ThreadingHTTPServer, threading.Thread]] = []

    def start(*answers: Answer) -> str:
        left = list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                (left.pop(0) if len(left) > 1 else left[0])(self)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/live"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def sends(
    data: bytes, *, length: int | None = None, then: str = "close", kind: str = "audio/mpeg", **more: str
) -> Answer:
    """An answer with these bytes, which then closes, resets the connection or falls silent."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        for name, value in more.items():
            handler.send_header(name.replace("_", "-"), value)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(data)
        if then == "reset":
            threading.Event().wait(0.3)  # a reset throws away what has not been read
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(handler.connection.detach())
        elif then == "silence":
            threading.Event().wait(1.5)

    return answer


def refuses(handler: http.server.BaseHTTPRequestHandler) -> None:
    """The radio is not there."""
    handler.send_error(503)


def heard(url: str, said: list[str]) -> tuple[list[float], InputError | None]:
    """Seconds of each block, and how it ended."""
    seconds: list[float] = []
    try:
        seconds.extend(block.source.seconds for block in blocks_at(url, said.append, Ending()))
    except InputError as error:
        return seconds, error
    return seconds, None


def test_a_radio_that_is_reset_is_connected_to_again(files: dict[str, bytes], served: Callable[..., str]) -> None:
    said: list[str] = []
    url = served(sends(files["mp3"], then="reset"), sends(files["mp3"]))
    seconds, error = heard(url, said)
    assert seconds[-1] == pytest.approx(SECONDS, abs=0.3)
    assert len(said) == 1
    assert "reset" in said[0]
    assert error is None


def test_all_that_a_radio_gave_before_it_fell_silent_is_heard(
    files: dict[str, bytes], served: Callable[..., str]
) -> None:
    said: list[str] = []
    mp3 = files["mp3"]
    url = served(sends(mp3, then="silence"), refuses, sends(mp3[: len(mp3) // 2], then="silence"), refuses)
    seconds, error = heard(url, said)
    assert seconds == pytest.approx([SECONDS, SECONDS / 2], abs=0.3)
    assert len(said) == 2
    assert all(line.startswith(f"{url} was lost (") and line.endswith("): connecting again") for line in said)
    assert error is not None
    assert f"{url} was lost\n  got: HTTP Error 503" in str(error)
    assert "what was found is kept" in str(error)


def test_a_radio_that_ends_is_an_interruption_and_a_recording_that_ends_is_whole(
    files: dict[str, bytes], served: Callable[..., str]
) -> None:
    said: list[str] = []
    seconds, error = heard(served(sends(files["mp3"], icy_name="one"), refuses), said)
    assert seconds == pytest.approx([SECONDS], abs=0.3)
    assert error is not None
    assert said[0].endswith("was lost (it ended): connecting again")
    assert heard(served(sends(files["mp3"])), said)[1] is None
    assert len(said) == 1


@pytest.mark.parametrize(("kind", "expected"), [("mp3", [SECONDS / 2]), ("wav", [SECONDS / 2]), ("flac", [])])
def test_a_recording_that_breaks_is_heard_until_there_and_told(
    kind: str, expected: list[float], files: dict[str, bytes], served: Callable[..., str]
) -> None:
    said: list[str] = []
    data = files[kind]
    url = served(sends(data[: len(data) // 2], length=len(data), kind=f"audio/{kind}"))
    seconds, error = heard(url, said)
    assert seconds == pytest.approx(expected, abs=0.5)
    assert error is not None
    assert f"an end {len(data) - len(data) // 2:,} bytes before it was due" in str(error)
    assert said == []


def test_what_came_before_a_fault_in_the_sound_is_heard_and_the_address_is_named(
    files: dict[str, bytes], served: Callable[..., str]
) -> None:
    half = files["wav"][: len(files["wav"]) // 2]  # its header says how long it is, the server does not
    url = served(sends(half, kind="audio/wav"))
    seconds, error = heard(url, [])
    assert seconds == pytest.approx([SECONDS / 2], abs=0.5)
    assert str(error).startswith(f"{url} cannot be heard to its end\n  got: ")
    assert "standard input" not in str(error)
    url = served(sends(files["mp3"] + b"." * 100_000))
    seconds, error = heard(url, [])
    assert seconds == pytest.approx([SECONDS], abs=3)  # less the group of frames that was not full
    assert str(error).startswith(f"{url} cannot be heard to its end\n  got: ")


def test_a_radio_that_sends_something_else_is_connected_to_again_after_what_it_gave(
    files: dict[str, bytes], served: Callable[..., str]
) -> None:
    said: list[str] = []
    broken = sends(files["mp3"] + b"." * 100_000, icy_name="one")
    seconds, error = heard(served(broken, sends(files["mp3"], icy_name="one"), refuses), said)
    assert seconds == pytest.approx([SECONDS, SECONDS], abs=3)
    assert "bytes without a frame): connecting again" in said[0]
    assert error is not None


@pytest.mark.parametrize("kind", ["flac", "ogg"])
def test_a_file_that_is_damaged_is_named_by_its_address(kind: str, served: Callable[..., str]) -> None:
    data = (b"fLaC" if kind == "flac" else b"OggS") + bytes(1000)
    url = served(sends(data, length=len(data), kind=f"audio/{kind}"))
    seconds, error = heard(url, [])
    assert seconds == []
    assert str(error).startswith(f"{url} cannot be heard\n  got: ")


def test_an_answer_without_anything_in_it_is_told(served: Callable[..., str]) -> None:
    _, error = heard(served(sends(b"", length=0, kind="audio/wav")), [])
    assert error is not None
    assert error.got.startswith("nothing, where WAV")


def test_a_disk_that_is_full_is_not_the_addresss_fault(
    files: dict[str, bytes],
    served: Callable[..., str],
    disk_of: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = disk_of("64k")
    monkeypatch.setattr(addresses.tempfile, "tempdir", str(folder))
    with pytest.raises(DiskFull):
        list(blocks_at(served(sends(files["flac"], length=len(files["flac"]))), print, Ending()))


def test_ogg_is_heard_once_all_of_it_is_here(files: dict[str, bytes], served: Callable[..., str]) -> None:
    url = served(sends(files["ogg"], length=len(files["ogg"]), kind="audio/ogg"))
    seconds, error = heard(url, [])
    assert error is None
    assert seconds == pytest.approx([SECONDS], abs=0.3)


@pytest.mark.parametrize(
    ("begun", "kind", "told", "do"),
    [
        (b"OggS", "application/ogg", "Ogg without a told length, such as a radio's", "record it to a file first"),
        (b"\xff\xf1P\x80", "audio/aac", "AAC", "record it to a file first"),
        (b"\x21\x00\x49\x90", "audio/aacp", "audio/aacp", "record it to a file first"),
        (b"#EXTM3U\n", "audio/x-mpegurl", "a playlist (M3U)", "name an address that stands in it"),
        (b"[playlist]\n", "audio/x-scpls", "a playlist (PLS)", "name an address that stands in it"),
    ],
)
def test_what_is_not_understood_is_named(
    begun: bytes, kind: str, told: str, do: str, served: Callable[..., str]
) -> None:
    _, error = heard(served(sends(begun + b"." * 200, kind=kind, icy_name="one")), [])
    assert error is not None
    assert error.what.endswith("cannot be searched")
    assert error.got == f"{told}, where WAV, MP3 and FLAC are understood, and Ogg that is not endless"
    assert error.do.endswith(do)


def test_ctrl_c_ends_a_radio_and_what_it_gave_until_then_is_searched(
    files: dict[str, bytes],
    served: Callable[..., str],
    exported: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(addresses, "TIMEOUT_S", 60.0)
    over, endings = threading.Event(), list[Ending]()

    class Watched(Ending):
        def __init__(self) -> None:
            super().__init__()
            endings.append(self)

    def plays_on(handler: http.server.BaseHTTPRequestHandler) -> None:
        sends(files["mp3"])(handler)
        handler.wfile.flush()
        waited = 0
        while waited < 30 and not over.wait(0.02):  # until the reader has read all and waits for more
            waited = waited + 1 if endings[0]._waits else 0
        os.kill(os.getpid(), signal.SIGINT)
        over.wait(60)

    monkeypatch.setattr("wakewright.evaluate.mine.Ending", Watched)
    before = signal.getsignal(signal.SIGINT)
    mined, wanted = Mined(tmp_path / "mined"), material([served(plays_on)])
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            mine(Search.of(exported["mixednet"]), wanted, mined, progress=Progress(quiet=True), say=print)
    finally:
        over.set()
    assert time.monotonic() - began < 50, "it does not wait for the radio"
    assert sum(line["seconds"] for line in mined.journal()) == pytest.approx(SECONDS, abs=0.3)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_during_a_search_waits_for_it_and_a_second_does_not(
    files: dict[str, bytes], served: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "BLOCK_S", 8.0)
    said: list[str] = []
    blocks: list[Block] = []

    def search(url: str, ending: Ending, interrupts: int) -> None:
        for block in blocks_at(url, said.append, ending):
            for _ in range(interrupts if not blocks else 0):
                signal.raise_signal(signal.SIGINT)
            blocks.append(block)

    url = served(sends(files["mp3"], icy_name="one"))
    with Ending() as ending, pytest.raises(KeyboardInterrupt):
        search(url, ending, 1)
    assert len(blocks) >= 2, "what had come by then"
    assert blocks[-1].last
    assert said == [], "it does not connect again"
    blocks.clear()
    with Ending() as ending, pytest.raises(KeyboardInterrupt):
        search(url, ending, 2)
    assert blocks == []


def test_ctrl_c_between_two_connections_ends_it(
    files: dict[str, bytes], served: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "PAUSE_S", 60.0)
    monkeypatch.setattr(addresses.time, "sleep", lambda _: signal.raise_signal(signal.SIGINT))
    with Ending() as ending, pytest.raises(KeyboardInterrupt):
        list(blocks_at(served(sends(files["mp3"], icy_name="one")), lambda _: None, ending))


@pytest.mark.parametrize("kind", ["mp3", "wav", "flac"])
def test_what_begins_slowly_is_known_all_the_same(
    kind: str, files: dict[str, bytes], served: Callable[..., str]
) -> None:
    def slow(handler: http.server.BaseHTTPRequestHandler) -> None:
        sends(files[kind][:2], kind="application/octet-stream")(handler)
        handler.wfile.flush()
        threading.Event().wait(0.2)
        handler.wfile.write(files[kind][2:])

    seconds, error = heard(served(slow), [])
    assert error is None
    assert seconds == pytest.approx([SECONDS], abs=0.3)


def test_an_address_that_never_answered_is_not_tried_again(served: Callable[..., str]) -> None:
    said: list[str] = []
    with pytest.raises(InputError, match="cannot be read\n  got: HTTP Error 503"):
        list(blocks_at(served(refuses), said.append, Ending()))
    assert said == []
