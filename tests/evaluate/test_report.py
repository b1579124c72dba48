"""From trials to the files a person opens: the numbers arrive, user text stays text, broken files are named."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from wakewright.core.errors import InputError, RunError
from wakewright.core.manifest import Clip, Manifest
from wakewright.evaluate.calibrate import calibrate
from wakewright.evaluate.metrics import Negatives, Span, Trial, collect_negatives, no_negatives
from wakewright.evaluate.page import html_page
from wakewright.evaluate.report import terminal_table, write_report
from wakewright.evaluate.result import History, Rate, Result, Sample, rate, read_result, share, write_result
from wakewright.evaluate.summarise import backbone_licences, confusions, licences, summarise, training_history
from wakewright.evaluate.wording import number, rate_text, share_text

EVIL = "<script>alert('hey')</script>"


def speech(hours: float, *, seed: int = 1, real: bool = True) -> Negatives:
    """Scores of speech without the word: one stream per ten minutes, each its own speaker."""
    rng = np.random.default_rng(seed)
    total = no_negatives()
    for i in range(max(1, round(hours * 6))):
        logits = rng.normal(-6.0, 1.5, 7500)
        scores = (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)
        total = total + collect_negatives(scores, 0.08, name="s", spans=[Span(0, 600, f"speaker {i}", real)])
    return total


def words(count: int, centre: float) -> list[Trial]:
    rng = np.random.default_rng(5)
    peaks = 1.0 / (1.0 + np.exp(-rng.normal(centre, 2.5, count)))
    return [
        Trial(np.asarray([0.0, p], dtype=np.float32), 0.1, 0.08, 0, f"p{i % 20}", {"accent": ("us", "scots")[i % 2]})
        for i, p in enumerate(peaks)
    ]


@pytest.fixture(scope="module")
def result() -> Result:
    found = summarise(
        {"clean": words(150, 6.0), "noise at 10 dB": words(150, 3.0)},
        {"speech": speech(3.0), "noise": speech(0.5, seed=9)},
        0.6,
        phrase="hey katya",
        model="mixednet",
        replicates=50,
    )
    return dataclasses.replace(
        found,
        history=(History("loss", (0.0, 100.0, 200.0), (0.7, 0.3, 0.2)),),
        advice=("Say it slowly.",),
        recipe="phrase: hey katya\n",
        samples=(Sample("samples/positive/1.wav", "one"),),
        created="2026-01-02T03:04:05",
    )


def test_wording_carries_the_evidence() -> None:
    assert rate_text(rate(0, 2.3)) == "0 in 2.3 h (at most 1.3 per hour, 95 %)"
    assert rate_text(rate(6, 12.8)) == "0.47 per hour (6 in 12.8 h; 0.17 to 1.0)"
    assert rate_text(rate(0, 0.0)) == "not measured"
    assert share_text(share(7, 329)) == "2.1 % (7 of 329; 0.9 to 4.3)"
    assert share_text(share(0, 0)) == "not measured"
    assert [number(v) for v in (0.05, 0.994, 0.996, 9.94, 9.96, 120.0)] == ["0.05", "0.99", "1.0", "9.9", "10", "120"]


def test_summary_agrees_with_itself(result: Result) -> None:
    clean, noisy = result.conditions
    assert clean.chosen.missed.total == 150
    assert clean.chosen.missed.count == sum(t.peak < 0.6 for t in words(150, 6.0))
    assert [p.target_fa_per_hour for p in clean.points] == [0.5, 1.0, 2.0]
    for condition in (clean, noisy):
        assert condition.curve.false_accepts[0] == 0
        assert list(condition.curve.frr) == sorted(condition.curve.frr, reverse=True)
        for point in condition.points:
            assert point.false_accepts.per_hour is not None
            assert point.target_fa_per_hour is not None
            assert point.false_accepts.per_hour <= point.target_fa_per_hour
            assert point.missed.share is not None
            assert point.missed.low <= point.missed.share <= point.missed.high
    assert clean.eer is not None
    assert noisy.eer is not None
    assert clean.eer < noisy.eer
    assert clean.delay is not None
    assert clean.delay.median_s == pytest.approx(0.18)
    assert result.silences[0].false_accepts.count == speech(3.0).count(0.6)
    assert sum(s.false_accepts.count for s in result.worst) == sum(s.false_accepts.count for s in result.silences)
    assert [table.condition for table in result.breakdowns] == ["clean", "noise at 10 dB"]
    shares = [g.missed.share or 0.0 for g in result.breakdowns[0].groups]
    assert shares == sorted(shares, reverse=True)
    assert sum(g.missed.count for g in result.breakdowns[0].groups) == clean.chosen.missed.count
    assert result.histogram is not None
    assert sum(result.histogram.positives) == 150
    assert sum(result.histogram.negatives) == speech(3.0).peaks.size
    assert result.thresholds is not None
    (row,) = [row for row in result.thresholds.rows if row.threshold == 0.6]
    assert row.missed == (clean.chosen.missed,)
    assert row.false_accepts == result.silences[0].false_accepts


def test_json_comes_back_as_it_was(result: Result, tmp_path: Path) -> None:
    write_result(tmp_path / "result.json", result)
    assert read_result(tmp_path / "result.json") == result
    assert json.loads((tmp_path / "result.json").read_text())["conditions"][0]["chosen"]["missed"]["total"] == 150


def near_misses() -> list[Trial]:
    """Three texts: one wakes it twice of three times, one never, one once of once."""
    heard = [("hay <b>", 0.9), ("hay <b>", 0.7), ("hay <b>", 0.1), ("cat", 0.2), ("katya hey", 0.8)]
    return [
        Trial(np.asarray([peak], dtype=np.float32), 0.1, 0.08, 0, "p", {"voice": "espeak", "text": text})
        for text, peak in heard
    ]


def test_near_misses_that_wake_it_are_named_with_their_counts(result: Result) -> None:
    found = confusions(near_misses(), 0.6)
    assert found is not None
    assert [(g.name, g.missed.count, g.missed.total) for g in found.groups] == [
        ("hay <b>", 2, 3),
        ("katya hey", 1, 1),
    ]
    assert found.left_out == 1
    shown = dataclasses.replace(result, confusions=found)
    assert "2 of 3" in html_page(shown)
    assert "1 more is not shown: it wakes it as seldom, or never." in html_page(shown)
    assert "hay &lt;b&gt;" in html_page(shown)
    assert "hay <b>" in terminal_table(shown)
    silent = dataclasses.replace(result, confusions=confusions(near_misses(), 0.95))
    assert "3 near misses are not shown" in html_page(silent)
    assert confusions([], 0.5) is None
    assert "What sounds like it" not in html_page(result)


def test_missing_and_foreign_results_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no evaluation at .*result\.json"):
        read_result(tmp_path / "result.json")
    (tmp_path / "result.json").write_text('{"phrase": 3}')
    with pytest.raises(RunError, match="is not an evaluation result"):
        read_result(tmp_path / "result.json")


def test_files_are_written_and_repeatable(result: Result, tmp_path: Path) -> None:
    assert write_report(result, tmp_path) == tmp_path / "report.html"
    picture = (tmp_path / "eval" / "det.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000
    write_report(result, tmp_path)
    assert (tmp_path / "eval" / "det.png").read_bytes() == picture
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["det.png", "report.html", "result.json"]


def test_page_and_table_hold_the_numbers(result: Result) -> None:
    page, table = html_page(result), terminal_table(result)
    for condition in result.conditions:
        for point in (condition.chosen, *condition.points):
            assert share_text(point.missed) in table
            assert f"{point.missed.count} of {point.missed.total}; " in page
    for silence in result.silences:
        assert rate_text(silence.false_accepts) in table
        assert rate_text(silence.false_accepts).split(" (")[0] in page
    for text in ("speaker", "scots", "Say it slowly.", "phrase: hey katya", 'src="samples/positive/1.wav"', "3.0 h"):
        assert text in page


class Reader(HTMLParser):
    """Collects tags and checks that they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_well_formed_and_needs_no_network(result: Result) -> None:
    reader = Reader()
    page = html_page(result)
    reader.feed(page)
    assert reader.open == []
    assert reader.tags.count("svg") == 3
    assert reader.links == ["samples/positive/1.wav"]
    assert "prefers-color-scheme:dark" in page
    assert not re.search(r"https?:|url\(|@import|nan|inf[,\s\"]", page)


def test_user_text_stays_text(result: Result, tmp_path: Path) -> None:
    evil = dataclasses.replace(
        result,
        phrase=EVIL,
        model=EVIL,
        created=EVIL,
        threshold_origin=EVIL,
        conditions=tuple(dataclasses.replace(c, name=EVIL) for c in result.conditions),
        silences=tuple(dataclasses.replace(s, name=EVIL) for s in result.silences),
        breakdowns=tuple(
            dataclasses.replace(b, label=EVIL, groups=tuple(dataclasses.replace(g, name=EVIL) for g in b.groups))
            for b in result.breakdowns
        ),
        worst=tuple(dataclasses.replace(s, name=EVIL) for s in result.worst),
        history=(History(EVIL, (0.0, 1.0), (1.0, 0.5)),),
        advice=(EVIL,),
        warnings=(EVIL,),
        recipe=EVIL,
        samples=(Sample('"><script>', EVIL),),
    )
    page = html_page(evil)
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;hey&#x27;)" in page
    write_report(evil, tmp_path)


@pytest.mark.parametrize("phrase", ["cost $x$ of $\\frac$", "привет", "你好", "😀"])
def test_any_phrase_can_be_drawn(result: Result, tmp_path: Path, phrase: str) -> None:
    odd = dataclasses.replace(
        result, phrase=phrase, conditions=(dataclasses.replace(result.conditions[0], name="_$a"),)
    )
    write_report(odd, tmp_path)
    assert phrase in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_synthetic_sound_is_called_so() -> None:
    found = summarise(
        {"clean": words(20, 6.0)}, {"speech": speech(0.5, real=False)}, 0.5, phrase="x", model="m", replicates=20
    )
    assert sum("never heard a real voice" in warning for warning in found.warnings) == 1
    assert any("cannot show 0.5 or 1" in warning for warning in found.warnings)
    assert any("Only 20 wake words" in warning for warning in found.warnings)
    assert "never heard a real voice" in html_page(found)
    assert "! This false-accept figure has never heard a real voice" in terminal_table(found)


def test_the_calibration_is_told(tmp_path: Path) -> None:
    heard = speech(0.5)
    calibration = calibrate(words(50, 6.0), heard)
    found = summarise(
        {"clean": words(50, 6.0)},
        {"speech": heard},
        calibration.threshold,
        phrase="x",
        model="m",
        calibration=calibration,
        replicates=20,
    )
    assert found.threshold == calibration.threshold
    assert "extrapolating the tail" in found.threshold_origin
    assert set(calibration.notes) <= set(found.warnings)
    assert "0 in 0.50 h (at most 6.0 per hour, 95 %)" in terminal_table(found)


def test_no_wake_word_at_all_is_reported_not_hidden(tmp_path: Path) -> None:
    found = summarise({"clean": []}, {"speech": speech(0.5)}, 0.5, phrase="x", model="m", replicates=20)
    write_report(found, tmp_path)
    assert "not measured" in terminal_table(found)
    assert any("nothing is known about misses" in warning for warning in found.warnings)
    assert read_result(tmp_path / "eval" / "result.json") == found


def test_history_from_the_lines_of_a_run() -> None:
    rows = [
        {"stage": "teacher", "step": 100, "loss": 0.9},
        {"stage": "model", "step": 100, "loss": 0.5, "val_frr": 0.1},
        {"stage": "model", "step": 150, "hard_negatives": 12},
        {"stage": "model", "step": 200, "loss": 0.25, "val_frr": None},
    ]
    assert training_history(rows) == (
        History("loss", (100.0, 200.0), (0.5, 0.25)),
        History("missed on validation voices", (100.0,), (0.1,)),
    )


def test_nothing_to_evaluate() -> None:
    with pytest.raises(InputError, match="nothing to evaluate"):
        summarise({}, {}, 0.5, phrase="x", model="m")


def test_rates_without_time_have_no_upper_end() -> None:
    assert rate(0, 0.0) == Rate(0, 0.0, None, 0.0, None)


def test_the_licences_of_what_it_learnt_from_are_listed(result: Result) -> None:
    clips = [Clip("a.wav", "positive", 1.0, source="mbrola", licence="not to be <sold>")] * 3
    clips += [Clip("b.wav", "positive", 1.0, source="rhvoice", licence=name) for name in ("LGPL-2.1", "CC-BY")]
    clips += [Clip("c.wav", "speech", 1.0, source="home", real=True)]
    found = licences(Manifest(tuple(clips)))
    assert [(one.source, one.licence, one.clips) for one in found] == [
        ("home", "not stated", 1),
        ("mbrola", "not to be <sold>", 3),
        ("rhvoice", "CC-BY", 1),
        ("rhvoice", "LGPL-2.1", 1),
    ]
    page = html_page(dataclasses.replace(result, licences=found))
    assert "not to be &lt;sold&gt;" in page
    assert "not to be" not in html_page(result)
    assert backbone_licences(None) == ()
    told = backbone_licences({"recordings": ["CC-BY-4.0 (a corpus)"], "voices": ["flite: BSD-like"], "people": 3})
    assert [one.licence for one in told] == ["CC-BY-4.0 (a corpus)", "flite: BSD-like"]
    assert "backbone</th><td>CC-BY-4.0 (a corpus)</td>" in html_page(dataclasses.replace(result, licences=told))


def test_no_curve_is_drawn_where_the_sound_is_too_short_for_one() -> None:
    hiss = collect_negatives(np.linspace(0.0, 0.4, 100, dtype=np.float32), 0.08, name="s")
    short = summarise({"clean": words(20, 6.0)}, {"speech": hiss}, 0.6, phrase="hey", model="mixednet", replicates=20)
    assert short.conditions[0].curve.false_accepts == (0, 1)
    page = html_page(short)
    assert "DET curve" not in page
    assert "There is no curve: 6 s without the word hold too few sounds" in page


def test_what_was_never_heard_is_said_once() -> None:
    heard = speech(0.5, real=False)
    found = summarise(
        {"clean": words(20, 6.0)},
        {"speech": heard},
        0.5,
        phrase="x",
        model="m",
        calibration=calibrate(words(20, 6.0), heard),
        replicates=20,
    )
    assert sum("never heard a real voice" in warning for warning in found.warnings) == 1
