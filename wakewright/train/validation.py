"""How good a model is on stored validation features, by the measures that the finished detector is held to."""

from __future__ import annotations

from typing import Any

import numpy as np

from wakewright.core.audio import SAMPLE_RATE
from wakewright.core.recipe import Policy, Recipe
from wakewright.data.store import Store
from wakewright.data.streams import KINDS
from wakewright.detect.policy import smooth
from wakewright.evaluate.calibrate import calibrate
from wakewright.evaluate.metrics import Trial, collect_negatives, cut_trial, det_curve, no_negatives
from wakewright.train.loop import Quality
from wakewright.train.scoring import score_track


def word_trials(model: Any, words: Store, policy: Policy) -> list[Trial]:
    """One trial per spoken phrase of the store, smoothed as the detector does."""
    track = words.tracks[model.frontend]
    hop_s = model.stride * track.hop / SAMPLE_RATE
    first = (track.first_end + (model.receptive_field - 1) * track.hop) / SAMPLE_RATE
    events = words.events[words.events["kind"] == KINDS.index("positive")]
    trials = []
    for i, scores in enumerate(score_track(model, track)):
        smoothed = smooth(scores, policy)
        trials += [
            cut_trial(smoothed, hop_s, int(e["start"]), int(e["end"]), first_step_s=first)
            for e in events[events["stream"] == i]
        ]
    return trials


def validate(model: Any, recipe: Recipe, words: Store, others: Store) -> tuple[Quality, dict[str, float]]:
    """Stream words and other sound through the model and the recipe's smoothing: its quality, and figures to log."""
    target = recipe.calibrate.fa_per_hour
    track = others.tracks[model.frontend]
    hop_s = model.stride * track.hop / SAMPLE_RATE
    trials = word_trials(model, words, recipe.policy)
    negatives = no_negatives()
    for i, scores in enumerate(score_track(model, track)):
        smoothed = smooth(scores, recipe.policy)
        # scores begin where the receptive field is full: nothing of them needs to be skipped
        negatives += collect_negatives(smoothed, hop_s, name=f"stream {i}", warmup_s=0.0)
    curve = det_curve(trials, negatives)
    found = calibrate(trials, negatives, fa_per_hour=target)
    frr = float(np.mean([curve.frr_at(target * k) for k in (1, 2, 4)]))
    quality = Quality(max(0.0, round(found.fa_per_hour_expected - target, 3)), frr)
    return quality, {
        "val_frr": frr,
        "val_fa_per_hour": found.fa_per_hour_expected,
        "val_threshold": found.threshold,
        "val_hours": negatives.hours,
        "val_words": len(trials),
    }
