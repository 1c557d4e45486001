"""Which trials are the best: one, or a front; within limits that may depend on a baseline."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meristem.objective import Goals
from meristem.store.rows import TrialRow
from meristem.study.leaders import Leaders


def ended(number: int, origin: dict[str, Any] | None = None, status: str = "completed", **metrics: float) -> TrialRow:
    return TrialRow(number=number, status=status, parameters={}, metrics=metrics, loss=0.0, origin=origin or {})


def numbers(leaders: Leaders) -> list[int]:
    return [row.number for row in leaders.rows]


def test_the_earlier_of_equals_is_the_best_and_since_counts_from_the_last_change() -> None:
    leaders = Leaders(Goals.parse("a"))
    for number, value in enumerate([1.0, 3.0, 3.0, 2.0], start=1):
        leaders.take(ended(number, a=value))
    leaders.take(ended(5, status="failed", a=9.0))
    assert leaders.best is not None
    assert (leaders.best.number, leaders.since) == (2, 3)


def test_a_trial_beyond_a_limit_does_not_lead() -> None:
    leaders = Leaders(Goals.parse("a", ["size <= 10"]))
    leaders.take(ended(1, a=9.0, size=11.0))
    leaders.take(ended(2, a=8.0))  # its size is not known
    assert numbers(leaders) == []
    leaders.take(ended(3, a=1.0, size=10.0))
    assert numbers(leaders) == [3]


def test_a_baseline_that_comes_late_decides_about_all() -> None:
    leaders = Leaders(Goals.parse("a", ["size <= 1.5 * baseline"]))
    leaders.take(ended(1, a=9.0, size=8.0))
    leaders.take(ended(2, a=5.0, size=5.0))
    assert numbers(leaders) == []
    leaders.take(ended(4, {"by": "user", "baseline": True}, a=0.0, size=6.0))
    assert numbers(leaders) == [1]
    leaders.take(ended(5, {"by": "user", "baseline": True}, a=0.0, size=1.0))  # the first that is marked counts
    assert numbers(leaders) == [1]
    leaders.take(ended(3, {"by": "center", "baseline": True}, a=1.0, size=4.0))  # in whatever order they end
    assert numbers(leaders) == [2]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=30))
def test_the_front_is_what_nothing_else_beats(points: list[tuple[int, int]]) -> None:
    leaders = Leaders(Goals.parse("a, -b"))
    for number, (a, b) in enumerate(points, start=1):
        leaders.take(ended(number, a=float(a), b=float(b)))
    front = {points[n - 1] for n in numbers(leaders)}
    beaten = {p for p in points for q in points if q != p and q[0] >= p[0] and q[1] <= p[1]}
    assert front == set(points) - beaten
    assert len(numbers(leaders)) == len(front)  # the first of equals stands for all
