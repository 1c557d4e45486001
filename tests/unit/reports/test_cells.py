"""Numbers of a column have as many digits as tell neighbours apart."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.reports.card import Table
from meristem.reports.cells import digits_of, texts_of


def column(*values: object) -> list[str]:
    return [row[0] for row in texts_of(Table(columns=["a"], rows=[[value] for value in values]))]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.98712, 0.98715, 0.9], ["0.98712", "0.98715", "0.9"]),
        ([0.5, 0.25, 0.123456], ["0.5", "0.25", "0.123"]),
        ([1.0, 1.0 + 1e-12, 2.0], ["1", "1", "2"]),
        ([1.0, 1.0000001], ["1", "1"]),  # no more than 7
        ([123456.25, 123456.375], ["123,456.2", "123,456.4"]),
        ([123456.0, 5.0], ["123,456", "5"]),
        ([2.0e-7, 1.9e-7, None], ["2e-07", "1.9e-07", ""]),
        ([math.nan, math.inf, True, "a", 1234567], ["NaN", "∞", "true", "a", "1,234,567"]),
    ],
)
def test_as_many_digits_as_are_needed(values: list[object], texts: list[str]) -> None:
    assert column(*values) == texts


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8))
def test_what_differs_in_seven_digits_looks_different(values: list[float]) -> None:
    assert 3 <= digits_of(values) <= 7
    texts = column(*values)
    for place in range(len(values) - 1):
        if float(f"{values[place]:.6g}") != float(f"{values[place + 1]:.6g}"):
            assert texts[place] != texts[place + 1]
