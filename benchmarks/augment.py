"""How many two-second clips a core can augment per second: each transform alone, and the recipe's whole chain.

    python benchmarks/augment.py [--clips 300] [--speech DIR] [--rooms 24]

Process time is counted, so threads do not help. Beside it, where it is installed, `audiomentations` with the
transforms that correspond.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from wakewright.core.audio import SAMPLE_RATE, Samples, find_audio, load
from wakewright.core.recipe import Augment
from wakewright.data import augment, rooms
from wakewright.data.augment import (
    Babble,
    BandLimit,
    Codec,
    Dropouts,
    Equaliser,
    Gain,
    Mix,
    NoiseFloor,
    Overload,
    Partly,
    Room,
    Speed,
    Stretch,
    Trim,
)
from wakewright.data.link import FORMS
from wakewright.data.pitch import Pitch

LENGTH = 2 * SAMPLE_RATE


def placed(samples: Samples) -> Samples:
    """(n,) -> (32000,): the clip at the end of a two-second window."""
    window = np.zeros(LENGTH, np.float32)
    window[LENGTH - min(LENGTH, len(samples)) :] = samples[-LENGTH:]
    return window


def per_second(work: Callable[[Samples], object], clips: list[Samples]) -> float:
    """Clips per second of process time, best of three rounds."""
    work(clips[0])
    best = 0.0
    for _ in range(3):
        start = time.process_time()
        for clip in clips:
            work(clip)
        best = max(best, len(clips) / (time.process_time() - start))
    return best


def ours(responses: list[Samples], backgrounds: list[Samples]) -> dict[str, Callable[[Samples], object]]:
    rng = np.random.default_rng(2)

    def alone(transform: Any) -> Callable[[Samples], object]:
        return lambda clip: transform.apply(clip, transform.draw(rng))

    def chained(settings: Augment) -> Callable[[Samples], object]:
        voice = augment.voice(settings)
        around = augment.surroundings(settings, responses, backgrounds)

        def work(clip: Samples) -> object:
            window = placed(voice.apply(clip, voice.draw(rng)))
            return around.apply(window, around.draw(rng))

        return work

    voice = [Speed(), Pitch(), Equaliser()]
    single = [*voice, Room(responses), Mix(backgrounds), BandLimit(), Overload(), Gain(), NoiseFloor()]
    rows = {type(t).__name__: alone(t) for t in single}
    further = [Trim(), Stretch(), Partly(Room(responses)), Babble(backgrounds), Dropouts()]
    rows |= {type(t).__name__: alone(t) for t in further}
    rows |= {f"Codec {kind}": alone(Codec((kind,))) for kind in FORMS}
    rows["default recipe"] = chained(Augment())
    rows["everything on every clip"] = chained(Augment(room_share=1, noise_share=1, band_limit_share=1))
    return rows


def theirs(folder: Path, responses: list[Samples], backgrounds: list[Samples]) -> Callable[[Samples], object]:
    """The nearest chain of audiomentations; it reads rooms and backgrounds from files, which it caches."""
    import audiomentations as other  # type: ignore[import-not-found,unused-ignore]

    from wakewright.core.audio import write_wav

    for kind, sounds in (("rir", responses), ("noise", backgrounds)):
        for i, sound in enumerate(sounds):
            write_wav(folder / kind / f"{i}.wav", sound)
    chain = other.Compose(
        [
            other.Resample(min_sample_rate=13_600, max_sample_rate=19_200, p=1),
            other.SevenBandParametricEQ(min_gain_db=-8, max_gain_db=8, p=1),
            other.ApplyImpulseResponse(ir_path=str(folder / "rir"), p=1, leave_length_unchanged=True),
            other.AddBackgroundNoise(sounds_path=str(folder / "noise"), min_snr_db=-2, max_snr_db=25, p=1),
            other.BandPassFilter(p=1),
            other.Normalize(p=1),
            other.AddColorNoise(p=1),
        ]
    )
    return lambda clip: chain(clip, sample_rate=SAMPLE_RATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=300, help="clips per round")
    parser.add_argument("--rooms", type=int, default=24, help="rooms to simulate")
    parser.add_argument("--speech", type=Path, help="folder with speech to use as clips; synthetic noise without it")
    options = parser.parse_args()

    rng = np.random.default_rng(1)
    start = time.process_time()
    responses = [rooms.simulate_room(rooms.draw_room(np.random.default_rng([1, i]))) for i in range(options.rooms)]
    print(f"one simulated room: {(time.process_time() - start) / options.rooms * 1000:.0f} ms")
    backgrounds = [rooms.synthetic_noise(rng, 10.0) for _ in range(8)]
    if options.speech:
        sources = [load(path) for path in find_audio(options.speech)[: options.clips]]
    else:
        sources = [rooms.synthetic_noise(rng, 2.0) for _ in range(16)]
    clips = [placed(sources[i % len(sources)]) for i in range(options.clips)]

    print(f"\n{'two-second clips per second and core':<40}{'clips/s':>9}{'ms each':>9}")
    for name, work in ours(responses, backgrounds).items():
        rate = per_second(work, clips)
        print(f"{name:<40}{rate:>9.0f}{1000 / rate:>9.2f}")
    if find_spec("audiomentations"):
        with tempfile.TemporaryDirectory() as folder:
            rate = per_second(theirs(Path(folder), responses, backgrounds), clips)
        print(f"{'audiomentations, everything':<40}{rate:>9.0f}{1000 / rate:>9.2f}")
    else:
        print("audiomentations is not installed: no comparison")


if __name__ == "__main__":
    main()
