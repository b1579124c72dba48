"""The recipe: everything decided before a run, as one typed, frozen tree.

Each field's docstring is its help text in the editor, on the command line and in reports. Durations are in
seconds (`_s`) or milliseconds (`_ms`), levels in decibels (`_db`). A setting that is a `low, high` pair is drawn
uniformly between the two.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from wakewright.core.listening import Cascade as Cascade
from wakewright.core.listening import Gate as Gate
from wakewright.core.listening import Policy as Policy
from wakewright.core.material import Background, Dataset, Mined, Recordings
from wakewright.core.model import Frontend as Frontend
from wakewright.core.model import Model as Model
from wakewright.core.model import ModelName as ModelName
from wakewright.core.node import Node
from wakewright.core.node import Share as Share
from wakewright.core.node import Span as Span
from wakewright.core.recipe_augment import Augment as Augment
from wakewright.core.where import Engine

FORMAT = 1
"""Version of the recipe format this package writes and reads."""

Board = Literal["esp32-s3", "esp32", "rp2040", "cortex-m4"]


class Voices(Node):
    """Synthetic speech: who speaks, and how much."""

    engines: tuple[str, ...] | None = None
    """Names of the speech engines to use (see: wakewright voices); null uses every one that is installed."""
    positives: PositiveInt = 2400
    """Clips of the wake phrase to speak, shared evenly among the engines."""
    near_misses: Annotated[int, Field(ge=0)] = 1000
    """Clips of phrases that sound a little like it."""
    sentences: Annotated[int, Field(ge=0)] = 1200
    """Clips of ordinary sentences."""
    accent_share: Share = 0.25
    """Share of the phrase's clips that voices of other languages say, as people with another mother tongue would."""
    accents: tuple[str, ...] | None = None
    """Languages of these voices, as espeak-ng names them; null takes those that read the phrase much alike."""
    rate: Span = (0.75, 1.3)
    """Speaking rate relative to the voice's own."""
    pitch: Span = (0.8, 1.25)
    """Pitch relative to the voice's own, where the engine can."""
    piper_dir: str | None = None
    """Folder with Piper voices (*.onnx and *.onnx.json); null looks where `wakewright voices get` puts them."""
    command: tuple[str, ...] = ()
    """Any other synthesiser: command line with {text} and {out}, one word per item; it must write a WAV to {out}."""


class Phrases(Node):
    """What is spoken besides the phrase itself."""

    spellings: tuple[str, ...] = ()
    """Other spellings that sound right on the synthesisers; spoken as often as the phrase."""
    min_distance: float = 1.5
    """A near miss closer than this many phonemes to the phrase (or than a third of a short one) is dropped: it would
    be the phrase."""
    avoid: tuple[str, ...] = ()
    """Phrases that must not wake it; spoken among the near misses."""


class Pretrain(Node):
    """Learning to hear speech before learning the phrase: the model first imitates the speech embedding."""

    backbone: str | None = "shipped"
    """Where it begins: "shipped" takes the general beginning in the package, where there is one for the model; a file
    that `wakewright backbone train` wrote; null begins from nothing."""
    steps: PositiveInt = 4000
    """Steps spent on it without a backbone; an interrupted run goes on where it stood."""
    refine: Annotated[int, Field(ge=0)] = 0
    """Steps spent on it with a backbone, on the run's own streams."""
    freeze: Annotated[int, Field(ge=0)] = 200
    """First steps of the phrase in which what a backbone brought stays as it is, and the head alone learns."""
    body_lr: Share = 0.1
    """Learning rate, while the phrase is learnt, of what a backbone brought, relative to `train.lr`."""
    lr: PositiveFloat = 2e-3
    """Peak learning rate."""
    keep: Annotated[float, Field(ge=0.0)] = 0.5
    """Weight of this aim while it learns the phrase, lest real voices be forgotten; 0 drops it."""
    phonemes: PositiveFloat | None = None
    """Weight of telling the phonemes of synthetic speech too, in `steps` or `refine`; null leaves them out."""


class Teacher(Node):
    """A larger model, trained on the same clips, whose answers a tiny model learns."""

    kind: Literal["speech_embedding"] = "speech_embedding"
    """speech_embedding: a head on the shared speech embedding."""


class Distill(Node):
    """Soft labels from teachers trained on the same clips."""

    teachers: Annotated[tuple[Teacher, ...], Field(min_length=1)] = (Teacher(),)
    """Who teaches; the answers of several, each from another seed, are averaged."""
    weight: Share = 0.6
    """Share of the target that comes from the teachers."""
    temperature: PositiveFloat = 1.5
    """Softens the teachers' answers."""


class Qat(Node):
    """Quantization-aware training: a tiny model learns with the roundings of its int8 file."""

    start_epoch: Annotated[int, Field(ge=0)] | None = None
    """Passes over the augmented clips of the phrase before it begins; null begins after half of the steps."""
    bits: Literal[8] = 8
    """Width of weights and activations."""


class Train(Node):
    """The optimisation."""

    steps: PositiveInt = 1500
    """Optimiser steps."""
    batch_size: PositiveInt = 128
    """Windows per step."""
    lr: PositiveFloat = 1e-3
    """Peak learning rate of AdamW."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    """AdamW weight decay."""
    schedule: Literal["cosine", "one_cycle", "constant"] = "cosine"
    """Learning rate after the warmup."""
    warmup: Share = 0.05
    """Share of the steps over which the learning rate rises."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.02
    """Moves the targets 0 and 1 this far towards the middle."""
    mixup: Annotated[float, Field(ge=0.0)] = 0.0
    """Alpha of the Beta distribution examples are mixed with; 0 does not mix."""
    mixup_labels: Literal["equal", "any"] = "equal"
    """Which examples are mixed: equal, those of the same labels; any, all of them, and their labels by the same
    shares."""
    positive_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.25
    """Share of each batch that holds the phrase: the class balance."""
    near_miss_share: Share = 0.06
    """Share of each batch that holds near misses."""
    hidden_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.6
    """Share of the speech embedding's channels, or of a tiny model's imitation of it, hidden in each example; on real
    voices nothing matters more."""
    hard_share: Share = 0.2
    """Share of each batch taken from the mined hard negatives, once there are any."""
    hard_negative_weight: PositiveInt = 3
    """How many times as often as other real speech (`augment.real_copies`) each confirmed mistake of an earlier run
    is heard, every time at another speed and in other surroundings (see `mined`)."""
    mine_every: Annotated[int, Field(ge=0)] = 500
    """Steps between searches for hard negatives in the training streams; 0 never searches."""
    ema: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.998
    """Decay of the running average of the weights that is evaluated and exported; 0 uses the raw weights."""
    clip_norm: PositiveFloat = 1.0
    """Largest gradient norm."""
    validate_every: PositiveInt = 250
    """Steps between evaluations on streamed validation audio."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Evaluations without a better checkpoint before training stops early; 0 never stops early."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the forward pass; bfloat16 pays on CPUs with AMX. Int8 is learnt in float32."""
    start: str | None = None
    """Run of this phrase and model whose weights training begins with, kept in the new run from then on; null begins
    anew."""
    pretrain: Pretrain | None = None
    """Learn to imitate the speech embedding first; null starts from nothing."""
    distill: Distill | None = None
    """Learn from teachers' soft labels; null learns from the labels alone."""


class Targets(Node):
    """What the device has room for: training warns of a model that goes past it, and export refuses one."""

    board: Board = "esp32-s3"
    """The board whose time per step is estimated."""
    flash_kb: PositiveFloat | None = None
    """Kilobytes (1000 bytes) for the model file."""
    ram_kb: PositiveFloat | None = None
    """Kilobytes (1000 bytes) for the tensor arena."""
    latency_ms: PositiveFloat | None = None
    """Milliseconds for a step of the model, the front end not counted."""


class Calibrate(Node):
    """How the threshold is chosen, on validation audio only."""

    rule: Literal["fa_per_hour", "far_frr"] = "fa_per_hour"
    """fa_per_hour: lowest threshold that meets the target; far_frr: minimum of 2*FAR+FRR over 100 thresholds."""
    fa_per_hour: PositiveFloat = 0.5
    """Target of false accepts per hour of speech."""


class Recipe(Node):
    """Everything decided before a run."""

    format: Literal[1] = 1
    """Version of this format."""
    phrase: str
    """The words that wake it, as they are written."""
    language: str = "en-us"
    """Language of the phrase, as espeak-ng names it (en-us, en-gb, de, fr-fr, es, ...)."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    """Everything random follows from it."""
    model: Model = Model()
    """Which model."""
    voices: Voices = Voices()
    """Synthetic speech."""
    phrases: Phrases = Phrases()
    """Near misses."""
    recordings: Recordings | None = None
    """Own recordings of the phrase; null trains from the text alone."""
    dataset: Dataset | None = None
    """Recordings that were brought in; null has none."""
    background: Background = Background()
    """Real sound to stay silent for."""
    mined: Mined | None = None
    """Mistakes of an earlier run, to be learnt from; null has none."""
    augment: Augment = Augment()
    """Surroundings."""
    train: Train = Train()
    """Optimisation."""
    qat: Qat | None = None
    """Learn with the roundings of int8; null trains in float32 (see also: wakewright export --calibrate)."""
    targets: Targets | None = None
    """Room on the device; null does not care."""
    policy: Policy = Policy()
    """Scores to detections."""
    calibrate: Calibrate = Calibrate()
    """Choice of the threshold."""
    cascade: Cascade | None = None
    """Sentry and Judge together, for the commands that listen; training does not look at it."""
    engine: Engine = Engine()
    """Where the work runs."""

    @property
    def own_weight(self) -> float:
        """Share of the positives in each batch that are recordings, where there are any; 0 where none are named."""
        if self.recordings is None and self.dataset is None:
            return 0.0
        return (self.recordings or Recordings()).weight

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in which as many positives are drawn as there are augmented clips of the phrase."""
        per_step = self.train.batch_size * self.train.positive_share
        return max(1, math.ceil(self.voices.positives * self.augment.copies / per_step))
