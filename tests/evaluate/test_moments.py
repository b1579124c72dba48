"""Missed words and false accepts: those that are counted, cut where they were heard, by any number of workers."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from wakewright.core.audio import SAMPLE_RATE, to_int16
from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.core.recipe import Augment, Policy
from wakewright.data import augment, streams
from wakewright.detect.device_rule import DeviceRule
from wakewright.detect.policy import smooth
from wakewright.evaluate import hear, real, real_moments
from wakewright.evaluate.metrics import collect_negatives
from wakewright.evaluate.moments import BEFORE_S, LEAD_S, LONGEST_S, MOST, Stream, Wanted, accepted, missed
from wakewright.evaluate.real import read_material

HOP, FIRST = 0.08, 0.83


def heard(seconds: float, **scored: float) -> Stream:
    """A stream whose samples tell their place; scores stand at some tenths of a second, such as at_25=0.9."""
    samples = (np.arange(round(seconds * SAMPLE_RATE)) % 1000 / 2000).astype(np.float32)
    scores = np.zeros(int((seconds - FIRST) / HOP) + 1, np.float32)
    for name, score in scored.items():
        scores[round((int(name.removeprefix("at_")) / 10 - FIRST) / HOP)] = score
    return Stream(samples, scores, HOP, FIRST)


def at(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def test_the_lowest_words_come_first_with_their_sound_and_scores() -> None:
    stream = heard(12.0, at_26=0.4, at_60=0.9, at_95=0.2)
    words = [(0, at(2.0), at(2.5)), (3, at(5.5), at(6.0)), (7, at(9.0), at(9.6))]
    low, high = missed(stream, words, 0.5)
    assert [cut.event for cut in (low, high)] == [7, 0]
    assert [cut.peak for cut in (low, high)] == pytest.approx([0.2, 0.4])
    assert high.word == pytest.approx((LEAD_S, LEAD_S + 0.5))
    first = at(2.0 - LEAD_S)
    np.testing.assert_array_equal(high.samples, to_int16(stream.samples[first : at(3.5)]))
    when = high.first_s + np.argmax(high.scores) * HOP
    assert when == pytest.approx(2.6 - (2.0 - LEAD_S), abs=HOP)
    assert 0 <= high.first_s < HOP
    assert high.first_s + (len(high.scores) - 1) * HOP <= len(high.samples) / SAMPLE_RATE
    assert len(missed(stream, words, 0.3)) == 1
    assert missed(stream, words, 0.0) == []


def test_a_cut_stays_within_its_stream_and_its_length() -> None:
    stream = heard(9.0)
    (begins,) = missed(stream, [(0, at(0.2), at(0.9))], 0.5)
    assert begins.word == pytest.approx((0.2, 0.9))
    (long,) = missed(stream, [(0, at(1.0), at(7.5))], 0.5)
    assert len(long.samples) == at(LONGEST_S)
    assert long.word == pytest.approx((0.0, LONGEST_S - 1.0))
    (over,) = accepted(heard(9.0, at_88=0.9), [at(1.0)], 0.5)
    assert len(over.samples) == pytest.approx(at(9.0 - 8.8 + BEFORE_S), abs=at(HOP))


def test_false_accepts_are_those_that_are_counted_and_belong_to_who_spoke() -> None:
    rng = np.random.default_rng(2)
    smooth = np.convolve(rng.random(1200), np.ones(6) / 6, "same").astype(np.float32)
    stream = Stream(np.zeros(at(98.0), np.float32), smooth, HOP, FIRST)
    negatives = collect_negatives(smooth, HOP, name="s")
    threshold = 0.72
    count = negatives.count(threshold)
    assert 3 < count < MOST
    cuts = accepted(stream, [at(s) for s in (1.0, 40.0, 70.0)], threshold)
    assert [cut.peak for cut in cuts] == pytest.approx(sorted(p for p in negatives.peaks if p >= threshold)[::-1])
    assert all(cut.word is None and np.float32(cut.peak) in cut.scores for cut in cuts)
    for cut in cuts:
        when = (1.0, 40.0, 70.0)[cut.event] + cut.into_s
        assert [0, 40, 70, 99][cut.event] <= when + 1e-6 < [0, 40, 70, 99][cut.event + 1]
        assert smooth[round((when - FIRST) / HOP)] == np.float32(cut.peak)
    assert len(accepted(stream, [], 0.0)) == MOST
    assert accepted(stream, [], 0.0)[0].event == -1
    # the first two seconds are not counted
    assert accepted(heard(9.0, at_15=0.9), [0], 0.5) == []


def test_of_a_device_they_are_those_its_firmware_would_make() -> None:
    scores = np.zeros(400, np.float32)
    for begin, height in ((20, 255), (100, 245), (145, 250)):  # the first before it is warm, the others 1.35 s apart
        scores[begin : begin + 5] = height / 256
    smoothed = smooth(scores, Policy(smoothing=5))
    stream = Stream(np.zeros(at(12.0), np.float32), smoothed, 0.03, 0.03, DeviceRule(5, 3))
    assert [cut.peak for cut in accepted(stream, [0], 0.9)] == pytest.approx([250 / 256, 245 / 256])
    assert len(accepted(dataclasses.replace(stream, rule=None), [0], 0.9)) == 1
    assert accepted(stream, [0], 0.99) == []  # a stream without any


def test_the_worst_of_all_streams_are_kept_by_any_number_of_workers(
    spoken: Manifest, exported: dict[str, Path], shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
    around = streams.Surroundings(Augment(rooms=0), 5, (), ())
    copies: dict[tuple[Kind, bool], int] = {("positive", False): 4}
    plans = streams.plan(spoken, copies, around, np.random.default_rng(1))
    folder = exported["mixednet"]
    plain = hear.hear_all(plans, around, folder, workers=1)
    trials = [trial for one in plain for trial in hear.trials_in(one, spoken)]
    threshold = float(np.sort([t.peak for t in trials])[30])
    wanted = Wanted("missed", threshold)
    for workers in (1, 2):
        found = hear.hear_all(plans, around, folder, workers=workers, wanted=wanted)
        for one, other in zip(plain, found, strict=True):
            np.testing.assert_array_equal(one.scores, other.scores)
        moments = sorted((m for one in found for m in hear.moments_in(one)), key=lambda m: m.cut.peak)
        assert len(moments) == MOST
        assert [m.cut.peak for m in moments] == sorted(t.peak for t in trials)[:MOST]
        assert {m.text for m in moments} == {"“hey katya”"}
        assert {m.path for m in moments} <= {c.path for c in spoken.of("positive")}
    for plan, one in zip(plans, found, strict=True):
        sound, events = streams.render(plan, around)
        drawn = streams.drawn(plan)
        for moment in hear.moments_in(one):
            event = events[moment.cut.event]
            assert moment.path == spoken.clips[event["clip"]].path
            begin = int(event["start"]) - round((moment.cut.word or (0.0,))[0] * SAMPLE_RATE)
            np.testing.assert_array_equal(
                moment.cut.samples, to_int16(sound[begin : begin + len(moment.cut.samples)])
            )
            assert ("no background" in moment.heard) == (drawn.snr_db is None)
    with pytest.raises(ValueError, match="without its plan"):
        hear.moments_in(hear.Heard(np.zeros(3, np.float32), HOP, FIRST, streams.render(plans[0], around)[1]))


def test_recordings_give_the_same_figures_and_their_worst(
    spoken: Manifest, exported: dict[str, Path], tmp_path: Path
) -> None:
    for kind, name in (("positive", "positive"), ("speech", "negative"), ("near_miss", "noise")):
        (tmp_path / name).mkdir()
        for clip in spoken:
            if clip.kind == kind:
                shutil.copy(clip.path, tmp_path / name)
    material = read_material(tmp_path, "hey katya")
    folder = exported["mixednet"]
    plain = real.measure(material, folder, workers=1)
    threshold = float(np.median([t.peak for t in plain[0]["as recorded"]]))
    (words, others), (below, above) = real_moments.measure(material, folder, threshold, "hey katya", workers=1)
    assert list(words) == list(plain[0]) == ["as recorded", "noise at 10 dB", "noise at 5 dB"]
    for name in words:
        assert [t.peak for t in words[name]] == [t.peak for t in plain[0][name]]
    for name in others:
        np.testing.assert_array_equal(others[name].peaks, plain[1][name].peaks)
    peaks = [t.peak for t in words["as recorded"]]
    assert (below.name, below.which, below.total) == ("as recorded", "missed", sum(p < threshold for p in peaks))
    assert [m.cut.peak for m in below.moments] == sorted(peaks)[: below.total]
    assert all(m.text == "“hey katya”" and Path(m.path).parent.name == "positive" for m in below.moments)
    assert (above.name, above.total) == ("speech, noise", sum(n.count(threshold) for n in others.values()))
    every = np.concatenate([n.peaks for n in others.values()])
    assert [m.cut.peak for m in above.moments] == sorted(every[every >= threshold].tolist(), reverse=True)[:MOST]
    none, loud = real_moments.measure(material, folder, 0.0, "hey katya", workers=2)[1]
    assert (none.total, none.moments) == (0, ())
    assert loud.total >= len(loud.moments) > 0
    assert {m.text for m in loud.moments} == {"speech", "noise"}
    alone = real.Material((), {"speech": material.others["speech"]}, ())
    assert [g.which for g in real_moments.measure(alone, folder, 0.5, "hey katya", workers=1)[1]] == ["accepted"]


def test_a_piece_of_a_long_file_is_named_by_its_place_in_the_file() -> None:
    clip = Clip("talk.flac", "speech", 60.0, speaker="ann", source="home", real=True)
    voice = augment.ChainPlan(())
    item = streams.Item(clip, 0, 35.0, 5.0, 0.1, 0.0, voice)
    plan = streams.StreamPlan(1.0, (item,), augment.ChainPlan(()))
    stream = heard(9.0, at_45=0.9)
    cuts = accepted(stream, [at(1.1)], 0.5)
    events = np.array([(2, True, at(1.1), at(6.1), 0)], streams.EVENT)
    (moment,) = hear.moments_in(hear.Heard(stream.scores, HOP, FIRST, events, plan, tuple(cuts)))
    assert moment.at_s == pytest.approx(35.0 + 4.5 - 1.1, abs=HOP)
    assert (moment.text, moment.speaker, moment.source) == ("speech", "ann", "home")
