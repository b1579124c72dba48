"""What an evaluation found: plain frozen records that are written as JSON and read back unchanged.

Rates and shares keep the counts they come from, so that nothing can be printed without its evidence.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from wakewright.core.errors import RunError
from wakewright.core.files import write_json
from wakewright.evaluate.intervals import rate_interval, share_interval


@dataclasses.dataclass(frozen=True)
class Rate:
    """Events per hour."""

    count: int
    hours: float
    per_hour: float | None
    """None when no time was measured."""
    low: float
    """95 %, Garwood."""
    high: float | None
    """For a count of zero one-sided: 2.996 / hours. None when no time was measured."""


@dataclasses.dataclass(frozen=True)
class Share:
    """Misses among wake words."""

    count: int
    total: int
    share: float | None
    """None when nothing was tried."""
    low: float
    """95 %: Clopper-Pearson at a fixed threshold, bootstrap where the threshold follows from a false-accept rate."""
    high: float


@dataclasses.dataclass(frozen=True)
class Point:
    """The miss rate at a false-accept rate, or at the calibrated threshold."""

    target_fa_per_hour: float | None
    """The rate asked for; None for the calibrated threshold."""
    threshold: float
    missed: Share
    false_accepts: Rate
    """At this threshold."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """A DET curve, one entry per number of false accepts allowed, rising from none."""

    false_accepts: tuple[int, ...]
    hours: float
    frr: tuple[float, ...]
    low: tuple[float, ...]
    """95 % bootstrap band."""
    high: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Delay:
    """Seconds from the end of the word to the detection."""

    median_s: float
    p90_s: float
    detected: int


@dataclasses.dataclass(frozen=True)
class Condition:
    """The wake words heard in one way, such as clean or with noise at 10 dB."""

    name: str
    chosen: Point
    """At the calibrated threshold."""
    points: tuple[Point, ...]
    """At the false-accept rates asked for."""
    curve: Curve
    eer: float | None
    """Equal error rate over two-second windows."""
    pauc: float | None
    """Area under the ROC curve up to a false-positive rate of 10 %, divided by it: 1 is perfect."""
    delay: Delay | None


@dataclasses.dataclass(frozen=True)
class Silence:
    """Sound without the wake word, and how often it woke the detector at the calibrated threshold."""

    name: str
    false_accepts: Rate
    real_hours: float


@dataclasses.dataclass(frozen=True)
class Group:
    """Misses in one group of the wake words; of the confusions, how many were taken for it."""

    name: str
    missed: Share


@dataclasses.dataclass(frozen=True)
class Breakdown:
    """Counts by the values of one label."""

    label: str
    groups: tuple[Group, ...]
    left_out: int = 0
    """Groups not shown, those with the lowest counts."""
    condition: str = ""
    """The condition whose words these are."""
    few: int = 0
    """Groups not shown because they hold too few words."""
    missed_of_few: Share | None = None
    """Misses in all of those together."""
    note: str = ""
    """Who says it."""
    unshown: tuple[Group, ...] = ()
    """Of the groups not shown those that were kept, for runs to be held against each other."""


@dataclasses.dataclass(frozen=True)
class Operation:
    """What one threshold does."""

    threshold: float
    missed: tuple[Share, ...]
    """Per condition of the table."""
    false_accepts: Rate


@dataclasses.dataclass(frozen=True)
class ThresholdTable:
    """What several thresholds do, rising, on the sound of the report's own figures."""

    conditions: tuple[str, ...]
    rows: tuple[Operation, ...]


@dataclasses.dataclass(frozen=True)
class Source:
    """A source of false accepts."""

    name: str
    false_accepts: Rate


@dataclasses.dataclass(frozen=True)
class Histogram:
    """How the scores lie: counts per bin."""

    edges: tuple[float, ...]
    positives: tuple[float, ...]
    """Highest score of each wake word."""
    negatives: tuple[float, ...]
    """Peaks in sound without it, those that false accepts are counted by."""


@dataclasses.dataclass(frozen=True)
class History:
    """One curve of the training."""

    name: str
    steps: tuple[float, ...]
    values: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Sample:
    """A sound to listen to, by its path relative to the run folder."""

    path: str
    label: str


@dataclasses.dataclass(frozen=True)
class Licence:
    """Under which licence clips were learnt from."""

    source: str
    """Engine or corpus."""
    licence: str
    """As the engine or corpus states it."""
    clips: int
    """How many; 0 where the run's backbone learnt from them and not the run."""


@dataclasses.dataclass(frozen=True)
class Form:
    """The same weights in another arithmetic, over the same validation words."""

    name: str
    missed: float
    """Mean share missed at once, twice and four times the target of false accepts."""


@dataclasses.dataclass(frozen=True)
class Result:
    """Everything an evaluation found."""

    phrase: str
    model: str
    threshold: float
    threshold_origin: str
    """One sentence: how the threshold was chosen, on what."""
    conditions: tuple[Condition, ...]
    """The first is the headline."""
    silences: tuple[Silence, ...]
    """The first gives the hours of the DET curve."""
    thresholds: ThresholdTable | None = None
    """What other thresholds would have done."""
    breakdowns: tuple[Breakdown, ...] = ()
    """The misses by one label each, those of the first condition first."""
    confusions: Breakdown | None = None
    """Of phrases that sound a little like the wake word, how often each woke it."""
    worst: tuple[Source, ...] = ()
    histogram: Histogram | None = None
    history: tuple[History, ...] = ()
    forms: tuple[Form, ...] = ()
    """Of a model that learnt for int8: float32, with its roundings, and the file."""
    advice: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    recipe: str = ""
    """The resolved recipe, as YAML."""
    samples: tuple[Sample, ...] = ()
    licences: tuple[Licence, ...] = ()
    """Of the clips that the model was trained on."""
    created: str = ""
    """When, as ISO 8601."""


def rate(count: int, hours: float) -> Rate:
    """A count in a time, with its interval."""
    low, high = rate_interval(count, hours)
    return Rate(count, hours, count / hours if hours > 0 else None, low, None if math.isinf(high) else high)


def share(count: int, total: int, interval: tuple[float, float] | None = None) -> Share:
    """A count in a total, with the exact interval unless another is given."""
    low, high = share_interval(count, total) if interval is None else interval
    return Share(count, total, count / total if total else None, float(low), float(high))


def write_result(path: Path | str, result: Result) -> None:
    """Write as JSON, atomically. Raises ValueError for a number that is not finite."""
    write_json(path, dataclasses.asdict(result))


def read_result(path: Path | str) -> Result:
    """Read what `write_result` wrote. Raises RunError when it is missing or is something else."""
    path = Path(path)
    if not path.is_file():
        raise RunError(f"no evaluation at {path}", got="no such file", do="run: wakewright evaluate RUN")
    try:
        return TypeAdapter(Result).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(
            f"{path} is not an evaluation result",
            got=f"{where or 'file'}: {first['msg']}",
            do="evaluate the run again",
        ) from error
