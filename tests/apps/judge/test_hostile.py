"""Clients that want a Judge to fail: what costs them little must cost it little too."""

from __future__ import annotations

import shutil
import socket
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.apps.judge.dialling import HANDSHAKE, HEAD, Judge, answer_from, read, refusal_in, wait_for
from wakewright.apps.judge import form, sound
from wakewright.apps.judge.body import parameters_of
from wakewright.apps.judge.keep import Keeper
from wakewright.apps.judge.limits import Limits
from wakewright.apps.judge.refusal import Refusal
from wakewright.apps.judge.server import Court
from wakewright.core.audio import Samples, write_wav
from wakewright.detect.judge import Verdict

PING = b"\x89\xfd\0\0\0\0" + b"x" * 125
PIECE = b"\x00\x80\0\0\0\0"
"""An empty piece of a message, behind its first."""


def part(disposition: bytes, content: bytes = b"x") -> bytes:
    return b"--b\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n" + content + b"\r\n"


def test_a_charset_of_the_client_s_is_not_worked_with(judge: Judge) -> None:
    """Python's punycode took 24 s for a field of 400 kB, in which nobody else was answered."""
    for charset, name in ((b"punycode", b'name="a"'), (b"unicode_escape", b'name="\\ud800"')):
        content = part(name, b"a-" + b"a" * 400_000) + b"--b--\r\n"
        kind = b"Content-Type: multipart/form-data; boundary=b; charset=" + charset
        head = b"POST /verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n" % len(content)
        began = time.monotonic()
        assert "needs one file" in refusal_in(judge.told(head + kind + b"\r\n\r\n" + content), 400)["what"]
        assert time.monotonic() - began < 3


def test_a_content_type_of_quotes_is_not_taken_apart() -> None:
    """The standard library took 6 s for this one."""
    began = time.monotonic()
    assert parameters_of('audio/l16; a="' + ";" * 60_000) == ("", {})
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"no boundary", "does not end with its boundary"),
        (part(b'name="file"; filename="x"'), "does not end with its boundary"),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "a part without a name"),
        (b"--b\r\n" + b"a: b\r\n" * 2000 + b"\r\nx\r\n--b--", "head does not end"),
        (part(b'name="x"') * 10 + b"--b--", "more than 9 parts"),
    ],
)
def test_forms_that_cannot_be_read(content: bytes, got: str) -> None:
    with pytest.raises(Refusal) as refused:
        form.file_in(content, "b")
    assert got in refused.value.got


@pytest.mark.parametrize("boundary", ["", "b" * 71])
def test_a_boundary_is_short(boundary: str) -> None:
    with pytest.raises(Refusal, match="cannot be read"):
        form.file_in(b"", boundary)


def test_a_form_is_read_as_it_is_meant() -> None:
    file = part(b'name="file"; filename="a; name=\\"other\\""', b"\r\n--bogus\r\n--b \r-- sound")
    assert form.file_in(b"before\r\n" + part(b'name="other"') + file + b"--b--\r\nafter", "b").endswith(b"sound")
    assert form.file_in(part(b"name=file; filename*=utf-8''x", b"") + b"--b--", "b") == b""


@pytest.mark.parametrize("letters", [b"\r", b"\r\n", b"\r\n-", b"\r\n--bx"])
def test_a_form_that_looks_like_its_boundary_everywhere_takes_no_time(letters: bytes) -> None:
    content = letters * (3_900_000 // len(letters))
    began = time.monotonic()
    assert form.file_in(part(b'name="file"; filename="x"', content) + b"--b--", "b")[:100] == content[:100]
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "kind", [b"FORM\x00\x00}.AIFFCOMM", b"caff\x00\x01", b".snd", b"MATLAB 5.0", b"NIST_1A", b" "]
)
def test_formats_that_are_not_heard_are_shown_to_no_reader(kind: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundfile.SoundFile", pytest.fail)
    with pytest.raises(Refusal, match="cannot be heard"):
        sound.from_file(kind + bytes(1000), 10.0)


@pytest.mark.parametrize(
    "content",
    [
        b"RIFF" + struct.pack("<I", 3_840_004) + b"WAVE" + b"abcd\0\0\0\0" * 480_000,
        b"\xff\xfb\x90\x00" * 900_000,
        b"OggS\0\2" + bytes(21) * 180_000,
        b"fLaC\0\0\0\x22" + bytes(34) + b"\1\0\0\0" * 900_000,
    ],
)
def test_files_of_nothing_but_headers_are_soon_refused(content: bytes) -> None:
    began = time.monotonic()
    with pytest.raises(Refusal, match="cannot be heard"):
        sound.from_file(content, 10.0)
    assert time.monotonic() - began < 5


def test_long_raw_sound_is_refused_before_it_is_converted(judge: Judge) -> None:
    content = bytes(3_999_984)
    kind = HEAD.replace(b"audio/L16", b"audio/L16;rate=4000;channels=8") + b"Connection: close\r\n"
    answer = judge.told(kind + b"Content-Length: %d\r\n\r\n" % len(content) + content)
    assert "too long" in refusal_in(answer, 413)["what"]


@pytest.mark.parametrize(
    "sent",
    [
        HEAD
        + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_a_request_whose_end_can_be_read_in_two_ways_is_the_last(judge: Judge, sent: bytes) -> None:
    answer = judge.told(sent)
    assert answer.count(b"\r\n\r\n") == 1  # one head
    assert "in two ways" in refusal_in(answer, 400)["what"]


@pytest.mark.parametrize(
    ("more", "got"),
    [
        (b"a: b\r\n" * 200, "128 headers"),
        (b"a: " + b"b" * 20_000 + b"\r\n", "8192 bytes"),
        (b"Content-Length: 5\r\n", "valid HTTP request"),
        (b"Transfer-Encoding: chunked\r\n", "valid HTTP request"),
    ],
)
def test_handshakes_that_break_the_reader_are_refused(judge: Judge, more: bytes, got: str) -> None:
    assert got in refusal_in(judge.told(HANDSHAKE + more + b"\r\n"), 400)["got"]


def test_there_is_no_way_to_another_host(judge: Judge) -> None:
    answer = judge.told(b"GET /models/ HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n")
    refusal_in(answer, 404)
    assert b"evil" not in answer


def streaming(judge: Judge) -> socket.socket:
    there = judge.dial()
    there.sendall(HANDSHAKE + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    got = b""
    while b'"ready"' not in got:
        got += there.recv(4096)
    assert b"deflate" not in got  # or a message of 256 bytes would hold seconds of sound
    return there


def sent_until_cut(there: socket.socket, content: bytes, most: int) -> int:
    """Bytes that were sent before the other side ended the connection."""
    sent = 0
    try:
        while sent < most:
            there.sendall(content)
            sent += len(content)
    except OSError:
        pass
    return sent


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x02\x80\0\0\0\0" + PIECE * 100, b"a message in too many pieces"),
        (b"\x82\x80\0\0\0\0" * 6000, b"too many messages"),
        (PIECE, b""),
        (b"\x82\xff" + (1 << 30).to_bytes(8, "big") + bytes(4), b""),
        (b"\x81\x82\0\0\0\0\xff\xff", b""),
    ],
)
def test_streams_that_break_the_rules_end(judge: Judge, content: bytes, what: bytes) -> None:
    with streaming(judge) as there:
        there.sendall(content)
        assert what in read(there)
    wait_for(lambda: len(judge.court.streams) == 0)
    assert judge.refused() == {"malformed": 1}


def test_what_breaks_the_protocol_after_its_refusal_is_not_refused_again(judge: Judge) -> None:
    with judge.dial() as there:
        there.sendall(HANDSHAKE.replace(b"/stream", b"/stream?rate=1") + b"\r\n")
        got = b""
        while b'"error"' not in got:
            got += there.recv(4096)
        wait_for(lambda: bool(judge.refused()))
        there.sendall(PIECE)  # of no message
        read(there)
    assert judge.refused() == {"unheard": 1}


@pytest.mark.parametrize("frame", [PING, PIECE])
def test_frames_without_end_are_cut_off(judge: Judge, frame: bytes) -> None:
    with streaming(judge) as there:
        if frame == PIECE:
            there.sendall(b"\x02\x80\0\0\0\0")
        most = 30_000_000
        assert sent_until_cut(there, frame * 500, most) < most
    wait_for(lambda: len(judge.court.streams) == 0)


def test_answers_that_are_not_read_do_not_stay(judge: Judge) -> None:
    """Thousands of them, on connections that were held for good: there is room for 512."""
    with socket.socket() as there:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        there.settimeout(2)
        there.connect(judge._listening.getsockname())
        ask = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        sent_until_cut(there, ask * 200, len(ask) * 5000)
        wait_for(lambda: judge.refused() == {"late": 1})
        wait_for(lambda: not judge.server.server_state.connections)


def test_who_reads_slowly_is_waited_for(judge: Judge) -> None:
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n"
    with judge.dial() as there:
        there.sendall((ask + b"\r\n") * 3 + ask + b"Connection: close\r\n\r\n")
        time.sleep(2.5)  # twice the patience: all of it is in the system's buffers
        assert read(there).count(b"HTTP/1.1 200") == 4


def test_a_long_message_of_a_stream_is_heard_in_turns(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    bench: Any = judge.court.bench
    turns: list[str] = []
    run = bench.run

    def counted(client: str, work: Any) -> Any:
        turns.append(client)
        return run(client, work)

    monkeypatch.setattr(bench, "run", counted)
    with streaming(judge) as there:
        content = bytes(32_000 * 5)  # five seconds
        there.sendall(b"\x82\xff" + len(content).to_bytes(8, "big") + bytes(4) + content)
        wait_for(lambda: len(turns) == 3)
        there.sendall(b"\x88\x80\0\0\0\0")
        read(there)
    wait_for(lambda: len(judge.court.streams) == 0)


def test_streams_that_come_and_go_load_one_detector(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    streaming(judge).close()
    wait_for(lambda: len(judge.court._detectors) == 1)
    monkeypatch.setattr("wakewright.apps.judge.server.Detector", None)
    for _ in range(3):
        streaming(judge).close()
        wait_for(lambda: len(judge.court._detectors) == 1)


def test_only_what_was_kept_makes_room(tmp_path: Path, noise: Samples) -> None:
    mine = tmp_path / "holiday.wav"
    write_wav(mine, np.tile(noise, 10))
    verdict = Verdict("hey katya", True, 0.9, 0.5, 1.0)
    for most in (200_000, 100_000):  # the second finds what the first has kept
        keeper = Keeper(tmp_path, most)
        for _ in range(4):
            assert keeper.keep(noise, verdict, "model") is None
        kept = [path for path in tmp_path.iterdir() if path != mine]
        assert 0 < sum(path.stat().st_size for path in kept) <= most
        assert max(kept).suffix == ".wav"
    assert mine.exists()


def test_a_folder_that_cannot_be_written_is_told_and_costs_no_verdict(tmp_path: Path, noise: Samples) -> None:
    folder = tmp_path / "kept"
    keeper = Keeper(folder, 10**6)
    verdict = Verdict("hey katya", False, 0.1, 0.5, 1.0)
    assert keeper.keep(noise, verdict, "model") is None
    shutil.rmtree(folder)
    folder.write_bytes(b"")
    told = keeper.keep(noise, verdict, "model")
    assert told is not None
    assert str(folder) in told


def test_a_judge_that_is_attacked_still_answers(exported: dict[str, Path], noise: Samples) -> None:
    """Pieces of streams without end, while another asks."""
    court = Court((exported["speech_embedding"],), Limits(per_second=0), threads=1)
    whole = (noise * 32767).astype("<i2").tobytes()
    with Judge(court).running() as judge, streaming(judge) as flood, judge.dial() as quiet:
        flood.settimeout(5)
        flood.sendall(b"\x02\x80\0\0\0\0")
        sent_until_cut(flood, PIECE * 1000, 6_000_000)
        quiet.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(whole) + whole)
        assert answer_from(quiet).startswith(b"HTTP/1.1 200")
