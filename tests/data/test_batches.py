"""Training windows: drawn from seed and step, with labels that mean what they say."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from wakewright.core.manifest import Clip, Manifest
from wakewright.core.recipe import Augment, Train
from wakewright.core.recipe_augment import Schedule
from wakewright.data import batches
from wakewright.data.batches import FRAMES_AT_ONCE, IGNORE, NEGATIVE, POSITIVE, Geometry, Sampler, label_frames
from wakewright.data.changes import Changes, stripes
from wakewright.data.store import LOCATED, Store, Track
from wakewright.data.streams import KINDS
from wakewright.dsp.embedding import HOP as EMBEDDING_HOP
from wakewright.dsp.micro import HOP, WINDOW, dequantise

STREAM = 2000
"""Frames per stream (20 s)."""
GEOMETRY = Geometry(receptive_field=50, stride=3, steps=4)
PLAIN = Augment(tempo=(1.0, 1.0), vtlp=0.0, spec_time=0, spec_freq=0)
TRAIN = Train(batch_size=100, positive_share=0.25, near_miss_share=0.1, hard_share=0.2)

EVENTS = (
    # kind, real, first second, last second, stream
    ("speech", False, 1.5, 3.5, 0),
    ("positive", False, 5.0, 5.8, 0),
    ("near_miss", False, 8.0, 8.7, 0),
    ("positive", True, 12.0, 12.6, 0),
    ("speech", True, 2.0, 6.0, 1),
    ("noise", True, 8.0, 11.0, 1),
    ("positive", False, 14.0, 14.9, 1),
    ("positive", False, 15.2, 16.0, 1),  # so soon that both are in one receptive field
)


def store() -> Store:
    """Two streams whose every frame holds its own number, in int8 digits."""
    frames = np.zeros((2 * STREAM, 40), np.int8)
    number = np.arange(2 * STREAM)
    frames[:, 0], frames[:, 1] = number % 100, number // 100
    rows = [
        (KINDS.index(kind), real, int(a * 16000), int(b * 16000), i, stream)
        for i, (kind, real, a, b, stream) in enumerate(EVENTS)
    ]
    micro = Track("micro", frames, np.array([0, STREAM, 2 * STREAM]), HOP, WINDOW)
    count = STREAM * HOP // EMBEDDING_HOP
    values = np.random.default_rng(0).normal(3.0, 1.0, (2 * count, 96)).astype(np.float16)
    embedding = Track("speech_embedding", values, np.array([0, count, 2 * count]), EMBEDDING_HOP, 13280)
    return Store({"micro": micro, "speech_embedding": embedding}, np.array(rows, LOCATED), 40.0)


MANIFEST = Manifest(tuple(Clip(f"{i}.wav", e[0], e[3] - e[2], real=e[1]) for i, e in enumerate(EVENTS)))  # type: ignore[arg-type]


def sampler(augment: Augment = PLAIN, train: Train = TRAIN, *, seed: int = 1, own: float = 0.0) -> Sampler:
    return Sampler(store(), MANIFEST, "micro", GEOMETRY, train, augment, seed=seed, own_share=own)


def numbers(frames: np.ndarray) -> np.ndarray:
    """The numbers of the frames in (batch, frames, channels) decoded windows."""
    digits = np.rint(frames / batches.decode("micro", np.array([-127], np.int8))[0]).astype(int) - 128
    return digits[..., 0] + 100 * digits[..., 1]


def seconds(frame: np.ndarray | int) -> np.ndarray:
    """When in its stream a frame is complete."""
    return (np.asarray(frame) % STREAM * HOP + WINDOW) / 16000


def test_the_same_seed_and_step_give_the_same_batch() -> None:
    one, two = sampler(Augment()), sampler(Augment())
    for step in (0, 7):
        a, b = one.batch(step), two.batch(step)
        for field in ("frames", "labels", "ends", "origin"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    assert not np.array_equal(one.batch(0).ends, one.batch(1).ends)
    assert not np.array_equal(one.batch(0).ends, sampler(Augment(), seed=2).batch(0).ends)


def test_labels_follow_the_words() -> None:
    """Hand-computed from the times of the events."""
    labels = label_frames(store(), store().tracks["micro"], GEOMETRY.receptive_field)
    words = [(a, b, s) for kind, _, a, b, s in EVENTS if kind == "positive"]
    for frame in range(2 * STREAM):
        at, stream = float(seconds(frame)), frame // STREAM
        here = [(a, b) for a, b, s in words if s == stream]
        if frame % STREAM < GEOMETRY.receptive_field - 1:
            expected = IGNORE
        elif any(b - batches.EARLY_S <= at < b + batches.SURE_S for _, b in here):
            expected = POSITIVE
        elif any((a + b) / 2 <= at < a + GEOMETRY.receptive_field * 0.01 + 0.03 for a, b in here):
            expected = IGNORE
        else:
            expected = NEGATIVE
        near_an_edge = any(
            abs(at - edge) < 0.011
            for a, b in here
            for edge in (b - batches.EARLY_S, b + batches.SURE_S, (a + b) / 2, a + 0.53)
        )
        assert near_an_edge or labels[frame] == expected, (frame, at)


def test_a_word_stays_positive_for_longer_where_the_receptive_field_still_holds_it() -> None:
    labels = label_frames(store(), store().tracks["micro"], 200)
    at = seconds(np.arange(STREAM))
    after = (at > 5.8 + batches.SURE_S) & (at < 5.8 + batches.LATE_S - 0.02)
    assert after.any()
    assert (labels[:STREAM][after] == POSITIVE).all()


def test_a_long_receptive_field_ignores_steps_that_still_hold_the_whole_word() -> None:
    labels = label_frames(store(), store().tracks["micro"], 200)
    at = seconds(np.arange(STREAM))
    after = (at > 5.8 + batches.LATE_S + 0.02) & (at < 5.0 + 2.0)
    assert after.any()
    assert (labels[:STREAM][after] == IGNORE).all()
    assert (labels[:STREAM][(at > 7.1) & (at < 12.2)] == NEGATIVE).all()


def test_each_class_has_its_share_of_the_batch() -> None:
    drawn = sampler(own=0.4)
    hard = np.array([100, 110], np.int64)
    drawn.hard = hard
    counts = np.zeros(5)
    for step in range(20):
        anchors = drawn._anchors(np.random.default_rng(step))
        assert len(anchors) == 100
        at, stream = seconds(anchors), anchors // STREAM
        words = drawn.labels[anchors] == POSITIVE
        own = words & (stream == 0) & (at > 12) & (at < 13.1)
        close = (stream == 0) & (at > 8.2) & (at < 9.45)
        real = (stream == 1) & (((at > 2) & (at < 6.6)) | ((at > 8) & (at < 11.6)))
        counts += [words.sum(), own.sum(), close.sum(), np.isin(anchors, hard).sum(), real.sum()]
    words, own, close, mined, real = counts / 20
    assert words == 25
    assert own == 10
    assert close == pytest.approx(10, abs=2)  # and by chance a few of the rest
    assert mined == pytest.approx(20, abs=1)
    assert real >= 45 * 2 // 3


def test_without_synthetic_words_all_positives_are_own() -> None:
    whole = store()
    kept = whole.events[(whole.events["kind"] != 0) | whole.events["real"]]
    drawn = Sampler(Store(whole.tracks, kept, 40.0), MANIFEST, "micro", GEOMETRY, TRAIN, PLAIN, seed=1, own_share=0.5)
    anchors = drawn._anchors(np.random.default_rng(0))
    assert (drawn.labels[anchors] == POSITIVE).sum() == 25


def test_mined_frames_take_a_share_only_once_there_are_any() -> None:
    drawn = sampler()
    assert len(drawn._anchors(np.random.default_rng(0))) == 100
    drawn.hard = np.array([300], np.int64)
    assert (drawn._anchors(np.random.default_rng(0)) == 300).sum() >= 20


def test_a_window_ends_where_its_label_lies() -> None:
    drawn = sampler()
    for step in range(5):
        batch = drawn.batch(step)
        assert batch.frames.shape == (100, GEOMETRY.frames, 40)
        assert batch.frames.dtype == np.float32
        assert batch.labels.shape == batch.ends.shape == (100, 4)
        inside = numbers(batch.frames)
        np.testing.assert_array_equal(np.diff(inside, axis=1), 1)
        known = batch.labels != IGNORE
        ends = inside[:, GEOMETRY.receptive_field - 1 :: GEOMETRY.stride]
        np.testing.assert_array_equal(ends[known], batch.ends[known])
        np.testing.assert_array_equal(batch.labels[known], drawn.labels[batch.ends[known]])
        assert (batch.labels == POSITIVE).any(axis=1).sum() >= 20


def test_tempo_keeps_the_newest_frame_and_its_label() -> None:
    drawn = sampler(PLAIN.model_copy(update={"tempo": (0.7, 1.5)}))
    plain = sampler()
    stretched, straight = drawn.batch(3), plain.windows(drawn.batch(3).ends[:, -1])
    inside = numbers(stretched.frames)
    np.testing.assert_array_equal(inside[:, -1], numbers(straight.frames)[:, -1])
    np.testing.assert_array_equal(stretched.labels[:, -1], straight.labels[:, -1])
    lengths = inside[:, -1] - inside[:, 0] + 1
    assert lengths.min() == pytest.approx(GEOMETRY.frames / 1.5, abs=3)
    assert lengths.max() == pytest.approx(GEOMETRY.frames / 0.7, abs=3)


@pytest.mark.parametrize("tempo", [(1.0, 1.0), (0.6, 1.6)])
def test_no_step_with_a_label_or_a_teacher_reaches_over_the_start_of_its_stream(tempo: tuple[float, float]) -> None:
    """Steps whose frames come from two streams are taken for the first frame of the stream, which has neither."""
    drawn = sampler(PLAIN.model_copy(update={"tempo": tempo}))
    field = GEOMETRY.receptive_field
    ends = np.repeat(np.arange(STREAM - 5, STREAM + 2 * field), 3)
    batch = drawn.windows(ends, np.random.default_rng(1))
    inside = numbers(batch.frames)
    crossing = 0
    for row in range(len(ends)):
        for step in range(GEOMETRY.steps):
            heard = inside[row, step * GEOMETRY.stride : step * GEOMETRY.stride + field]
            if heard[0] < STREAM <= heard[-1]:
                crossing += 1
                assert batch.labels[row, step] == IGNORE
                assert batch.ends[row, step] == STREAM
            elif batch.labels[row, step] != IGNORE:
                assert batch.ends[row, step] == heard[-1]
    assert crossing > 50
    np.testing.assert_array_equal(batch.origin[batch.origin >= 0], inside[batch.origin >= 0])
    first = np.where(ends < STREAM, 0, STREAM)[:, None]
    assert ((inside < first) <= (batch.origin < 0)).all()
    assert (batch.origin < 0).any(axis=1).sum() > 50
    early = drawn.windows(np.arange(5), np.random.default_rng(1))
    assert (early.labels == IGNORE).all()


def test_masks_and_warps_keep_shape_and_stay_finite() -> None:
    drawn = sampler(Augment(spec_time=3, spec_freq=3, vtlp=0.5))
    batch = drawn.batch(0)
    assert batch.frames.shape == (100, GEOMETRY.frames, 40)
    assert batch.frames.dtype == np.float32
    assert np.isfinite(batch.frames).all()
    top = dequantise(np.array([127], np.int8))[0]
    assert 0 <= batch.frames.min() <= batch.frames.max() <= top


def test_a_warp_of_the_channels_moves_a_peak_by_its_factor() -> None:
    drawn = Changes.draw(Augment(vtlp=0.2, spec_freq=0), (200, 3, 40), True, np.random.default_rng(0))
    warps = drawn.warps
    assert warps is not None
    peaks = warps[:, 20].argmax(axis=1)
    assert peaks.min() == pytest.approx(20 / 1.2, abs=1)
    assert peaks.max() == pytest.approx(20 / 0.8, abs=1)
    still = Changes.draw(Augment(vtlp=0.0, spec_freq=1), (2, 3, 40), True, np.random.default_rng(0)).warps
    assert still is not None
    hidden = (still.sum(axis=1) == 0)[:, None, :]
    still = np.where(hidden, np.eye(40, dtype=np.float32), still)
    np.testing.assert_array_equal(still, np.broadcast_to(np.eye(40), still.shape))


@pytest.mark.parametrize("vtlp", [0.0, 0.3])
def test_windows_hold_to_the_bit_what_warping_and_hiding_them_one_by_one_gives(vtlp: float) -> None:
    settings = PLAIN.model_copy(update={"vtlp": vtlp, "spec_time": 2, "spec_freq": 2})
    ends = np.arange(100, 1990, 45)  # not a whole number of times as many as are read together
    assert len(ends) % (FRAMES_AT_ONCE // GEOMETRY.frames)
    drawn, whole = sampler(settings), store().tracks["micro"].frames
    whole[:] = np.random.default_rng(5).integers(-128, 128, whole.shape)
    drawn.track.frames[:] = whole
    rng = np.random.default_rng(3)
    rng.uniform(0.0, 0.0, (len(ends), 1))  # the tempo
    factors = (
        rng.uniform(1 - vtlp, 1 + vtlp, len(ends)).astype(np.float32) if vtlp else np.ones(len(ends), np.float32)
    )
    hidden = [stripes(len(ends), length, longest, rng) for length, longest in [(59, 4)] * 2 + [(40, 5)] * 2]
    got = drawn.windows(ends, np.random.default_rng(3)).frames
    here = np.arange(40, dtype=np.float32)
    for i, end in enumerate(ends):
        window = dequantise(whole[end - 58 : end + 1])
        wanted = np.clip(here * factors[i], 0, 39)
        window = window @ np.maximum(0.0, 1.0 - np.abs(here[:, None] - wanted)).astype(np.float32)
        for number, rows in enumerate(hidden):
            low, high = rows[i]
            window[(slice(low, high), slice(None)) if number < 2 else (slice(None), slice(low, high))] = 0.0
        np.testing.assert_array_equal(got[i], window)


def test_what_is_hidden_holds_silence_or_the_mean_of_an_embedding() -> None:
    whole = store()
    settings = Augment(spec_time=3)
    drawn = Sampler(whole, MANIFEST, "speech_embedding", Geometry(16, 1, 3), TRAIN, settings, seed=1)
    mean = whole.tracks["speech_embedding"].frames.astype(np.float32).mean(axis=0)
    batch = drawn.batch(0)
    wanted = whole.tracks["speech_embedding"].frames[batch.ends[:, -1]].astype(np.float32)
    newest = batch.frames[:, -1]
    masked = newest != wanted
    assert 0.02 < masked.mean() < 0.5
    np.testing.assert_allclose(newest[masked], np.broadcast_to(mean, newest.shape)[masked], rtol=1e-3)
    micro = sampler(PLAIN.model_copy(update={"spec_time": 2, "spec_freq": 2})).batch(0)
    plain = sampler().windows(micro.ends[:, -1]).frames
    assert (micro.frames[micro.frames != plain] == 0).all()
    assert 0.02 < (micro.frames != plain).mean() < 0.5


def test_clips_are_named_by_stream() -> None:
    assert sampler().clips_in(np.array([1])) == ["4.wav", "5.wav", "6.wav", "7.wav"]


@pytest.mark.parametrize("weight", [0.3, 0.5, 0.7])
def test_batches_hold_own_recordings_in_the_share_asked_for(weight: float) -> None:
    """However few they are among all that say the phrase."""
    features, drawn = store(), sampler(own=weight)
    own = batches.inside(features, features.tracks["micro"], "positive", real=True)
    heard = said = 0
    for step in range(20):
        anchors = drawn._anchors(np.random.default_rng([1, step]))
        spoken = drawn.labels[anchors] == POSITIVE
        near = np.array([own[max(0, a - 60) : a + 10].any() for a in anchors])
        heard, said = heard + int((spoken & near).sum()), said + int(spoken.sum())
    assert heard / said == pytest.approx(weight, abs=0.03)


@pytest.mark.parametrize("name", ["mel-30ms-10ms-40bands-125to7500hz", "mfcc-30ms-10ms-40bands-125to7500hz-first40"])
def test_time_is_stretched_for_every_spectrum_and_bands_warped_where_there_are_any(name: str) -> None:
    micro = store()
    frames = np.random.default_rng(0).normal(-6.0, 2.0, micro.tracks["micro"].frames.shape).astype(np.float16)
    track = Track(name, frames, micro.tracks["micro"].starts, HOP, WINDOW)
    whole = Store({name: track}, micro.events, micro.seconds)

    def windows(**settings: object) -> tuple[np.ndarray, np.ndarray]:
        drawn = Sampler(whole, MANIFEST, name, GEOMETRY, TRAIN, PLAIN.model_copy(update=settings), seed=1)
        batch = drawn.batch(0)
        return batch.frames, drawn.windows(batch.ends[:, -1]).frames

    changed, plain = windows()
    np.testing.assert_array_equal(changed, plain)
    changed, plain = windows(tempo=(0.8, 0.9))
    assert (changed != plain).mean() > 0.5
    for warp in ({"vtlp": 0.2}, {"spec_freq": 2}):
        changed, plain = windows(**warp)
        assert np.array_equal(changed, plain) == name.startswith("mfcc")
    changed, plain = windows(spec_time=2)
    hidden = changed[(changed != plain).all(axis=2)]
    assert len(hidden) > 10
    np.testing.assert_allclose(hidden, np.broadcast_to(hidden[0], hidden.shape))
    np.testing.assert_allclose(hidden[0], -6.0, atol=0.3)


def test_batches_without_a_schedule_are_those_of_before() -> None:
    drawn = sampler(Augment(), own=0.5)
    drawn.hard = np.arange(100, 400, 7)
    digest = hashlib.sha256()
    for step in (0, 3, 900):
        batch = drawn.batch(step)
        for field in (batch.ends, batch.labels, batch.origin):
            digest.update(np.ascontiguousarray(field).astype("<i8").tobytes())
    assert digest.hexdigest() == "ccb725a8626f1d9fcf2fdc60be25104f73cb0ce6c21487a6eb60eb6c0281788d"


def test_batches_go_from_clean_to_hard() -> None:
    whole = store()
    settings = PLAIN.model_copy(update={"schedule": Schedule(levels=2, until=0.5)})
    graded = Store(whole.tracks, whole.events, whole.seconds, np.array([0, 1], np.int8))
    train = TRAIN.model_copy(update={"steps": 100})

    def graded_sampler(kept: Store) -> Sampler:
        made = Sampler(kept, MANIFEST, "micro", GEOMETRY, train, settings, seed=1)
        made.hard = np.array([300, 400, STREAM + 300])
        return made

    drawing = graded_sampler(graded)
    shares = [float(np.mean(drawing.batch(step).ends[:, -1] >= STREAM)) for step in (0, 25, 50, 99)]
    # real speech and noise lie in the second stream alone: the cleanest stream that holds any stands in
    negatives_there = (100 - 25 - 10 - 20) * 2 // 3 / 100
    assert shares[0] == pytest.approx(negatives_there, abs=0.02)
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] == pytest.approx(shares[3], abs=0.12)
    np.testing.assert_array_equal(drawing.batch(40).ends, graded_sampler(graded).batch(40).ends)
    # a store without levels, and who learns to hear, know no schedule
    plain = sampler(train=train)
    plain.hard = drawing.hard
    np.testing.assert_array_equal(graded_sampler(whole).batch(0).ends, plain.batch(0).ends)
    hearing = drawing.drawing(train)
    hearing.hard = drawing.hard
    assert np.mean(hearing.batch(0).ends[:, -1] >= STREAM) > shares[0] + 0.1
