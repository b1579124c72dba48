"""How stable parts are by the hash of a name alone, and how often a part would be empty.

    python benchmarks/parts.py [--draws 2000]

For so many groups and the shares of a dataset: how often the bare hash leaves a part without anybody; and, where
somebody goes over instead and nothing is remembered (another machine), how many of 100 groups have another part in a
second phrase that three quarters of them say, or after a quarter more have come.
"""

from __future__ import annotations

import argparse

import numpy as np

from wakewright.core.manifest import Part, place
from wakewright.core.material import Dataset
from wakewright.core.recipe import Recipe
from wakewright.data.splits import draw, shares

GROUPS = (4, 6, 8, 12, 20, 30, 100)


def bare(names: list[str], seed: int, given: tuple[float, float]) -> set[Part]:
    """The parts that have somebody where nobody goes over."""
    found: set[Part] = set()
    for name in names:
        if place(f"{seed}/mine/{name}") < given[0]:
            found.add("test")
        else:
            found.add("validation" if place(f"{seed + 1}/mine/{name}") < given[1] else "train")
    return found


def moved(one: dict[str, Part], other: dict[str, Part]) -> tuple[int, int]:
    """How many of those in both have another part, and how many are in both."""
    both = one.keys() & other.keys()
    return sum(one[name] != other[name] for name in both), len(both)


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    asked = parser.parse_args()
    given = shares(Recipe(phrase="none", dataset=Dataset(manifests=("x",))), dataset=True)
    print("| groups | a part is empty, % | moved in another phrase, of 100 | moved by newcomers, of 100 |")
    print("|---|---|---|---|")
    for count in GROUPS:
        rng, empty, counts = np.random.default_rng(1), 0, np.zeros((2, 2))
        for i in range(asked.draws):
            names = [f"{i}-{k}" for k in range(count)]
            empty += len(bare(names, i, given)) < 3
            first = draw("mine", names, i, given, {})
            others = [names[k] for k in rng.permutation(count)[: max(3, count * 3 // 4)]]
            counts[0] += moved(first, draw("mine", others, i, given, {}))
            more = [*names, *(f"{i}-new{k}" for k in range(max(1, count // 4)))]
            counts[1] += moved(first, draw("mine", more, i, given, {}))
        phrase, newcomers = 100 * counts[:, 0] / counts[:, 1]
        print(f"| {count} | {100 * empty / asked.draws:.0f} | {phrase:.1f} | {newcomers:.1f} |", flush=True)


if __name__ == "__main__":
    main()
