"""How often chance alone keeps a run out, and how large a change for the worse in one group is found.

    python benchmarks/promotion.py [--pairs 1000] [--words 200]

Two evaluations are drawn of detectors that miss alike: so many words, of twenty speakers, in three kinds of room, at
four levels and three backgrounds, in four conditions. Each word is as hard to hear for both to the share `--alike` of
the variance: 0 are two evaluations on other words, 1 the same detector twice.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
from numpy.typing import NDArray

from wakewright.evaluate.groups import GroupRow, compare_groups
from wakewright.evaluate.intervals import LEVEL, share_interval
from wakewright.evaluate.promotion import row
from wakewright.evaluate.result import Breakdown, Group, Result, share

SHARES = {"as at home": 0.05, "noise at 10 dB": 0.12, "noise at 5 dB": 0.2, "as hard as in training": 0.3}
"""Missed in each condition."""
LABELS = {"speaker": (1, 20), "room": (20, 3), "gain": (1, 4), "background": (7, 3)}
"""A label changes every so many words, and has so many values."""
Missed = dict[str, NDArray[np.bool_]]


def evaluation(
    rng: np.random.Generator, hardness: dict[str, NDArray[np.float64]], alike: float, worse: float
) -> Missed:
    """Which words of each condition are missed; of the first speaker, `worse` more of them."""
    found: Missed = {}
    for name, missed in SHARES.items():
        count = len(hardness[name])
        height = np.sqrt(alike) * hardness[name] + np.sqrt(1 - alike) * rng.standard_normal(count)
        usual, hers = (statistics.NormalDist().inv_cdf(min(part, 0.999999)) for part in (missed, missed + worse))
        found[name] = height < np.where(np.arange(count) % LABELS["speaker"][1] == 0, hers, usual)
    return found


def tables(missed: Missed) -> Result:
    """What is kept of it in a result: the groups."""
    found = []
    for condition, words in missed.items():
        for label, (every, values) in LABELS.items():
            of = np.arange(len(words)) // every % values
            counts = zip(np.bincount(of, words, values).astype(int).tolist(), np.bincount(of).tolist(), strict=True)
            groups = tuple(Group(str(i), share(*pair)) for i, pair in enumerate(counts))
            found.append(Breakdown(label, groups, condition=condition))
    return Result("", "", 0.5, "", (), (), breakdowns=tuple(found))


def of_groups(old: Missed, new: Missed) -> tuple[GroupRow, ...]:
    """The groups of both, compared."""
    return compare_groups(tables(old), tables(new), list(SHARES))[0]


def whole_worse(old: Missed, new: Missed) -> bool:
    """Whether a condition as a whole is worse."""
    pairs = (((int(words[name].sum()), words[name].size) for words in (old, new)) for name in SHARES)
    return any(one is not None and one.worse for one in (row("", "missed", *pair) for pair in pairs))


def told(count: int, pairs: int) -> str:
    """A share of the pairs with its interval."""
    low, high = share_interval(count, pairs)
    return f"{100 * count / pairs:.1f} % ({count} of {pairs}; {100 * low:.1f} to {100 * high:.1f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    print(
        f"{wanted.pairs} pairs, {wanted.words} words in each of {len(SHARES)} conditions, {100 * LEVEL:g} % intervals"
    )
    for alike in (0.0, 0.5, 0.8):
        for worse in (0.0, 0.4, 0.6, 0.8):
            rng = np.random.default_rng(wanted.seed)
            groups = whole = count = 0
            for _ in range(wanted.pairs):
                hardness = {name: rng.standard_normal(wanted.words) for name in SHARES}
                old, new = (evaluation(rng, hardness, alike, more) for more in (0.0, worse))
                rows = of_groups(old, new)
                count = len(rows)
                groups += any(one.worse for one in rows)
                whole += whole_worse(old, new)
            change = (
                f"one speaker of {LABELS['speaker'][1]} missed {100 * worse:.0f} points more"
                if worse
                else "no change"
            )
            print(
                f"alike to {alike:g}, {change}: kept out by one of {count} groups {told(groups, wanted.pairs)}, "
                f"by a whole condition {told(whole, wanted.pairs)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
