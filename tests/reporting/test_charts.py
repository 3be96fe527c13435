"""Charts: well-formed, inside their frame, free of script and inline style, readable by who cannot see them."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.reporting.charts import DASHES, HEIGHT, WIDTH, Line, line_chart, said, spread, ticks
from crossgraph.reporting.curves import Curve

NUMBERS = st.floats(-1e9, 1e9).map(lambda value: round(value, 6))


def drawn(*lines: Line) -> ElementTree.Element:
    """The chart of some lines, parsed."""
    return ElementTree.fromstring(str(line_chart(lines, title="t <&>", x_title="step", mark="m")))


@given(st.lists(st.lists(st.one_of(st.none(), NUMBERS), max_size=500), min_size=1, max_size=12))
def test_every_point_lies_inside_the_frame(columns: list[list[float | None]]) -> None:
    lines = [Line(f"<{i}>", Curve(tuple(map(float, range(len(y)))), tuple(y)), i) for i, y in enumerate(columns)]
    svg = drawn(*lines)
    for element in svg.iter():
        assert "style" not in element.attrib
        assert element.tag in ("svg", "title", "desc", "line", "text", "path", "circle")
        places = [float(number) for number in re.findall(r"-?[\d.]+", element.get("d", ""))]
        assert all(0 <= x <= WIDTH for x in places[::2])
        assert all(0 <= y <= HEIGHT for y in places[1::2])
        for name, limit in (("x", WIDTH), ("x1", WIDTH), ("cx", WIDTH), ("y", HEIGHT), ("y1", HEIGHT), ("cy", HEIGHT)):
            assert -1 <= float(element.get(name, 0)) <= limit + 1


def test_the_description_tells_every_last_value_and_names_stand_at_the_ends_of_lines() -> None:
    svg = drawn(Line("one", Curve((1.0, 2.0), (3.0, 4.5)), 0), Line("two", Curve((1.0, 2.0), (7.0, None)), 1))
    assert svg.get("role") == "img"
    title, description = svg.find("title"), svg.find("desc")
    assert title is not None
    assert description is not None
    assert svg.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == "t <&>"
    assert description.text == "Last values by step. one: 4.5; two: 7"
    assert [text.text for text in svg.iter("text") if text.get("class", "").startswith("chart-name")] == ["one", "two"]


def test_lines_differ_by_more_than_colour() -> None:
    curve = Curve((1.0, 2.0), (3.0, 4.5))
    svg = drawn(*(Line(str(look), curve, look) for look in range(24)))
    looks = [(path.get("class"), path.get("stroke-dasharray")) for path in svg.iter("path")]
    assert len(set(looks)) == 24
    assert len({dash for _, dash in looks[:8]}) == 8 == len(DASHES)


def test_many_points_are_drawn_as_faint_means_and_strong_ones() -> None:
    curve = Curve(tuple(map(float, range(5000))), tuple(map(float, range(5000))))
    faint, strong = drawn(Line("a", curve, 0)).iter("path")
    assert faint.get("d", "").count("L") + 1 <= 400
    assert strong.get("d", "").count("L") + 1 <= 60


def test_a_gap_breaks_the_line() -> None:
    (path,) = drawn(Line("a", Curve((1.0, 2.0, 3.0, 4.0, 5.0), (1.0, 2.0, None, 3.0, 4.0)), 0)).iter("path")
    assert path.get("d", "").count("M") == 2


def test_without_values_the_drawing_says_so() -> None:
    assert "no values yet" in "".join(drawn(Line("a", Curve((1.0,), (None,)), 0)).itertext())


@given(NUMBERS, NUMBERS)
def test_ticks_are_round_few_and_inside(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    found = ticks(low, high)
    assert 1 <= len(found) <= 8
    slack = (high - low) * 1e-6 + 1e-9
    assert all(low - slack <= tick <= high + slack for tick in found)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_names_are_moved_apart_and_keep_their_order(wanted: list[float]) -> None:
    found = spread(wanted, gap=5.0, low=0.0, high=100.0)
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    steps = [found[b] - found[a] for a, b in pairwise(order)]
    assert all(gap >= 5 - 1e-9 for gap in steps)
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in found)
    apart = all(b - a >= 5 for a, b in pairwise(sorted(wanted)))
    if apart:
        assert found == pytest.approx(wanted)


def test_numbers_are_said_with_the_digits_that_count() -> None:
    assert [said(value) for value in (None, 0.0, 12.3456, 1e-9, 123456.7)] == ["–", "0", "12.35", "1.00e-09", "123,457"]
