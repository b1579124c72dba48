"""What synthetic voices say, sound by sound: an aim beside the embedding for a model that learns to hear.

The phonemes of a synthetic utterance are known without a person's work, but not when each is said. So a layer over
the model's features learns by connectionist temporal classification (Graves et al., "Labelling Unsegmented Sequence
Data with Recurrent Neural Networks", ICML 2006), which sums over every timing; it is thrown away afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from wakewright.core.audio import SAMPLE_RATE
from wakewright.core.errors import RecipeError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.recipe import Pretrain, Recipe
from wakewright.data.batches import frames_between, whole_steps
from wakewright.data.phonemes import phonemes
from wakewright.data.store import Store, Track, decode
from wakewright.data.streams import PIECE_S
from wakewright.dsp import embedding

UTTERANCES = 16
"""Whole utterances heard per step."""
AFTER_S = 0.1
"""Heard after the end of an utterance: the trunk tells of its last sound a little later."""
_DRAW = 5
"""Sets this module's chances apart from those that windows are drawn by."""


class Phonetic(nn.Module):
    """The loss of the phonemes in utterances drawn from a store, and the layer that is learnt for it."""

    def __init__(
        self, track: Track, spans: NDArray[np.int64], said: Sequence[Sequence[str]], weight: float, seed: int
    ) -> None:
        """`spans` (utterances, 2) are the first frame of each utterance, with the trunk's reach before it, and how
        many steps hear it; `said` its phonemes."""
        super().__init__()
        self._track, self._spans, self._weight, self._seed = track, spans, weight, seed
        number = {sound: 1 + at for at, sound in enumerate(sorted({*itertools.chain(*said)}))}  # 0 is the blank
        self._said = [torch.tensor([number[sound] for sound in sounds]) for sounds in said]
        self.last = nn.Linear(embedding.CHANNELS, 1 + len(number))

    @classmethod
    def of(cls, settings: Pretrain, recipe: Recipe, model: Any, store: Store, manifest: Manifest) -> Phonetic | None:
        """For what voices of the recipe's language say in a store of `manifest`'s clips; None if it isn't asked for.

        Utterances with more sounds than the model has steps are left out. Raises RecipeError when none is left.
        """
        if settings.phonemes is None:
            return None
        track = store.tracks[model.frontend]
        spans, said = [], []
        for event in store.events:
            clip = manifest.clips[event["clip"]]
            sounds = phonemes(clip.text, recipe.language) if _is_known(clip) else ()
            first, steps = _span(track, event, model.trunk.reach, model.stride)
            if sounds and steps >= len(sounds) + sum(a == b for a, b in itertools.pairwise(sounds)):
                spans.append((first, steps))
                said.append(sounds)
        if not said:
            raise _nothing_to_tell()
        return cls(track, np.array(spans, np.int64), said, settings.phonemes, recipe.seed)

    def forward(self, model: Any, step: int) -> Tensor:
        """The weighted loss per phoneme, of this step's utterances: the same for the same seed and step."""
        rng = np.random.default_rng([self._seed, step, _DRAW])
        drawn = rng.choice(len(self._said), min(UTTERANCES, len(self._said)), replace=False)
        firsts, steps = self._spans[drawn].T
        said = [self._said[i] for i in drawn]
        # the shorter ones are followed by what their streams go on with: features do not look ahead
        length = model.trunk.reach + (int(steps.max()) - 1) * model.stride
        wanted = np.minimum(firsts[:, None] + np.arange(length), len(self._track.frames) - 1)
        frames = decode(self._track.name, np.asarray(self._track.frames).take(wanted, axis=0))
        features, _ = model.features(torch.from_numpy(frames))
        told = functional.log_softmax(self.last(features), dim=-1).transpose(0, 1)
        lengths = torch.tensor([len(sounds) for sounds in said])
        return self._weight * functional.ctc_loss(told, torch.cat(said), torch.from_numpy(steps), lengths)


def refuse_mute(settings: Pretrain | None, clips: Manifest) -> None:
    """Raises RecipeError, before anything is heard, when phonemes are asked for and those of no clip are known."""
    if settings is not None and settings.phonemes is not None and not any(_is_known(clip) for clip in clips):
        raise _nothing_to_tell()


def _nothing_to_tell() -> RecipeError:
    return RecipeError(
        "there is nothing to learn phonemes from",
        got="no synthetic utterance of the recipe's language",
        do="let an engine of that language speak sentences, or leave train.pretrain.phonemes out",
    )


def _is_known(clip: Clip) -> bool:
    """Whether an utterance of the clip is all of it, and sounds as the recipe's language reads its text."""
    whole = clip.kind in ("positive", "near_miss") or clip.seconds <= PIECE_S
    return whole and bool(clip.text) and not clip.real and not clip.foreign


def _span(track: Track, event: np.void, reach: int, stride: int) -> tuple[int, int]:
    """The frame from which a trunk hears an utterance, and how many whole steps hear it; 0 where there is no room."""
    # from the last frame before it begins, and what the trunk hears before that
    begins = int(event["start"]) - (reach + 1) * track.hop + 1
    first, last = frames_between(track, event, begins, int(event["end"]) + int(AFTER_S * SAMPLE_RATE))
    whole = whole_steps(first, last, reach, stride)
    return first, (whole - first - reach) // stride + 1 if whole > first else 0
