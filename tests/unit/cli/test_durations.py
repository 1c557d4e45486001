"""Spans of time as people write and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.cli.durations import read_duration, shown_duration
from meristem.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", 1.5), ("10m", 600), ("1h30m", 5400), ("2d", 172800), ("5 min 3 s", 303), ("1H", 3600)],
)
def test_spans_are_read(text: str, seconds: float) -> None:
    assert read_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "soon", "10x", "m", "-5", "1h 30", "1e9", "99999d", "5m!"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no span of time"):
        read_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.84, "0.8 s"), (12, "12 s"), (303, "5 min 3 s"), (7500, "2 h 5 min"), (273600, "3 d 4 h"), (3600, "1 h"),
     (-1, "0.0 s"), (None, None)],
)  # fmt: skip
def test_spans_are_shown_by_their_two_largest_units(seconds: float | None, text: str | None) -> None:
    assert shown_duration(seconds) == text


def test_a_short_span_has_one_unit() -> None:
    assert [shown_duration(s, short=True) for s in (12, 303, 7500)] == ["12 s", "5 min", "2 h"]


@given(st.integers(10, 10**8))
def test_what_is_shown_can_be_read_and_is_nearly_the_same(seconds: int) -> None:
    shown = shown_duration(seconds)
    assert shown is not None
    read = read_duration(shown).total_seconds()
    assert 0 <= seconds - read < max(1, seconds / 20)
