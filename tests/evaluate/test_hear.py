"""The shipped detector over planned streams, and who answers for which second."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from wakewright import pipeline
from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.core.recipe import Augment, Model, Policy, Recipe
from wakewright.core.run import Run
from wakewright.data import streams
from wakewright.detect.detector import Detector
from wakewright.detect.device_rule import DeviceRule
from wakewright.detect.policy import Scores, smooth
from wakewright.evaluate import hear
from wakewright.models import registry

SAMPLES = 16_000
EVENTS = np.array([(2, False, 2 * SAMPLES, 5 * SAMPLES, 0), (2, True, 6 * SAMPLES, 9 * SAMPLES, 1)], streams.EVENT)
MANIFEST = Manifest(
    (Clip("a.wav", "speech", 3.0, speaker="ann"), Clip("b.wav", "speech", 3.0, speaker="bob", real=True))
)


@pytest.mark.parametrize("first_step_s", [0.03, 0.83])
def test_a_false_accept_belongs_to_who_was_speaking(first_step_s: float) -> None:
    hop = 0.08
    for said, speaker in ((4.0, "ann"), (5.9, "ann"), (6.1, "bob"), (8.5, "bob")):
        scores = np.zeros(round((10 - first_step_s) / hop), np.float32)
        scores[round((said - first_step_s) / hop)] = 0.9
        found = hear.negatives_in(hear.Heard(scores, hop, first_step_s, EVENTS), MANIFEST, "stream 0")
        assert found.count(0.5) == 1
        assert found.sources[found.owner[np.argmax(found.peaks)]] == speaker, said
        assert found.hours == pytest.approx((len(scores) * hop - 2.0) / 3600, abs=1e-6)
        assert 0 < found.real_hours < found.hours


def test_a_stream_of_nothing_is_evidence_too() -> None:
    scores = np.zeros(1000, np.float32)
    found = hear.negatives_in(hear.Heard(scores, 0.08, 0.83, EVENTS[:0]), MANIFEST, "stream 0")
    assert found.hours == pytest.approx(78 / 3600)
    assert found.real_hours == 0
    assert hear.add([]).hours == 0
    assert hear.add([found, found]).hours == pytest.approx(2 * found.hours)


def test_streams_are_heard_in_order_by_any_number_of_workers(
    spoken: Manifest, tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
    run = Run.create(Recipe(phrase="hey katya", model=Model(name="mixednet")), tmp_path)
    torch.manual_seed(1)
    pipeline._export(run, registry.create(registry.Dimensions("mixednet")).eval())
    around = streams.Surroundings(Augment(rooms=0), 5, (), ())
    copies: dict[tuple[Kind, bool], int] = {("positive", False): 4}
    plans = streams.plan(spoken, copies, around, np.random.default_rng(1))
    assert len(plans) > 2
    alone = hear.hear_all(plans, around, run.folder, workers=1)
    together = hear.hear_all(plans, around, run.folder, workers=2)
    detector = Detector.load(run.folder)
    for plan, one, two in zip(plans, alone, together, strict=True):
        samples, events = streams.render(plan, around)
        np.testing.assert_array_equal(one.scores, two.scores)
        np.testing.assert_array_equal(one.events, events)
        again = hear.hear(detector, samples, events)
        np.testing.assert_allclose(again.scores, one.scores, atol=1e-6)
    trials = [trial for heard in alone for trial in hear.trials_in(heard, spoken)]
    assert len(trials) == 48
    assert {t.source for t in trials} == {c.speaker for c in spoken.of("positive")}
    assert all(t.groups["engine or source"] == "espeak" and t.groups["speaker"] == t.source for t in trials)
    assert {t.groups["voice"] for t in trials} == {c.speaker.partition("+")[0] for c in spoken.of("positive")}
    by_plan = zip(plans, alone, strict=True)
    rooms = [streams.drawn(plan).snr_db is None for plan, one in by_plan for _ in one.events]
    assert [t.groups["background"] == "none" for t in trials] == rooms
    assert set(rooms) == {False, True}
    assert trials[0].word_end == alone[0].events["end"][0]


def test_an_int8_model_is_counted_as_its_device_decides_and_no_other(int8: Path, exported: dict[str, Path]) -> None:
    assert Detector.load(exported["mixednet"]).rule is None
    detector = Detector.load(int8)
    rule = DeviceRule(detector.policy.smoothing, detector.stride)
    assert detector.rule == rule
    sound = np.random.default_rng(3).normal(0, 0.1, 12 * SAMPLES).astype(np.float32)
    heard = hear.hear(detector, sound, EVENTS[:0])
    assert heard.rule == rule
    heard = dataclasses.replace(heard, scores=two_wakes(rule.window))
    assert hear.negatives_in(heard, MANIFEST, "s").count(0.9) == 2
    assert hear.negatives_in(dataclasses.replace(heard, events=EVENTS), MANIFEST, "s").count(0.9) == 2
    assert hear.negatives_in(dataclasses.replace(heard, rule=None), MANIFEST, "s").count(0.9) == 1


def two_wakes(window: int) -> Scores:
    """(400,) smoothed scores of an int8 model with two wakes 1.35 s apart."""
    scores = np.zeros(400, np.float32)
    for at in (100, 145):
        scores[at : at + window] = 250 / 256
    return smooth(scores, Policy(smoothing=window))
