"""Curves in dots of braille."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from meristem.cli.plot import plot

numbers = st.floats(allow_nan=True, allow_infinity=True)


def field(lines: list[str]) -> list[str]:
    return [line.partition("┤")[2] for line in lines[:-2]]


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right() -> None:
    lines = plot([(0, 0), (10, 5)], width=10, height=3)
    top, _, bottom = field(lines)
    assert len(top) == 10
    assert top[:6].strip() == ""
    assert len(bottom) <= 4
    assert (lines[0].split()[0], lines[2].split()[0]) == ("5", "0")
    assert lines[-1].split() == ["0", "10"]


def test_what_is_not_finite_leaves_a_gap() -> None:
    line = field(plot([(0, 1), (1, 1), (2, math.nan), (3, 1), (4, 1)], width=20, height=1))[0]
    assert " " in line.strip()
    assert plot([(0, math.nan)]) == ["(no finite values)"]
    assert plot([]) == ["(no finite values)"]


@given(st.lists(st.tuples(numbers, numbers), max_size=30), st.integers(2, 30), st.integers(1, 6))
def test_any_points_fit_the_field(points: list[tuple[float, float]], width: int, height: int) -> None:
    lines = plot(points, width=width, height=height)
    if len(lines) > 1:
        assert len(lines) == height + 2
        assert all(len(line) <= width for line in field(lines))
