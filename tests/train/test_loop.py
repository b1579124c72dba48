"""The training loop: it learns, it can be stopped anywhere, and it says where a loss went wrong."""

from __future__ import annotations

import dataclasses
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wakewright.core.errors import TrainingDiverged
from wakewright.core.recipe import Augment
from wakewright.data.batches import NEGATIVE, Batch
from wakewright.train import loop, mixup, objectives, teach
from wakewright.train.ema import Average
from wakewright.train.loop import Quality, learning_rate
from wakewright.train.scoring import onto

PROGRAM = Path(__file__).with_name("conftest.py")


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def stop_after(steps: int) -> Any:
    """Raises KeyboardInterrupt as a Ctrl-C in this step would; the first call tells where training begins."""
    calls = itertools.count()

    def each() -> None:
        if next(calls) == steps:
            raise KeyboardInterrupt

    return each


def labelled(labels: np.ndarray) -> Batch:
    """A batch of which only the labels matter."""
    ends = np.zeros(labels.shape, np.int64)
    return Batch(np.zeros((len(labels), 1, 1), np.float32), labels, ends, ends[:, :1])


def test_it_learns_the_pattern_within_seconds(toy: Any, tmp_path: Path) -> None:
    log: list[dict[str, Any]] = []
    model = toy.fit(tmp_path, toy.train(steps=150), log=log)
    assert not model.training
    final = [line for line in log if "loss" in line][-1]
    assert final["loss"] < 0.25
    assert final["wrong"] < 0.02
    assert final["missed"] < 0.05
    assert [line["step"] for line in log if "loss" in line] == [20, 40, 60, 80, 100, 120, 140, 150]
    assert [line["step"] for line in log if "hard_negatives" in line] == list(range(15, 150, 15))


@pytest.mark.parametrize("name", ["speech_embedding", "mixednet"])
def test_interrupted_anywhere_and_resumed_it_ends_at_the_same_weights(name: str, toy: Any, tmp_path: Path) -> None:
    settings = toy.train(mixup=0.2, steps=45, batch_size=16)
    log: list[dict[str, Any]] = []
    unbroken = toy.fit(tmp_path / "whole", settings, name=name, log=log)
    for stop in (1, 15, 20, 21, 44):
        folder, again = tmp_path / str(stop), []
        with pytest.raises(KeyboardInterrupt):
            toy.fit(folder, settings, name=name, each=stop_after(stop), log=again)
        resumed = toy.fit(folder, settings, name=name, log=again)
        assert same(weights(unbroken), weights(resumed)), stop
        assert again == log, stop
    latest = [torch.load(tmp_path / f / "latest.pt", weights_only=True)["model"] for f in ("whole", "21")]
    assert same(*latest)


def test_two_trainings_of_one_seed_are_the_same_and_resuming_a_finished_one_changes_nothing(
    toy: Any, tmp_path: Path
) -> None:
    settings = toy.train(steps=25)
    first, second = (toy.fit(tmp_path / folder, settings) for folder in "ab")
    assert same(weights(first), weights(second))
    steps: list[int] = []
    again = toy.fit(tmp_path / "a", settings, each=lambda: steps.append(1))
    assert len(steps) == 1
    assert same(weights(first), weights(again))


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("what", ["fit", "pretrain"])
def test_killed_at_any_moment_and_resumed_it_ends_at_the_same_weights(what: str, toy: Any, tmp_path: Path) -> None:
    start = time.monotonic()
    unbroken = weights(toy.program(what, tmp_path / "whole"))
    moment = random.uniform(0.05, 0.7) * (time.monotonic() - start)
    folder = tmp_path / "killed"
    with subprocess.Popen([sys.executable, str(PROGRAM), what, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moment)
        process.kill()
    assert process.returncode == -signal.SIGKILL, moment
    assert same(unbroken, weights(toy.program(what, folder))), moment


def test_pretraining_interrupted_and_resumed_ends_at_the_same_weights(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teach, "SAVE_EVERY", 4)
    before = weights(toy.model("mixednet"))
    unbroken = weights(toy.pretrain(tmp_path / "whole.pt", 10))
    assert not same(before, unbroken)
    with pytest.raises(KeyboardInterrupt):
        toy.pretrain(tmp_path / "broken.pt", 10, each=stop_after(6))
    assert same(unbroken, weights(toy.pretrain(tmp_path / "broken.pt", 10)))
    assert same(unbroken, weights(toy.pretrain(tmp_path / "broken.pt", 10)))


def test_pretraining_that_diverges_names_its_clips(toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teach, "imitate", lambda predicted, target: predicted.mean() * float("nan"))
    with pytest.raises(
        TrainingDiverged,
        match=r"nan at step 0 of pretraining\n  got: a batch with windows from .+\n  do:  lower train.pretrain.lr",
    ):
        toy.pretrain(tmp_path / "nan.pt", 4)


def test_what_was_imitated_is_kept_while_the_phrase_is_learnt(toy: Any, tmp_path: Path) -> None:
    """Slow changes of half of the channels, of which the phrase knows nothing and the embedding consists."""
    store, rng = toy.store(), np.random.default_rng(0)
    micro, embedding = store.tracks["micro"], store.tracks["speech_embedding"]
    slow = np.repeat(rng.normal(size=len(micro.frames) // 40 + 1), 40)[: len(micro.frames)]
    frames = micro.frames.astype(np.float64)
    frames[:, 20:] += 30 * slow[:, None]
    heard = onto(slow, micro, embedding)[:, None] * rng.normal(size=96) + rng.normal(0, 0.1, embedding.frames.shape)
    tracks = {
        "micro": dataclasses.replace(micro, frames=np.clip(frames, -128, 127).astype(np.int8)),
        "speech_embedding": dataclasses.replace(embedding, frames=heard.astype(np.float16)),
    }
    store = dataclasses.replace(store, tracks=tracks)
    train = toy.train(batch_size=16)
    path = tmp_path / "pretrain.pt"

    def fitted(name: str, *, keep: bool) -> tuple[float, int]:
        """How far from the embedding a training ends, and how often it was asked."""
        model = toy.model("mixednet")
        sampler = toy.sampler(model, train, store)
        imitation = teach.Imitation.of(sampler, store)
        teach.pretrain(model, imitation, sampler, 500, 5e-3, seed=1, path=path, bar=toy.bar())
        asked: list[float] = []

        def beside(features: torch.Tensor, batch: Batch) -> torch.Tensor:
            asked.append(0.0)
            return imitation(features, batch)

        learnt = toy.fit(tmp_path / name, train, model=model, store=store, beside=beside if keep else None)
        batch = sampler.windows(np.arange(300, 2000, 10))
        with torch.no_grad():
            return float(imitation(learnt.eval().features(torch.from_numpy(batch.frames))[0], batch)), len(asked)

    kept, times = fitted("kept", keep=True)
    lost, never = fitted("lost", keep=False)
    assert (times, never) == (train.steps, 0)
    assert kept < 0.6 * lost


def test_a_body_that_is_held_still_learns_afterwards(toy: Any, tmp_path: Path) -> None:
    bodies: list[dict[str, torch.Tensor]] = []
    train = toy.train(steps=12, validate_every=4)

    def remember(model: Any) -> tuple[loop.Quality, dict[str, float]]:
        bodies.append({k: v.clone() for k, v in model.state_dict().items()})
        return loop.Quality(0.0, 1.0 / len(bodies)), {}

    torch.manual_seed(1)
    fresh = toy.model("mixednet")
    first = {k: v.clone() for k, v in fresh.state_dict().items()}
    toy.fit(tmp_path, train, model=fresh, body=loop.Body(frozen=8), validate=remember)

    def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], part: str) -> bool:
        return all(torch.equal(one[k], other[k]) for k in one if k.startswith(part))

    for part in ("trunk.", "readout."):
        assert same(first, bodies[0], part), "statistics of the normalisation stand still too"
        assert same(first, bodies[1], part)
        assert not same(first, bodies[2], part)
    assert not same(first, bodies[0], "head.")


def test_the_body_learns_at_its_own_rate(toy: Any, tmp_path: Path) -> None:
    def moved(rate: float) -> dict[str, float]:
        torch.manual_seed(1)
        model = toy.model("mixednet")
        first = {k: v.detach().clone() for k, v in model.named_parameters()}
        train = toy.train(steps=12, batch_size=8, validate_every=12, weight_decay=0.0)
        toy.fit(tmp_path / str(rate), train, model=model, body=loop.Body(rate=rate))
        return {k: float((v.detach() - first[k]).abs().max()) for k, v in model.named_parameters()}

    alike, slow = moved(1.0), moved(0.01)
    for name in alike:
        share = slow[name] / alike[name]
        assert share > 0.2 if name.startswith("head.") else share < 0.05, name


def test_every_moment_of_a_window_is_asked_for_the_embedding_of_its_own_stream(toy: Any) -> None:
    """The hand's loss: the embedding last heard by the end of each feature, where that is in one stream."""
    model, store = toy.model("mixednet"), toy.store()
    sampler = toy.sampler(model, toy.train(), augment=Augment(tempo=(1.0, 1.0), vtlp=0.0, spec_time=0, spec_freq=0))
    imitation = teach.Imitation.of(sampler, store)
    micro, embedding = store.tracks["micro"], store.tracks["speech_embedding"]
    reach, count = model.trunk.reach, 16 * 3 + 4 - 3
    batch = sampler.windows(np.array([int(micro.starts[1]) + 200, 700]))
    features = torch.randn(2, count, 96, generator=torch.Generator().manual_seed(1))
    assert batch.frames.shape[1] == reach + (count - 1) * 3
    wanted, mine = [], []
    for row, end in enumerate((int(micro.starts[1]) + 200, 700)):
        stream = np.searchsorted(micro.starts, end, side="right") - 1
        for k in range(count):
            last = end - 3 * (count - 1 - k)
            if last - reach + 1 < micro.starts[stream]:
                continue
            heard = (last - micro.starts[stream]) * micro.hop + micro.first_end
            place = embedding.starts[stream] + (heard - embedding.first_end) // embedding.hop
            away = embedding.frames[place].astype(np.float32) - imitation.scale.mean
            wanted.append(away / (imitation.scale.std + 1e-3))
            mine.append(features[row, k])
    assert 0 < len(mine) - count < count, "the first window begins in another stream, the second does not"
    expected = objectives.imitate(torch.stack(mine), torch.from_numpy(np.stack(wanted)))
    torch.testing.assert_close(imitation(features, batch), expected)


def test_likeness_is_whole_for_the_embedding_itself_and_nothing_for_its_mean(toy: Any) -> None:
    model, store = toy.model("mixednet").eval(), toy.store()
    imitation = teach.Imitation.of(toy.sampler(model, toy.train()), store)
    micro, reach = store.tracks["micro"], model.trunk.reach
    streams = iter(range(len(micro.starts) - 1))

    def perfect(frames: torch.Tensor) -> tuple[torch.Tensor, None]:
        count = (frames.shape[1] - reach) // 3 + 1
        where = imitation.place[micro.starts[next(streams)] + reach - 1 + 3 * np.arange(count)]
        return imitation.standardised(np.nan_to_num(where))[None], None

    def flat(frames: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.zeros(1, (frames.shape[1] - reach) // 3 + 1, 96), None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "features", perfect)
        assert teach.likeness(model, imitation, store) == pytest.approx({"r2": 1.0, "cosine": 1.0})
        patch.setattr(model, "features", flat)
        assert teach.likeness(model, imitation, store) == pytest.approx({"r2": 0.0, "cosine": 0.0}, abs=0.03)
    silent = dataclasses.replace(store, events=store.events[:0])
    assert np.isnan(list(teach.likeness(model, imitation, silent).values())).all()


def test_it_stops_early_when_nothing_gets_better_and_stays_stopped(toy: Any, tmp_path: Path) -> None:
    settings = toy.train(patience=2, steps=100, validate_every=10)
    log: list[dict[str, Any]] = []
    flat = iter([0.5, 0.4] + [0.4] * 10)

    def validate(_: Any) -> tuple[Quality, dict[str, float]]:
        return Quality(0.0, next(flat)), {}

    kept = weights(toy.fit(tmp_path, settings, log=log, validate=validate))
    assert log[-1] == {"step": 40, "stopped_early": True}
    assert torch.load(tmp_path / "best.pt", weights_only=True)["step"] == 20
    seen = len(log)
    assert same(kept, weights(toy.fit(tmp_path, settings, log=log, validate=validate)))
    assert len(log) == seen


def test_false_accepts_come_before_recall() -> None:
    assert Quality(0.0, 0.9) < Quality(0.1, 0.0)
    assert Quality(0.1, 0.1) < Quality(0.1, 0.2)


def test_the_average_follows_its_rule() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    average, expected = Average(model, 0.5), model[0].weight.detach().clone()
    for step in range(1, 31):
        with torch.no_grad():
            model[0].weight.add_(1.0)
        decay = min(0.5, step / (step + 10))
        expected = decay * expected + (1 - decay) * model[0].weight.detach()
        model[1].num_batches_tracked.add_(1)
        average.update()
    torch.testing.assert_close(average.model[0].weight, expected)
    assert average.model[1].num_batches_tracked == 30
    again = Average(model, 0.5)
    again.restore(average.state())
    for each in (average, again):
        each.update()
    assert torch.equal(average.model[0].weight, again.model[0].weight)
    raw = Average(model, 0.0)
    with torch.no_grad():
        model[0].weight.mul_(1.7)
    raw.update()
    assert torch.equal(raw.model[0].weight, model[0].weight)
    assert not raw.model.training


@pytest.mark.parametrize(
    ("schedule", "peak", "end"), [("cosine", 50, 0.01), ("one_cycle", 300, 0.001), ("constant", 50, 1.0)]
)
def test_learning_rates_rise_to_their_peak_and_end_where_they_should(
    schedule: str, peak: int, end: float, toy: Any
) -> None:
    settings = toy.train(steps=1000, lr=2e-3, warmup=0.05, schedule=schedule)
    rates = [learning_rate(settings, step) for step in range(1000)]
    assert rates[0] == pytest.approx(2e-3 / peak)
    assert rates[peak - 1] == rates[peak] == max(rates) == 2e-3
    assert rates[peak // 2 - 1] == pytest.approx(1e-3)
    assert learning_rate(settings, 1000) == pytest.approx(2e-3 * end)
    assert rates[-1] == pytest.approx(2e-3 * end, rel=0.01)
    assert all(a >= b for a, b in itertools.pairwise(rates[peak:]))
    assert learning_rate(toy.train(steps=1, lr=1.0), 0) == 1.0
    assert learning_rate(toy.train(steps=10, lr=1.0, warmup=0.0), 0) == 1.0


def test_a_loss_that_is_not_finite_names_step_and_clips(toy: Any, tmp_path: Path) -> None:
    broken = toy.store(broken_stream=4)
    with pytest.raises(TrainingDiverged, match=r"the loss became nan at step \d") as caught:
        toy.fit(
            tmp_path,
            toy.train(mine_every=0, steps=10),
            store=broken,
            augment=Augment(spec_time=0, spec_freq=0),
        )
    assert "clip-40.wav" in caught.value.got
    assert "clip-1" not in caught.value.got  # clips of the other streams are not to blame
    assert "lower train.lr" in caught.value.do
    with pytest.raises(TrainingDiverged, match="at step"):
        toy.fit(tmp_path / "lr", toy.train(lr=1e30, steps=20, mine_every=0, warmup=0.0))


def test_mined_frames_are_training_negatives_apart_from_each_other(toy: Any) -> None:
    model = toy.model().eval()
    sampler = toy.sampler(model, toy.train())
    mined = loop.mine(model, sampler)
    assert mined.dtype == np.int64
    assert 50 < len(mined) <= loop.HARD_KEPT
    assert (sampler.labels[mined] == NEGATIVE).all()
    assert not sampler.near[mined].any()
    assert sampler.near.any()
    ordered = np.sort(mined)
    stream = np.searchsorted(sampler.track.starts, ordered, side="right") - 1
    gaps = np.diff(ordered)[np.diff(stream) == 0]
    assert gaps.min() >= loop.HARD_APART * model.stride


def test_the_worst_are_mined_first_and_what_is_right_never(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy.model().eval()
    with torch.no_grad():
        model.last.weight.zero_()
        model.last.bias.fill_(-5.0)  # a score of 0.007 everywhere
    sampler = toy.sampler(model, toy.train())
    assert len(loop.mine(model, sampler)) == 0
    model = toy.model().eval()
    everything = loop.mine(model, sampler)
    monkeypatch.setattr(loop, "HARD_KEPT", 10)
    np.testing.assert_array_equal(loop.mine(model, sampler), everything[:10])


def frames_mixed(batch: Batch, settings: Any, step: int = 7) -> torch.Tensor:
    return mixup.mixed(batch, mixup.blend_of(batch, settings, 1, step))[0]


def test_mixup_blends_among_equal_labels_only(toy: Any) -> None:
    labels = np.array([[0, 0], [1, 1], [0, 0], [1, 1], [0, 1], [-1, 0], [-1, 0]] * 8, np.int8)
    code = (labels[:, :1] * 10.0 + labels[:, 1:]).astype(np.float32)
    frames = np.broadcast_to(code[:, :, None], (56, 5, 3)).copy()
    batch = dataclasses.replace(labelled(labels), frames=frames)
    settings = toy.train(mixup=0.4)
    torch.testing.assert_close(frames_mixed(batch, settings), torch.from_numpy(frames))
    assert mixup.mixed(batch, mixup.blend_of(batch, settings, 1, 7))[1] is batch  # labels stay as they are
    noise = np.random.default_rng(0).normal(size=frames.shape).astype(np.float32)
    noisy = dataclasses.replace(batch, frames=noise)
    one, two = frames_mixed(noisy, settings), frames_mixed(noisy, settings)
    assert torch.equal(one, two)
    assert not torch.equal(one, torch.from_numpy(noise))
    assert not torch.equal(one, frames_mixed(noisy, settings, 8))
    # no label has to change, since each example keeps at least half of itself
    own = (one * torch.from_numpy(noise)).sum(dim=(1, 2))
    assert (own > 0).float().mean() > 0.95
    assert torch.equal(frames_mixed(noisy, toy.train()), torch.from_numpy(noise))


def test_mixup_of_any_labels_mixes_them_by_the_same_shares(toy: Any) -> None:
    labels = np.array([[0, 0], [1, 1], [0, -1], [-1, 1]] * 16, np.int8)
    frames = np.broadcast_to(labels[:, :1, None].astype(np.float32), (64, 5, 3)).copy()
    batch = dataclasses.replace(labelled(labels), frames=frames)
    settings = toy.train(mixup=0.4, mixup_labels="any")
    blend = mixup.blend_of(batch, settings, 1, 7)
    assert blend is not None
    assert sorted(blend.partner) == list(range(64))
    assert (blend.share >= 0.5).all()
    assert (labels[blend.partner] != labels).any()
    out, said = mixup.mixed(batch, blend)
    expected = blend.share * labels[:, 0] + (1 - blend.share) * labels[blend.partner, 0]
    np.testing.assert_allclose(out[:, 0, 0].numpy(), expected, rtol=1e-6)
    # the loss, by hand: a step counts where both have a label
    logits = torch.randn(64, 2, generator=torch.Generator().manual_seed(1))
    total, count = 0.0, 0
    for i, (partner, share) in enumerate(zip(blend.partner, blend.share, strict=True)):
        for step in range(2):
            mine, other = labels[i, step], labels[partner, step]
            if mine < 0 or other < 0:
                continue
            target, chance = share * mine + (1 - share) * other, torch.sigmoid(logits[i, step]).item()
            total -= target * np.log(chance) + (1 - target) * np.log(1 - chance)
            count += 1
    assert 0 < count < 128
    assert objectives.cross_entropy()(logits, said).item() == pytest.approx(total / count, rel=1e-4)
    # a teacher's answers are mixed too
    soft = np.linspace(0.1, 0.9, 64, dtype=np.float32)
    taught = dataclasses.replace(said, ends=np.tile(np.arange(64)[:, None], (1, 2)))
    answers = blend.share * soft + (1 - blend.share) * soft[blend.partner]
    exact = torch.from_numpy(np.log(answers / (1 - answers)))[:, None].expand(64, 2)
    at_best = objectives.distilled(0.0, soft)(exact, taught).item()
    entropy = -(answers * np.log(answers) + (1 - answers) * np.log(1 - answers)).mean()
    assert at_best == pytest.approx(entropy, rel=1e-4)


def test_a_training_with_mixed_labels_learns(toy: Any, tmp_path: Path) -> None:
    log: list[dict[str, Any]] = []
    toy.fit(tmp_path, toy.train(steps=150, mixup=0.2, mixup_labels="any"), log=log)
    final = [line for line in log if "loss" in line][-1]
    assert final["wrong"] < 0.02
    assert final["missed"] < 0.05


def test_cross_entropy_counts_only_steps_with_a_label() -> None:
    batch = labelled(np.array([[1, 0, -1]], np.int8))
    logits = torch.tensor([[2.0, -1.0, 50.0]])
    log2, log1 = np.log1p(np.exp(-2.0)), np.log1p(np.exp(-1.0))
    assert objectives.cross_entropy()(logits, batch).item() == pytest.approx((log2 + log1) / 2)
    smooth = objectives.cross_entropy(0.1)(logits, batch).item()
    expected = (log2 + 0.1 * 2.0 + log1 + 0.1 * 1.0) / 2
    assert smooth == pytest.approx(expected)
    nothing = dataclasses.replace(batch, labels=np.full((1, 3), -1, np.int8))
    assert objectives.cross_entropy()(logits, nothing).item() == 0.0


def test_a_distilled_loss_is_what_the_hand_computes() -> None:
    """Four steps: label and teacher, label alone, teacher alone, neither."""
    soft = np.array([0.8, np.nan, 0.3, np.nan], np.float32)
    labels = np.array([[1, 0, -1, -1]], np.int8)
    batch = dataclasses.replace(labelled(labels), ends=np.array([[0, 1, 2, 3]]))
    logits = torch.tensor([[0.5, -0.7, 0.2, 9.0]], requires_grad=True)

    def bce(logit: float, target: float) -> float:
        chance = 1 / (1 + np.exp(-logit))
        return float(-target * np.log(chance) - (1 - target) * np.log(1 - chance))

    expected = (bce(0.5, 0.25 * 0.95 + 0.75 * 0.8) + bce(-0.7, 0.05) + bce(0.2, 0.3)) / 3
    loss = objectives.distilled(0.25, soft, label_smoothing=0.05)(logits, batch)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 3] == 0
