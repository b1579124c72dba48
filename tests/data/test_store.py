"""The feature store: the same for any number of workers, whole or made again, exactly what the front ends give."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wakewright.core.errors import DiskFull, RunError
from wakewright.core.lock import exclusive
from wakewright.core.manifest import Kind, Manifest
from wakewright.core.recipe import Augment
from wakewright.data import store, streams
from wakewright.data.growing import Growing
from wakewright.data.store import Store, build, decode, key_of
from wakewright.data.streams import StreamPlan, Surroundings
from wakewright.dsp import frontend
from wakewright.dsp.micro import MicroFrontend

FRONTS = ("micro", "speech_embedding")
COPIES: dict[tuple[Kind, bool], int] = {("positive", False): 2, ("near_miss", False): 2, ("speech", False): 2}
AROUND = Surroundings(Augment(rooms=2), 5, (), ())


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))


@pytest.fixture
def plans(spoken: Manifest) -> list[StreamPlan]:
    return streams.plan(spoken, COPIES, AROUND, np.random.default_rng(1))


def contents(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in sorted(folder.iterdir())}


def test_one_worker_and_two_store_the_same_bytes(plans: list[StreamPlan], tmp_path: Path) -> None:
    build(tmp_path / "one", plans, AROUND, FRONTS, workers=1)
    build(tmp_path / "two", plans, AROUND, FRONTS, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 6


def test_the_store_holds_what_the_front_ends_give(plans: list[StreamPlan], tmp_path: Path) -> None:
    whole = build(tmp_path / "s", plans[:2], AROUND, FRONTS, workers=1)
    rendered = [streams.render(p, AROUND) for p in plans[:2]]
    assert whole.seconds == sum(len(s) for s, _ in rendered) / 16000
    for number, (samples, events) in enumerate(rendered):
        mine = whole.events[whole.events["stream"] == number]
        for field in streams.EVENT.names or ():
            np.testing.assert_array_equal(mine[field], events[field])
        for name in FRONTS:
            track = whole.tracks[name]
            front = frontend.create(name)
            first, last = track.starts[number : number + 2]
            got, wanted = decode(name, track.frames[first:last]), front.push(samples)
            if name == "micro":
                np.testing.assert_array_equal(got, wanted)
                np.testing.assert_array_equal(track.frames[first:last], MicroFrontend().push_quantised(samples))
            else:
                np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-3)
            ends = track.ends()[first:last]
            assert ends[0] == front.first_end
            assert len(samples) - front.hop < ends[-1] <= len(samples)


def test_a_whole_store_is_opened_and_a_half_written_one_made_again(plans: list[StreamPlan], tmp_path: Path) -> None:
    folder = tmp_path / "s"
    build(folder, plans[:1], AROUND, ("micro",), workers=1)
    before = contents(folder)
    stamp = (folder / "micro.npy").stat().st_mtime_ns
    build(folder, plans[:1], AROUND, ("micro",), workers=1)
    assert (folder / "micro.npy").stat().st_mtime_ns == stamp
    (folder / "store.json").unlink()
    (folder / "micro.npy").write_bytes(before["micro.npy"][:100])
    (folder / "left-over").write_text("of a killed process")
    assert Store.open(folder, key_of(plans[:1], AROUND)) is None
    build(folder, plans[:1], AROUND, ("micro",), workers=1)
    assert contents(folder) == before


SCRIPT = """
import pickle, sys
from pathlib import Path
from wakewright.data import store
if __name__ == "__main__":
    plans, around = pickle.loads(Path(sys.argv[1]).read_bytes())
    print("go", flush=True)
    store.build(Path(sys.argv[2]), plans, around, tuple(sys.argv[3:]) or ("micro",), workers=1)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_build_leaves_nothing_that_is_taken_for_whole(plans: list[StreamPlan], tmp_path: Path) -> None:
    (tmp_path / "build.py").write_text(SCRIPT)
    (tmp_path / "plan").write_bytes(pickle.dumps((plans * 20, AROUND)))
    folder = tmp_path / "s"
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "build.py"), str(tmp_path / "plan"), str(folder)], stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        deadline = time.monotonic() + 30
        while not folder.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert folder.is_dir()
    assert Store.open(folder, key_of(plans * 20, AROUND)) is None


HALF = """
import os, signal
from wakewright.data import growing
def half(file, data, put=growing._put):
    if len(data) < 10000:
        return put(file, data)
    put(file, data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
growing._put = half
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_while_a_front_end_is_added_a_store_keeps_what_it_had(plans: list[StreamPlan], tmp_path: Path) -> None:
    """Killed in the midst of the very file, which is then half there, and is not taken for whole."""
    (tmp_path / "build.py").write_text(SCRIPT.replace("if __name__", HALF + "if __name__", 1))
    (tmp_path / "plan").write_bytes(pickle.dumps((plans[:2], AROUND)))
    folder = tmp_path / "s"
    build(folder, plans[:2], AROUND, ("micro",), workers=1)
    before = contents(folder)
    command = [sys.executable, str(tmp_path / "build.py"), str(tmp_path / "plan"), str(folder), "micro", MEL]
    process = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    assert process.returncode == -signal.SIGKILL
    half = (folder / f"{MEL}.part").read_bytes()
    assert len(half) > 5000
    (folder / f"{MEL}.npy").write_bytes(half)  # an earlier version wrote it under its last name
    whole = Store.open(folder, key_of(plans[:2], AROUND))
    assert whole is not None
    assert whole.tracks.keys() == {"micro"}
    assert {name: contents(folder)[name] for name in before} == before
    grown = build(folder, plans[:2], AROUND, ("micro", MEL), workers=1)
    assert grown.tracks.keys() == {"micro", MEL}
    build(tmp_path / "at once", plans[:2], AROUND, ("micro", MEL), workers=1)
    assert contents(tmp_path / "at once") == contents(folder)
    again = build(folder, plans[:1], AROUND, ("micro",), workers=1)
    assert len(again.tracks["micro"].starts) == 2


def test_the_key_changes_with_anything(plans: list[StreamPlan]) -> None:
    key = key_of(plans, AROUND)
    assert key == key_of(list(plans), AROUND)
    item = plans[0].items[0]
    louder = dataclasses.replace(item, level_db=item.level_db + 0.001)
    other_clip = dataclasses.replace(item, clip=dataclasses.replace(item.clip, path="elsewhere.wav"))
    changed = [
        (plans[1:], AROUND),
        (plans, dataclasses.replace(AROUND, seed=6)),
        (plans, dataclasses.replace(AROUND, backgrounds=("a.wav",))),
        (plans, dataclasses.replace(AROUND, rirs=("a.wav",))),
        (plans, dataclasses.replace(AROUND, settings=Augment(rooms=3))),
        *(
            ([dataclasses.replace(plans[0], items=(new, *plans[0].items[1:])), *plans[1:]], AROUND)
            for new in (louder, other_clip)
        ),
        ([dataclasses.replace(plans[0], lead_s=1.0), *plans[1:]], AROUND),
    ]
    assert len({key, *(key_of(*arguments) for arguments in changed)}) == len(changed) + 1


def test_the_key_changes_with_a_recording_that_changes(plans: list[StreamPlan], tmp_path: Path) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"one")
    around = dataclasses.replace(AROUND, backgrounds=(str(noise),))
    before = key_of(plans, around)
    noise.write_bytes(b"another")
    assert key_of(plans, around) != before


def test_a_store_with_more_front_ends_serves_a_model_that_needs_one(plans: list[StreamPlan], tmp_path: Path) -> None:
    build(tmp_path / "s", plans[:1], AROUND, FRONTS, workers=1)
    made = (tmp_path / "s" / "store.json").stat().st_mtime_ns
    assert build(tmp_path / "s", plans[:1], AROUND, ("micro",), workers=1).tracks.keys() == set(FRONTS)
    assert (tmp_path / "s" / "store.json").stat().st_mtime_ns == made
    assert build(tmp_path / "t", plans[:1], AROUND, ("micro",), workers=1).tracks.keys() == {"micro"}
    assert build(tmp_path / "t", plans[:1], AROUND, FRONTS, workers=1).tracks.keys() == set(FRONTS)


MEL = "mel-30ms-10ms-40bands-125to7500hz"


def test_a_front_end_is_added_to_a_store_and_nothing_else_is_heard_again(
    plans: list[StreamPlan], tmp_path: Path
) -> None:
    folder = tmp_path / "s"
    build(folder, plans[:2], AROUND, ("micro",), workers=1)
    before = {name: (folder / name).stat().st_mtime_ns for name in contents(folder) if name != "store.json"}
    grown = build(folder, plans[:2], AROUND, ("micro", MEL), workers=2)
    assert grown.tracks.keys() == {"micro", MEL}
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    build(tmp_path / "at once", plans[:2], AROUND, ("micro", MEL), workers=1)
    assert contents(tmp_path / "at once") == contents(folder)
    track = grown.tracks[MEL]
    samples, _ = streams.render(plans[0], AROUND)
    got = decode(MEL, track.frames[: track.starts[1]])
    np.testing.assert_allclose(got, frontend.create(MEL).push(samples), rtol=1e-3, atol=1e-6)
    assert track.frames.dtype == np.float16


@pytest.mark.parametrize("name", ["micro.npy", "micro-starts.npy", "events.npy"])
def test_a_damaged_store_is_made_again(plans: list[StreamPlan], tmp_path: Path, name: str) -> None:
    folder = tmp_path / "s"
    build(folder, plans[:1], AROUND, ("micro",), workers=1)
    before = contents(folder)
    whole = before[name]
    for damaged in (whole[:-1], whole + b"0", whole[:-1] + bytes([whole[-1] ^ 1]), None):
        (folder / name).unlink()
        if damaged is not None:
            (folder / name).write_bytes(damaged)
        assert Store.open(folder, key_of(plans[:1], AROUND)) is None
        build(folder, plans[:1], AROUND, ("micro",), workers=1)
        assert contents(folder) == before


def test_a_damaged_index_has_the_store_made_again(plans: list[StreamPlan], tmp_path: Path) -> None:
    folder = tmp_path / "s"
    build(folder, plans[:1], AROUND, ("micro",), workers=1)
    before, index = contents(folder), folder / "store.json"
    whole = before["store.json"]
    for damaged in (b"", whole[:40], b"\xff" + whole[1:], b"[]", whole.replace(b'"hop": 160', b'"hop": 161')):
        assert damaged != whole
        index.write_bytes(damaged)
        assert Store.open(folder, key_of(plans[:1], AROUND)) is None
        build(folder, plans[:1], AROUND, ("micro",), workers=1)
        assert contents(folder) == before


def test_a_store_without_checksums_is_taken_as_it_is(plans: list[StreamPlan], tmp_path: Path) -> None:
    """As earlier versions wrote it; what is added to it has them."""
    folder = tmp_path / "s"
    build(folder, plans[:1], AROUND, ("micro",), workers=1)
    about = json.loads((folder / "store.json").read_text(encoding="utf-8"))
    del about["checksums"], about["seal"]
    (folder / "store.json").write_text(json.dumps(about), encoding="utf-8")
    assert Store.open(folder, key_of(plans[:1], AROUND)) is not None
    stamp = (folder / "micro.npy").stat().st_mtime_ns
    build(folder, plans[:1], AROUND, (MEL,), workers=1)
    assert (folder / "micro.npy").stat().st_mtime_ns == stamp
    about = json.loads((folder / "store.json").read_text(encoding="utf-8"))
    assert about["checksums"].keys() == {f"{MEL}.npy", f"{MEL}-starts.npy"}


def test_a_store_of_another_key_is_made_again(plans: list[StreamPlan], tmp_path: Path) -> None:
    first = build(tmp_path / "s", plans[:1], AROUND, ("micro",), workers=1)
    other = build(tmp_path / "s", plans[1:2], AROUND, ("micro",), workers=1)
    assert not np.array_equal(first.events, other.events)
    assert Store.open(tmp_path / "s", key_of(plans[:1], AROUND)) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said(plans: list[StreamPlan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_save", lambda path, *pieces, save=store._save: save(Path("/dev/full"), *pieces))
    with pytest.raises(DiskFull, match=r"no room to write .*s\n  got: No space left"):
        build(tmp_path / "s", plans[:1], AROUND, ("micro",), workers=1)
    assert Store.open(tmp_path / "s", key_of(plans[:1], AROUND)) is None


def test_pieces_are_stored_as_one_array(tmp_path: Path) -> None:
    frames = [np.arange(12, dtype=np.float16).reshape(-1, 3) + n for n in range(3)]
    pieces = [*frames, frames[1][:, ::-1]]
    with Growing.open(tmp_path, {}, {"pieces": frames[0][:0]}) as growing:
        for piece in pieces:
            growing.add(0, {"pieces": piece})
        growing.finish()
    np.save(tmp_path / "whole.npy", np.concatenate(pieces))
    assert (tmp_path / "pieces.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    store._save(tmp_path / "one.npy", np.concatenate(pieces))
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_nothing_to_hear_is_an_empty_store(tmp_path: Path) -> None:
    nothing = build(tmp_path / "s", [], AROUND, FRONTS, workers=1)
    assert nothing.seconds == 0
    assert len(nothing.events) == 0
    for name in FRONTS:
        assert nothing.tracks[name].frames.shape == (0, frontend.create(name).channels)
        assert nothing.tracks[name].ends().shape == (0,)
    assert store.VERSION >= 1


def test_background_is_heard_once_and_a_damaged_copy_again(
    spoken: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path))
    clip = spoken.clips[0]
    first = store.as_recorded(clip)
    (kept,) = (tmp_path / "heard").iterdir()
    calls: list[str] = []
    heard = store._alone
    monkeypatch.setattr(store, "_alone", lambda c: calls.append(c.path) or heard(c))
    np.testing.assert_array_equal(store.as_recorded(clip), first)
    assert not calls
    for damaged in (b"", kept.read_bytes()[:200], b"nonsense"):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(store.as_recorded(clip), first)
    assert len(calls) == 3
    np.testing.assert_array_equal(np.load(kept), first)


def test_a_shared_folder_keeps_stores_by_key_and_one_maker_at_a_time(plans: list[StreamPlan], tmp_path: Path) -> None:
    one = build(tmp_path, plans[:1], AROUND, ("micro",), workers=1, shared=True)
    build(tmp_path, plans[1:2], AROUND, ("micro",), workers=1, shared=True)
    assert len(list(tmp_path.glob("*/store.json"))) == 2
    again = build(tmp_path, plans[:1], AROUND, ("micro",), workers=1, shared=True)
    np.testing.assert_array_equal(again.events, one.events)
    lock = tmp_path / f"{key_of(plans[2:3], AROUND)}.lock"
    with exclusive(lock), pytest.raises(RunError, match="another run"):
        build(tmp_path, plans[2:3], AROUND, ("micro",), workers=1, shared=True)
