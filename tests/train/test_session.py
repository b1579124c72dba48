"""Validation inside training hears what the shipped detector hears, and counts what it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wakewright import pipeline
from wakewright.core.manifest import Kind, Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Augment, Model, ModelName, Pretrain, Recipe
from wakewright.core.run import Run
from wakewright.data import store, streams
from wakewright.data.batches import Sampler
from wakewright.evaluate import hear
from wakewright.models import backbone, registry
from wakewright.train import loop, teach
from wakewright.train.session import PHRASE_SHARE, Session
from wakewright.train.validation import validate, word_trials

AROUND = streams.Surroundings(Augment(rooms=0), 5, (), ())


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))


def planned(spoken: Manifest, kind: Kind) -> list[streams.StreamPlan]:
    copies: dict[tuple[Kind, bool], int] = {(kind, False): 2}
    return streams.plan(spoken, copies, AROUND, np.random.default_rng(1))


@pytest.fixture(params=["speech_embedding", "mixednet"])
def session(request: pytest.FixtureRequest, spoken: Manifest, tmp_path: Path) -> Session:
    name: ModelName = request.param
    recipe = Recipe(phrase="hey katya", model=Model(name=name))
    run = Run.create(recipe, tmp_path / "runs")
    fronts = ("micro", "speech_embedding")
    words, others = (
        store.build(tmp_path / kind, planned(spoken, kind), AROUND, fronts, workers=1)
        for kind in ("positive", "speech")
    )
    return Session(run, spoken, words, words, others, Progress(quiet=True), pipeline.STEPS_PER_WINDOW)


def model_of(session: Session) -> object:
    torch.manual_seed(3)
    model = registry.create(registry.Dimensions(session.recipe.model.name)).eval()
    with torch.no_grad():
        for parameter in model.last.parameters():
            parameter.mul_(3.0)
    return model


def with_pretrain(session: Session, **settings: Any) -> Recipe:
    train = session.recipe.train.model_copy(update={"pretrain": Pretrain(**settings)})
    return session.recipe.model_copy(update={"train": train})


def begun(session: Session, recipe: Recipe) -> tuple[object, int]:
    model = model_of(session)
    return session._pretrained(model, session._sampler(recipe, model), recipe)


def test_speech_is_learnt_from_speech_and_little_of_the_phrase(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Sampler] = []
    monkeypatch.setattr(teach, "pretrain", lambda model, imitation, sampler, *rest, **_: heard.append(sampler))
    recipe = with_pretrain(session, backbone=None, keep=0.25)
    beside, body = begun(session, recipe)
    if session.recipe.model.name == "speech_embedding":
        assert (beside, body, heard) == (None, loop.Body(), [])
        return
    assert beside is not None
    assert body == loop.Body(), "nothing is held still that has learnt nothing"
    assert heard[0].train.positive_share == PHRASE_SHARE < recipe.train.positive_share
    assert begun(session, with_pretrain(session, backbone=None, keep=0.0)) == (None, loop.Body())
    assert len(heard) == 2
    logged = [line for line in session.run.metrics() if line["stage"] == "pretrain"]
    assert [line["step"] for line in logged] == [Pretrain().steps]  # once, however often it is resumed


@pytest.mark.parametrize("session", ["mixednet"], indirect=True)
def test_a_backbone_is_begun_from_and_measured(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "some.safetensors"
    torch.manual_seed(8)
    other = registry.create(registry.Dimensions("mixednet"))
    scale = backbone.Scale(np.full(96, 2.0, np.float32), np.full(96, 3.0, np.float32))
    backbone.write(path, backbone.Backbone(other.dims, backbone.body(other), scale, {"recordings": ["CC0"]}))
    steps: list[int] = []
    scales: list[backbone.Scale] = []

    def pretrain(model: object, imitation: teach.Imitation, sampler: Sampler, count: int, *_: object, **__: object):  # type: ignore[no-untyped-def]
        steps.append(count)
        scales.append(imitation.scale)

    monkeypatch.setattr(teach, "pretrain", pretrain)
    model = model_of(session)
    session.progress = Progress()
    recipe = with_pretrain(session, backbone=str(path), freeze=7, phonemes=0.3)
    _, body = session._pretrained(model, session._sampler(recipe, model), recipe)
    assert "train.pretrain.phonemes does nothing here" in capsys.readouterr().err
    assert body == loop.Body(7, 0.1)
    assert steps == [], "it has learnt to hear already"
    assert session.run.record["backbone"] == {"name": "mixednet-1", "recordings": ["CC0"]}
    begun_body, its_body = backbone.body(model), backbone.body(other)
    assert all(torch.equal(begun_body[name], its_body[name]) for name in its_body)
    assert [line["step"] for line in session.run.metrics() if line["stage"] == "pretrain"] == [0]
    begun(session, with_pretrain(session, backbone=str(path), refine=5, phonemes=0.3))
    assert "phonemes" not in capsys.readouterr().err
    assert steps == [5]
    np.testing.assert_array_equal(scales[0].std, scale.std)


@pytest.mark.parametrize("session", ["mixednet"], indirect=True)
def test_where_no_backbone_ships_it_says_so_and_learns_to_hear_here(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[int] = []
    monkeypatch.setattr(backbone, "SHIPPED", tmp_path)
    monkeypatch.setattr(teach, "pretrain", lambda model, imitation, sampler, count, *rest, **_: steps.append(count))
    session.progress = Progress()
    _, body = begun(session, with_pretrain(session, steps=11))
    assert (steps, body) == ([11], loop.Body())
    assert "no backbone ships for mixednet of width 1" in capsys.readouterr().err


def test_trials_lie_where_the_detector_has_them(session: Session, spoken: Manifest) -> None:
    model = model_of(session)
    pipeline._export(session.run, model)
    hop_s = model.stride * session.words.tracks[model.frontend].hop / 16000  # type: ignore[attr-defined]
    inside = word_trials(model, session.words, session.recipe.policy)
    heard = hear.hear_all(planned(spoken, "positive"), AROUND, session.run.folder, workers=1)
    shipped = [trial for one in heard for trial in hear.trials_in(one, spoken)]
    assert len(inside) == len(shipped) == 24
    for ours, theirs in zip(inside, shipped, strict=True):
        assert ours.word_end == theirs.word_end
        if theirs.word_end < 4.5 * 16000:
            continue  # inside the training nothing is scored until the receptive field is full
        assert abs(ours.first_s - theirs.first_s) < hop_s
        if session.recipe.model.name == "speech_embedding":
            # no phase between the two: the same numbers, but for float16 in the store
            assert ours.first_s == pytest.approx(theirs.first_s, abs=1e-9)
            np.testing.assert_allclose(ours.scores, theirs.scores, atol=5e-3)
            assert np.ptp(theirs.scores) > 0.01


def test_validation_counts_the_words_and_the_hours(session: Session) -> None:
    quality, figures = validate(model_of(session), session.recipe, session.words, session.others)
    assert figures["val_words"] == 24
    streams_heard = len(np.unique(session.others.events["stream"]))
    most = session.others.seconds / 3600
    # what is not heard of a stream: the receptive field's beginning, and 0.2 s of what fills no step at its end
    model = registry.create(registry.Dimensions(session.recipe.model.name))
    track = session.others.tracks[model.frontend]
    unheard = (track.first_end + (model.receptive_field - 1) * track.hop) / 16000 + 0.2
    assert most - unheard * streams_heard / 3600 < figures["val_hours"] < most
    assert 0 <= figures["val_frr"] <= 1
    assert 0 < figures["val_threshold"] < 1
    assert quality.frr == figures["val_frr"]
    assert quality.excess == max(0.0, round(figures["val_fa_per_hour"] - 0.5, 3))


def test_a_model_that_always_says_the_same_misses_everything(session: Session) -> None:
    model = registry.create(registry.Dimensions(session.recipe.model.name)).eval()
    with torch.no_grad():
        for parameter in model.last.parameters():
            parameter.zero_()
    flat, _ = validate(model, session.recipe, session.words, session.others)
    assert flat.frr == 1.0
