"""The health of a dataset as words for the terminal, as JSON, and as one HTML page with the worst clips to hear."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from wakewright.core.audio import load_part, write_wav
from wakewright.core.errors import AudioError, InputError
from wakewright.core.files import write_text
from wakewright.data.faults import MEANING, Fault, Finding
from wakewright.data.health import Health
from wakewright.data.layouts import REPORT, SOUNDS
from wakewright.evaluate.page import document, html_table
from wakewright.evaluate.wording import lasting

PAGE = "index.html"
JOURNAL = "health.journal.jsonl"
"""What reading the recordings of a folder gave, kept in its report."""
HEARD = 10
"""Clips of each fault that can be heard on the page, the worst first."""
HEARD_S = 12.0
"""Seconds of each: the first, or those around the place where it is heard."""
TOLD = 5
"""Clips of each fault that are named on the terminal."""
LISTED = 500
"""Clips of each fault that are named on the page."""


def words(health: Health) -> list[str]:
    """What the terminal shows: how much there is, what is wrong, what one should know."""
    lines = [
        f"{a.part}: {a.clips:,} {a.kind.replace('_', ' ')}, {lasting(a.hours)}, {a.speakers:,} speakers or places"
        for a in health.amounts
    ]
    for fault, count in health.counts().items():
        lines.append(f"{MEANING[fault]}: {count:,}")
        mine = [f for f in health.findings if f.fault == fault]
        lines += [f"  {f.path}: {f.detail}" + (f": {f.other}" if f.other else "") for f in mine[:TOLD]]
        if count > TOLD:
            lines.append(f"  and {count - TOLD:,} more")
    lines += [f"note: {note}" for note in health.notes]
    lines += [f"licence {licence or 'not known'}: {count:,} clips" for licence, count in health.licences]
    faulty = len({f.path for f in health.findings})
    lines.append(
        f"{faulty:,} of {health.clips:,} clips have a fault" if faulty else f"{health.clips:,} clips, no fault"
    )
    return lines


def as_json(health: Health) -> dict[str, Any]:
    """All of it: amounts, faults with their counts, findings, notes, licences."""
    return {
        "clips": health.clips,
        "faults": health.counts(),
        **{
            name: [dataclasses.asdict(item) for item in items]
            for name, items in (("amounts", health.amounts), ("findings", health.findings))
        },
        "notes": list(health.notes),
        "licences": dict(health.licences),
    }


def refuse_foreign(folder: Path) -> None:
    """Raise InputError where a report in `folder` would take the place of files that are of none.

    A report is known by its health.json, which is written before what it plays.
    """
    try:
        told = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = None
    if isinstance(told, dict) and {"faults", "findings", "amounts"} <= told.keys():
        return
    foreign = [name for name in (REPORT, PAGE, SOUNDS) if (folder / name).exists()]
    if foreign:
        raise InputError(
            f"{folder} holds files that are of no report",
            got=", ".join(foreign),
            do="name another folder for the report: --out DIR",
        )


def write(health: Health, folder: Path, title: str) -> Path:
    """Write index.html and the sounds it plays into `folder`; the page's path. Raises DiskFull."""
    sounds: dict[str, str] = {}
    places = {finding.path: max(0.0, finding.at_s - HEARD_S / 2) for finding in health.findings if finding.at_s}
    for fault in health.counts():
        for finding in [f for f in health.findings if f.fault == fault][:HEARD]:
            for path in (finding.path, finding.other):
                if path and path not in sounds and fault != "unreadable":
                    sounds[path] = _sound(path, places.get(path, 0.0), folder, len(sounds))
    page = folder / PAGE
    write_text(page, html(health, title, {path: name for path, name in sounds.items() if name}))
    return page


def _sound(path: str, start_s: float, folder: Path, number: int) -> str:
    """A copy that every browser plays; "" where the file has gone or has been damaged since it was read."""
    name = f"{SOUNDS}/{number:03d}.wav"
    try:
        write_wav(folder / name, load_part(path, start_s, HEARD_S))
    except AudioError:
        return ""
    return name


def html(health: Health, title: str, sounds: dict[str, str]) -> str:
    """The page. `sounds` are files relative to it, by the path of a clip; every text is escaped."""
    name = escape(title)
    faulty = len({f.path for f in health.findings})
    verdict = f"{faulty:,} of {health.clips:,} clips have a fault" if faulty else "No fault was found"
    sections = [
        f"<h1>{name}</h1>",
        f'<p class="muted">{escape(verdict)}</p>',
        _cards(health.counts()),
        _warn(health.notes),
        "<h2>What there is</h2>",
        html_table(
            ["part", "kind", "clips", "length", "speakers or places"],
            (
                [escape(a.part), a.kind.replace("_", " "), f"{a.clips:,}", lasting(a.hours), f"{a.speakers:,}"]
                for a in health.amounts
            ),
        ),
        *(_section(fault, [f for f in health.findings if f.fault == fault], sounds) for fault in health.counts()),
        "<h2>Licences</h2>",
        html_table(["licence", "clips"], ([escape(text or "not known"), f"{n:,}"] for text, n in health.licences)),
    ]
    return document(f"{title}: health of the recordings", sections)


def _cards(counts: dict[Fault, int]) -> str:
    cards = (f"<div><b>{count:,}</b><span>{escape(MEANING[fault])}</span></div>" for fault, count in counts.items())
    return f'<div class="cards">{"".join(cards)}</div>' if counts else ""


def _warn(notes: Iterable[str]) -> str:
    lines = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f'<div class="warn" role="note">{lines}</div>' if lines else ""


def _section(fault: Fault, findings: Sequence[Finding], sounds: dict[str, str]) -> str:
    """The clips of one fault: the worst to hear, then all by name."""
    heard = "".join(
        f"<div>{escape(Path(f.path).name)}{_player(f.path, sounds)}"
        + (f"<small>and {escape(Path(f.other).name)}</small>{_player(f.other, sounds)}" if f.other else "")
        + f'<p class="muted">{escape(f.detail)}</p></div>'
        for f in findings[:HEARD]
        if f.path in sounds
    )
    rows = ([escape(f.path), escape(f.part), escape(f.detail), escape(f.other)] for f in findings[:LISTED])
    more = f'<p class="muted">{len(findings) - LISTED:,} more are not shown.</p>' if len(findings) > LISTED else ""
    listed = html_table(["file", "part", "what was found", "the other"], rows)
    return (
        f"<h2>{escape(MEANING[fault].capitalize())}: {len(findings):,}</h2>"
        + (f'<div class="sounds">{heard}</div>' if heard else "")
        + f"<details><summary>files</summary>{listed}{more}</details>"
    )


def _player(path: str, sounds: dict[str, str]) -> str:
    if path not in sounds:
        return ""
    return f'<audio controls preload="none" src="{escape(sounds[path])}"></audio>'
