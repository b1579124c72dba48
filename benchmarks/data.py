"""What bringing in a dataset and checking its health costs: seconds, CPU seconds and memory, for so many clips.

The clips are made here, of a few hundred spoken by espeak-ng: each is played at another speed, under other noise and
at another level, so that no two are one recording. One in six says the phrase, one in six is noise, the rest is
other speech. `import` runs twice and `check` once, each as a command of its own.

    python benchmarks/data.py --clips 20000 --workers 2
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

from wakewright.core.audio import SAMPLE_RATE, Samples, load
from wakewright.core.progress import resident_bytes
from wakewright.core.recipe import Recipe
from wakewright.data.voices import engine_named, plan, speak_all

PHRASE = "hey katya"
LONGEST_S = 1.6
"""Sentences are cut to this: short clips are what a dataset of a wake word is made of."""


def spoken(texts: list[str], count: int, seed: int) -> list[Samples]:
    """`count` utterances of the texts by espeak-ng."""
    utterances = plan(texts, count, [engine_named("espeak")], Recipe(phrase=PHRASE), np.random.default_rng(seed))
    return [load(clip.path)[: round(LONGEST_S * SAMPLE_RATE)] for clip in speak_all(utterances, "speech")]


def make(folder: Path, clips: int) -> float:
    """Write the set below `folder`; its length in seconds."""
    rng = np.random.default_rng(1)
    words, others = spoken([PHRASE], 120, 1), spoken(SENTENCES, 240, 2)
    for name in ("positive", "negative", "background"):
        (folder / name).mkdir(parents=True)
    total = 0.0
    for i in range(clips):
        if i % 6 == 1:
            name, samples = "background", rng.standard_normal(SAMPLE_RATE).astype(np.float32)
        else:
            name, source = ("positive", words) if i % 6 == 0 else ("negative", others)
            said, use = source[i // 6 % len(source)], i // 6 // len(source)
            if name == "negative":
                said, use = source[i % len(source)], i // len(source)
            # speeds spread evenly, so that no two uses of an utterance are nearly one recording
            rate = SAMPLE_RATE * (0.8 + 0.45 * (use + rng.uniform(0.0, 0.2)) / (clips // len(source) + 1))
            samples = np.asarray(soxr.resample(said, rate, SAMPLE_RATE, "MQ"), np.float32)
            samples = samples + np.float32(0.003) * rng.standard_normal(len(samples), np.float32)
        samples = samples * np.float32(rng.uniform(0.2, 0.9) / np.abs(samples).max())
        soundfile.write(folder / name / f"{i:06d}.wav", samples, SAMPLE_RATE, subtype="PCM_16")
        total += len(samples) / SAMPLE_RATE
    return total


SENTENCES = [
    "the kettle is on and the bread is cut",
    "we will leave at seven in the morning",
    "turn the lights off and lock the door",
    "please call her back tomorrow",
    "what a lovely garden you have",
    "heavy trucks rolled down the street",
    "there was nobody in the house",
    "my brother lives in another town",
]


def run(name: str, words: list[str]) -> dict[str, float | str]:
    """The command as a process: wall and CPU seconds, memory of the largest process and of all together."""
    peak, over = [0], threading.Event()

    def watch() -> None:
        own = resident_bytes() or 0
        while not over.wait(0.2):
            peak[0] = max(peak[0], (resident_bytes() or 0) - own)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begin = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "wakewright", "data", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - begin
    over.set()
    watcher.join()
    assert process.returncode in (0, 1), f"{name} ended with {process.returncode}"
    return {
        "command": name,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "largest_process_mib": round(used.ru_maxrss / 1024),
        "all_processes_mib": round(peak[0] / 2**20),
    }


def main() -> None:
    """Make the set, run the commands, print a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=0, help="0: one per core")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "set", Path(name) / "clips.jsonl"
        seconds = make(folder, given.clips)
        load_before = os.getloadavg()[0]
        print(json.dumps({"clips": given.clips, "hours": round(seconds / 3600, 2), "load": round(load_before, 1)}))
        several = ["--workers", str(given.workers)]
        bringing = ["import", str(folder), "--out", str(out), *several]
        for title, words in (
            ("import", bringing),
            ("import again", bringing),
            ("check", ["check", str(out), "--phrase", PHRASE, *several]),
        ):
            print(json.dumps(run(title, words)), flush=True)
        found = json.loads((Path(name) / "clips-health" / "health.json").read_text(encoding="utf-8"))
        print(json.dumps({"faults": found["faults"], "load_after": round(os.getloadavg()[0], 1)}))
        print(
            json.dumps({"largest_of_all_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)})
        )


if __name__ == "__main__":
    main()
