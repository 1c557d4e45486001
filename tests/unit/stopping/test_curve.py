"""Learning curves: what they keep of the reports, and what they say between them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.stopping.curve import Curve
from meristem.stopping.curves import Curves

numbers = st.floats(-1e6, 1e6)
any_loss = st.one_of(numbers, st.sampled_from([math.nan, math.inf, -math.inf]))


def curve(points: dict[float, float], *, running: bool = True) -> Curve:
    return Curve(trial=1, steps=tuple(points), losses=tuple(points.values()), running=running)


def test_reports_out_of_order_and_of_the_same_step_are_put_in_order() -> None:
    found = Curve(trial=1, steps=(3, 1, 3, math.nan), losses=(0.3, 0.1, 0.5, 0.0), running=True)
    assert (found.steps, found.losses) == ((1, 3), (0.1, 0.5))


def test_what_is_not_finite_counts_as_worst() -> None:
    assert curve({1: math.nan, 2: -math.inf, 3: 1.0}).losses == (math.inf, math.inf, 1.0)


def test_between_reports_a_curve_is_a_straight_line_and_outside_it_is_not_known() -> None:
    found = curve({2: 1.0, 6: 0.0})
    assert [found.at(step) for step in (1, 2, 3, 6, 7)] == [None, 1.0, 0.75, 0.0, None]


def test_beside_a_worst_loss_the_line_is_worst_too() -> None:
    assert curve({1: 1.0, 3: math.nan}).at(2) == math.inf
    assert curve({1: 1.0, 3: math.nan}).at(1) == 1.0


def test_the_lowest_loss_so_far_is_known_from_the_first_report_on() -> None:
    found = curve({1: 1.0, 2: 0.5, 5: 2.0, 9: 0.0})
    assert [found.lowest(step) for step in (0, 1, 1.5, 3, 8, 9, 99)] == [None, 1.0, 0.75, 0.5, 0.5, 0.0, 0.0]


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2"):
        Curve(trial=1, steps=(1, 2), losses=(0.0,), running=True)


def test_a_study_of_curves_gives_each_its_others() -> None:
    curves = Curves()
    curves.start(1, bracket=2)
    curves.start(2)
    curves.start(3)
    curves.report(1, 1, 0.5)
    curves.report(2, 1, 0.4)
    curves.report(2, 2, 0.3)
    curves.end(2)
    assert (curves.curve(1).bracket, curves.curve(1).running, curves.curve(2).running) == (2, True, False)
    assert [other.trial for other in curves.others(1)] == [2]
    assert curves.curve(2).losses == (0.4, 0.3)
    assert curves.curve(9).last_step is None
    assert [one.trial for one in curves] == [1, 2, 3]
    assert len(curves) == 3


def test_another_attempt_forgets_the_reports_of_the_last() -> None:
    curves = Curves()
    curves.report(1, 1, 0.5)
    curves.end(1)
    curves.start(1)
    assert curves.curve(1).steps == ()
    assert curves.curve(1).running


@given(st.lists(st.tuples(st.floats(0, 100), any_loss), max_size=12), st.floats(-5, 105))
def test_whatever_is_reported_a_curve_answers_in_order(points: list[tuple[float, float]], step: float) -> None:
    found = Curve(trial=1, steps=tuple(s for s, _ in points), losses=tuple(v for _, v in points), running=True)
    assert list(found.steps) == sorted(set(found.steps))
    assert not any(math.isnan(loss) or loss == -math.inf for loss in found.losses)
    here, lowest = found.at(step), found.lowest(step)
    assert (here is not None) == found.reaches(step)
    if here is not None and lowest is not None:
        assert min(found.losses) - 1e-6 <= here <= max(found.losses) + 1e-6
    if lowest is not None:
        assert min(found.losses) <= lowest
        assert here is None or lowest <= here
