"""The health check of a dataset: each recording for itself, all against one another, and the set as a whole."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from wakewright.core.audio import in_utf8
from wakewright.core.engine import map_processes
from wakewright.core.manifest import Clip, Kind, Manifest
from wakewright.core.progress import Progress
from wakewright.data import alike, faults, terms, twins
from wakewright.data.faults import Fault, Finding
from wakewright.data.fingerprints import unpack
from wakewright.data.journal import Journal
from wakewright.data.layouts import PARTS, plain
from wakewright.data.reading import Reading, Unreadable

ADVISED = 5.0
"""Negatives to each positive from which on a model learns enough about what to stay silent for."""
SURE = 0.2
"""A negative holds the phrase when it sounds more like it than this share of the positives."""
FAR = 3.5
"""A positive sounds like no other when it is this many deviations (of the median) below the others, and below 0."""
NEGATIVE: tuple[Kind, ...] = ("near_miss", "speech")
OTHERS: tuple[Kind, ...] = ("near_miss", "speech", "noise", "music")

Asks = Callable[[str], tuple[bool, float, float]]
"""A file -> whether it holds the phrase, how sure that is (0 to 1), and after how many seconds; travels by pickle."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One manifest to be looked at: a whole dataset, or its training, validation or test part."""

    name: str
    clips: Manifest
    journal: Path
    """Where readings are kept."""


@dataclasses.dataclass(frozen=True, slots=True)
class Amount:
    """How much there is of a kind in a part."""

    part: str
    kind: Kind
    clips: int
    hours: float
    speakers: int


@dataclasses.dataclass(frozen=True)
class Health:
    """What the check found."""

    amounts: tuple[Amount, ...]
    findings: tuple[Finding, ...]
    """Every fault, by kind of fault, the worst first."""
    notes: tuple[str, ...]
    """What one should know and need not mend."""
    licences: tuple[tuple[str, int], ...]
    """Clips by licence, the most frequent first; "" is unknown."""

    @property
    def clips(self) -> int:
        """Clips looked at, those that cannot be read among them."""
        return sum(a.clips for a in self.amounts) + self.counts().get("unreadable", 0)

    def counts(self) -> dict[Fault, int]:
        """Findings by fault, in the order of faults.MEANING; only those there are."""
        counted = Counter(f.fault for f in self.findings)
        return {fault: counted[fault] for fault in faults.MEANING if counted[fault]}


@dataclasses.dataclass(frozen=True, slots=True)
class _Member:
    """A clip, where it belongs, and what reading it gave."""

    clip: Clip
    part: str
    reading: Reading


def check(
    parts: Sequence[Part],
    folder: Path,
    progress: Progress,
    *,
    workers: int = 0,
    phrase: str = "",
    commercial_only: bool = False,
    asks: Asks | None = None,
) -> Health:
    """Look at every clip of the parts.

    `phrase` is what the positives say, for clips whose text is known. `asks` is a judge that listens to negatives in
    place of the likeness to the positives. Embeddings lie in a file in `folder` while they are needed. Raises
    InputError when another process reads the same recordings.
    """
    found: list[Finding] = []
    members: list[_Member] = []
    for part in parts:
        with Journal.open(part.journal) as journal:
            results, _ = journal.read_all(list(dict.fromkeys(c.path for c in part.clips)), progress, workers)
        for clip in part.clips:
            result = results[clip.path]
            if isinstance(result, Unreadable):
                found.append(Finding("unreadable", in_utf8(clip.path), part.name, result.got))
            else:
                members.append(_Member(clip, part.name, result))
    alone = [list(faults.of_clip(m.clip, m.part, m.reading)) for m in members]
    found += [finding for each in alone for finding in each]
    audible = [m for m, each in zip(members, alone, strict=True) if not any(f.fault == "silent" for f in each)]
    groups = _copies(audible, progress, workers)
    found += _texts(members, phrase)
    heard, notes = _likeness(audible, folder, progress, workers, asks)
    told = {f.path for f in found if f.fault == "holds_phrase"}
    found += [f for f in heard if f.fault != "holds_phrase" or f.path not in told]
    found += _leaks(members)
    if commercial_only:
        found += _licences(members)
    faulty = {(f.part, f.path) for f in found}  # what is wrong with a clip itself decides which copy stays
    found += [finding for group in groups for finding in _to_leave_out(group, faulty)]
    order = list(faults.MEANING)
    licences = Counter(m.clip.licence for m in members)
    return Health(
        amounts=tuple(_amounts(parts, members)),
        findings=tuple(sorted(found, key=lambda f: (order.index(f.fault), -f.weight, f.path))),
        notes=(*_balance(members), *notes, *_cut_speech(members), *faults.of_rates([m.reading for m in members])),
        licences=tuple(licences.most_common()),
    )


@dataclasses.dataclass(frozen=True)
class _Alike:
    """Clips that are one recording."""

    members: tuple[_Member, ...]
    fault: Fault
    alike_by: dict[tuple[str, str], float]
    """Correlation of two files, where it was measured."""


def _copies(members: Sequence[_Member], progress: Progress, workers: int) -> list[_Alike]:
    """Exact copies by the hash of their samples, others by fingerprint."""
    paths = [m.clip.path for m in members]
    with progress.stage("compare", len(members), "clips") as bar:
        exact, pairs = twins.among(
            paths,
            [m.reading.digest for m in members],
            [unpack(m.reading.fingerprint) for m in members],
            workers=workers,
        )
        bar.advance(len(members))
    alike_by = {(paths[p.first], paths[p.second]): p.correlation for p in pairs}
    return [
        *(_Alike(tuple(members[i] for i in group), "duplicate", {}) for group in exact),
        *(_Alike(tuple(members[i] for i in group), "near_duplicate", alike_by) for group in twins.groups(pairs)),
    ]


def _to_leave_out(group: _Alike, faulty: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """Findings for all but one of each recording: a copy with another fault never stays in place of one without.

    Without those with a fault, what they joined may be several recordings: a long one holds many takes.
    """
    sound = [m for m in group.members if (m.part, m.clip.path) not in faulty]
    if not sound or len(sound) == len(group.members):
        yield from _all_but_best(group)
        return
    several = [sound]
    if group.fault == "near_duplicate":
        pairs = twins.find([m.clip.path for m in sound], [unpack(m.reading.fingerprint) for m in sound], workers=1)
        several = [[sound[i] for i in positions] for positions in twins.groups(pairs)]
        measured = {(sound[p.first].clip.path, sound[p.second].clip.path): p.correlation for p in pairs}
        group = dataclasses.replace(group, alike_by=group.alike_by | measured)
    for one in several:
        yield from _all_but_best(dataclasses.replace(group, members=tuple(one)))
    for member in group.members:
        if member not in sound:
            partner = next((m for m in sound if _correlation(group, member, m) is not None), _best(sound))
            yield _copy(group, member, partner)


def _all_but_best(group: _Alike) -> Iterator[Finding]:
    best = _best(group.members)
    for member in group.members:
        if member is not best:
            yield _copy(group, member, best)


def _best(members: Sequence[_Member]) -> _Member:
    """The one with most in it, of equals the first."""
    return max(members, key=lambda m: (m.reading.rate, Path(m.clip.path).stat().st_size))


def _correlation(group: _Alike, one: _Member, two: _Member) -> float | None:
    paths = one.clip.path, two.clip.path
    return group.alike_by.get(paths) or group.alike_by.get((paths[1], paths[0]))


def _copy(group: _Alike, member: _Member, best: _Member) -> Finding:
    one, two = member.clip, best.clip
    detail = "" if one.kind == two.kind else f"here it is {one.kind}, there {two.kind}; "
    value = _correlation(group, member, best)
    detail += "the same samples" if group.fault == "duplicate" else "the same waveform"
    if value is not None:
        detail += f" (correlation {value:.2f})"
    leak = member.part != best.part
    if leak:
        detail += f"; the other is in {best.part}"
    kind: Fault = "recording_leak" if leak else group.fault
    return Finding(kind, one.path, member.part, detail, two.path, weight=float(one.kind != two.kind))


def _texts(members: Sequence[_Member], phrase: str) -> Iterator[Finding]:
    """Negatives whose text holds the phrase."""
    said = {plain(m.clip.text) for m in members if m.clip.kind == "positive" and m.clip.text}
    wanted = plain(phrase) or (next(iter(said)) if len(said) == 1 else "")
    for member in members if wanted else ():
        if member.clip.kind in OTHERS and f"_{wanted}_" in f"_{plain(member.clip.text)}_":
            detail = f"its text is {member.clip.text!r}"
            yield Finding("holds_phrase", member.clip.path, member.part, detail, weight=2.0)


def _likeness(
    members: Sequence[_Member], folder: Path, progress: Progress, workers: int, asks: Asks | None
) -> tuple[list[Finding], list[str]]:
    """Positives unlike the others and negatives like them, and what kept it from being looked for."""
    positives = [m for m in members if m.clip.kind == "positive"]
    others = [m for m in members if m.clip.kind in OTHERS]
    found: list[Finding] = []
    if asks is not None:
        paths = [m.clip.path for m in others]
        with progress.stage("ask the Judge", len(others), "clips") as bar:
            answers = map_processes(asks, paths, workers, chunk=8, progress_bar=bar)
            for member, (holds, sure, at_s) in zip(others, answers, strict=True):
                if holds:
                    detail = f"the Judge is {100 * sure:.0f} % sure, at {at_s:.1f} s"
                    found.append(
                        Finding("holds_phrase", member.clip.path, member.part, detail, weight=sure, at_s=at_s)
                    )
    if min(len(positives), len(others)) < alike.FEW:
        few = f"{len(positives)} positives and {len(others)} others"
        return found, [f"too few clips to tell what the phrase sounds like: {few}, {alike.FEW} of each are needed"]
    heard = alike.judge(
        [m.clip.path for m in positives], [m.clip.path for m in others], folder, progress, workers=workers
    )
    middle = float(np.median(heard.positives))
    low = min(0.0, middle - FAR * 1.4826 * float(np.median(np.abs(heard.positives - middle))))
    for member, value in zip(positives, heard.positives.tolist(), strict=True):
        if value < low:
            detail = f"likeness {value:+.2f}, the other positives' {middle:+.2f}: another word, or badly recorded"
            found.append(Finding("unlike_others", member.clip.path, member.part, detail, weight=-value))
    if asks is not None:
        return found, []
    high = float(np.quantile(heard.positives, SURE))
    for member, value, at_s in zip(others, heard.others.tolist(), heard.at_s.tolist(), strict=True):
        if value >= high:
            detail = f"likeness {value:+.2f} to the phrase at {at_s:.1f} s, that of positives {middle:+.2f}"
            found.append(Finding("holds_phrase", member.clip.path, member.part, detail, weight=value, at_s=at_s))
    return found, []


def _leaks(members: Sequence[_Member]) -> Iterator[Finding]:
    """Clips of a speaker who is heard in another part too; where most of the speaker's clips are, they may stay."""
    of_speaker: dict[tuple[str, str], list[_Member]] = defaultdict(list)
    for member in members:
        clip = member.clip
        if clip.speaker and clip.speaker != clip.path and clip.kind != "rir":
            # parts that were imported one by one have their own names as the source
            source = "" if plain(clip.source) in PARTS else clip.source
            of_speaker[source, clip.speaker].append(member)
    for (_, speaker), group in sorted(of_speaker.items()):
        by_part = Counter(m.part for m in group)
        home = by_part.most_common(1)[0][0]
        for member in group:
            if member.part != home:
                detail = f"{speaker} is in {home} too, with {by_part[home]} clips"
                yield Finding("speaker_leak", member.clip.path, member.part, detail)


def _licences(members: Sequence[_Member]) -> Iterator[Finding]:
    for member in members:
        if why := terms.unsold(member.clip.licence):
            known = why == member.clip.licence
            yield Finding("licence", member.clip.path, member.part, why, weight=float(known))


def _amounts(parts: Sequence[Part], members: Sequence[_Member]) -> Iterator[Amount]:
    for part in parts:
        for kind in faults.SECONDS:
            mine = [m for m in members if m.part == part.name and m.clip.kind == kind]
            if mine:
                hours = sum(m.reading.seconds for m in mine) / 3600
                speakers = len({(m.clip.source, m.clip.speaker or m.clip.path) for m in mine})
                yield Amount(part.name, kind, len(mine), hours, speakers)


def _balance(members: Sequence[_Member]) -> Iterator[str]:
    positives = sum(m.clip.kind == "positive" for m in members)
    negatives = sum(m.clip.kind in NEGATIVE for m in members)
    if positives and negatives < ADVISED * positives:
        yield (
            f"{negatives:,} clips of other speech to {positives:,} of the phrase, 1 to {negatives / positives:.1f}: "
            f"1 to {ADVISED:g} or more is advised"
        )
    if not positives:
        yield "there is no clip of the phrase"


def _cut_speech(members: Sequence[_Member]) -> Iterator[str]:
    cut = sum(m.clip.kind == "speech" and bool(faults.cut_edges(m.reading)) for m in members)
    if cut:
        yield f"{cut:,} clips of other speech begin or end in the midst of a word, which does no harm there"
