"""Getting a corpus: fetched from a server on this machine, checked, unpacked, listed; killed anywhere, it goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wakewright.core.errors import AudioError, DiskFull, EnvironmentProblem, InputError, RunError
from wakewright.core.lock import exclusive
from wakewright.core.manifest import Manifest
from wakewright.core.progress import Progress
from wakewright.data.corpus import CORPORA
from wakewright.data.corpus import get as module
from wakewright.data.corpus.corpus import Corpus, Part
from wakewright.data.corpus.get import Wanted, describe, fetch, refuse_without_room, take, wanted
from wakewright.data.download import part_of

WORDS = {f"./{word}/{person}_nohash_0.wav": 0.3 for word in ("yes", "no") for person in ("aa", "bb", "cc")}


def packed(seed: int = 1, count: int = 1, seconds: float = 0.3) -> bytes:
    """A Speech Commands of six words, times `count`; noise does not pack, so its size is that of the sound."""
    rng = np.random.default_rng(seed)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        for name in WORDS:
            for number in range(count):
                wav = io.BytesIO()
                soundfile.write(wav, rng.normal(0, 0.1, round(seconds * 16_000)), 16_000, format="WAV")
                info = tarfile.TarInfo(name.replace("_0", f"_{number}"))
                info.size = len(wav.getvalue())
                tar.addfile(info, io.BytesIO(wav.getvalue()))
    return out.getvalue()


DATA = packed()


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "corpora"


def corpus_of(web: Any, data: bytes = DATA, *, checked: bool = True) -> Corpus:
    """Speech Commands at the test's server."""
    web.files["data/words.tar.gz"] = data
    checksum = "md5:" + hashlib.md5(data).hexdigest() if checked else None
    part = Part("v2", f"{web.address}/data/words.tar.gz", len(data), 2 * len(data), checksum, exact=checked)
    return dataclasses.replace(CORPORA["speech-commands"], parts=(part,))


def order(web: Any, root: Path, data: bytes = DATA, *, checked: bool = True) -> Wanted:
    corpus = corpus_of(web, data, checked=checked)
    return Wanted(corpus, corpus.parts[0], root)


def get(one: Wanted) -> tuple[Manifest, list[str]]:
    said: list[str] = []
    made = fetch(one, say=said.append, progress=Progress(quiet=True), pause_s=0.001)
    return made, said


def files_in(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and p.name != ".lock")


def assert_whole(one: Wanted, clips: int = 6) -> None:
    made = Manifest.read(one.folder / "clips.jsonl")
    assert len(made) == clips
    assert all(Path(clip.path).is_file() for clip in made)
    assert {clip.speaker for clip in made} == {"aa", "bb", "cc"}
    assert {clip.text for clip in made} == {"yes", "no"}
    assert len(files_in(one.root)) == clips + 1  # the sound and its list: no archive, no part, nothing half unpacked


def test_a_corpus_arrives_whole(web: Any, root: Path) -> None:
    one = order(web, root)
    assert not one.here
    made, said = get(one)
    assert one.here
    assert said == []
    assert made == Manifest.read(one.folder / "clips.jsonl")
    assert made.clips[0].licence == "CC-BY-4.0"
    assert_whole(one)


def test_what_is_here_is_not_fetched_again(web: Any, root: Path) -> None:
    one = order(web, root)
    made, _ = get(one)
    web.asked.clear()
    again, said = get(one)
    assert again == made
    assert said == [f"speech-commands: already here, {one.folder}"]
    assert web.asked == []


def test_a_folder_that_was_moved_is_listed_anew(web: Any, root: Path, tmp_path: Path) -> None:
    get(order(web, root))
    shutil.move(root, tmp_path / "elsewhere")
    web.asked.clear()
    one = order(web, tmp_path / "elsewhere")
    get(one)
    assert_whole(one)
    assert web.asked == []


def test_other_bytes_than_the_publisher_lists_are_not_unpacked(web: Any, root: Path) -> None:
    one = order(web, root)
    web.files["data/words.tar.gz"] = packed(seed=2)[: len(DATA)].ljust(len(DATA), b"x")
    with pytest.raises(
        EnvironmentProblem, match=r"(?s)something else than its publisher lists.*MD5.*--from words.tar.gz"
    ):
        get(one)
    assert files_in(root) == []
    web.files["data/words.tar.gz"] = DATA
    get(one)
    assert_whole(one)


def test_offline_says_how_to_bring_it_by_hand(root: Path) -> None:
    corpus = CORPORA["speech-commands"]
    part = dataclasses.replace(corpus.parts[0], address="http://127.0.0.1:9/words.tar.gz")
    with pytest.raises(EnvironmentProblem) as caught:
        get(Wanted(dataclasses.replace(corpus, parts=(part,)), part, root))
    assert caught.value.what == "http://127.0.0.1:9/words.tar.gz cannot be reached"
    assert "refused" in caught.value.got
    assert "wakewright data get speech-commands/v2 --from words.tar.gz" in caught.value.do


# ------------------------------------------------------------------------------------ without a checksum


def test_without_a_checksum_the_first_one_is_kept_and_compared(web: Any, root: Path, tmp_path: Path) -> None:
    get(order(web, root, checked=False))
    seen = tmp_path / "cache" / "corpora" / "seen.json"
    kept = json.loads(seen.read_text())
    assert {entry["sha256"] for entry in kept.values()} == {"sha256:" + hashlib.sha256(DATA).hexdigest()}
    get(order(web, tmp_path / "again", checked=False))
    other = order(web, tmp_path / "third", packed(seed=2), checked=False)
    with pytest.raises(
        EnvironmentProblem, match=r"(?s)is not the file that came on 20.*then sha256:.*remove the entry"
    ):
        get(other)
    assert not other.folder.exists()
    web.asked.clear()
    seen.unlink()  # as the message says
    get(other)
    assert web.asked == []  # the archive was still there
    assert_whole(other)


def test_an_archive_without_a_checksum_that_is_none_is_removed_and_not_remembered(web: Any, root: Path) -> None:
    one = order(web, root, b"no archive at all", checked=False)
    with pytest.raises(InputError, match="is damaged, cut off, or neither"):
        get(one)
    assert files_in(root) == []
    one = order(web, root, checked=False)
    get(one)
    assert_whole(one)


def test_a_broken_memory_of_what_came_first(web: Any, root: Path, tmp_path: Path) -> None:
    seen = tmp_path / "cache" / "corpora" / "seen.json"
    seen.parent.mkdir(parents=True)
    seen.write_text("{")
    with pytest.raises(EnvironmentProblem, match=r"(?s)seen.json cannot be read.*remove it"):
        get(order(web, root, checked=False))


# ------------------------------------------------------------------------------------ killed


RUN = """
import dataclasses, sys
from pathlib import Path
from wakewright.core.progress import Progress
from wakewright.data.corpus import CORPORA
from wakewright.data.corpus.corpus import Part
from wakewright.data.corpus.get import Wanted, fetch
address, size, md5, root = sys.argv[1:5]
part = Part("v2", address, int(size), 2 * int(size), md5)
corpus = dataclasses.replace(CORPORA["speech-commands"], parts=(part,))
print("begins", flush=True)
fetch(Wanted(corpus, part, Path(root)), say=print, progress=Progress(quiet=True))
print("done", flush=True)
"""


def start(one: Wanted) -> subprocess.Popen[bytes]:
    """The same in a process of its own, once it has loaded everything."""
    words = [one.part.address, str(one.part.size), str(one.part.checksum), str(one.root)]
    child = subprocess.Popen([sys.executable, "-c", RUN, *words], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == b"begins"
    return child


def kill(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    child.communicate()


def wait_for(what: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_kill_in_the_middle_of_the_download(web: Any, root: Path) -> None:
    data = packed(count=10)
    one = order(web, root, data)
    web.stalls_after = len(data) // 2
    part = part_of(one.archive)
    child = start(one)
    wait_for(lambda: part.exists() and part.stat().st_size > len(data) // 3)
    kill(child)
    have = part.stat().st_size
    assert files_in(root) == [
        "downloads/speech-commands/words.tar.gz.part",
        "downloads/speech-commands/words.tar.gz.part.json",
    ]
    web.stall.set()
    web.asked.clear()
    get(one)
    assert web.asked == [("data/words.tar.gz", f"bytes={have}-")]
    assert web.conditions[-1] == '"one"'
    assert_whole(one, 60)


def test_a_kill_in_the_middle_of_unpacking(web: Any, root: Path) -> None:
    data = packed(count=200, seconds=0.05)
    one = order(web, root, data)
    growing = one.folder.with_name(".v2.unpacking")
    child = start(one)
    wait_for(lambda: growing.is_dir() and sum(1 for _ in growing.rglob("*.wav")) > 50)
    kill(child)
    assert growing.is_dir()
    assert not one.folder.exists()
    web.asked.clear()
    get(one)
    assert web.asked == []
    assert_whole(one, 1200)


def test_a_kill_between_unpacking_and_the_list(web: Any, root: Path) -> None:
    one = order(web, root)
    get(one)
    (one.folder / "clips.jsonl").unlink()
    one.archive.parent.mkdir(parents=True, exist_ok=True)
    one.archive.write_bytes(DATA)
    assert not one.here
    web.asked.clear()
    get(one)
    assert web.asked == []
    assert_whole(one)


def test_a_kill_after_the_list_leaves_no_archive_for_ever(web: Any, root: Path) -> None:
    one = order(web, root)
    get(one)
    one.archive.parent.mkdir(parents=True, exist_ok=True)
    one.archive.write_bytes(DATA)
    get(one)
    assert_whole(one)


def test_kills_at_any_moment_end_in_the_same(web: Any, root: Path, tmp_path: Path) -> None:
    """Killed after ever longer, it is whole in the end, and the same as if nothing had happened."""
    data = packed(count=40, seconds=0.1)
    web.bytes_per_second = 4_000_000
    one = order(web, root, data)
    kills, delay = 0, 0.0
    for _ in range(60):
        child = start(one)
        try:
            said, _ = child.communicate(timeout=delay)
        except subprocess.TimeoutExpired:
            kill(child)
            kills += 1
            delay += 0.05
            continue
        assert said.strip().endswith(b"done")
        break
    assert kills >= 3
    assert_whole(one, 240)
    undisturbed = order(web, tmp_path / "undisturbed", data)
    get(undisturbed)
    assert {name: (root / name).read_bytes() for name in files_in(root) if name.endswith(".wav")} == {
        name: (undisturbed.root / name).read_bytes() for name in files_in(undisturbed.root) if name.endswith(".wav")
    }


def test_a_second_process_is_told_to_wait(web: Any, root: Path) -> None:
    one = order(web, root)
    program = (
        "import sys\nfrom pathlib import Path\nfrom wakewright.core.lock import exclusive\n"
        "with exclusive(Path(sys.argv[1])) as held:\n    print(held, flush=True)\n    sys.stdin.read()\n"
    )
    lock = str(root / "speech-commands" / ".lock")
    with subprocess.Popen(
        [sys.executable, "-c", program, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"True"
        with pytest.raises(
            RunError, match=rf"(?s)is being fetched already.*process {child.pid}.*wait until it is done"
        ):
            get(one)
        child.kill()
    get(one)
    with exclusive(Path(lock)) as held:
        assert held


# ------------------------------------------------------------------------------------ disks


@pytest.fixture
def tiny_disk(disk_of: Callable[[str], Path]) -> Path:
    """A file system of 1 MiB."""
    return disk_of("1m")


def test_a_disk_that_fills_while_it_downloads_keeps_the_part(web: Any, tiny_disk: Path) -> None:
    data = packed(count=4)
    one = order(web, tiny_disk / "corpora", data)
    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(900_000))
    assert len(data) > 200_000
    with pytest.raises(DiskFull, match=r"(?s)no room to write .*words.tar.gz.*--to\), then run it again: it goes on"):
        get(one)
    have = part_of(one.archive).stat().st_size
    assert have > 100_000
    filler.unlink()
    web.asked.clear()
    get(one)
    assert web.asked == [("data/words.tar.gz", f"bytes={have}-")]
    assert_whole(one, 24)


def test_a_disk_that_fills_while_it_unpacks_keeps_the_archive(web: Any, tiny_disk: Path) -> None:
    data = packed(count=4)
    one = order(web, tiny_disk / "corpora", data)
    (tiny_disk / "filler").write_bytes(bytes(1_000_000 - int(1.4 * len(data))))
    with pytest.raises(DiskFull, match="no room to write"):
        get(one)
    assert files_in(one.root) == ["downloads/speech-commands/words.tar.gz"]
    (tiny_disk / "filler").unlink()
    web.asked.clear()
    get(one)
    assert web.asked == []
    assert_whole(one, 24)


def test_room_is_looked_for_before_anything_is_fetched(web: Any, tiny_disk: Path) -> None:
    corpus = corpus_of(web)
    big = dataclasses.replace(corpus.parts[0], size=900_000, unpacked=200_000)
    one = Wanted(corpus, big, tiny_disk / "new" / "corpora")
    with pytest.raises(DiskFull, match=r"(?s)no room for it in .*corpora.*1.0 MB free; 1.1 MB are needed.*with --to"):
        refuse_without_room([one], one.root)
    fits = dataclasses.replace(big, unpacked=100_000)
    refuse_without_room([Wanted(corpus, fits, one.root)], one.root)


def test_room_for_several_counts_archives_once_and_what_is_here_not(web: Any, tiny_disk: Path) -> None:
    corpus = corpus_of(web)

    def part(name: str, size: int, unpacked: int) -> Wanted:
        return Wanted(
            corpus, dataclasses.replace(corpus.parts[0], name=name, size=size, unpacked=unpacked), tiny_disk
        )

    several = [part("a", 500_000, 250_000), part("b", 500_000, 250_000)]
    refuse_without_room(several, tiny_disk)
    with pytest.raises(DiskFull):
        refuse_without_room([*several, part("c", 500_000, 250_000)], tiny_disk)
    got = part_of(several[1].archive)
    got.parent.mkdir(parents=True)
    got.write_bytes(bytes(300_000))
    assert several[1].to_fetch == 200_000
    several[0].folder.mkdir(parents=True)
    assert several[0].to_fetch == 0


# ------------------------------------------------------------------------------------ brought by hand


def bring(name: str, given: Path, root: Path) -> tuple[Wanted, Manifest, list[str]]:
    said: list[str] = []
    one, made = take(name, given, root, say=said.append, progress=Progress(quiet=True))
    return one, made, said


def test_an_archive_brought_by_hand(web: Any, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORPORA, "speech-commands", corpus_of(web))
    given = tmp_path / "words.tar.gz"
    given.write_bytes(DATA)
    one, made, _ = bring("speech-commands", given, root)
    assert len(made) == 6
    assert_whole(one)
    assert given.read_bytes() == DATA
    assert web.asked == []
    assert get(one)[1] == [f"speech-commands: already here, {one.folder}"]


def test_an_archive_that_is_another(web: Any, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORPORA, "speech-commands", corpus_of(web))
    given = tmp_path / "words.tar.gz"
    given.write_bytes(packed(seed=2))
    with pytest.raises(
        InputError, match=r"(?s)is not speech-commands as its publisher lists it.*bytes, md5:.*not md5:"
    ):
        bring("speech-commands", given, root)
    assert files_in(root) == []


def test_an_archive_without_a_checksum_is_compared_too(
    web: Any, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(order(web, root, checked=False))
    monkeypatch.setitem(CORPORA, "speech-commands", corpus_of(web, checked=False))
    given = tmp_path / "words.tar.gz"
    given.write_bytes(packed(seed=2))
    with pytest.raises(EnvironmentProblem, match="is not the file that came on"):
        bring("speech-commands", given, tmp_path / "other")
    given.write_bytes(DATA)
    assert len(bring("speech-commands", given, tmp_path / "other")[1]) == 6


def test_which_part_an_archive_is(tmp_path: Path) -> None:
    given = tmp_path / "dev-clean.tar.gz"
    given.write_bytes(b"")
    assert module._meant("librispeech", given, tmp_path).name == "librispeech/dev-clean"
    assert module._meant("demand", tmp_path / "TCAR_16k.zip", tmp_path).name == "demand/tcar"
    assert module._meant("librispeech/dev-other", given, tmp_path).name == "librispeech/dev-other"
    assert module._meant("musan", tmp_path / "x.tgz", tmp_path).name == "musan"
    with pytest.raises(InputError, match=r"(?s)which part of demand is .*demand/PART, one of: dkitchen"):
        module._meant("demand", tmp_path / "x.zip", tmp_path)


def test_a_folder_brought_by_hand_stays_where_it_is(
    web: Any, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "mine"
    with tarfile.open(fileobj=io.BytesIO(DATA)) as tar:
        tar.extractall(there, filter="data")
    before = files_in(there)
    one, made, _ = bring("speech-commands", there, root)
    assert files_in(there) == before
    assert files_in(root) == ["speech-commands/v2/clips.jsonl"]
    assert all(Path(clip.path).is_relative_to(there) for clip in made)
    assert one.here


def test_common_voice_comes_by_path_alone(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)common-voice cannot be fetched.*no account.*--path"):
        wanted(["common-voice"], root)
    folder = tmp_path / "cv-corpus" / "eo"
    (folder / "clips").mkdir(parents=True)
    soundfile.write(folder / "clips" / "common_voice_eo_1.mp3", np.zeros(32_000), 32_000, format="MP3")
    (folder / "validated.tsv").write_text("client_id\tpath\tsentence\nab\tcommon_voice_eo_1.mp3\tSaluton\n")
    with tarfile.open(tmp_path / "eo.tar.gz", "w:gz") as tar:
        tar.add(folder, "cv-corpus/eo")
    one, made, _ = bring("common-voice", tmp_path / "eo.tar.gz", root)
    assert one.folder == root / "common-voice" / "eo"
    assert [(clip.speaker, clip.text) for clip in made] == [("ab", "Saluton")]
    one, made, _ = bring("common-voice", folder, tmp_path / "other")
    assert Path(made.clips[0].path).is_relative_to(folder)


def test_a_path_that_is_not_there(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)there is nothing at .*nowhere.*check the path"):
        bring("musan", tmp_path / "nowhere", root)


def test_a_folder_without_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match=r"(?s)there is nothing of musan in .*unpacked as it was packed"):
        bring("musan", tmp_path / "empty", root)


def test_unreadable_files_are_told(web: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakewright.data.corpus.clips.MOST_UNREADABLE", 0.9)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar, tarfile.open(fileobj=io.BytesIO(DATA)) as good:
        for info in good:
            tar.addfile(info, good.extractfile(info))
        for number in range(12):
            tar.addfile(tarfile.TarInfo(f"./yes/dd_nohash_{number}.wav"))
    made, said = get(order(web, root, data.getvalue()))
    assert len(made) == 6
    assert len(said) == 11
    assert "dd_nohash_0.wav cannot be used: an empty file" in said[0]
    assert said[10] == "speech-commands: left out 2 more that cannot be read"


def test_a_part_of_tables_gives_no_clips_and_counts_as_here(web: Any, root: Path) -> None:
    one = order(web, root)
    one = dataclasses.replace(one, part=dataclasses.replace(one.part, tables=True))
    made, _ = get(one)
    assert len(made) == 0
    assert one.here
    web.asked.clear()
    assert len(get(one)[0]) == 0
    assert web.asked == []


# ------------------------------------------------------------------------------------ what is said


def test_what_is_said_before_it_is_fetched(root: Path) -> None:
    (libri,) = wanted(["librispeech/dev-clean"], root)
    text = describe(libri)
    for part in (
        "https://www.openslr.org/resources/12/dev-clean.tar.gz",
        "337.9 MB to fetch, about 354.8 MB unpacked",
        "CC-BY-4.0; commercial use allowed",
        "MD5 by its publisher",
        str(root / "librispeech" / "dev-clean"),
    ):
        assert part in text
    (esc,) = wanted(["esc50"], root)
    assert "about 647.0 MB to fetch" in describe(esc)
    assert "CC-BY-NC-3.0; NO commercial use" in describe(esc)
    assert "the publisher gives no checksum" in describe(esc)
    (fma,) = wanted(["fma/small"], root)
    assert "commercial use not clear" in describe(fma)
    assert "non-commercial" in describe(fma)


def test_a_part_asked_for_twice_is_one(root: Path) -> None:
    assert [one.name for one in wanted(["demand/tbus", "demand", "demand/tbus"], root)][:2] == [
        "demand/tbus",
        "demand/dkitchen",
    ]
    assert len(wanted(["demand/tbus", "demand"], root)) == 17


def test_sizes() -> None:
    assert [module.size(count) for count in (900, 12_345, 337_926_286, 11_086_114_085)] == [
        "1 kB",
        "12 kB",
        "337.9 MB",
        "11.1 GB",
    ]
