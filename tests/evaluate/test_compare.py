"""Two results side by side: every figure with its evidence, and a verdict only where it is none of chance's."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from wakewright.evaluate import compare_page
from wakewright.evaluate.compare import DASH, compare
from wakewright.evaluate.result import (
    Breakdown,
    Condition,
    Curve,
    Delay,
    Group,
    Operation,
    Point,
    Result,
    Silence,
    ThresholdTable,
    rate,
    share,
)
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


def test_a_difference_comes_with_its_interval() -> None:
    lines = {line.name: line for line in compare(result(20, 0), result(60, 30))}
    missed = lines["missed, as recorded, at its threshold"]
    assert missed.kind == "missed"
    number = r"([+-][\d.]+)"
    found = re.fullmatch(rf"{number} points \({number} to {number}\)", missed.difference)
    assert found is not None
    # 10 and 30 % of 200: Newcombe's interval, by Wilson's limits, is +12.4 to +27.5
    assert [float(text) for text in found.groups()] == pytest.approx([20.0, 12.4, 27.5], abs=0.6)
    woken = lines["false accepts, speech"]
    assert woken.kind == "false accepts"
    # 30 in 10 h (2.02 to 4.28) less 0 in 10 h, whose two-sided limit is 0.369
    assert woken.difference == "+3.0 per hour (+2.0 to +4.3)"
    same = {line.name: line for line in compare(result(20, 0), result(20, 0))}
    assert same["false accepts, speech"].difference == "+0.00 per hour (-0.37 to +0.37)"
    one_only = {line.name: line for line in compare(result(20, 3), result(10, 3, name="in noise"))}
    assert one_only["missed, in noise, at 1 FA/h"].difference == ""


class Reader(HTMLParser):
    """Checks that tags nest, and collects what is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.labels: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag == "th":
            assert dict(attrs)["scope"] in ("row", "col")
        if tag == "svg":
            self.labels.append(dict(attrs)["aria-label"] or "")
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def measured(missed: int, **more: object) -> Result:
    """A result with all that the page shows."""
    found = result(missed, 12)
    curve = Curve((0, 1, 5, 20), 10.0, (0.4, 0.3, 0.2, 0.1), (0.3, 0.2, 0.1, 0.0), (0.5, 0.4, 0.3, 0.2))
    return dataclasses.replace(
        found,
        conditions=(dataclasses.replace(found.conditions[0], curve=curve),),
        breakdowns=(Breakdown("room", (Group("a <hut>", share(missed // 4, 50)),), condition="as recorded"),),
        thresholds=ThresholdTable(("as recorded",), (Operation(0.25, (share(3, 200),), rate(40, 10.0)),)),
        **more,  # type: ignore[arg-type]
    )


def test_the_page_shows_both_beside_each_other() -> None:
    recipe = "phrase: hey katya\ntrain: {steps: 100, lr: 1e-3}\n"
    first = measured(20, recipe=recipe)
    second = measured(180, recipe=recipe.replace("1e-3", "3e-4"), phrase="hey katya")
    page = compare_page.html(first, second, ("runs/<one>", "runs/two"))
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert reader.labels == ["DET curves of both runs, as recorded: wake words missed against false accepts per hour"]
    assert page.count('fill="none" stroke="var(--c') == 2, "two curves in one drawing"
    assert not {"src", "href"} & {name for name, _ in reader.attributes}
    assert not re.search(r"https?:|url\(|@import|<script|<one>|<hut>", page)
    text = re.sub(r"<[^>]+>", " ", page)
    for told in ("runs/&lt;one&gt;", "20 of 200; ", "180 of 200; ", "+80.0 points", "12 in 10.0 h", "0.25"):
        assert told in text, told
    assert re.search(r"a &lt;hut&gt;\s+10\.0 %.*?90\.0 %.*?\+80 points\s+\+\d+ to \+\d+, 95\.000 %\s+worse", text)
    assert re.search(r"train\.lr\s+(1e-3|0\.001)\s+(3e-4|0\.0003)", text)
    assert "train.steps" not in text
    assert "other recordings" not in text


def test_the_page_says_what_was_measured_on_other_recordings() -> None:
    first, second = result(20, 3), result(20, 3)
    other = dataclasses.replace(second.conditions[0].chosen, missed=share(5, 50))
    second = dataclasses.replace(
        second,
        conditions=(dataclasses.replace(second.conditions[0], chosen=other),),
        silences=(Silence("speech", rate(3, 2.0), 2.0),),
    )
    page = compare_page.html(first, second, ("a", "b"))
    assert "as recorded: 200 words, then 50. These are other recordings." in page
    assert "speech: 10.00 h, then 2.00 h. These are other recordings." in page
    assert "Groups" not in page
    assert "<svg" not in page, "one point is no curve"
