"""The phonetic aim of a pretraining: whose speech it is learnt from, that it is learnt, and that it is resumed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wakewright.core.errors import RecipeError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.recipe import Pretrain, Recipe
from wakewright.data.batches import whole_steps
from wakewright.data.phonemes import distance, phonemes
from wakewright.data.store import LOCATED, Store, Track, decode
from wakewright.data.streams import KINDS
from wakewright.train import teach
from wakewright.train.phonetic import Phonetic, refuse_mute

TEXTS = ("kitty", "lucky", "tacky", "leaky", "key cutter", "tall tree")
SOUND_FRAMES = 12
"""Frames that each sound lasts, with as many of silence between utterances as a trunk hears and more."""
APART = 120
SETTINGS = Pretrain(phonemes=1.0)
RECIPE = Recipe(phrase="hey katya")


def said_in(clips: Manifest) -> Store:
    """One stream in which every clip is said six times, each sound as a pattern of its own in the front end."""
    rng = np.random.default_rng(2)
    patterns = {sound: rng.integers(-100, 100, 40) for sound in {s for t in TEXTS for s in phonemes(t, "en-us")}}
    frames, rows = [np.full((APART, 40), -128)], []
    for clip in 6 * list(range(len(clips))):
        start = sum(map(len, frames)) * 160
        for sound in phonemes(clips.clips[clip].text, "en-us"):
            frames.append(np.clip(patterns[sound] + rng.normal(0, 8, (SOUND_FRAMES, 40)), -128, 127))
        rows.append((KINDS.index("speech"), clips.clips[clip].real, start, sum(map(len, frames)) * 160, clip, 0))
        frames.append(np.full((APART, 40), -128))
    heard = np.concatenate(frames).astype(np.int8)
    tracks = {"micro": Track("micro", heard, np.array([0, len(heard)]), 160, 480)}
    embedding = rng.normal(0, 1, (len(heard) // 8 - 10, 96)).astype(np.float16)
    tracks["speech_embedding"] = Track(
        "speech_embedding", embedding, np.array([0, len(embedding)]), 1280, 9 * 1280 + 1760
    )
    return Store(tracks, np.array(rows, LOCATED), len(heard) / 100)


def clips_of(**changes: Any) -> Manifest:
    return Manifest(
        tuple(dataclasses.replace(Clip(f"{t}.wav", "speech", 0.8, "anna", "espeak", t), **changes) for t in TEXTS)
    )


@torch.no_grad()
def told(model: Any, aim: Phonetic, store: Store, clip: int) -> list[str]:
    """The sounds that the likeliest path tells of the second time that a clip is said."""
    event = store.events[store.events["clip"] == clip][1]
    low, high = int(event["start"]) // 160 - 2 - model.trunk.reach, int(event["end"]) // 160 + 10
    whole = whole_steps(low, high, model.trunk.reach, model.stride)
    frames = decode("micro", store.tracks["micro"].frames[low:whole])
    path = aim.last(model.eval().features(torch.from_numpy(frames)[None])[0])[0].argmax(dim=-1).tolist()
    sounds = ["", *sorted({s for t in TEXTS for s in phonemes(t, "en-us")})]
    return [sounds[at] for at, before in zip(path, [0, *path], strict=False) if at not in (0, before)]


@torch.no_grad()
def settle(model: Any, aim: Phonetic) -> None:
    """Take the statistics of normalisation of the weights as they are, not of all that they have been."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.reset_running_stats()
            layer.momentum = None
    model.train()
    for step in range(1000, 1030):
        aim(model, step)


def test_the_sounds_of_every_utterance_are_learnt_without_their_times(toy: Any) -> None:
    torch.set_num_threads(1)
    clips = clips_of()
    store = said_in(clips)
    model = toy.model("mixednet")
    aim = Phonetic.of(SETTINGS, RECIPE, model, store, clips)
    assert aim is not None
    learning = torch.nn.ModuleList([model, aim])
    optimiser = torch.optim.Adam(learning.parameters(), lr=5e-3)
    losses: list[float] = []

    def wrong() -> float:
        """How many of the 28 sounds are told wrongly."""
        said = [phonemes(text, "en-us") for text in TEXTS]
        return sum(distance(told(model, aim, store, clip), sounds) for clip, sounds in enumerate(said))

    before = wrong()
    for step in range(250):
        optimiser.param_groups[0]["lr"] = 5e-3 * (1 - step / 250)
        model.train()
        loss = aim(model, step)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    settle(model, aim)
    assert before > 20
    assert wrong() < 6
    assert losses[0] > 2
    assert np.mean(losses[-10:]) < 0.2


def test_a_step_is_the_same_each_time_and_another_step_another(toy: Any) -> None:
    clips = clips_of()
    model = toy.model("mixednet").eval()
    aim = Phonetic.of(SETTINGS, RECIPE, model, said_in(clips), clips)
    twice = Phonetic.of(Pretrain(phonemes=0.5), RECIPE, model, said_in(clips), clips)
    assert aim is not None
    assert twice is not None
    twice.load_state_dict(aim.state_dict())
    with torch.no_grad():
        assert aim(model, 1) == aim(model, 1) == 2 * twice(model, 1)
        assert aim(model, 1) != aim(model, 2)


@pytest.mark.parametrize(
    "changes", [{"real": True}, {"foreign": True}, {"text": ""}, {"seconds": 7.0}], ids=lambda c: next(iter(c))
)
def test_speech_whose_sounds_are_not_known_is_not_learnt_from(changes: dict[str, Any], toy: Any) -> None:
    clips = clips_of(**changes)
    store = said_in(clips_of())
    with pytest.raises(RecipeError, match="nothing to learn phonemes from"):
        Phonetic.of(SETTINGS, RECIPE, toy.model("mixednet"), store, clips)
    with pytest.raises(RecipeError, match="nothing to learn phonemes from"):
        refuse_mute(SETTINGS, clips)
    refuse_mute(SETTINGS, clips_of())
    refuse_mute(Pretrain(), clips)


def test_an_utterance_too_fast_to_be_told_is_left_out(toy: Any) -> None:
    clips = clips_of(text=" ".join(TEXTS))
    store = said_in(clips)
    rows = store.events.copy()
    rows["end"][1:] = rows["start"][1:] + 1600  # a tenth of a second
    aim = Phonetic.of(SETTINGS, RECIPE, toy.model("mixednet"), dataclasses.replace(store, events=rows), clips)
    assert aim is not None
    assert len(aim._said) == 1


def test_it_is_left_out_where_it_is_not_asked_for(toy: Any) -> None:
    assert Phonetic.of(Pretrain(), RECIPE, toy.model("mixednet"), said_in(clips_of()), clips_of()) is None


def test_interrupted_and_resumed_it_ends_at_the_same_weights(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teach, "SAVE_EVERY", 2)
    clips = clips_of()
    store = said_in(clips)

    def learnt(path: Path, steps: int) -> dict[str, torch.Tensor]:
        model = toy.model("mixednet")
        sampler = toy.sampler(model, toy.train(batch_size=8), store)
        torch.manual_seed(3)
        aim = Phonetic.of(SETTINGS, RECIPE, model, store, clips)
        assert aim is not None
        imitation = teach.Imitation.of(sampler, store)

        def stop() -> None:
            nonlocal steps
            steps -= 1
            if steps < 0:
                raise KeyboardInterrupt

        teach.pretrain(model, imitation, sampler, 8, 2e-3, seed=1, path=path, bar=toy.bar(stop), phonetic=aim)
        return {**model.state_dict(), **aim.state_dict()}

    whole = learnt(tmp_path / "whole.pt", 100)
    with pytest.raises(KeyboardInterrupt):
        learnt(tmp_path / "broken.pt", 5)
    resumed = learnt(tmp_path / "broken.pt", 100)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
