"""Health checks: what they find, and that they keep silent where nothing is wrong."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import meristem as ms
from meristem.bayesopt.cross_validation import CrossValidation
from meristem.reports.analyses.cross_validation import cross_validation, over_confident
from meristem.reports.analyses.trace import trace
from meristem.reports.card import Level
from meristem.reports.evidence import Evidence
from meristem.reports.health.boundary import boundary, edge_of
from meristem.reports.health.duplicates import duplicates
from meristem.reports.health.exhausted import exhausted
from meristem.reports.health.failing_region import failing_region, worst_regions
from meristem.reports.health.fit import fit
from meristem.reports.health.improvement import improvement
from meristem.reports.health.measuring import measuring
from meristem.reports.health.noise import noise
from meristem.reports.markdown import markdown_of
from meristem.reports.page import page_of


def study_of(function: Any, count: int = 30, **options: Any) -> ms.Study:
    """`function` of a trial gives the loss, or raises as the trial fails."""
    given = {"space": {"x": ms.Float(0, 1), "k": ms.Choice(["a", "b", "c"])}, "controller": "random", "seed": 3}
    study = ms.Study("s", objective="-loss", **{**given, **options})
    for _ in range(count):
        trial = study.ask()
        try:
            study.tell(trial, loss=function(trial))
        except ArithmeticError as error:
            study.tell(trial, failed=f"ArithmeticError: {error}")
    return study


def fails_with_b(trial: ms.Trial) -> float:
    if trial["k"] == "b":
        raise ArithmeticError("b does not work")
    return float(trial["x"])


def test_failures_are_grouped_by_reason_without_their_numbers(made: Any) -> None:
    card = measuring(made.study("failed"))
    assert card.level is Level.ERROR
    assert card.table is not None
    assert [row[:2] for row in card.table.rows] == [["failed: boom …", 12]]


def test_metrics_that_are_missing_or_no_numbers_are_told(made: Any) -> None:
    card = measuring(made.study("mixed"))
    assert card.level is Level.WARNING
    assert card.table is not None
    said = " ".join(row[0] for row in card.table.rows)
    assert "size is missing" in said
    assert "accuracy was NaN" in said


def test_a_value_with_which_trials_fail_is_found() -> None:
    card = failing_region(study_of(fails_with_b))
    assert card.level is Level.WARNING
    assert card.table is not None
    assert card.table.rows[0][:2] == ["k", "= b"]


def test_failures_by_chance_are_tied_to_no_value() -> None:
    draw = random.Random(0)

    def fails_sometimes(trial: ms.Trial) -> float:
        if draw.random() < 0.3:
            raise ArithmeticError("bad luck")
        return float(trial["x"])

    assert failing_region(study_of(fails_sometimes, 40)).level is Level.GOOD


def test_a_region_must_be_worse_than_chance_in_all_that_was_looked_at() -> None:
    failed = np.array([True] * 5 + [False] * 7)  # by chance, those five fail once in 792 times
    assert worst_regions([("x", "up to 1", failed)], failed)[0][2:4] == [5, 5]
    assert worst_regions([("x", "up to 1", failed)] * 10, failed) == []


def test_a_best_value_at_the_end_of_its_range_is_told() -> None:
    study = ms.Study("s", space={"x": ms.Float(1, 100, log=True), "y": ms.Float(0, 1)}, objective="-loss", seed=1)
    for number in range(10):
        study.attach({"x": 1.0 + 0.01 * number if number < 6 else 50.0, "y": 0.1 * number}, loss=float(number))
    card = boundary(study)
    assert card.level is Level.WARNING
    assert "x (lower end, 1)" in card.note
    assert "y" not in card.note.split(":")[0].split()
    study.attach({"x": 10.0, "y": 0.5}, loss=-1.0)
    assert boundary(study).level is Level.GOOD


@pytest.mark.parametrize(
    ("places", "side"),
    [([0.01, 0.0, 0.9], -1), ([0.01, 0.5, 0.9], 0), ([0.5, 0.99, 0.99], 0), ([0.99, 1.0], 1), ([np.nan, 0.0], 0)],
)
def test_the_best_and_half_of_the_good_must_lie_at_an_edge(places: list[float], side: int) -> None:
    assert edge_of(np.array(places), 0.02) == side


def test_the_gain_over_the_baseline_counts_in_the_objectives_sense() -> None:
    study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="-loss", controller="random", seed=1)
    study.enqueue({"x": 0.5}, baseline=True)
    for value in (4.0, 3.0, 5.0):
        study.tell(study.ask(), loss=value)
    card = improvement(study)
    assert card.level is Level.GOOD
    assert card.table is not None
    assert list(card.table.rows[0]) == ["loss", 4.0, 3.0, 2, 1.0, 0.25, None]


def test_a_gain_within_the_error_of_measuring_is_none() -> None:
    study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="-loss", controller="random", seed=1)
    study.enqueue({"x": 0.5}, baseline=True)
    for value in (4.0, 3.9):
        study.tell(study.ask(), loss=(value, 0.1))
    assert improvement(study).level is Level.WARNING


def test_what_cannot_be_predicted_is_told() -> None:
    draw = random.Random(0)
    assert fit(study_of(lambda trial: draw.random(), 25)).level is Level.WARNING
    assert fit(study_of(lambda trial: trial["x"] ** 2, 25)).level is Level.GOOD


def validation(count: int, inside: float) -> CrossValidation:
    """Values that are well predicted, of which a share lies inside 95 % intervals."""
    observed = np.arange(count, dtype=float)
    wrong = np.where(np.arange(count) < round(inside * count), 0.1, 3.0)
    return CrossValidation(observed=observed, mean=observed + 0.1 * wrong, std=np.full(count, 0.1))


@pytest.mark.parametrize(
    ("count", "inside", "found"),
    [(330, 0.726, True), (30, 0.7, True), (30, 0.84, False), (20, 0.5, False), (2000, 0.9, False), (100, 1.0, False)],
)
def test_intervals_that_hold_far_too_few_values_are_over_confident(count: int, inside: float, found: bool) -> None:
    assert over_confident(validation(count, inside)) is found


def test_an_over_confident_model_is_told_with_how_much_its_intervals_hold(made: Any) -> None:
    evidence = Evidence(study_of(lambda trial: trial["x"] ** 2, 25))
    (objective,) = evidence.goals.objectives
    evidence.once("validation", objective, lambda: validation(50, 0.6))
    card = fit(evidence)
    assert card.level is Level.WARNING
    assert card.note == "Over-confident, intervals are too narrow: loss (60 % inside 95 % intervals)."
    assert "over-confident" in cross_validation(evidence).note


def test_few_failures_are_too_few_to_tell() -> None:
    def fails_at_first(times: int) -> Any:
        def function(trial: ms.Trial) -> float:
            if trial.number <= times:
                raise ArithmeticError("boom")
            return float(trial["x"])

        return function

    for times, count in ((1, 30), (2, 30), (3, 6)):
        card = failing_region(study_of(fails_at_first(times), count))
        assert card.level is Level.INFO
        assert card.note.startswith(f"{times} of {count} trials failed: too few to tell")
    assert failing_region(study_of(fails_at_first(0))).note == "No trial has failed."


def test_a_check_without_a_verdict_has_a_badge_of_its_own(made: Any) -> None:
    card = improvement(made.study("one"))
    assert card.level is Level.INFO
    assert '<span class="badge info">Note</span>' in page_of("t", (), [card])
    assert "### ℹ Improvement" in markdown_of("t", (), [card])
    assert 'class="badge' not in page_of("t", (), [trace(made.study("one"))])


def test_a_finite_space_that_is_used_up_is_told() -> None:
    space = {"k": ms.Choice(["a", "b", "c"])}
    card = exhausted(study_of(lambda trial: 1.0, 3, space=space, controller="grid"))
    assert card.level is Level.WARNING
    assert "3 of 3 points" in card.note


def test_repeated_points_are_counted_and_tell_of_noise() -> None:
    study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="-loss", controller="random", seed=1)
    for value in (1.0, 3.0, 1.0, 3.0):
        study.attach({"x": 0.5}, loss=value)
    study.attach({"x": 0.1}, loss=2.0)
    card = duplicates(study)
    assert card.level is Level.WARNING
    assert "3 of 5 trials" in card.note
    loud = noise(study)
    assert loud.level is Level.WARNING
    assert loud.table is not None
    assert loud.table.rows[0][:2] == ["repeated points", pytest.approx((4 / 3) ** 0.5)]


def test_a_smooth_objective_is_not_called_noisy() -> None:
    assert noise(study_of(lambda trial: trial["x"] ** 2, 20)).level is Level.GOOD
