"""Training streams: drawn from the seed, carried out without chance, with every word where its event says."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import correlate

from wakewright.core.audio import SAMPLE_RATE, load, write_wav
from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.core.recipe import Augment
from wakewright.data import augment, streams
from wakewright.data.streams import KINDS, PIECE_S, Surroundings, plan, render

COPIES: dict[tuple[Kind, bool], int] = {("positive", False): 3, ("near_miss", False): 2, ("speech", False): 1}
DRY = Augment(
    rooms=0, room_share=0, noise_share=0, band_limit_share=0, speed=(1.0, 1.0), eq_db=0, gain_db=(-3.0, -3.0)
)


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))


def surroundings(settings: Augment | None = None, **changes: object) -> Surroundings:
    return Surroundings(settings or Augment(rooms=2), 5, (), (), **changes)  # type: ignore[arg-type]


def drawn(manifest: Manifest, around: Surroundings, seed: int = 1) -> list[streams.StreamPlan]:
    return plan(manifest, COPIES, around, np.random.default_rng(seed))


def test_the_plan_follows_from_the_seed(spoken: Manifest) -> None:
    around = surroundings()
    assert drawn(spoken, around) == drawn(spoken, around)
    assert drawn(spoken, around) != drawn(spoken, around, seed=2)


def test_every_clip_is_said_as_often_as_asked(spoken: Manifest) -> None:
    plans = drawn(spoken, surroundings())
    said = Counter(item.index for stream in plans for item in stream.items)
    assert said == {i: COPIES[clip.kind, clip.real] for i, clip in enumerate(spoken)}
    assert all(item.clip is spoken.clips[item.index] for stream in plans for item in stream.items)
    only = plan(spoken, {("near_miss", False): 1}, surroundings(), np.random.default_rng(1))
    assert {item.clip.kind for stream in only for item in stream.items} == {"near_miss"}
    assert plan(spoken, {("positive", True): 3}, surroundings(), np.random.default_rng(1)) == []


def test_the_same_plan_gives_the_same_bytes_in_another_process(spoken: Manifest, tmp_path: Path) -> None:
    around = surroundings()
    streams_drawn = drawn(spoken, around)[:2]
    (tmp_path / "plan").write_bytes(pickle.dumps((streams_drawn, around)))
    code = (
        "import hashlib, pickle, sys; from wakewright.data.streams import render; "
        "plans, around = pickle.loads(open(sys.argv[1], 'rb').read()); "
        "print(hashlib.sha256(b''.join(a.tobytes() for p in plans for a in render(p, around))).hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "plan")], check=True, capture_output=True, text=True
    ).stdout.strip()
    here = hashlib.sha256(b"".join(a.tobytes() for p in streams_drawn for a in render(p, around))).hexdigest()
    assert there == here


def test_streams_are_float32_within_full_scale_and_as_long_as_planned(spoken: Manifest) -> None:
    around = surroundings()
    for stream in drawn(spoken, around):
        samples, events = render(stream, around)
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert 0.001 < np.abs(samples).max() <= 1.0
        assert len(events) == len(stream.items)
        assert events["end"][-1] + SAMPLE_RATE == len(samples)
        assert (events["start"][1:] > events["end"][:-1]).all()
        assert events["start"][0] >= streams.LEAD_S[0] * SAMPLE_RATE
        assert [KINDS[e["kind"]] for e in events] == [item.clip.kind for item in stream.items]
        assert not events["real"].any()


def test_the_event_marks_where_the_word_lies(spoken: Manifest) -> None:
    """Without surroundings the clip itself is found at its event; nothing but hiss lies between."""
    around = surroundings(DRY)
    stream = drawn(spoken, around)[0]
    samples, events = render(stream, around)
    between = np.ones(len(samples), bool)
    for event in events:
        clip = load(spoken.clips[event["clip"]].path)
        said = samples[event["start"] : event["end"]]
        assert len(said) == len(clip)
        assert np.corrcoef(said, clip)[0, 1] > 0.95
        between[event["start"] : event["end"]] = False
    assert np.sqrt(np.mean(samples[between] ** 2)) < 0.1 * np.sqrt(np.mean(samples[~between] ** 2))


def test_speed_and_room_leave_the_word_at_its_event(spoken: Manifest) -> None:
    settings = DRY.model_copy(update={"speed": (0.8, 0.8), "rooms": 2, "room_share": 1.0})
    around = surroundings(settings)
    words = spoken.of("positive")
    stream = plan(words, {("positive", False): 1}, around, np.random.default_rng(3))[0]
    samples, events = render(stream, around)
    voice = augment.voice(settings)
    for item, event in zip(stream.items, events, strict=True):
        said = voice.apply(load(item.clip.path), item.voice)
        assert event["end"] - event["start"] == len(said)
        assert len(said) == pytest.approx(len(load(item.clip.path)) / 0.8, abs=3)
        around_it = samples[event["start"] - 1600 : event["end"] + 1600]
        lag = int(np.argmax(correlate(around_it, said, "valid"))) - 1600
        assert abs(lag) <= 16  # a millisecond


def test_long_speech_is_cut_and_the_phrase_never(tmp_path: Path) -> None:
    ramp = np.linspace(-0.5, 0.5, 12 * SAMPLE_RATE, dtype=np.float32)
    write_wav(tmp_path / "long.wav", ramp)
    long = Clip(str(tmp_path / "long.wav"), "speech", 12.0, real=True)
    word = Clip(str(tmp_path / "long.wav"), "positive", 12.0, real=True)
    copies: dict[tuple[Kind, bool], int] = {("speech", True): 1, ("positive", True): 1}
    around = surroundings(DRY)
    plans = plan(Manifest((long, word)), copies, around, np.random.default_rng(1))
    pieces = sorted((i.offset_s, i.seconds) for p in plans for i in p.items if i.clip is long)
    assert pieces == [(0.0, 4.0), (4.0, 4.0), (8.0, 4.0)]
    assert all(seconds <= PIECE_S for _, seconds in pieces)
    assert [(i.offset_s, i.seconds) for p in plans for i in p.items if i.clip is word] == [(0.0, 12.0)]
    for stream in plans:
        samples, events = render(stream, around)
        for item, event in zip(stream.items, events, strict=True):
            first = int(item.offset_s * SAMPLE_RATE)
            there = load(item.clip.path)[first : first + round(item.seconds * SAMPLE_RATE)]
            said = samples[event["start"] : event["end"]]
            assert len(said) == len(there)
            assert np.corrcoef(said, there)[0, 1] > 0.95
            assert bool(event["real"]) is True


def test_a_silent_or_empty_stretch_does_not_break_a_stream(tmp_path: Path) -> None:
    write_wav(tmp_path / "silence.wav", np.zeros(8000, np.float32))
    clip = Clip(str(tmp_path / "silence.wav"), "speech", 0.5, real=True)
    around = surroundings()
    (stream,) = plan(Manifest((clip,)), {("speech", True): 1}, around, np.random.default_rng(1))
    assert np.isfinite(render(stream, around)[0]).all()


def test_an_own_recording_is_marked_where_the_word_is_and_not_where_the_file_ends(tmp_path: Path) -> None:
    """People's recordings go on for about a second after the word."""
    sound = np.random.default_rng(0).normal(0, 0.0005, 3 * SAMPLE_RATE).astype(np.float32)
    word = 0.3 * np.sin(np.arange(12_800) * 0.2).astype(np.float32)
    sound[8000 : 8000 + len(word)] += word
    write_wav(tmp_path / "me.wav", sound)
    own = Clip(str(tmp_path / "me.wav"), "positive", 3.0, real=True)
    around = surroundings(DRY)
    (stream,) = plan(Manifest((own,)), {("positive", True): 1}, around, np.random.default_rng(1))
    samples, (event,) = render(stream, around)
    begin = int(stream.lead_s * SAMPLE_RATE) + int(stream.items[0].pause_s * SAMPLE_RATE)
    assert event["start"] - begin == pytest.approx(8000, abs=320)
    assert event["end"] - begin == pytest.approx(8000 + len(word), abs=320)
    assert len(samples) == begin + 4 * SAMPLE_RATE  # none of it is cut away


def test_backgrounds_are_kept_in_memory_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = []
    for i in range(4):
        paths.append(str(tmp_path / f"{i}.wav"))
        write_wav(paths[-1], np.full(2 * SAMPLE_RATE, 0.0005 if i == 0 else 0.1, np.float32))
    monkeypatch.setattr(streams, "KEPT_S", 5)
    files = streams._Files(tuple(paths))
    assert len(files) == 4
    for i in (0, 1, 2, 3, 0):
        assert len(files[i]) == 2 * SAMPLE_RATE
        assert len(files._kept) <= 2
    assert np.abs(files[0]).max() == pytest.approx(0.02, rel=0.05)  # a very quiet one is raised
    assert files[3] is files[3]


def test_what_was_drawn_is_read_off_the_plan(spoken: Manifest, tmp_path: Path) -> None:
    quiet = {"noise_share": 0.0, "room_share": 0.0, "rooms": 0, "gain_db": (-12.0, -12.0)}
    dry = Surroundings(Augment(**quiet), 5, (), ())
    copies: dict[tuple[Kind, bool], int] = {("positive", False): 3}
    for stream in plan(spoken, copies, dry, np.random.default_rng(1)):
        assert streams.drawn(stream) == streams.Drawn(room=False, snr_db=None, peak_db=-12.0)
        assert np.abs(render(stream, dry)[0]).max() == pytest.approx(10 ** (-12 / 20), abs=0.02)
    impulse = np.zeros(800, np.float32)
    impulse[[0, 400]] = 1.0, 0.5
    write_wav(tmp_path / "room.wav", 0.5 * impulse)
    loud = Augment(**quiet | {"noise_share": 1.0, "room_share": 0.5, "snr_db": (3.0, 4.0)})
    around = Surroundings(loud, 5, (str(tmp_path / "room.wav"),), ())
    found = [streams.drawn(stream) for stream in plan(spoken, copies, around, np.random.default_rng(1))]
    assert all(one.snr_db is not None and 3.0 <= one.snr_db <= 4.0 for one in found)
    assert {one.room for one in found} == {False, True}
