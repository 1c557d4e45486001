"""What an outcome means for a trial: a pure decision."""

from __future__ import annotations

import math
from typing import Any

import pytest

from meristem.objective import Goals
from meristem.spool import LastValues, Measurement
from meristem.study.protocols import Outcome, OutcomeStatus
from meristem.study.verdict import Verdict, judge

NOTHING = LastValues()
ONE, TWO = Goals.parse("-loss"), Goals.parse("acc, -latency")


def completed(score: Any, goals: Goals = ONE, reported: LastValues = NOTHING) -> Verdict:
    return judge(Outcome(status=OutcomeStatus.COMPLETED, score=score), goals, reported)


@pytest.mark.parametrize(
    ("score", "loss", "sems"),
    [
        (0.5, 0.5, {}),
        ({"loss": 0.5, "size": 3}, 0.5, {}),
        ((0.5, 0.1), 0.5, {"loss": 0.1}),
        ({"loss": [0.5, 0.1]}, 0.5, {"loss": 0.1}),
    ],
)
def test_a_number_a_pair_or_a_mapping_is_a_result(score: Any, loss: float, sems: dict[str, float]) -> None:
    verdict = completed(score)
    assert (verdict.status, verdict.loss, verdict.sems) == ("completed", loss, sems)


@pytest.mark.parametrize(("objective", "loss"), [("2*acc", -1.0), ("-0.5*acc", 0.25)])
def test_a_plain_number_is_the_metric_of_an_objective_that_weighs_it(objective: str, loss: float) -> None:
    for score in (0.5, (0.5, 0.1), {"acc": 0.5}):
        verdict = completed(score, Goals.parse(objective))
        assert (verdict.status, verdict.loss, verdict.metrics) == ("completed", loss, {"acc": 0.5})


def test_what_was_reported_counts_and_what_is_returned_counts_more() -> None:
    reported = LastValues(
        [Measurement(metric="loss", value=2.0, step=1, sem=0.5), Measurement(metric="size", value=7.0)]
    )
    assert completed(None, reported=reported).metrics == {"loss": 2.0, "size": 7.0}
    verdict = completed({"loss": 1.0}, reported=reported)
    assert verdict.metrics == {"loss": 1.0, "size": 7.0}
    assert verdict.sems == {}  # that of an earlier value


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, -(10**400)])
def test_a_value_that_no_search_can_use_fails_the_trial_and_is_kept(value: float) -> None:
    verdict = completed({"loss": value})
    assert (verdict.status, verdict.loss, verdict.missing) == ("failed", None, ())
    assert "which no search can use" in (verdict.error or "")
    assert not math.isfinite(verdict.metrics["loss"])


@pytest.mark.parametrize(
    ("score", "told", "missing"),
    [
        ({"lossy": 1.0}, "'loss' is missing: it gave 'lossy'. The names differ: give both the same", ("loss",)),
        ({"other": 1.0}, "'loss' is missing: it gave 'other'.", ("loss",)),
        (True, r"returned True \(bool\)", ()),
        ([1], r"returned \[1\] \(list\)", ()),
        ({"loss": "high"}, "loss='high'", ()),
        ({"x" * 600: 1.0}, "more than 500 characters", ()),
        (None, "it gave no metrics", ()),
    ],
)
def test_a_result_that_is_none_says_what_it_was(score: Any, told: str, missing: tuple[str, ...]) -> None:
    import re

    verdict = completed(score)
    assert verdict.status == "failed"
    assert re.search(told, verdict.error or "")
    assert verdict.missing == missing


def test_several_objectives_must_all_be_there() -> None:
    assert completed({"acc": 0.5, "latency": 3.0}, TWO).loss == -0.5
    verdict = completed({"acc": 0.5}, TWO)
    assert (verdict.status, verdict.loss, verdict.missing) == ("failed", None, ("latency",))
    assert completed(0.5, TWO).status == "failed"  # whose number would it be?


def test_a_stopped_trial_keeps_what_it_measured() -> None:
    reported = LastValues([Measurement(metric="loss", value=2.0, step=1)])
    verdict = judge(Outcome(status=OutcomeStatus.STOPPED, error="hopeless"), ONE, reported)
    assert (verdict.status, verdict.loss, verdict.error) == ("stopped", 2.0, "hopeless")
    assert judge(Outcome(status=OutcomeStatus.STOPPED), ONE, NOTHING).loss is None


def test_any_other_score_is_kept_as_it_is() -> None:
    reported = LastValues([Measurement(metric="loss", value=2.0)])
    verdict = completed([1, {"a": 2}], reported=reported)
    assert (verdict.status, verdict.score) == ("completed", [1, {"a": 2}])
    assert completed(0.25).score == 0.25
