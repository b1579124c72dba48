"""Missed words and false accepts on the page: the spectrogram, the score below it, and a player, all within it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wakewright.core.audio import SAMPLE_RATE, for_browsers
from wakewright.evaluate import spectrogram
from wakewright.evaluate.moments import Cut, Gallery, Moment
from wakewright.evaluate.svg import Axis, linear_axis

WIDTH, LEFT, RIGHT = 460, 58, 10
SOUND = (10, 130)
"""Top and bottom of the spectrogram."""
SCORE = (146, 226)
"""Top and bottom of the score."""
HEIGHT = 264
TICKS_HZ = (500, 1000, 2000, 4000, 7500)
LISTENING_PEAK = 0.7
"""Sounds are brought to this peak before they are stored: the ear is not to be set anew for each."""

STYLE = """
.moments{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1.5rem 1.25rem}
.moments figcaption{overflow-wrap:anywhere;margin-bottom:.2rem}.moments figcaption b{color:var(--ink);font-weight:600}
.moments audio{max-width:none;height:2rem}
svg .band{fill:var(--c3);opacity:.16}svg .edge{stroke:#fff;stroke-width:1;stroke-dasharray:2 3;opacity:.85}
svg .score{fill:none;stroke:var(--c1);stroke-width:2;stroke-linejoin:round}
"""


def galleries_html(galleries: Sequence[Gallery], threshold: float) -> str:
    """A section for each gallery with anything in it, and one sentence for those without; "" for no gallery."""
    return "".join(_gallery(one, threshold) for one in galleries)


def _gallery(one: Gallery, threshold: float) -> str:
    what = "Missed" if one.which == "missed" else "False accepts"
    title = f"<h2>{what} to look at: {escape(one.name)}</h2>"
    if not one.total:
        none = "No wake word was missed." if one.which == "missed" else "Nothing else was taken for the word."
        return f'{title}<p class="muted">{none}</p>'
    figures = [_figure(moment, threshold) for moment in one.moments]
    order = "lowest score first" if one.which == "missed" else "highest score first"
    shown = f"All {one.total}" if one.total == len(figures) else f"The {len(figures)} worst of {one.total}"
    size = sum(map(len, figures)) / 1e6
    told = (
        f"{shown}, {order}; pictures and sounds are part of this page ({size:.1f} MB of it). Above: mel spectrogram, "
        f"the darkest colour {spectrogram.RANGE_DB:g} dB below the loudest point. Below: the smoothed score, and "
        f"dashed the threshold, {threshold:.3f}. "
    )
    told += "Shaded: the word. " if one.which == "missed" else ""
    told += "Sounds are raised to one level for the ear."
    return f'{title}<p class="muted">{escape(told)}</p><div class="moments">{"".join(figures)}</div>'


def _figure(moment: Moment, threshold: float) -> str:
    """One moment."""
    cut = moment.cut
    said = [part for part in (moment.speaker, *moment.heard) if part]
    place = f"{Path(moment.path).name} ({moment.source}), at {moment.at_s:.2f} s"
    caption = (
        f"<b>{escape(moment.text)}</b>, score {cut.peak:.3f}<br>{escape('; '.join(said))}{'<br>' if said else ''}"
        f'<span title="{escape(moment.path)}">{escape(place)}</span>'
    )
    media, data = for_browsers(_for_the_ear(cut))
    player = f'<audio controls preload="none" src="data:{media};base64,{base64.b64encode(data).decode()}"></audio>'
    return f"<figure><figcaption>{caption}</figcaption>{drawing(cut, threshold)}{player}</figure>"


def _for_the_ear(cut: Cut) -> NDArray[np.int16]:
    peak = int(np.abs(cut.samples.astype(np.int32)).max(initial=0))
    if not peak:
        return cut.samples
    return np.asarray(np.rint(cut.samples * (LISTENING_PEAK * 32767 / peak)), np.int16)


def drawing(cut: Cut, threshold: float) -> str:
    """Spectrogram and score of a cut over one axis of time, as inline SVG."""
    seconds = len(cut.samples) / SAMPLE_RATE
    time = linear_axis("seconds", 0.0, seconds)
    top = 1.0 if max(threshold, cut.peak) > 0.3 else 1.3 * max(threshold, cut.peak, 1e-6)
    score = Axis("score", 0.0, top, tuple((t, f"{t:.2g}") for t in (0.0, top / 2, top)))
    parts = [*_sound(cut, seconds), *_grid(time, score)]
    right = WIDTH - RIGHT
    if cut.word:
        first, last = (_across(time, at) for at in cut.word)
        wide, high = round(last - first, 1), SCORE[1] - SCORE[0]
        parts.append(f'<rect class="band" x="{first}" y="{SCORE[0]}" width="{wide}" height="{high}"/>')
        parts += [f'<path class="edge" d="M{x} {SOUND[0]}V{SOUND[1]}"/>' for x in (first, last)]
    if len(cut.scores):
        at = cut.first_s + np.arange(len(cut.scores)) * cut.hop_s
        points = [
            f"{_across(time, t)} {_down(score, s)}" for t, s in zip(at.tolist(), cut.scores.tolist(), strict=True)
        ]
        parts.append(f'<path class="score" d="M{"L".join(points)}"/>')
    parts.append(f'<path class="mark" d="M{LEFT} {_down(score, threshold)}H{right}"/>')
    about = f"Spectrogram and score over {seconds:.1f} seconds; highest score {cut.peak:.3f}"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{about}">{"".join(parts)}</svg>'


def _across(time: Axis, seconds: float) -> float:
    return round(LEFT + time.share(seconds) * (WIDTH - LEFT - RIGHT), 1)


def _down(score: Axis, value: float) -> float:
    return round(SCORE[1] - score.share(value) * (SCORE[1] - SCORE[0]), 1)


def _sound(cut: Cut, seconds: float) -> list[str]:
    """The picture, wide enough that its frames lie at their times, and what its edges say."""
    data = base64.b64encode(spectrogram.png(cut.samples)).decode()
    high = SOUND[1] - SOUND[0]
    # the first frame's middle is the beginning of the sound
    per_s = (WIDTH - LEFT - RIGHT) / seconds
    wide = spectrogram.seconds_shown(cut.samples) * per_s
    x = LEFT - spectrogram.HOP / SAMPLE_RATE / 2 * per_s
    parts = [
        f'<svg x="{LEFT}" y="{SOUND[0]}" width="{WIDTH - LEFT - RIGHT}" height="{high}">'
        f'<image x="{x - LEFT:.2f}" y="0" width="{wide:.2f}" height="{high}" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{data}"/></svg>'
    ]
    for hertz in TICKS_HZ:
        y = round(SOUND[1] - spectrogram.height_of(hertz) * high, 1)
        parts.append(f'<path class="grid" d="M{LEFT - 4} {y}H{LEFT}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y + 4}" text-anchor="end">{hertz / 1000:g}</text>')
    parts.append(_upright("kHz", sum(SOUND) / 2))
    return parts


def _grid(time: Axis, score: Axis) -> list[str]:
    """Lines and numbers of the score and of the time."""
    right = WIDTH - RIGHT
    parts = []
    for value, text in score.ticks:
        y = _down(score, value)
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{right}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y + 4}" text-anchor="end">{text}</text>')
    for value, text in time.ticks:
        x = _across(time, value)
        parts.append(f'<path class="grid" d="M{x} {SCORE[0]}V{SCORE[1]}M{x} {SOUND[1]}V{SOUND[1] + 4}"/>')
        parts.append(f'<text x="{x}" y="{SCORE[1] + 16}" text-anchor="middle">{text}</text>')
    parts.append(_upright("score", sum(SCORE) / 2))
    middle = (LEFT + right) / 2
    parts.append(f'<text class="label" x="{middle:g}" y="{HEIGHT - 6}" text-anchor="middle">{time.label}</text>')
    return parts


def _upright(text: str, y: float) -> str:
    return f'<text class="label" x="11" y="{y:g}" text-anchor="middle" transform="rotate(-90 11 {y:g})">{text}</text>'
