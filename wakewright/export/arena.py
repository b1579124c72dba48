"""The tensor arena a model needs under TFLite-Micro: measured where it is installed, else computed.

What is computed: tensors that live at the same time are laid out greedily by size, as TFLite-Micro plans them, or the
planner's own notes, whichever is more; beside that, what lives as long as the interpreter: streaming state, two words
per output channel of each convolution, and records of tensors and operators. The sizes of records and notes were
fitted to what TFLite-Micro on 64-bit Linux asks for, of thirty files (28 of them: `docs/lab.md`, section 7); on a
microcontroller pointers are half as long, so that the figure is an upper bound there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wakewright.export.flatfile import Graph, read
from wakewright.export.micro_interpreter import is_installed, micro_interpreter, runtime

ALIGNMENT = 16
LARGEST = 1 << 22
"""Bytes beyond which no arena is looked for."""
FIRST_STEP = 4 * ALIGNMENT
"""Bytes from the computed size to the next one tried."""
BOUNDS = struct.Struct("<3Q")
"""What the searching process is told before the file: too small, about right, enough."""
MARGIN = 1.35
"""Of the measured arena, what a device is told to set aside: other kernels keep other scratch memory."""
PER_FILE, PER_TENSOR, PER_OPERATOR, PER_CONVOLUTION = 350, 24, 119, 78
"""Bytes of records: once, of each tensor, of each operator, and what a convolution has besides."""
PLAN_PER_TENSOR = 47
"""Bytes of the planner's notes on each tensor, which make room for the tensors once the plan is made."""
PER_CHANNEL = 8
"""Multiplier and shift of a convolution's output channel."""


@dataclasses.dataclass(frozen=True)
class Arena:
    """How much memory a model works in."""

    bytes: int
    measured: bool
    """By TFLite-Micro itself; else computed."""

    @property
    def advised(self) -> int:
        """What to set aside on a device."""
        return math.ceil(self.bytes * MARGIN / ALIGNMENT) * ALIGNMENT


def arena(model: bytes) -> Arena:
    """The smallest arena of a TFLite file that streams."""
    with ready() as find:
        return find(model)


@contextlib.contextmanager
def ready() -> Iterator[Callable[[bytes], Arena]]:
    """`arena`, whose other process loads TFLite-Micro from now on, while the file may be yet to be written."""
    if not is_installed():
        yield lambda model: Arena(computed(model), measured=False)
        return
    waiting = [_process()]
    try:
        yield lambda model: Arena(measured(model, waiting.pop() if waiting else None), measured=True)
    finally:
        for process in waiting:  # never asked
            with process:
                process.kill()


def measured(model: bytes, process: subprocess.Popen[bytes] | None = None) -> int:
    """The least bytes with which TFLite-Micro runs the model, to 16. Raises ValueError when none do.

    An arena that is too small may end TFLite-Micro in a segmentation fault rather than an error, so the search is
    done by another process, and goes on above the size at which that one died. It begins at the size computed.
    """
    low, about, high = 0, computed(model), LARGEST
    while high - low > ALIGNMENT:
        with process or _process() as searching:
            said, failed = searching.communicate(BOUNDS.pack(low, about, high) + model)
        process = None  # it has ended
        tried = [line.split() for line in said.decode().splitlines()]
        if not tried:
            raise ValueError(f"the search for the arena failed: {failed.decode(errors='replace')[-300:]}")
        for size, *ran in tried:
            low, high = (low, int(size)) if ran else (int(size), high)
        if low >= LARGEST - ALIGNMENT:
            raise ValueError("TFLite-Micro does not run this model")
    return high


def _process() -> subprocess.Popen[bytes]:
    """Another process that searches once it is told where and of what file."""
    words = [sys.executable, "-m", __name__]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _search(model: bytes, low: int, about: int, high: int) -> None:
    """In the other process: tell each size before it is tried, and after it that it did, on one line."""
    while high - low > ALIGNMENT:
        size = _next(low, about, high)
        sys.stdout.write(f"{size} ")
        sys.stdout.flush()
        runs = _runs(model, size)
        sys.stdout.write("runs\n" if runs else "\n")
        low, high = (low, size) if runs else (size, high)


def _next(low: int, about: int, high: int) -> int:
    """The size to try: away from `about` until one is too small and one enough, then halfway between."""
    if low == 0 and high == LARGEST:
        size = about
    elif low == 0:
        size = high - max(FIRST_STEP, 2 * (about - high))
    elif high == LARGEST:
        size = low + max(FIRST_STEP, 2 * (low - about))
    else:
        size = (low + high) // 2
    return min(max(size // ALIGNMENT * ALIGNMENT, low + ALIGNMENT), high - ALIGNMENT)


def _runs(model: bytes, size: int) -> bool:
    try:
        interpreter = micro_interpreter(model, size)
        about: dict[str, Any] = interpreter.get_input_details(0)
        interpreter.set_input(np.zeros(about["shape"], about["dtype"]), 0)
        interpreter.invoke()
    except RuntimeError:
        return False
    return True


def computed(model: bytes) -> int:
    """What `measured` would find, to a few per cent, from the file alone."""
    graphs = read(model)
    tensors = sum(len(graph.sizes) for graph in graphs)
    operators = [operator for graph in graphs for operator in graph.operators]
    convolutions = [o for o in operators if o.name.endswith("CONV_2D")]
    state = sum(graphs[0].sizes[o.outputs[0]] for o in operators if o.name == "READ_VARIABLE")
    records = PER_FILE + PER_TENSOR * tensors + PER_OPERATOR * len(operators)
    records += sum(PER_CONVOLUTION + PER_CHANNEL * o.channels for o in convolutions)
    return records + state + max(_planned(graphs[0]), PLAN_PER_TENSOR * tensors)


def _planned(graph: Graph) -> int:
    """Bytes of the tensors between operators, the largest first, each at the lowest place free while it lives."""
    lives: dict[int, tuple[int, int]] = dict.fromkeys(graph.inputs, (0, 0))
    for step, operator in enumerate(graph.operators):
        for tensor in (*operator.inputs, *operator.outputs):
            if tensor not in graph.constant:
                first, _ = lives.get(tensor, (step, step))
                lives[tensor] = (first, step)
    for tensor in graph.outputs:
        lives[tensor] = (lives[tensor][0], len(graph.operators))
    placed: list[tuple[int, int, int, int]] = []  # begin, end, first, last
    for tensor in sorted(lives, key=lambda t: -graph.sizes[t]):
        first, last = lives[tensor]
        size = math.ceil(graph.sizes[tensor] / ALIGNMENT) * ALIGNMENT
        begin = 0
        for low, high, *alive in sorted(placed):
            if alive[0] <= last and first <= alive[1] and begin + size > low:
                begin = max(begin, high)
        placed.append((begin, begin + size, first, last))
    return max((end for _, end, _, _ in placed), default=0)


def _main() -> None:
    """Load before anything is known, then read what to search."""
    runtime()
    told = sys.stdin.buffer.read()
    if told:
        _search(told[BOUNDS.size :], *BOUNDS.unpack_from(told))


if __name__ == "__main__":
    _main()
