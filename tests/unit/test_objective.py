"""Objectives and limits: how they are written, and what metrics mean for them."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import InputError
from meristem.objective import Goals, Objective, OutcomeConstraint


@pytest.mark.parametrize(
    ("text", "metric", "maximize", "value"),
    [
        ("accuracy", "accuracy", True, 0.5),
        (" -loss ", "loss", False, 2.0),
        ("-val/loss-1", "val/loss-1", False, 7.0),
        ("-`val loss`", "val loss", False, 8.0),
        ("2*accuracy - loss", "2*accuracy - loss", True, -1.0),
        ("-2*loss", "-2*loss", True, -4.0),
        ("accuracy - (loss - 2*accuracy)", "accuracy - (loss - 2*accuracy)", True, -0.5),
    ],
)
def test_an_objective_is_a_metric_or_a_weighted_sum(text: str, metric: str, maximize: bool, value: float) -> None:
    objective = Objective.parse(text)
    metrics = {"accuracy": 0.5, "loss": 2.0, "val/loss-1": 7.0, "val loss": 8.0}
    assert (objective.metric, objective.maximize) == (metric, maximize)
    assert objective.value(metrics) == value
    assert objective.loss(value) == (-value if maximize else value)
    assert objective.value({}) is None
    assert Objective.parse(str(objective)) == objective


@pytest.mark.parametrize("text", ["", "-", "a b", "a*b", "a + 1", "a <= 1", "f(a)", "a - a", 5, None])
def test_what_is_no_objective_is_refused(text: object) -> None:
    with pytest.raises(InputError, match="objective"):
        Objective.parse(text)  # type: ignore[arg-type]


def test_standard_errors_add_up() -> None:
    assert Objective.parse("2*a - b").sem({"a": 0.3, "b": 0.8}) == pytest.approx(1.0)
    assert Objective.parse("-a").sem({"b": 1.0}) is None


@pytest.mark.parametrize(
    ("text", "latency", "excess"),
    [
        ("latency <= 10", 12.0, 2.0),
        ("10 >= latency", 9.0, -1.0),
        ("latency >= 10", 12.0, -2.0),
        ("latency <= 1.5 * baseline", 8.0, 2.0),
        ("latency >= 0.5 * baseline", 1.0, 1.0),
        ("0.5*baseline <= latency", 1.0, 1.0),
        ("2*latency <= baseline + 6", 5.0, 0.0),
        ("latency - 0.5*size <= 1.5 * baseline", 8.0, 5.5),
        ("latency - 0.5*size >= 0.5 * baseline", 1.0, 0.5),
    ],
)
def test_a_limit_tells_by_how_much_it_is_broken(text: str, latency: float, excess: float) -> None:
    limit = OutcomeConstraint.parse(text)
    found = limit.excess({"latency": latency, "size": 2.0}, {"latency": 4.0, "size": 6.0})
    assert found == pytest.approx(excess)


@pytest.mark.parametrize(
    ("text", "kept", "broken"),
    [
        ("errors < 1", 0.0, 1.0),
        ("errors > 1", 2.0, 1.0),
        ("1 > errors", 0.0, 1.0),
        ("errors < 0", -1.0, 0.0),
        ("errors < 0.5 * baseline", 1.0, 2.0),
        ("errors < 1e300", 0.0, 1e300),
    ],
)
def test_what_must_be_below_breaks_its_limit_where_it_is_equal(text: str, kept: float, broken: float) -> None:
    goals, baseline = Goals.parse("-loss", [text]), {"errors": 4.0}
    assert goals.keeps_limits({"errors": kept}, baseline)
    assert not goals.keeps_limits({"errors": broken}, baseline)
    or_equal = Goals.parse("-loss", [text.replace("<", "<=").replace(">", ">=")])
    assert or_equal.keeps_limits({"errors": broken}, baseline)


@pytest.mark.parametrize(
    ("text", "baseline", "limit"),
    [
        ("loss <= 1.1 * baseline", 10.0, 11.0),
        ("loss <= 1.1 * baseline", -10.0, -9.0),
        ("loss <= 0.9 * baseline", -10.0, -11.0),
        ("loss >= 0.9 * baseline", -10.0, -11.0),
        ("loss >= 1.1 * baseline", -10.0, -9.0),
        ("loss <= baseline + 1", -10.0, -9.0),
        ("loss <= 2 * baseline", 0.0, 0.0),
        ("2*loss <= 1.1 * baseline", -10.0, -4.5),
        ("loss - 1.1 * baseline <= 0", -10.0, -9.0),
    ],
)
def test_a_share_of_a_negative_baseline_is_as_far_above_or_below_it_as_of_a_positive_one(
    text: str, baseline: float, limit: float
) -> None:
    constraint, at_baseline = OutcomeConstraint.parse(text), {"loss": baseline}
    side = -1.0 if ">=" in text else 1.0
    for loss in (limit - 0.5, limit + 0.5):
        excess = constraint.excess({"loss": loss}, at_baseline)
        assert excess is not None
        assert (excess > 0) == (side * (loss - limit) > 0)
    assert constraint.excess({"loss": limit}, at_baseline) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("text", "excess"),
    [
        ("a - b <= 1.5 * baseline", -2.0),  # the sum is 1, at the baseline 2
        ("a - b >= 1.5 * baseline", 2.0),
        ("1.5 * baseline >= a - b", -2.0),
        ("a - b <= -0.5 * baseline", 2.0),
        ("a - b >= -0.5 * baseline", -2.0),
        ("-0.5 * baseline <= a - b", -2.0),
        ("b - a <= 1.5 * baseline", 0.0),  # the sum is -1, at the baseline -2, half of which more is -1
        ("a - b - 1.5 * baseline <= 0", -2.0),
    ],
)
def test_a_sum_is_compared_with_a_share_of_itself_as_it_is_written(text: str, excess: float) -> None:
    limit = OutcomeConstraint.parse(text)
    assert limit.excess({"a": 4.0, "b": 3.0}, {"a": 5.0, "b": 3.0}) == pytest.approx(excess)


def test_a_share_of_a_sum_that_stands_on_both_sides_is_refused() -> None:
    with pytest.raises(InputError, match=r"'a <= b \+ 1.1 \* baseline' has metrics on both sides.*a - b <= 1.1"):
        OutcomeConstraint.parse("a <= b + 1.1 * baseline")
    assert OutcomeConstraint.parse("a <= b + 1").excess({"a": 2.0, "b": 3.0}) == -2.0
    assert OutcomeConstraint.parse("2*a <= a + baseline").excess({"a": 2.0}, {"a": 1.0}) == 1.0


def test_a_relative_limit_is_unknown_without_a_baseline_and_any_without_its_metrics() -> None:
    relative, plain = OutcomeConstraint.parse("a <= 1.1*baseline"), OutcomeConstraint.parse("a <= 1")
    assert relative.relative
    assert not plain.relative
    assert relative.excess({"a": 1.0}) is None
    assert plain.excess({"b": 1.0}) is None
    assert plain.excess({"a": math.nan}) is None
    goals = Goals.parse("-b", ["a <= 1.1*baseline"])
    assert not goals.keeps_limits({"a": 1.0})
    assert goals.keeps_limits({"a": 1.0}, {"a": 1.0})


def test_several_objectives_give_several_losses_or_none() -> None:
    goals = Goals.parse("acc, -latency", ["size <= 3"], {"latency": 20})
    assert goals.losses({"acc": 0.5, "latency": 7.0}) == (-0.5, 7.0)
    assert goals.losses({"acc": 0.5}) is None
    assert goals.losses({"acc": 0.5, "latency": math.inf}) is None
    assert goals.reference() == (None, 20.0)
    assert goals.metrics == ("acc", "latency", "size")
    assert not goals.single
    assert str(goals) == "acc, -latency"


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Goals.parse("a b, c, -c", ["d", "baseline <= 3", 7], {"e": 1, "c": math.nan})  # type: ignore[list-item]
    assert len(caught.value.problems) == 7
    for part in ("'a b'", "'c' stands there twice", "'d'", "names no metric", "not int", "'e'", "finite number"):
        assert part in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_an_objective_or_refused(text: str) -> None:
    with contextlib.suppress(InputError):
        assert Objective.parse(text).terms


def test_several_objectives_may_be_a_list() -> None:
    assert Goals.parse(["a", "-b"]) == Goals.parse("a, -b")
    with pytest.raises(InputError, match="must be text"):
        Goals.parse(["a", 3])  # type: ignore[list-item]


def test_a_comma_in_a_quoted_name_parts_nothing() -> None:
    assert [o.metric for o in Goals.parse("`a, b`, -`c`").objectives] == ["a, b", "c"]
