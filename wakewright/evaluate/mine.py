"""Looking for mistakes in hours of audio without the phrase: what wakes the detector, and what nearly does.

The detector that a run ships hears every source as continuous audio, block by block, by many workers. What
peaks at the threshold or near it is cut out, held against what was found before, and kept; the slower Judge is asked
about these sounds alone.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wakewright.core import ground
from wakewright.core.audio import SAMPLE_RATE, Samples, load, to_int16, write_wav
from wakewright.core.engine import Workers, agreeing, map_work
from wakewright.core.errors import AudioError, InputError
from wakewright.core.files import fingerprint
from wakewright.core.mined import Found, FoundKind, Mined
from wakewright.core.progress import Progress
from wakewright.detect import household, metadata
from wakewright.detect.detector import BEFORE_S, Detector
from wakewright.detect.judge import SHORTEST_S, Judge
from wakewright.evaluate import alike
from wakewright.evaluate.addresses import Ending, blocks_at
from wakewright.evaluate.peaks import DEAD_TIME_S, peak_steps
from wakewright.evaluate.sources import Block, Material, blocks_of

VERSION = 1
"""Raised whenever a search would find something else."""
SOUND_BEFORE_S, SOUND_AFTER_S = 1.5, 0.5
"""Sound that is kept before and after the moment of the highest score."""
NEAR_SHARE = 0.5
"""Share of the threshold from which on a peak is a near miss, unless another score is given."""
MOST = 1000
"""Sounds without a label that a folder keeps; of more, those with the highest scores."""


@dataclasses.dataclass(frozen=True)
class Search:
    """Who listens, and for what."""

    detector: str
    """Folder of the run, or of an exported detector."""
    threshold: float
    near: float
    """Peaks from this score on are collected."""
    judge: str | None = None
    """Folder of the Judge that looks at them."""

    @classmethod
    def of(cls, detector: Path, *, near: float | None = None, judge: Path | None = None) -> Search:
        """With the detector's own threshold.

        Raises RunError for a detector that is none; InputError for a Judge of another phrase, or a `near` above
        the threshold.
        """
        heard = Detector.load(detector)
        if near is not None and not 0 < near <= heard.threshold:
            raise InputError(
                "--near lies outside of what can be near",
                got=f"{near:g}, where the threshold is {heard.threshold:.4g}",
                do="give a score above 0 and not above the threshold",
            )
        if judge is not None and (other := Judge.load(judge).phrase) != heard.phrase:
            raise InputError(
                "the Judge is of another phrase", got=f"{other!r}, not {heard.phrase!r}", do="name one of this phrase"
            )
        level = heard.threshold * NEAR_SHARE if near is None else near
        return cls(str(detector), heard.threshold, level, None if judge is None else str(judge))

    def key(self) -> str:
        """Changes with everything that decides what is found in a block."""
        return fingerprint(
            VERSION, self.threshold, self.near, _digest(self.detector), self.judge and _digest(self.judge)
        )


def _digest(folder: str) -> str:
    """Changes with the model, and with the gain that a household has fitted."""
    place = Path(folder)
    about = household.applied(place, metadata.read(place))
    return fingerprint(household.fitted_to(place / about.get("model", "model.onnx")), about.get("input_gain_db", 0.0))


@dataclasses.dataclass(frozen=True)
class Catch:
    """A find with its sound, on its way to the folder."""

    found: Found
    sound: Samples
    prints: alike.Prints


@dataclasses.dataclass(frozen=True)
class Searched:
    """What came of a block."""

    block: Block
    seconds: float
    """Of audio that was counted."""
    caught: tuple[Catch, ...] = ()
    problem: str | None = None
    """Why it could not be read."""


@functools.lru_cache(maxsize=2)
def _detector(folder: str) -> Detector:
    return Detector.load(folder, threshold=1.0)


@functools.lru_cache(maxsize=2)
def _judge(folder: str) -> Judge:
    return Judge.load(folder)


def search_block(block: Block, *, search: Search) -> Searched:
    """Hear one block and cut out what stirred the detector."""
    try:
        samples = block.samples()
    except AudioError as error:
        return Searched(block, 0.0, problem=f"{error.what}: {error.got}")
    detector = _detector(search.detector)
    detector.reset()
    scores = detector.score(samples)
    at = block.heard_from_s + detector.first_step_s + np.arange(len(scores)) * detector.hop_s
    # a peak across the border may swallow one here, but what was heard while settling must not
    first = int(np.searchsorted(at, max(0.0, block.start_s - DEAD_TIME_S) - 1e-9))
    steps = first + peak_steps(scores[first:], detector.hop_s)
    end_s = math.inf if block.last else block.end_s
    inside = (at[steps] >= block.start_s - 1e-9) & (at[steps] < end_s - 1e-9) & (scores[steps] >= search.near)
    caught = tuple(_cut(block, samples, float(at[s]), float(scores[s]), search) for s in steps[inside])
    return Searched(dataclasses.replace(block, sound=None), block.end_s - block.start_s, caught)


def _cut(block: Block, samples: Samples, at_s: float, score: float, search: Search) -> Catch:
    """The sound around a peak, as it is kept."""
    length_s = block.source.seconds if block.last else math.inf
    at_s = min(at_s, length_s)

    def part(low_s: float, high_s: float) -> Samples:
        low, high = (round((s - block.heard_from_s) * SAMPLE_RATE) for s in (max(0.0, low_s), min(high_s, length_s)))
        return samples[max(0, low) : high]

    sound = part(at_s - SOUND_BEFORE_S, at_s + SOUND_AFTER_S)
    confidence = None
    if search.judge is not None and len(sound) >= SHORTEST_S * SAMPLE_RATE:
        context = part(at_s - BEFORE_S, at_s + SOUND_AFTER_S)
        confidence = _judge(search.judge).verify(context).confidence
    kind: FoundKind = "false_accept" if score >= search.threshold else "near_miss"
    found = Found(
        id=hashlib.sha256(to_int16(sound).tobytes()).hexdigest()[:16],
        kind=kind,
        score=score,
        threshold=search.threshold,
        judge=confidence,
        source=block.source.name,
        at_s=round(at_s, 3),
        start_s=round(max(0.0, at_s - SOUND_BEFORE_S), 3),
        seconds=len(sound) / SAMPLE_RATE,
    )
    return Catch(found, sound.copy(), alike.prints_of(sound))


class Keeper:
    """Takes what was caught into a mined folder, each sound once, and no more than `most` without a label."""

    def __init__(self, mined: Mined, most: int = MOST) -> None:
        self._mined, self._most = mined, most
        mined.drop_strays()
        self.kept: dict[str, Found] = {one.id: one for one in mined.found()}
        self._prints = {name: alike.middle(alike.prints_of(load(mined.sound_of(name)))) for name in self.kept}

    def take(self, caught: Sequence[Catch]) -> None:
        """Add one block's catch and write it: sounds first, then the list, at last what fell out is removed."""
        if not caught:
            return
        labels = self._mined.labels()
        there = set(self.kept)
        changed = [name for catch in caught if (name := self._add(catch, labels))]
        self._drop_lowest(labels)
        if changed or self.kept.keys() != there:
            self._mined.write(list(self.kept.values()))
        for name in (there | set(changed)) - self.kept.keys():
            self._mined.sound_of(name).unlink(missing_ok=True)

    def _add(self, catch: Catch, labels: Collection[str]) -> str:
        """Take one sound in; its ID where that changed anything, else ""."""
        found = catch.found
        known = self.kept.get(found.id)
        if known is not None:
            if found.judge is None or known.judge == found.judge:
                return ""
            self.kept[found.id] = dataclasses.replace(known, judge=found.judge)
            return found.id
        if any(one.kind in ("false_accept", found.kind) or one.id in labels for one in self._same(catch)):
            return ""  # the first is kept, so that hearing it all once more brings nothing
        write_wav(self._mined.sound_of(found.id), catch.sound)
        self.kept[found.id], self._prints[found.id] = found, alike.middle(catch.prints)
        return found.id

    def _same(self, catch: Catch) -> list[Found]:
        """What was kept of this very sound: from the same moment of a source, or alike."""
        here = catch.found
        names = {
            one.id
            for one in self.kept.values()
            if one.source == here.source and abs(one.at_s - here.at_s) <= DEAD_TIME_S
        }
        if self._prints:
            near = alike.nearness(catch.prints, np.stack(list(self._prints.values())))
            names |= {name for name, value in zip(self._prints, near, strict=True) if value >= alike.ALIKE}
        return [self.kept[name] for name in names]

    def _drop_lowest(self, labels: Collection[str]) -> None:
        free = sorted((one for one in self.kept.values() if one.id not in labels), key=lambda one: -one.score)
        for one in free[self._most :]:
            del self.kept[one.id], self._prints[one.id]


@dataclasses.dataclass(frozen=True)
class Totals:
    """What a search with these settings found in all, this time and before."""

    seconds: float
    false_accepts: int
    """Events, the same sound every time that it came."""
    near_misses: int

    @classmethod
    def of(cls, mined: Mined, key: str) -> Totals:
        """From the journal."""
        lines = [line for line in mined.journal() if line["search"] == key]
        return cls(
            sum(line["seconds"] for line in lines),
            sum(line["false_accepts"] for line in lines),
            sum(line["near_misses"] for line in lines),
        )


def mine(
    search: Search,
    wanted: Material,
    mined: Mined,
    *,
    most: int = MOST,
    workers: Workers = 0,
    progress: Progress | None = None,
    say: Callable[[str], None],
) -> Totals:
    """Search everything that the folder's journal does not have yet; killed anywhere, the next call goes on.

    Hold the folder while this works (core.lock.exclusive). Raises what map_work raises, DiskFull, InputError for an
    address that cannot be searched, and KeyboardInterrupt, after what had come from an address was searched.
    """
    key, keeper = search.key(), Keeper(mined, most)
    done = {_where(line) for line in mined.journal() if line["search"] == key}
    blocks = [b for source in wanted.files for b in blocks_of(source) if _where(_line(b, key)) not in done]
    work = functools.partial(search_block, search=search)
    detectors = [str(Path(of) / "metadata.json") for of in (search.detector, search.judge) if of is not None]
    workers = agreeing(workers, functools.partial(ground.files, detectors))
    workers = agreeing(workers, functools.partial(ground.around, [source.path for source in wanted.files]))

    def take(searched: Searched) -> None:
        if searched.problem is not None:
            say(f"left out: {searched.problem}")
            return
        keeper.take(searched.caught)
        kinds = [catch.found.kind for catch in searched.caught]
        mined.note_block(
            **_line(searched.block, key),
            seconds=round(searched.seconds, 3),
            false_accepts=kinds.count("false_accept"),
            near_misses=kinds.count("near_miss"),
        )

    total = sum(block.end_s - block.start_s for block in blocks)
    with (progress or Progress()).stage("mine", math.ceil(total), "s") as bar:
        for searched in map_work(work, blocks, workers=workers):
            take(searched)
            bar.advance(round(searched.seconds))
            bar.note(f"{len(keeper.kept)} sounds kept")
    for url in wanted.urls:
        with (progress or Progress()).stage(f"mine {url}", None, "s") as bar, Ending() as ending:
            for block in blocks_at(url, say, ending):
                if _where(_line(block, key)) not in done:
                    take(work(block))
                bar.advance(round(block.end_s - block.start_s))
    return Totals.of(mined, key)


def _line(block: Block, key: str) -> dict[str, Any]:
    """How the journal names a block."""
    source = block.source
    return {
        "source": source.name,
        "size": source.size,
        "mtime_ns": source.mtime_ns,
        "block": block.number,
        "search": key,
    }


def _where(line: dict[str, Any]) -> tuple[str, int, int, int]:
    return line["source"], line["size"], line["mtime_ns"], line["block"]
