"""The inline charts: right places, round ticks, escaped text."""

from __future__ import annotations

import pytest

from wakewright.evaluate.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, chart, linear_axis, log_axis


def test_linear_ticks_are_round() -> None:
    assert [text for _, text in linear_axis("y", 0.0, 23.0).ticks] == ["0", "5", "10", "15", "20"]
    assert [text for _, text in linear_axis("y", 0.0, 0.7, " s").ticks] == ["0 s", "0.2 s", "0.4 s", "0.6 s"]
    assert linear_axis("y", 3.0, 3.0).high == 4.0


def test_log_ticks_start_at_the_end_of_the_axis() -> None:
    assert [text for _, text in log_axis("x", 0.078, 20.0).ticks] == [
        "0.078",
        "0.2",
        "0.5",
        "1",
        "2",
        "5",
        "10",
        "20",
    ]
    assert [text for _, text in log_axis("x", 0.01, 100.0).ticks] == ["0.01", "0.1", "1", "10", "100"]
    assert log_axis("x", 1.0, 1.0).high == 2.0


def test_log_axis_puts_the_geometric_mean_in_the_middle() -> None:
    axis = log_axis("x", 0.1, 10.0)
    assert [axis.share(v) for v in (0.01, 0.1, 1.0, 10.0, 99.0)] == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])


def test_steps_turn_corners_and_the_band_closes() -> None:
    line = Line("a", [0.0, 1.0], [0.0, 1.0], [0.0, 0.5], [0.5, 1.0], steps=True, dot=(1.0, 1.0))
    drawn = chart([line], linear_axis("x", 0.0, 1.0), linear_axis("y", 0.0, 1.0), title="t")
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    assert f'd="M{LEFT} {floor}L{right} {floor}L{right} {TOP}" fill="none"' in drawn
    assert 'Z" fill="var(--c1)"' in drawn
    assert f'<circle cx="{right}" cy="{TOP}"' in drawn
    assert 'class="key"' not in drawn


def test_text_is_escaped() -> None:
    evil = '<b>&"'
    lines = [Line(evil, [0.0, 1.0], [0.0, 1.0]), Line(evil, [], [])]
    drawn = chart(lines, linear_axis(evil, 0.0, 1.0), linear_axis(evil, 0.0, 1.0), title=evil, mark_x=0.5)
    assert "<b>" not in drawn
    assert drawn.count("&lt;b&gt;&amp;&quot;") == 5
    assert 'class="mark"' in drawn
