"""The downloader, against a server that misbehaves in every way connections do."""

from __future__ import annotations

import hashlib
import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wakewright.core.errors import EnvironmentProblem
from wakewright.data import download as module
from wakewright.data.download import Remote, checksum_of, download, is_listed, part_of

DATA = np.random.default_rng(1).bytes(400_000)
OTHER = np.random.default_rng(2).bytes(400_000)
BY_HAND = "bring it by hand"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def remote(web: Any, *, size: int | None = len(DATA), checksum: str | None = digest(DATA), most: int = 0) -> Remote:
    return Remote(f"{web.address}/a.tar.gz", size, checksum, most or 4 * len(DATA), "is listed", BY_HAND)


@pytest.fixture(autouse=True)
def _serve(web: Any) -> None:
    web.files["a.tar.gz"] = DATA


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "a.tar.gz"


def get(wanted: Remote, path: Path) -> list[int]:
    told: list[int] = []
    download(wanted, path, told=told.append, pause_s=0.001)
    assert path.read_bytes() in (DATA, OTHER)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return told


def ranges(web: Any) -> list[str]:
    return [asked for _, asked in web.asked]


def test_a_file_arrives_and_every_byte_is_told(web: Any, path: Path) -> None:
    assert sum(get(remote(web), path)) == len(DATA)
    assert ranges(web) == [""]


def test_it_goes_on_where_the_connection_dropped_and_names_the_version_it_has(web: Any, path: Path) -> None:
    web.drops_after = 150_000
    assert sum(get(remote(web, size=None, checksum=None), path)) == len(DATA)
    assert ranges(web) == ["", "bytes=150000-"]
    assert web.conditions == ['"one"']


def test_a_connection_that_drops_again_and_again_gets_there(web: Any, path: Path) -> None:
    web.drops_after, web.always_drops = 70_000, True
    get(remote(web), path)
    assert len(web.asked) == 6


def test_a_later_run_goes_on(web: Any, path: Path) -> None:
    leave_part(web, path, DATA[:100_000])
    get(remote(web, size=None, checksum=None), path)
    assert ranges(web) == ["bytes=100000-"]


def leave_part(web: Any, path: Path, data: bytes, **changed: object) -> None:
    """What a killed run leaves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part_of(path).write_bytes(data)
    note = {"etag": web.etag, "modified": web.modified, "length": len(DATA)} | changed
    path.with_name(path.name + ".part.json").write_text(json.dumps(note))


@pytest.mark.parametrize("honours", [True, False])
def test_a_file_that_changed_between_two_runs_starts_again(web: Any, path: Path, honours: bool) -> None:
    """Whether or not the server heeds If-Range: what came of the old file and the new do not fit together."""
    leave_part(web, path, OTHER[:100_000], etag='"before"')
    web.honours_condition = honours
    told = get(remote(web, size=None, checksum=None), path)
    assert path.read_bytes() == DATA
    assert -100_000 in told
    assert sum(told) == len(DATA) - 100_000


def test_a_file_that_changes_between_two_tries_starts_again(web: Any, path: Path) -> None:
    web.drops_after = 150_000
    web.changes_to = ('"two"', OTHER)
    get(remote(web, size=None, checksum=None), path)
    assert path.read_bytes() == OTHER


def test_the_date_tells_versions_apart_where_the_etag_is_weak(web: Any, path: Path) -> None:
    web.etag, web.modified = 'W/"one"', "Wed, 11 Apr 2018 19:41:55 GMT"
    web.drops_after = 150_000
    get(remote(web), path)
    assert web.conditions == [web.modified]
    path.unlink()
    leave_part(web, path, OTHER[:100_000], modified="Tue, 10 Apr 2018 19:41:55 GMT")
    get(remote(web, size=None, checksum=None), path)
    assert path.read_bytes() == DATA


def test_a_length_that_differs_is_another_version(web: Any, path: Path) -> None:
    web.etag = None
    leave_part(web, path, OTHER[:100_000], length=500_000)
    get(remote(web, size=None, checksum=None), path)
    assert path.read_bytes() == DATA


def test_a_part_of_unknown_version_goes_on_only_where_a_checksum_will_tell(web: Any, path: Path) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(DATA[:100_000])
    get(remote(web), path)
    path.unlink()
    part_of(path).write_bytes(OTHER[:100_000])
    get(remote(web, checksum=None), path)
    assert path.read_bytes() == DATA
    assert ranges(web) == ["bytes=100000-", ""]


def test_a_note_that_is_none_counts_as_missing(web: Any, path: Path) -> None:
    for text in ("{", "[]", "{}"):
        leave_part(web, path, DATA[:1000])
        path.with_name(path.name + ".part.json").write_text(text)
        get(remote(web), path)
        path.unlink()


def test_a_server_that_sends_all_in_place_of_the_rest(web: Any, path: Path) -> None:
    web.drops_after, web.honours_range = 150_000, False
    told = get(remote(web), path)
    assert -150_000 in told
    assert sum(told) == len(DATA)


def test_a_server_without_ranges_that_always_drops_is_given_up(web: Any, path: Path) -> None:
    web.drops_after, web.honours_range, web.always_drops = 150_000, False, True
    with pytest.raises(
        EnvironmentProblem, match=r"(?s)cannot be reached.*goes on where it stopped\), or bring it by"
    ):
        get(remote(web), path)
    assert len(web.asked) == module.ATTEMPTS + 1  # the first gained something


def test_fresh_starts_do_not_go_on_for_ever(web: Any, path: Path) -> None:
    """Without ranges, breaking now earlier and now later: each other try seems to gain."""
    web.honours_range, web.drops_at = False, [300_000, 100_000]
    with pytest.raises(EnvironmentProblem, match="cannot be reached"):
        get(remote(web), path)
    assert len(web.asked) == module.ATTEMPTS + 1


def test_another_range_than_asked_is_not_taken(web: Any, path: Path) -> None:
    leave_part(web, path, DATA[:100_000])
    web.shifts_range = 10
    with pytest.raises(
        EnvironmentProblem, match=r"(?s)cannot be reached.*another part of the file than it was asked"
    ):
        get(remote(web), path)
    assert part_of(path).read_bytes() == DATA[:100_000]
    web.shifts_range = 0
    get(remote(web), path)


def test_a_server_that_announces_more_than_it_sends(web: Any, path: Path) -> None:
    web.adds_to_length = 50
    get(remote(web), path)


def test_a_server_that_announces_less_than_is_listed_is_refused_at_once(web: Any, path: Path) -> None:
    web.files["a.tar.gz"] = DATA[:10]
    with pytest.raises(
        EnvironmentProblem, match=r"(?s)something else than is listed.*got: 10 bytes; listed are 400000"
    ):
        get(remote(web), path)
    assert list(path.parent.iterdir()) == []


def test_such_an_answer_does_not_cost_what_is_there(web: Any, path: Path) -> None:
    leave_part(web, path, DATA[:100_000])
    web.etag, web.files["a.tar.gz"] = '"oops"', DATA[:10]
    with pytest.raises(EnvironmentProblem, match="something else"):
        get(remote(web), path)
    assert part_of(path).read_bytes() == DATA[:100_000]


def test_without_a_listed_size_far_too_much_is_refused_at_once(web: Any, path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"got: 400000 bytes; listed are at most 1000 bytes"):
        get(remote(web, size=None, checksum=None, most=1000), path)
    assert list(path.parent.iterdir()) == []


def test_and_far_too_much_unannounced_is_cut(web: Any, path: Path) -> None:
    web.tells_length = False
    with pytest.raises(EnvironmentProblem, match=r"got: 65536 bytes; listed are at most 1000 bytes"):
        get(remote(web, size=None, checksum=None, most=1000), path)
    assert list(path.parent.iterdir()) == []


def test_a_server_that_tells_no_length(web: Any, path: Path) -> None:
    web.tells_length = False
    get(remote(web, size=None, checksum=None), path)


def test_a_killed_download_of_unknown_length_is_not_taken_for_whole(web: Any, path: Path) -> None:
    web.tells_length = False
    leave_part(web, path, DATA[:100_000], length=None)
    get(remote(web, size=None, checksum=None), path)
    assert ranges(web) == ["bytes=100000-"]


def test_other_bytes_than_listed(web: Any, path: Path) -> None:
    web.files["a.tar.gz"] = OTHER
    with pytest.raises(
        EnvironmentProblem, match=rf"(?s)something else.*SHA256 .*; listed are .*{digest(DATA)[7:]}.*try"
    ):
        get(remote(web), path)
    assert list(path.parent.iterdir()) == []


def test_a_web_page_in_place_of_the_file(web: Any, path: Path) -> None:
    """A hotel's log-in page, say. What came before stays."""
    leave_part(web, path, DATA[:100_000])
    web.content_type = "text/html; charset=utf-8"
    web.etag, web.files["a.tar.gz"] = None, b"<html>log in first</html>"
    with pytest.raises(EnvironmentProblem, match=r"(?s)answers with a web page.*got: text/html.*log in.*bring it"):
        get(remote(web), path)
    assert part_of(path).read_bytes() == DATA[:100_000]


def test_a_busy_server_is_asked_again(web: Any, path: Path) -> None:
    web.statuses = [503, 500, 429, 408]
    get(remote(web), path)
    assert len(web.asked) == 5


def test_but_not_for_ever(web: Any, path: Path) -> None:
    web.statuses = [503] * 9
    with pytest.raises(EnvironmentProblem, match=r"(?s)was refused.*HTTP 503.*try again later; bring it by hand"):
        get(remote(web), path)
    assert len(web.asked) == module.ATTEMPTS


def test_pauses_grow_and_the_server_may_name_one(web: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    web.statuses = [503, 503, 503]
    download(remote(web), path, pause_s=1.0)
    assert slept == [1.0, 2.0, 4.0]
    web.statuses, web.retry_after = [429, 429], "7"
    path.unlink()
    slept.clear()
    download(remote(web), path, pause_s=1.0)
    web.statuses, web.retry_after = [429], "86400"
    path.unlink()
    download(remote(web), path, pause_s=1.0)
    assert slept == [7.0, 7.0, module.LONGEST_PAUSE_S]


@pytest.mark.parametrize(
    ("status", "said"), [(404, "may have moved"), (410, "may have moved"), (403, "try again later")]
)
def test_a_refusal_is_final(web: Any, path: Path, status: int, said: str) -> None:
    web.statuses = [status]
    with pytest.raises(EnvironmentProblem, match=rf"(?s)was refused.*HTTP {status}.*{said}.*bring it by hand"):
        get(remote(web), path)
    assert len(web.asked) == 1


def test_a_redirect_is_followed_with_the_range(web: Any, path: Path) -> None:
    web.redirects["old"] = f"{web.address}/a.tar.gz"
    web.drops_after = 150_000
    wanted = Remote(f"{web.address}/old", len(DATA), digest(DATA), len(DATA), "is listed", BY_HAND)
    get(wanted, path)
    assert web.asked[2:] == [("old", "bytes=150000-"), ("a.tar.gz", "bytes=150000-")]


def test_redirects_in_a_circle(web: Any, path: Path) -> None:
    web.redirects = {"b": f"{web.address}/c", "c": f"{web.address}/b"}
    wanted = Remote(f"{web.address}/b", len(DATA), None, len(DATA), "is listed", BY_HAND)
    with pytest.raises(EnvironmentProblem, match=r"(?s)was refused.*infinite loop"):
        download(wanted, path, pause_s=0.001)


def test_a_redirect_from_https_to_an_open_connection_is_refused() -> None:
    request = urllib.request.Request("https://example.org/a")
    handler = module._StaysSecure()
    with pytest.raises(urllib.error.HTTPError, match="redirected from https to http"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://example.org/a")  # type: ignore[arg-type]
    plain = urllib.request.Request("http://example.org/a")
    with pytest.raises(urllib.error.HTTPError, match="redirected from http to ftp"):
        handler.redirect_request(plain, None, 302, "Found", {}, "ftp://example.org/a")  # type: ignore[arg-type]
    assert handler.redirect_request(request, None, 302, "Found", {}, "https://example.org/b") is not None  # type: ignore[arg-type]


def test_a_server_that_falls_silent(web: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    web.stalls_after = 65_536  # each connection brings so much and then no more
    get(remote(web), path)
    assert len(web.asked) == 7
    path.unlink()
    web.stalls_after = 0
    with pytest.raises(EnvironmentProblem, match=r"(?s)cannot be reached.*timed out.*goes on where it stopped"):
        get(remote(web), path)


def test_a_slow_server_is_waited_for(web: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    web.bytes_per_second = 1_000_000
    get(remote(web), path)
    assert len(web.asked) == 1


def test_offline(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/a"
    with pytest.raises(
        EnvironmentProblem, match=r"(?s)cannot be reached.*refused.*check the network.*bring it by hand"
    ):
        download(Remote(address, 1, None, 1, "is listed", BY_HAND), tmp_path / "a", pause_s=0.001)


def test_a_file_shorter_than_its_part(web: Any, path: Path) -> None:
    """Asked for what follows, the server says that nothing does."""
    leave_part(web, path, DATA[:300_000], etag=None)
    web.etag, web.files["a.tar.gz"] = None, DATA[:200_000]
    with pytest.raises(EnvironmentProblem, match=r"got: 300000 bytes"):
        get(remote(web), path)
    assert list(path.parent.iterdir()) == []


def test_what_is_listed_is_known_by_size_and_checksum(tmp_path: Path, web: Any) -> None:
    file = tmp_path / "a"
    assert not is_listed(file, remote(web))
    file.write_bytes(DATA)
    assert is_listed(file, remote(web))
    assert is_listed(file, remote(web, size=None, checksum=None))
    file.write_bytes(OTHER)
    assert not is_listed(file, remote(web))
    assert is_listed(file, remote(web, checksum=None))
    file.write_bytes(DATA[:-1])
    assert not is_listed(file, remote(web, checksum=None))
    assert checksum_of(file, "md5") == "md5:" + hashlib.md5(DATA[:-1]).hexdigest()
