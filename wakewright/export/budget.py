"""What a tiny model costs a device: flash, memory, multiplications, and an estimate of the time per step.

Flash and memory are those of a file of this very shape, written with weights that have learnt nothing (its size
depends on their values by a few bytes) and worked in as `arena` tells. Times are estimates: multiplications times
the cycles that one is taken to need, plus a guessed cost per operator; no board was measured.

What a shape needs is kept in the cache, for most of what it takes to find out is loading torch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from wakewright.core.files import cache_dir, disk_errors, fingerprint, write_json
from wakewright.core.recipe import Board, Recipe, Targets
from wakewright.dsp import micro
from wakewright.export import arena as arenas
from wakewright.export.arena import Arena
from wakewright.export.flatfile import read
from wakewright.export.micro_interpreter import is_installed

FindArena = Callable[[bytes], Arena]


@dataclasses.dataclass(frozen=True)
class Speed:
    """How fast a board is taken to be."""

    megahertz: float
    cycles_per_mac: float
    """Of an int8 convolution."""
    cycles_per_operator: float
    """To begin one, however small."""
    why: str


SPEEDS: dict[Board, Speed] = {
    "esp32-s3": Speed(240, 2.0, 3000, "ESP-NN publishes 14 times the plain kernels for 64 channels, 8 for 16"),
    "esp32": Speed(240, 6.0, 3000, "a guess: ESP-NN's generic kernels at half of what the plain ones take"),
    "rp2040": Speed(133, 11.0, 4000, "the plain kernels: 10 to 15 in what ESP-NN publishes of them"),
    "cortex-m4": Speed(120, 3.0, 3000, "a guess: CMSIS-NN with the DSP instructions"),
}


@dataclasses.dataclass(frozen=True)
class Budget:
    """What one model needs."""

    parameters: int
    macs_per_step: float
    step_ms: float
    """A step comes this often."""
    flash_bytes: int
    arena: Arena
    operators: int
    trained: bool = False
    """Of a run's own file; else of one of the same shape."""

    @property
    def macs_per_second(self) -> float:
        """Multiplications per second of audio."""
        return self.macs_per_step * 1000 / self.step_ms

    def time_ms(self, board: Board) -> float:
        """Estimated time per step on a board, front end not counted."""
        speed = SPEEDS[board]
        cycles = self.macs_per_step * speed.cycles_per_mac + self.operators * speed.cycles_per_operator
        return cycles / (1000 * speed.megahertz)

    def past(self, targets: Targets) -> list[str]:
        """What goes past the targets, a line each."""
        found = []
        for what, value, limit, unit in (
            ("flash", self.flash_bytes / 1000, targets.flash_kb, "KB"),
            ("memory", self.arena.bytes / 1000, targets.ram_kb, "KB"),
            (f"a step on the {targets.board}, estimated,", self.time_ms(targets.board), targets.latency_ms, "ms"),
        ):
            if limit is not None and value > limit:
                found.append(f"{what} takes {value:.1f} {unit}, past the target of {limit:g}")
        return found


def of_recipe(recipe: Recipe) -> Budget | None:
    """Before any training: what the recipe's model will need; None for one that no microcontroller runs.

    A shape that was asked about before, of the same code, is not written and measured again. Raises DiskFull, and
    EnvironmentProblem where the cache cannot be written.
    """
    known = fingerprint(recipe.model.model_dump(mode="json"), _code(), is_installed())
    path = cache_dir() / "budgets" / f"{known}.json"
    try:
        with disk_errors(path):
            return TypeAdapter(Budget).validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):  # never asked about, or cut off by another program
        found = _of_shape(recipe)
    if found is not None:
        write_json(path, dataclasses.asdict(found))
    return found


def _code() -> list[str]:
    """The source of all that a budget follows from."""
    package = Path(__file__).parents[1]
    files = [*(package / "models").glob("*.py"), *(package / "export").glob("*.py")]
    return [path.read_text(encoding="utf-8") for path in sorted(files)]


def _of_shape(recipe: Recipe) -> Budget | None:
    with arenas.ready() as find:  # TFLite-Micro loads there while torch does here
        with _uncollected():
            import torch  # noqa: F401 - loaded before anything else asks for it
        return _written(recipe, find)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """What is loaded here stays until the process ends: searching it for garbage, then too, takes 0.3 s of 2.

    Where torch is there already nothing is loaded, and the caller's garbage must not stay.
    """
    if "torch" in sys.modules:
        yield
        return
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def _written(recipe: Recipe, find: FindArena) -> Budget | None:
    import torch

    from wakewright.export import tflite
    from wakewright.models import quantised, registry

    if registry.frontend_of(recipe.model) != "micro":
        return None
    with torch.random.fork_rng():
        torch.manual_seed(0)  # equal vectors are written once, so that some bytes hang on the values
        model = registry.create(registry.Dimensions.of(recipe.model)).eval()
        quantised.prepare(model)
        with torch.no_grad():
            model(torch.rand(1, model.receptive_field, model.channels))
    return of_file(tflite.convert(model), model, find)


def of_file(file: bytes, model: Any, find: FindArena = arenas.arena, *, trained: bool = False) -> Budget:
    """What the streaming int8 `file` of `model` needs."""
    from wakewright.models import registry

    return Budget(
        parameters=registry.parameters(model),
        macs_per_step=model.macs * model.stride,
        step_ms=1000 * model.stride * micro.HOP / 16000,
        flash_bytes=len(file),
        arena=find(file),
        operators=len(read(file)[0].operators),
        trained=trained,
    )


def table(budget: Budget) -> list[str]:
    """The budget for a reader, a line each, with how each figure was found."""
    flash = "the run's own file" if budget.trained else "measured: a file of this shape was written"
    how = "measured by TFLite-Micro on this machine" if budget.arena.measured else "computed: no tflite-micro here"
    lines = [
        f"parameters        {budget.parameters:,} (counted)",
        f"multiplications   {budget.macs_per_step:,.0f} per step of {budget.step_ms:g} ms, "
        f"{budget.macs_per_second / 1e6:.2f} million per second (counted, layer by layer)",
        f"flash             {budget.flash_bytes:,} bytes ({flash})",
        f"tensor arena      {budget.arena.bytes:,} bytes ({how}); set aside {budget.arena.advised:,}",
    ]
    for board, speed in SPEEDS.items():
        lines.append(
            f"{board:<17} {budget.time_ms(board):.1f} ms per step, estimated: {speed.megahertz:g} MHz, "
            f"{speed.cycles_per_mac:g} cycles per multiplication ({speed.why}) and {speed.cycles_per_operator:,g} "
            f"for each of {budget.operators} operators (a guess); no board was measured"
        )
    return lines
