"""Names, ticks and ranges of figures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.reports.focus import focus_of, focused_axis
from meristem.reports.style import labels, short_names
from meristem.reports.ticks import around, log_ticks, round_step, round_ticks, sample_evenly, with_ends

ORDINARY = [float(value) for value in range(1, 13)]


@pytest.mark.parametrize("shorten", [labels, short_names])
@settings(max_examples=20)
@given(names=st.lists(st.text(min_size=1, max_size=60), unique=True, max_size=8))
def test_labels_are_all_different(shorten: object, names: list[str]) -> None:
    assert len(set(shorten(names, 24))) == len(names)  # type: ignore[operator]


def test_long_names_that_begin_alike_show_where_they_differ() -> None:
    found = labels([f"a_rather_long_parameter_name_number_{i}_of_many" for i in range(12)], 24)
    assert all(f"_{i}_" in label for i, label in enumerate(found))


def test_names_that_differ_at_the_end_lose_their_middle() -> None:
    names = ["none", *(f"imagenet_preprocessing_with_crops_v{n}" for n in (1, 2, 3)), "another_that_is_quite_long"]
    found = short_names(names, 14)
    assert found == ["none", "imagene…ops_v1", "imagene…ops_v2", "imagene…ops_v3", "another_that_…"]
    assert max(map(len, found)) == 14


@pytest.mark.parametrize(
    ("low", "high", "whole", "ticks"),
    [(0.05, 0.5, False, [0.1, 0.2, 0.3, 0.4, 0.5]), (1, 3, True, [1, 2, 3]), (1, 12, True, [5, 10]),
     (0.0, 0.0, False, [0.0]), (-2.4, 0.1, False, [-2.0, -1.5, -1.0, -0.5, 0.0]),
     (1e6, 3e6, True, [1e6, 1.5e6, 2e6, 2.5e6, 3e6])],
)  # fmt: skip
def test_ticks_are_round(low: float, high: float, whole: bool, ticks: list[float]) -> None:
    assert round_ticks(low, high, whole=whole) == ticks


@given(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9))
def test_round_ticks_are_few_and_lie_on_the_axis(low: float, size: float) -> None:
    high = low + size
    ticks = round_ticks(low, high)
    slack = 1e-6 * max(abs(low), abs(high))
    assert len(ticks) <= 8
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert ticks == sorted(ticks)


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6))
def test_ticks_of_whole_numbers_are_whole(low: int, size: int) -> None:
    assert round_step(low, low + size, whole=True) >= 1
    assert all(tick == int(tick) for tick in round_ticks(low, low + size, whole=True))


def test_both_ends_of_an_axis_have_a_tick_that_can_be_read() -> None:
    assert with_ends([0.1, 0.2, 0.3], 0.099, 0.35) == [0.099, 0.2, 0.3, 0.35]
    assert with_ends([5.0], 5.0, 5.0) == [5.0]


def test_round_numbers_around_values() -> None:
    assert around(0.933, 0.987, most=8) == (0.93, 0.99)
    assert around(-3.2, 17.0) == (-5.0, 20.0)
    assert around(4.0, 4.0) == (4.0, 4.0)


@given(st.floats(1e-8, 1e3), st.floats(1.001, 1e9))
def test_ticks_of_a_logarithmic_axis_lie_on_it_and_are_few(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert 1 <= len(ticks) <= 8
    assert all(low * (1 - 1e-6) <= tick <= low * ratio * (1 + 1e-6) for tick in ticks)


@given(st.integers(0, 2000), st.integers(2, 50))
def test_a_sample_has_first_and_last_and_is_not_too_large(count: int, most: int) -> None:
    places = sample_evenly(count, most)
    assert len(places) == min(count, most)
    assert not places or (places[0], places[-1]) == (0, count - 1)


def test_what_is_far_off_does_not_set_the_range() -> None:
    found = focus_of([-1e5, *ORDINARY, 1e6, 2e6])
    assert found is not None
    assert (found.low, found.high, found.below, found.above) == (1.0, 12.0, 1, 2)
    assert focus_of([1.0, 2.0, 3.0, 4.0, 9.0]) is None


def test_an_axis_that_leaves_values_out_says_how_many_at_which_end() -> None:
    axis, said = focused_axis("loss", [-1e5, *ORDINARY, 1e6, 2e6], level=13.0, also=[1e7])
    assert axis["outside"] == {"below": "↓ 1 value lies below 0.28", "above": "↑ 2 values lie above 13.72"}
    assert said == " 3 values lie outside the figure."
    assert axis["range"][1] > 13.0
    assert focused_axis("loss", [1.0, 2.0, 3.0]) == (focused_axis("loss", [3.0, 2.0, 1.0])[0], "")
