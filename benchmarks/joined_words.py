"""What a setting does for real voices that never said a wake word: spoken digits joined into phrases.

    python benchmarks/joined_words.py --speech DIR [--phrases "zero seven" ...] [--seeds 1 2] [--set KEY=VALUE ...]

A place to choose settings: it touches only clips marked `background` in DIR/manifest.csv (see real_voices). Digits
that one person says one after the other make a phrase of two words, in a narrow band and with accents. Training
hears the text of the phrase and the background of --train; misses are counted on the joined digits, false accepts on
the speech of --measure. No corpus is in two places.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from real_voices import background_rows, lay_out

from wakewright import pipeline
from wakewright.core.audio import SAMPLE_RATE, load, write_wav
from wakewright.core.compose import load_recipe
from wakewright.core.run import Run
from wakewright.data.scene import word_bounds
from wakewright.evaluate import real
from wakewright.evaluate.metrics import det_curve

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PHRASES = ("zero seven", "six nine", "eight zero")
CORPUS = "fsdd"
"""The Free Spoken Digit Dataset: files end in DIGIT_SPEAKER_NUMBER."""
EACH = 40
"""Joined phrases of each speaker."""
GAP_S = 0.06
"""Longest silence between the two digits."""
RATES = (1.0, 2.0, 5.0)


def digits(rows: Sequence[dict[str, str]], speech: Path) -> dict[tuple[str, str], list[Path]]:
    """(speaker, digit in letters) -> recordings."""
    found: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for row in rows:
        match = re.search(r"(\d)_([a-z]+)_\d+$", Path(row["path"]).stem)
        if row["corpus"] == CORPUS and match:
            found[match[2], DIGITS[int(match[1])]].append(speech / row["path"])
    return found


def join(phrase: str, recordings: dict[tuple[str, str], list[Path]], folder: Path) -> list[real.Recording]:
    """Every speaker says the phrase EACH times; the same files for the same phrase."""
    rng = np.random.default_rng(5)
    joined = []
    folder.mkdir(parents=True, exist_ok=True)
    for speaker in sorted({name for name, _ in recordings}):
        for number in range(EACH):
            parts = []
            for digit in phrase.split():
                said = load(recordings[speaker, digit][rng.integers(len(recordings[speaker, digit]))])
                gap = np.zeros(int(rng.uniform(0, GAP_S) * SAMPLE_RATE), np.float32)
                parts += [said[slice(*word_bounds(said))], gap]
            sound = np.concatenate(parts)
            level = 10 ** (rng.uniform(-25, -3) / 20) / np.abs(sound).max()
            path = folder / f"{speaker}-{number}.wav"
            write_wav(path, sound * np.float32(level))
            joined.append(real.Recording(str(path), CORPUS, speaker))
    return joined


def recordings(rows: Sequence[dict[str, str]], speech: Path, kind: str) -> tuple[real.Recording, ...]:
    """What there is of one kind."""
    return tuple(
        real.Recording(str(speech / row["path"]), row["corpus"], row["speaker"] or row["path"])
        for row in rows
        if row["kind"] == kind
    )


def chosen(rows: Sequence[dict[str, str]], corpora: Sequence[str]) -> list[dict[str, str]]:
    """The rows with speech of these corpora only; noise, music and rooms stay."""
    return [row for row in rows if row["kind"] != "speech" or row["corpus"] in corpora]


def train(phrase: str, background: Sequence[str], settings: Sequence[str], out: Path) -> Run:
    """Train on the text and on this background."""
    layers = ["esp32"] if "model.name=mixednet" in settings else []
    return pipeline.train(load_recipe(None, [*background, *settings], phrase, layers=layers), output_dir=out / "runs")


def main() -> None:
    """Print one row per phrase and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--phrases", nargs="+", default=list(PHRASES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--train", nargs="+", default=["librispeech251"], metavar="CORPUS")
    parser.add_argument("--measure", nargs="+", default=["aec_challenge_processed", "mycroft_pcd"], metavar="CORPUS")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=Path("runs/joined_words"))
    asked = parser.parse_args()
    speech, out = asked.speech.resolve(), asked.out.resolve()
    rows = background_rows(speech)
    background = lay_out(chosen(rows, asked.train), speech, out / "background")
    measured = chosen(rows, asked.measure)
    others = {"speech": recordings(measured, speech, "speech")}
    noise = recordings(measured, speech, "noise")
    print(
        f"| settings | phrase | seed | condition | n | FRR % at {RATES} FA/h | hours |\n|---|---|---|---|---|---|---|"
    )
    for phrase in asked.phrases:
        words = join(phrase, digits(rows, speech), out / phrase.replace(" ", "-"))
        for seed in asked.seeds:
            run = train(phrase, background, [*asked.set, f"seed={seed}"], out)
            trials, silences = real.measure(real.Material(tuple(words), others, noise), run.folder)
            for condition, heard in trials.items():
                curve = det_curve(heard, silences["speech"])
                frr = " / ".join(f"{100 * curve.frr_at(rate):.1f}" for rate in RATES)
                settings = " ".join(asked.set) or "default"
                print(
                    f"| {settings} | {phrase} | {seed} | {condition} | {len(heard)} | {frr} | "
                    f"{silences['speech'].hours:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
