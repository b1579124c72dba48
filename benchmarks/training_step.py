"""What a step of training costs: CPU milliseconds per step and model, one thread, and those of hearing 20 s.

    python benchmarks/training_step.py [--models mixednet tc_resnet] [--width 1.0] [--batch 64] [--repeats 15]

A step is forward, backward and update over windows of eight outputs, as the loop trains; the frames are noise. Run it
with PYTHONPATH at another commit to compare two of them on one machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from wakewright.dsp import frontend
from wakewright.models import quantised, registry

STEPS = 8


def timed(run: Callable[[], object], repeats: int) -> list[float]:
    """CPU milliseconds of each repeat after three to warm up."""
    spent = []
    for i in range(repeats + 3):
        started = time.process_time()
        run()
        if i >= 3:
            spent.append(1000 * (time.process_time() - started))
    return spent


def rounding(model: Any) -> Any:
    """The same model as it learns with the roundings of int8."""
    quantised.prepare(model)
    quantised.set_rounding(model, rounds=True, watches=True)
    return model


def training(model: Any, batch: int, *, short: bool = False) -> Callable[[], object]:
    """One step on noise; `short` computes forward in bfloat16."""
    frames = torch.rand(batch, model.receptive_field + (STEPS - 1) * model.stride, model.channels) * 20
    optimiser = torch.optim.AdamW(model.parameters())
    model.train()

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=short):
            features, _ = model.features(frames)
            logits, _ = model.classify(features)
        loss = logits.square().mean() + features.square().mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    return step


def hearing(name: str) -> Callable[[], object]:
    """A front end over a stream of 20 s, as training hears them."""
    front = frontend.create(name)
    sound = np.random.default_rng(0).normal(0, 0.1, 20 * 16000).astype(np.float32)

    def hear() -> None:
        front.reset()
        front.push(sound)

    return hear


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["mixednet", "tc_resnet"], choices=registry.NAMES)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=15)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    work: dict[str, Callable[[], object]] = {
        f"a step of {name}": training(registry.create(registry.Dimensions(name, asked.width)), asked.batch)
        for name in asked.models
    }
    work |= {
        f"a step of {name}, forward in bfloat16": training(
            registry.create(registry.Dimensions(name, asked.width)), asked.batch, short=True
        )
        for name in asked.models
    }
    work |= {
        f"a step of {name}, with roundings": training(
            rounding(registry.create(registry.Dimensions(name, asked.width))), asked.batch
        )
        for name in asked.models
    }
    work |= {f"20 s through {name}": hearing(name) for name in ("micro", "speech_embedding")}
    print("| what | CPU ms: median (range) |\n|---|---|")
    for name, run in work.items():
        spent = timed(run, asked.repeats)
        print(f"| {name} | {statistics.median(spent):.1f} ({min(spent):.1f} to {max(spent):.1f}) |", flush=True)


if __name__ == "__main__":
    main()
