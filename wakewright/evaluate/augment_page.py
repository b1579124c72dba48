"""One HTML page, without any other file, on which each augmentation of a recipe is heard and seen."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from pathlib import Path

import soundfile

from wakewright.core.audio import SAMPLE_RATE, Samples, to_int16
from wakewright.core.files import write_text
from wakewright.core.manifest import Clip
from wakewright.data.auditions import Audition
from wakewright.evaluate import picture
from wakewright.evaluate.page import document

MORE_STYLE = """
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:.9rem;margin:.6rem 0 1.2rem}
.pair img{width:100%;height:8rem;display:block;border-radius:.3rem;image-rendering:pixelated;background:#080818}
.pair audio{max-width:none;margin-top:.3rem}
"""


def write(found: Iterable[tuple[Clip, Audition]], path: Path, title: str) -> Path:
    """Write the page to `path`, atomically. Raises DiskFull, and what making the auditions raises."""
    by_name: dict[str, list[tuple[Clip, Audition]]] = {}
    for clip, audition in found:
        by_name.setdefault(audition.name, []).append((clip, audition))
    sections = "\n".join(_section(name, mine) for name, mine in by_name.items())
    lead = (
        f"<h1>{escape(title)}: what training hears</h1>\n"
        '<p class="muted">Left before, right after. Sound is shown from 0 to 8 kHz; warp, tempo, specaugment and '
        "mixup are made on the 40 channels of the micro front end and can be seen alone.</p>"
    )
    write_text(path, document(f"{title}: augmentation", [lead, sections], MORE_STYLE))
    return path


def _section(name: str, mine: list[tuple[Clip, Audition]]) -> str:
    first = mine[0][1]
    place = "train" if name == "mixup" else "augment"
    settings = ", ".join(f"{place}.{s.strip()}" for s in first.settings.split(",") if s.strip())
    state = "" if first.on else "; off in this recipe, shown with its usual settings"
    head = f"<h2>{escape(name)}</h2><p>{escape(first.meaning)}<br><small>{escape(settings + state)}</small></p>"
    return head + "".join(_pair(clip, audition) for clip, audition in mine)


def _pair(clip: Clip, audition: Audition) -> str:
    who = Path(clip.path).name if clip.real else f"{clip.speaker}, “{clip.text}”"
    said = f"{who}{': ' if audition.drawn else ''}{audition.drawn}"
    longest = max(len(audition.before), len(audition.after))
    sides = "".join(
        _side(side, label, len(side) / longest)
        for side, label in ((audition.before, "before"), (audition.after, "after"))
    )
    return f'<p class="muted">{escape(said)}</p><div class="pair">{sides}</div>'


def _side(what: Samples, label: str, share: float) -> str:
    """A picture as wide as `share` of its column, so that a second is as long on either side; sound with a player."""
    heard = what.ndim == 1
    image = picture.spectrogram(what) if heard else picture.features(what)
    source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    shown = f'<img alt="{label}" style="width:{100 * share:.1f}%" src="{source}">'
    return f"<div>{shown}{_player(what) if heard else ''}</div>"


def _player(samples: Samples) -> str:
    """The sound without loss, since it is here to be judged."""
    coded = io.BytesIO()
    soundfile.write(coded, to_int16(samples), SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    sound = base64.b64encode(coded.getvalue()).decode()
    return f'<audio controls preload="metadata" src="data:audio/flac;base64,{sound}"></audio>'
