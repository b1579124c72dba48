"""Two results side by side: every figure with its evidence, and a verdict only where it is none of chance's."""

from __future__ import annotations

import dataclasses

from wakewright.evaluate.compare import DASH, compare
from wakewright.evaluate.result import Condition, Curve, Delay, Point, Result, Silence, rate, share
from wakewright.evaluate.wording import share_text


def result(missed: int, accepts: int, *, name: str = "as recorded", threshold: float = 0.5) -> Result:
    """Of 200 words so many are missed, with so many false accepts in ten hours."""
    point = Point(None, threshold, share(missed, 200), rate(accepts, 10.0))
    at = dataclasses.replace(point, target_fa_per_hour=1.0)
    condition = Condition(
        name, point, (at,), Curve((0,), 10.0, (0.0,), (0.0,), (0.0,)), None, None, Delay(0.1, 0.2, 9)
    )
    return Result(
        "hey katya", "mixednet", threshold, "", (condition,), (Silence("speech", rate(accepts, 10.0), 10.0),)
    )


def test_what_chance_could_do_is_no_verdict() -> None:
    assert {line.verdict for line in compare(result(20, 3), result(24, 5))} == {""}


def test_the_second_is_better_or_worse_where_the_intervals_are_apart() -> None:
    verdicts = {line.name: line.verdict for line in compare(result(100, 2), result(20, 30))}
    assert verdicts["missed, as recorded, at its threshold"] == "better"
    assert verdicts["missed, as recorded, at 1 FA/h"] == "better"
    assert verdicts["false accepts, speech"] == "worse"
    assert verdicts["threshold"] == verdicts["after the word, as recorded"] == ""
    back = {line.name: line.verdict for line in compare(result(20, 30), result(100, 2))}
    assert back["missed, as recorded, at its threshold"] == "worse"
    assert back["false accepts, speech"] == "better"


def test_what_only_one_has_stands_beside_a_dash() -> None:
    lines = {line.name: line for line in compare(result(20, 3), result(10, 3, name="in noise"))}
    assert lines["missed, as recorded, at its threshold"].second == DASH
    assert lines["missed, in noise, at 1 FA/h"].first == DASH
    assert lines["missed, in noise, at 1 FA/h"].second == share_text(share(10, 200))
    assert all(line.verdict == "" for line in lines.values())
