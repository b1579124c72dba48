"""How fast a search for mistakes is, and how far apart the prints of one sound and of two lie.

    taskset -c 0 python benchmarks/mine.py RUN [--minutes 60] [--audio DIR] [--alike]

Searches generated audio, coloured noise whose level moves like speech, or with --audio the recordings of a folder,
in one process with the detector that the run ships. The time is that of the search alone; CPU seconds are those of
this process. With --alike it cuts two seconds out of each recording of --audio and prints how near each is to itself
played otherwise, and to every other.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from wakewright.core.audio import SAMPLE_RATE, Samples, load, rms, write_wav
from wakewright.core.mined import Mined
from wakewright.core.progress import Progress, resident_bytes
from wakewright.evaluate import alike
from wakewright.evaluate.mine import Search, mine
from wakewright.evaluate.sources import material


def generated(folder: Path, minutes: int) -> None:
    """Files of at most an hour: noise in bands, louder and softer some four times a second."""
    for number, left in enumerate(range(minutes, 0, -60)):
        rng = np.random.default_rng(number)
        length = min(60, left) * 60 * SAMPLE_RATE
        noise = rng.standard_normal(length, np.float32)
        noise[1:] += 0.9 * noise[:-1]
        level = np.repeat(rng.uniform(0, 1, length // 4000 + 1), 4000)[:length] ** 3
        write_wav(folder / f"{number}.wav", noise * (0.2 * level).astype(np.float32))


def speed(run: Path, words: list[str]) -> None:
    """Search, and print how long it took."""
    found = material(words)
    seconds = sum(source.seconds for source in found.files)
    with tempfile.TemporaryDirectory() as folder:
        search, mined = Search.of(run), Mined(Path(folder))
        wall, cpu = time.perf_counter(), time.process_time()
        totals = mine(search, found, mined, workers=1, progress=Progress(quiet=True), say=print)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        kept = len(mined.found())
    print(f"{seconds / 3600:.2f} h in {len(found.files)} files, one process")
    print(f"{totals.false_accepts} false accepts, {totals.near_misses} near misses, {kept} sounds kept")
    print(f"wall {wall:.1f} s, {seconds / wall:,.0f} times real time; CPU {cpu:.1f} s, {seconds / cpu:,.0f} times")
    print(
        f"CPU {1000 * cpu / seconds:.2f} ms per second of audio; "
        f"memory at the end {(resident_bytes() or 0) / 1e6:.0f} MB"
    )


def otherwise(sound: Samples, at: int) -> dict[str, Samples]:
    """The two seconds at a sample, as they may come again."""
    rng = np.random.default_rng(at)
    length = 2 * SAMPLE_RATE
    said = sound[at : at + length]
    coded = io.BytesIO()
    soundfile.write(coded, said, SAMPLE_RATE, format="OGG", subtype="VORBIS")
    coded.seek(0)
    return {
        "8 dB softer, 30 ms later": 0.4 * sound[at + 480 : at + 480 + length],
        "50 ms earlier": sound[at - 800 : at - 800 + length],
        "as Ogg Vorbis": soundfile.read(coded, dtype="float32")[0][:length],
        "noise at 20 dB": said + rng.standard_normal(length, np.float32) * np.float32(0.1 * rms(said)),
    }


def likeness(folder: str) -> None:
    """Print how near prints are."""
    prints, same = [], {}
    for source in material([folder]).files:  # without those that are kept for measuring
        if source.seconds < 4:
            continue
        sound = load(source.path)
        at = SAMPLE_RATE
        if rms(sound[at : at + 2 * SAMPLE_RATE]) < 1e-3:
            continue
        prints.append(alike.prints_of(sound[at : at + 2 * SAMPLE_RATE]))
        for name, other in otherwise(sound, at).items():
            near = alike.nearness(alike.prints_of(other), alike.middle(prints[-1])[None])
            same.setdefault(name, []).append(float(near[0]))
    middles = np.stack([alike.middle(p) for p in prints])
    near = np.concatenate([alike.nearness(p, middles[i + 1 :]) for i, p in enumerate(prints)])
    print(f"{len(prints)} recordings; one sound from {alike.ALIKE} on")
    for name, values in same.items():
        print(f"itself, {name}: {np.mean(np.array(values) >= alike.ALIKE):.1%} taken for the same")
    print(f"two others: {np.mean(near >= alike.ALIKE):.4%} of {len(near)} pairs taken for the same")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--audio")
    parser.add_argument("--alike", action="store_true")
    asked = parser.parse_args()
    if asked.alike:
        likeness(asked.audio)
    elif asked.audio:
        speed(asked.run, [asked.audio])
    else:
        with tempfile.TemporaryDirectory() as folder:
            generated(Path(folder), asked.minutes)
            speed(asked.run, [folder])


if __name__ == "__main__":
    main()
