"""Looking for the phrase where it must not be: speech that a model trained without it takes for the phrase.

People's recordings of "other speech" hold the phrase, or nearly so, more often than they know: a television that says
it, a corpus of deliberate near misses. A handful of such clips, learnt as negatives, teaches a model to refuse the
people who say it that way, and drives the calibrated threshold up to where nobody is heard. So a first, quick head
learns from everything but the real speech and then listens to that; what it finds as sure as spoken phrases
of voices it has never heard is left out of training and calibration, and listed for the user to listen to. The test
part is never touched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from wakewright.core.engine import map_work
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Policy, Train
from wakewright.core.run import Run
from wakewright.data.batches import Geometry, Sampler
from wakewright.data.store import Store, Track, as_recorded
from wakewright.detect.policy import smooth
from wakewright.dsp.embedding import HOP
from wakewright.models import registry
from wakewright.train import loop, objectives, teach
from wakewright.train.scoring import score_track
from wakewright.train.validation import word_trials

QUICK = Train(steps=600, validate_every=600, mine_every=0)
"""How the quick head learns."""
STEPS = 4
"""Outputs per training window."""


@dataclasses.dataclass(frozen=True, slots=True)
class Suspect:
    """A clip that sounds like the phrase."""

    clip: Clip
    score: float
    """Highest smoothed score of the quick head."""
    level: float
    """Score from which on a clip is left out."""


def suspects(
    run: Run, manifest: Manifest, store: Store, words: Store, candidates: Sequence[Clip], progress: Progress
) -> list[Suspect]:
    """The candidates that sound like the phrase, the surest first; none when the recipe has no guard.

    `store` holds the training part whose clips are `manifest`, `words` the phrase in voices never heard. The level is
    the score that the share `background.guard` of these words stays below.
    """
    guard = run.recipe.background.guard
    if guard is None or not candidates:
        return []
    head = _quick_head(run, manifest, store, progress)
    policy = Policy()  # the head's steps are the embedding's, whatever the recipe's model
    peaks = [trial.peak for trial in word_trials(head, words, policy)]
    if not peaks:
        return []
    level = float(np.quantile(peaks, guard))
    found = []
    with progress.stage("look for the phrase in the background", len(candidates), "clips") as bar:
        heard = map_work(as_recorded, candidates, run.workers(), chunk=16, progress_bar=bar)
        for clip, frames in zip(candidates, heard, strict=True):
            track = Track("speech_embedding", frames, np.array([0, len(frames)]), HOP, 0)
            scores = smooth(score_track(head, track)[0], policy)
            if scores.size and scores.max() >= level:
                found.append(Suspect(clip, float(scores.max()), level))
    return sorted(found, key=lambda suspect: -suspect.score)


def _quick_head(run: Run, manifest: Manifest, store: Store, progress: Progress) -> registry.StreamingModel:
    recipe = run.recipe
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    head = teach.beginner(registry.Dimensions("speech_embedding"), store, QUICK)
    unheard = frozenset(i for i, clip in enumerate(manifest) if clip.kind == "speech" and clip.real)
    sampler = Sampler(
        store,
        manifest,
        "speech_embedding",
        Geometry(head.receptive_field, head.stride, STEPS),
        QUICK,
        recipe.augment,
        seed=recipe.seed,
        left_out=unheard,
    )
    with progress.stage("train screener", QUICK.steps, "steps") as bar:
        fitted: registry.StreamingModel = loop.fit(
            head,
            sampler,
            objectives.cross_entropy(QUICK.label_smoothing),
            QUICK,
            seed=recipe.seed,
            folder=run.checkpoints_dir / "screener",
            bar=bar,
            validate=lambda _: (loop.Quality(0.0, 0.0), {}),
            log=lambda **values: run.log(stage="screener", **values),
            rewind=lambda step: run.rewind_metrics(step, stage="screener"),
        )
    return fitted
